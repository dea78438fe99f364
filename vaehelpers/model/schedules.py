"""Schedules for the weight of the KL term."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from vaehelpers.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Schedule:
    """beta as a function of the training step. Call it: ``schedule(step) -> float``.

    Subclasses are frozen dataclasses of plain numbers, so a schedule is saved as JSON; `get_schedule` reads it.

    Examples
    --------
    >>> linear_warmup(100).get_config()
    {'name': 'linear_warmup', 'steps': 100, 'beta': 1.0, 'start': 0.0}
    """

    name: ClassVar[str] = ""

    def __call__(self, step: int) -> float:
        """Return beta at this step, counted from 0."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return name and parameters as plain JSON."""
        return {"name": self.name, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class Constant(Schedule):
    """The same beta throughout; see `constant`.

    Examples
    --------
    >>> Constant(0.5)(1_000)
    0.5
    """

    name: ClassVar[str] = "constant"
    beta: float = 1.0

    def __post_init__(self) -> None:
        _not_negative("beta", self.beta)

    def __call__(self, step: int) -> float:
        return float(self.beta)


@dataclasses.dataclass(frozen=True)
class LinearWarmup(Schedule):
    """beta rises in a straight line, then stays; see `linear_warmup`.

    Examples
    --------
    >>> [LinearWarmup(10)(step) for step in (0, 5, 10, 20)]
    [0.0, 0.5, 1.0, 1.0]
    """

    name: ClassVar[str] = "linear_warmup"
    steps: int = 500
    beta: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        _whole("steps", self.steps)
        _not_negative("beta", self.beta)
        _not_negative("start", self.start)

    def __call__(self, step: int) -> float:
        share = min(max(step / self.steps, 0.0), 1.0)
        return float(self.start + (self.beta - self.start) * share)


@dataclasses.dataclass(frozen=True)
class Cyclical(Schedule):
    """beta rises again and again; see `cyclical`.

    Examples
    --------
    >>> [Cyclical(10, 0.5)(step) for step in (0, 4, 5, 9, 10)]
    [0.0, 0.8, 1.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "cyclical"
    period: int = 500
    ratio: float = 0.5
    beta: float = 1.0
    cycles: int | None = None

    def __post_init__(self) -> None:
        _whole("period", self.period)
        _not_negative("beta", self.beta)
        if not 0 < self.ratio <= 1:
            raise InputError(f"ratio={self.ratio!r} must be above 0 and at most 1")
        if self.cycles is not None:
            _whole("cycles", self.cycles)

    def __call__(self, step: int) -> float:
        if self.cycles is not None and step >= self.cycles * self.period:
            return float(self.beta)
        share = (max(step, 0) % self.period) / self.period
        return float(self.beta * min(share / self.ratio, 1.0))


_SCHEDULES: dict[str, type[Schedule]] = {cls.name: cls for cls in (Constant, LinearWarmup, Cyclical)}


def _not_negative(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise InputError(f"{name}={value!r} must be a number of at least 0")


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1 or value < 1:
        raise InputError(f"{name}={value!r} must be a whole number of at least 1")


def constant(beta: float = 1.0) -> Constant:
    """beta does not change. Values above 1 give the beta-VAE (Higgins et al. 2017).

    Parameters
    ----------
    beta : float, default 1.0
        At least 0.

    Returns
    -------
    Constant
        ``schedule(step) -> float``.

    Raises
    ------
    InputError
        If beta is negative.

    Notes
    -----
    Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> constant(0.5)(7)
    0.5
    """
    return Constant(beta)


def linear_warmup(steps: int, beta: float = 1.0, start: float = 0.0) -> LinearWarmup:
    """beta rises from `start` to `beta` over the first `steps` steps, then stays.

    Parameters
    ----------
    steps : int
        At least 1. A third of the training is a good length.
    beta : float, default 1.0
        Where it ends.
    start : float, default 0.0
        Where it begins.

    Returns
    -------
    LinearWarmup
        ``schedule(step) -> float``.

    Raises
    ------
    InputError
        If steps is below 1, or beta or start negative.

    Notes
    -----
    The decoder learns to use the latent before the KL charges for it (Bowman et al. 2016, section 3.1).
    Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> schedule = linear_warmup(500)
    >>> schedule(0), schedule(250), schedule(2_000)
    (0.0, 0.5, 1.0)
    """
    return LinearWarmup(steps, beta, start)


def cyclical(period: int, ratio: float = 0.5, beta: float = 1.0, cycles: int | None = None) -> Cyclical:
    """beta rises from 0 to `beta` at the start of each period, stays there until its end, and starts again.

    Parameters
    ----------
    period : int
        Steps of one cycle.
    ratio : float, default 0.5
        Share of a cycle in which beta rises; above 0, at most 1.
    beta : float, default 1.0
        Highest value.
    cycles : int, optional
        Stay at `beta` after so many cycles. Default: go on for ever.

    Returns
    -------
    Cyclical
        ``schedule(step) -> float``.

    Raises
    ------
    InputError
        If a value is outside its range.

    Notes
    -----
    Fu et al. (2019), equations 6 and 7, with four cycles and a ratio of one half. Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> schedule = cyclical(100, ratio=0.5)
    >>> schedule(25), schedule(75), schedule(100)
    (0.5, 1.0, 0.0)
    """
    return Cyclical(period, ratio, beta, cycles)


def get_schedule(schedule: float | str | Mapping[str, Any] | Schedule) -> Schedule:
    """Return a schedule by config or name; a number is a constant, an object is passed through.

    Parameters
    ----------
    schedule : float, str, mapping or Schedule
        ``{"name": ..., parameter: value}`` as `Schedule.get_config` returns it.

    Returns
    -------
    Schedule

    Raises
    ------
    InputError
        If the name or a parameter is unknown, or a value cannot be used.

    Notes
    -----
    Taught in 04b_collapse.ipynb.

    Examples
    --------
    >>> get_schedule({"name": "cyclical", "period": 100})
    Cyclical(period=100, ratio=0.5, beta=1.0, cycles=None)
    >>> get_schedule(2.0)
    Constant(beta=2.0)
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, (int, float)) and not isinstance(schedule, bool):
        return Constant(float(schedule))
    if isinstance(schedule, str):
        schedule = {"name": schedule}
    if not isinstance(schedule, Mapping):
        raise InputError(f"schedule={schedule!r} must be a number, a name, a config or a Schedule")
    parameters = dict(schedule)
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in _SCHEDULES:
        raise InputError(f"schedule {name!r} is not known; known are {', '.join(sorted(_SCHEDULES))}")
    known = [field.name for field in dataclasses.fields(_SCHEDULES[name])]
    unknown = sorted(str(key) for key in set(parameters) - set(known))
    if unknown:
        raise InputError(f"schedule {name!r} has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
    return _SCHEDULES[name](**parameters)
