"""Zero mean and unit variance by the training part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.common.precision import narrow
from vaehelpers.data.series import Series


class Scaler:
    """Shift each variable to mean 0 and scale it to standard deviation 1, leaving missing values out.

    Statistics are float64; what comes out is float32. A variable that is constant, or never seen, in what it was fitted
    on keeps its scale (standard deviation 1) and earns a note. Fit on the training part alone: statistics of the whole
    series let the anomalies set the scale by which they are judged.

    Attributes
    ----------
    mean_, std_ : ndarray of float64, shape (F,)
    notes_ : list of str

    See Also
    --------
    sklearn.preprocessing.StandardScaler : the same idea, without the notes and the JSON.

    Notes
    -----
    Taught in notebooks/01_windowing.ipynb.

    Examples
    --------
    >>> scaler = Scaler().fit([1.0, 3.0, float("nan")])
    >>> scaler.transform([1.0, 3.0, float("nan")]).ravel()
    array([-1.,  1., nan], dtype=float32)
    >>> scaler.inverse_transform([0.0]).ravel()
    array([2.], dtype=float32)
    >>> Scaler.from_dict(scaler.to_dict()).to_dict()
    {'mean': [2.0], 'std': [1.0]}
    """

    mean_: NDArray[np.float64]
    std_: NDArray[np.float64]
    notes_: list[str]

    def fit(self, values: ArrayLike | Series) -> Scaler:
        """Learn mean and standard deviation of each variable.

        Parameters
        ----------
        values : Series or array-like, shape (n,) or (n, F)

        Returns
        -------
        Scaler
            Itself.
        """
        x = _as_columns(values)
        present = ~np.isnan(x)
        count = present.sum(axis=0)
        total = np.where(present, x, 0.0)
        mean = total.sum(axis=0) / np.maximum(count, 1)
        deviation = np.where(present, x - mean, 0.0)
        std = np.sqrt((deviation**2).sum(axis=0) / np.maximum(count, 1))
        names = values.columns if isinstance(values, Series) else [f"variable {j}" for j in range(x.shape[1])]
        self.notes_ = []
        for j, name in enumerate(names):
            if count[j] == 0:
                self.notes_.append(f"{name} has no value in what was fitted on; it keeps its scale")
            elif std[j] <= 1e-12 * max(1.0, abs(mean[j])):
                self.notes_.append(f"{name} is constant in what was fitted on; it keeps its scale")
                std[j] = 0.0
        self.mean_, self.std_ = mean, np.where(std > 0, std, 1.0)
        return self

    def transform(self, values: ArrayLike | Series) -> NDArray[np.float32]:
        """Scale: ``(values - mean) / std``, float32 of shape (n, F); missing values stay NaN."""
        x = self._checked(values)
        x -= self.mean_
        x /= self.std_
        return x.astype(np.float32)

    def inverse_transform(self, values: ArrayLike | Series) -> NDArray[np.float32] | NDArray[np.float64]:
        """Back to the units of the series: ``values * std + mean``, shape (n, F).

        Float32, or float64 where float32 has too few digits for a deviation beside its mean.
        """
        x = self._checked(values)
        x *= self.std_
        x += self.mean_
        return narrow(x)

    def to_dict(self) -> dict[str, list[float]]:
        """As plain JSON: ``{"mean": [...], "std": [...]}``; floats survive the round trip bit by bit."""
        self._check_fitted()
        return {"mean": self.mean_.tolist(), "std": self.std_.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Scaler:
        """Make a scaler of what `to_dict` gave.

        Raises
        ------
        InputError
            If mean and std are not two lists of as many finite numbers, or a std is not above 0.
        """
        try:
            lists = [[float(number) for number in state[key]] for key in ("mean", "std")]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the scaler's settings are damaged ({error!r}); fit again") from error
        mean, std = lists
        if not mean or len(mean) != len(std) or not all(map(math.isfinite, mean + std)) or min(std) <= 0:
            raise InputError(
                f"the scaler's settings are damaged ({len(mean)} means, {len(std)} standard deviations, all must be "
                f"finite and the latter above 0); fit again"
            )
        scaler = cls()
        scaler.mean_, scaler.std_, scaler.notes_ = np.array(mean), np.array(std), []
        return scaler

    def _check_fitted(self) -> None:
        if not hasattr(self, "mean_"):
            raise InputError("the scaler is not fitted; call fit(values) first")

    def _checked(self, values: ArrayLike | Series) -> NDArray[np.float64]:
        self._check_fitted()
        x = _as_columns(values).copy()
        if x.shape[1] != len(self.mean_):
            raise InputError(f"{x.shape[1]} variables, but the scaler was fitted on {len(self.mean_)}; give as many")
        return x


def _as_columns(values: ArrayLike | Series) -> NDArray[np.float64]:
    """Shape (n, F); unlike a series, scaled values may be any floats, and no rows are fine."""
    x = np.asarray(values.values if isinstance(values, Series) else values, dtype=np.float64)
    if x.ndim not in (1, 2):
        raise InputError(f"values with {x.ndim} dimensions; give shape (n,) or (n, features)")
    return x[:, None] if x.ndim == 1 else x
