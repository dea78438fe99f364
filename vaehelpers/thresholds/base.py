"""The base of every threshold rule, and the rules by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vaehelpers.common.checks import Reader, guess
from vaehelpers.common.errors import InputError
from vaehelpers.thresholds.checks import _RULES, Bools, Floats, _as_scores
from vaehelpers.thresholds.dependence import extremal_index

_SMALLEST_P = float(np.finfo(np.float64).tiny)


THRESHOLDS: dict[str, type[Threshold]] = {}
"""Every rule by its name; a rule enters by `rule`."""

Rule = TypeVar("Rule", bound="type[Threshold]")


def rule(kind: Rule) -> Rule:
    """Enter a rule under its name: a decorator for classes derived from `Threshold`."""
    THRESHOLDS[kind.name] = kind
    _RULES.add(kind.name)
    return kind


class Threshold:
    """A rule that turns scores into flags; the base of every rule in `THRESHOLDS`.

    Attributes
    ----------
    name : str
        The rule's name in `THRESHOLDS`.
    threshold_ : float
        After `fit`: a score above it (not equal to it) is flagged. In units of the scores. For the sequential rules
        ``spot``, ``dspot`` and ``dynamic`` it is the line in force for the next row.
    notes_ : list of str
        After `fit`: what the reader of a report should know about the calibration scores. Often empty.

    Notes
    -----
    To write a rule of one's own, derive from this class, set `name`, take parameters by keyword in ``__init__`` and
    store them under their own names, and define ``_fit``, ``_p``, ``_state`` and ``_restore``.

    Examples
    --------
    >>> issubclass(THRESHOLDS["pot"], Threshold)
    True
    """

    name: ClassVar[str] = ""
    sequential: ClassVar[bool] = False
    """Whether `flags` depends on the rows before, and `update` changes the state."""

    _threshold: float | None = None
    notes_: list[str]

    @property
    def threshold_(self) -> float:
        """Score above which a row is flagged, float."""
        if self._threshold is None:
            raise InputError(f"this {self.name} threshold is not fitted; call fit(scores) first")
        return self._threshold

    @property
    def promised_rate(self) -> float | None:
        """Share of normal rows that the rule promises to flag at most on average; None where it promises nothing."""
        return None

    def fit(self, scores: ArrayLike) -> Self:
        """Draw the line on calibration scores.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Scores of rows that are normal as far as one knows, held back from training. NaN are ignored.

        Returns
        -------
        Threshold
            The same object, fitted.

        Raises
        ------
        InputError
            If `scores` is not one-dimensional, holds infinite values, or holds too few scores for this rule.

        Examples
        --------
        >>> from vaehelpers.thresholds.counting import QuantileThreshold
        >>> import numpy as np
        >>> QuantileThreshold(0.1).fit(np.arange(1, 20)).threshold_
        18.0
        """
        x = _as_scores(scores)
        if np.isinf(x).any():
            raise InputError(
                f"calibration score {int(np.flatnonzero(np.isinf(x))[0])} is infinite; leave it out or mend it"
            )
        x = x[~np.isnan(x)]
        needed, way_out = self._needs()
        if x.size < needed:
            raise InputError(f"{self!r} needs at least {needed} calibration scores, got {x.size}; {way_out}")
        self.notes_ = []
        if x.min() == x.max():
            self.notes_.append(f"All {x.size} calibration scores are equal: any higher score is flagged.")
        self._fit(x)
        return self

    def flags(self, scores: ArrayLike) -> Bools:
        """Say which rows are flagged.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Higher = more anomalous. NaN is never flagged; +inf is.

        Returns
        -------
        ndarray of bool, shape (n,)
            ``scores > threshold_``; the sequential rules run along the rows from the fitted state, which stays as
            it is, so that two calls agree.

        Examples
        --------
        >>> from vaehelpers.thresholds.counting import QuantileThreshold
        >>> QuantileThreshold(0.1).fit(range(1, 20)).flags([18, 18.5, float("nan")]).tolist()
        [False, True, False]
        """
        return _as_scores(scores) > self.threshold_

    def p_values(self, scores: ArrayLike) -> Floats:
        """Give each row the probability of a score at least as high among normal rows.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Higher = more anomalous.

        Returns
        -------
        ndarray of float64, shape (n,)
            In (0, 1], lower = more anomalous, NaN where the score is NaN. One row at a time: nothing here corrects
            for looking at many rows.

        Examples
        --------
        >>> from vaehelpers.thresholds import ConformalThreshold
        >>> ConformalThreshold(0.1).fit(range(1, 20)).p_values([0, 18.5, 100]).round(2).tolist()
        [1.0, 0.1, 0.05]
        """
        _ = self.threshold_
        x = _as_scores(scores)
        p = np.full(x.shape, np.nan)
        known = ~np.isnan(x)
        p[known] = np.clip(self._p(x[known]), _SMALLEST_P, 1.0)
        return p

    def update(self, score: float) -> bool:
        """Judge one more row of a stream; the sequential rules learn from it.

        Parameters
        ----------
        score : float
            The next row's score; NaN changes nothing.

        Returns
        -------
        bool
            Whether the row is flagged.

        Examples
        --------
        >>> from vaehelpers.thresholds.normal import KSigmaThreshold
        >>> KSigmaThreshold(k=2).fit([0.0, 1.0] * 10).update(5.0)
        True
        """
        return bool(float(score) > self.threshold_)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain JSON values: name, params, and the state where fitted.

        Returns
        -------
        dict
            ``{"name": str, "params": {...}, "state": {...} or None}``; `json.dumps` takes it as it is, and
            `Threshold.from_dict` gives back a rule that judges the same.

        Examples
        --------
        >>> from vaehelpers.thresholds.normal import KSigmaThreshold
        >>> KSigmaThreshold(k=2).fit([0.0, 1.0] * 10).to_dict()["params"]
        {'k': 2.0, 'false_alarm_rate': None}
        """
        state = None
        if self._threshold is not None:
            state = {"threshold": self._threshold, "notes": list(self.notes_), **self._state()}
        return {"name": self.name, "params": self._params(), "state": state}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a rule from what `to_dict` gave. Reads numbers and names only: no code runs.

        Parameters
        ----------
        data : mapping
            ``{"name", "params", "state"}``.

        Returns
        -------
        Threshold
            Of the class that the name says.

        Raises
        ------
        InputError
            If the name is unknown or another rule's, a key is missing or unknown, or a number is not finite, out
            of its range, or out of order.

        Examples
        --------
        >>> from vaehelpers.thresholds.normal import KSigmaThreshold
        >>> saved = KSigmaThreshold(k=2).fit([0.0, 1.0] * 10).to_dict()
        >>> Threshold.from_dict(saved)
        KSigmaThreshold(k=2.0)
        >>> Threshold.from_dict({"name": "ksigma", "params": {"k": float("nan")}, "state": None})
        Traceback (most recent call last):
        ...
        vaehelpers.InputError: k=nan in the ksigma threshold is not a finite number
        """
        if not isinstance(data, Mapping):
            raise InputError(f"a saved threshold is a mapping with name, params and state, not a {type(data).__name__}")
        reader = Reader(data, "the saved threshold")
        name = reader.text("name")
        params = reader.mapping("params")
        state = reader.take("state")
        reader.done()
        kind = _class_of(name)
        if not issubclass(kind, cls):
            raise InputError(f"the saved threshold is {name!r}, not {cls.name!r}; use Threshold.from_dict")
        threshold = make_threshold(name, **{str(key): value for key, value in params.items()})
        assert isinstance(threshold, cls)
        if state is not None:
            if not isinstance(state, Mapping):
                raise InputError(f"the state of the saved {name} threshold is not a mapping")
            reader = Reader(state, f"the saved {name} threshold")
            threshold._threshold = reader.number("threshold")
            threshold.notes_ = reader.texts("notes")
            threshold._restore(reader)
            reader.done()
        return threshold

    def __repr__(self) -> str:
        """Show the parameters that are not at their defaults."""
        defaults = {key: parameter.default for key, parameter in inspect.signature(type(self)).parameters.items()}
        shown = [f"{key}={value!r}" for key, value in self._params().items() if value != defaults[key]]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _params(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in inspect.signature(type(self)).parameters}

    def _needs(self) -> tuple[int, str]:
        return 10, "give it more rows"

    def _note_on_dependence(self, x: Floats) -> None:
        index = extremal_index(x) if x.size >= 100 else 1.0
        if index < 0.5:
            self.notes_.append(
                f"High calibration scores come in runs of about {1 / index:.0f} rows: the {x.size} scores tell about "
                f"as much as {max(1, round(index * x.size))} independent ones. Expect false alarms in such runs, and "
                "the realised rate to scatter around the promised one, or exceed it, accordingly."
            )

    def _fit(self, x: Floats) -> None:
        raise NotImplementedError

    def _p(self, x: Floats) -> Floats:
        raise NotImplementedError

    def _state(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, reader: Reader) -> None:
        raise NotImplementedError


def make_threshold(name: str, **params: Any) -> Threshold:
    """Build a rule by its name.

    Parameters
    ----------
    name : str
        A key of `THRESHOLDS`.
    **params
        The rule's own parameters.

    Returns
    -------
    Threshold
        Not fitted yet.

    Raises
    ------
    InputError
        If the name, or a parameter, is unknown (with the known ones), or a value is out of its range.

    Examples
    --------
    >>> make_threshold("pot", false_alarm_rate=1e-4)
    PotThreshold(false_alarm_rate=0.0001)
    >>> make_threshold("quantil")
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: unknown threshold 'quantil' (did you mean 'quantile'?); known: budget, conformal,
    dspot, dynamic, ksigma, mad, pot, quantile, spot
    """
    kind = _class_of(name)
    known = list(inspect.signature(kind).parameters)
    for key in params:
        if key not in known:
            raise InputError(
                f"the {name} threshold has no parameter {key!r}{guess(key, known)}; known: {', '.join(known)}"
            )
    return kind(**params)


def _class_of(name: str) -> type[Threshold]:
    kind = THRESHOLDS.get(name) if isinstance(name, str) else None
    if kind is None:
        known = sorted(THRESHOLDS)
        raise InputError(f"unknown threshold {name!r}{guess(str(name), known)}; known: {', '.join(known)}")
    return kind
