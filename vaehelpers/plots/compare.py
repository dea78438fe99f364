"""Figures that compare: methods, kinds of anomaly, variables, training runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaehelpers.plots.base import LIMIT, OKABE_ITO, SIGNAL, _as_is, _finish, _is_dates, _x, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_curves(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the loss and its two terms over the training steps.

    Parameters
    ----------
    history : DataFrame
        Columns ``step`` and any of ``loss``, ``nll``, ``kl``, ``val_loss``.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> history = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.2, 1.8]})
    >>> [line.get_label() for line in training_curves(history).get_lines()]
    ['training loss', 'held-back loss']
    """
    ax = ax if ax is not None else new_axes()[1]
    styles = {
        "loss": ("training loss", SIGNAL, "-", 1.6, ""),
        "val_loss": ("held-back loss", LIMIT, "--", 1.6, "o"),
        "nll": ("reconstruction term", OKABE_ITO["green"], "-.", 1.0, ""),
        "kl": ("KL term", OKABE_ITO["black"], ":", 1.3, ""),
    }
    for column, (label, colour, style, width, marker) in styles.items():
        if column not in history:
            continue
        points = history[["step", column]].dropna()
        if len(points):
            ax.plot(
                points["step"], points[column], linestyle=style, color=colour, linewidth=width, label=label,
                marker=marker, markersize=3.5,
            )  # fmt: skip
    drawn = history[[name for name in ("loss", "val_loss", "nll") if name in history]].to_numpy(dtype=float)
    tail = drawn[len(drawn) // 20 :]
    if np.isfinite(tail).any():
        # The first steps are far above the rest and would flatten it.
        low, high = np.nanmin(drawn), np.nanmax(tail)
        kl = history["kl"].max() if "kl" in history else low
        low, high = min(low, 0.0, float(kl)), max(high, float(kl))
        ax.set_ylim(low - 0.05 * (high - low), high + 0.08 * (high - low) + 1e-9)
    return _finish(ax, x="training step (batches)", y="loss (nats per value)")


def latent_kl(kl_per_dimension: np.ndarray, *, active: float = 0.01, ax: Axes | None = None) -> Axes:
    """Draw how many nats each latent dimension carries, the fullest first.

    Parameters
    ----------
    kl_per_dimension : ndarray of shape (d,)
        Mean over windows of KL(q(z_j | x) || N(0, 1)), in nats.
    active : float, default 0.01
        Below this a dimension counts as collapsed (nats); hatched.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = latent_kl(np.array([0.001, 2.0]))
    >>> [round(float(bar.get_height()), 3) for bar in ax.patches]
    [2.0, 0.001]
    """
    ax = ax if ax is not None else new_axes()[1]
    kl = np.asarray(kl_per_dimension, dtype=float)
    order = np.argsort(-kl, kind="stable")
    for position, dimension in enumerate(order):
        alive = kl[dimension] >= active
        ax.bar(
            position, kl[dimension], color=SIGNAL if alive else "white", edgecolor=SIGNAL if alive else LIMIT,
            hatch="" if alive else "xxx", label="in use" if alive else "collapsed", width=0.75,
        )  # fmt: skip
    ax.axhline(active, color="black", linestyle="--", linewidth=1.0, label=f"{active:g} nats")
    ax.set_xticks(range(len(kl)), [f"z{dimension}" for dimension in order])
    return _finish(ax, x="latent dimension", y="KL (nats per window)")


def contributions(
    shares: np.ndarray, columns: Sequence[str], *, events: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw which variables made each event: one row per event, one column per variable, shares in percent.

    Parameters
    ----------
    shares : ndarray of shape (E, F)
        Rows sum to 1.
    columns : sequence of str
        Names of the F variables.
    events : sequence of str, optional
        Names of the E events; default 1, 2, ...
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = contributions(np.array([[0.9, 0.1], [0.4, 0.6]]), ["flow", "pressure"])
    >>> [text.get_text() for text in ax.texts]
    ['90', '10', '40', '60']
    """
    shares = np.atleast_2d(np.asarray(shares, dtype=float))
    n_events, n_features = shares.shape
    ax = ax if ax is not None else new_axes(height=max(1.6, 0.32 * n_events + 1.3))[1]
    ax.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for row in range(n_events):
        for column in range(n_features):
            share = shares[row, column]
            if np.isfinite(share) and (n_features <= 12 or share >= 0.1):
                ax.text(
                    column + 0.5, row + 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=8.5,
                    color="white" if share > 0.55 else "black",
                )  # fmt: skip
    ax.set_xticks(
        np.arange(n_features) + 0.5, list(map(_as_is, columns)), rotation=0 if n_features <= 8 else 60, ha="center"
    )
    names = list(events) if events is not None else [str(i + 1) for i in range(n_events)]
    ax.set_yticks(np.arange(n_events) + 0.5, list(map(_as_is, names)))
    ax.invert_yaxis()
    _finish(ax, x="share of the score (%)", y="event", legend=False)
    ax.grid(False)
    return ax


def comparison(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how several methods do on the same series: one row per method, one marker per measure.

    Parameters
    ----------
    table : DataFrame
        Index: methods; columns: measures between 0 and 1 (at most six).
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> table = pd.DataFrame({"recall": [0.9, 0.5], "precision": [0.8, 0.7]}, index=["dense VAE", "z-score"])
    >>> [text.get_text() for text in comparison(table).get_yticklabels()]
    ['dense VAE', 'z-score']
    """
    ax = ax if ax is not None else new_axes(height=0.45 * len(table) + 1.1)[1]
    markers = "osD^vP"
    colours = [OKABE_ITO[key] for key in ("blue", "vermilion", "green", "black", "purple", "orange")]
    for (measure, values), marker, colour in zip(table.items(), markers, colours):
        ax.plot(
            values.to_numpy(dtype=float), np.arange(len(table)), linestyle="none", marker=marker, color=colour,
            markersize=8, alpha=0.85, label=str(measure), clip_on=False,
        )  # fmt: skip
    ax.set_yticks(range(len(table)), [str(name) for name in table.index])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    _finish(ax, x="0 = worst, 1 = best", y="")
    ax.grid(True, axis="x", color="#DDDDDD", linewidth=0.6)
    return ax


def kind_matrix(found: pd.DataFrame, total: pd.Series, *, ax: Axes | None = None) -> Axes:
    """Draw how many labelled anomalies of each kind each method found.

    Parameters
    ----------
    found : DataFrame
        Index: methods; columns: kinds; counts.
    total : Series
        How many of each kind there are.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> found = pd.DataFrame({"spike": [2, 2], "drift": [1, 0]}, index=["dense VAE", "z-score"])
    >>> [text.get_text() for text in kind_matrix(found, pd.Series({"spike": 2, "drift": 1})).texts]
    ['2 of 2', '1 of 1', '2 of 2', '0 of 1']
    """
    kinds = list(found.columns)
    share = found.to_numpy(dtype=float) / np.maximum(total[kinds].to_numpy(dtype=float), 1)
    ax = ax if ax is not None else new_axes(height=0.42 * len(found) + 1.0)[1]
    ax.pcolormesh(share, cmap="cividis", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for row, method in enumerate(found.index):
        for column, kind in enumerate(kinds):
            ax.text(
                column + 0.5, row + 0.5, f"{int(found.loc[method, kind])} of {int(total[kind])}", ha="center",
                va="center", fontsize=9, color="white" if share[row, column] < 0.55 else "black",
            )  # fmt: skip
    ax.set_xticks(np.arange(len(kinds)) + 0.5, [str(kind).replace(" ", "\n") for kind in kinds])
    ax.set_yticks(np.arange(len(found)) + 0.5, [str(name) for name in found.index])
    ax.invert_yaxis()
    _finish(ax, x="kind of anomaly", y="", legend=False)
    ax.grid(False)
    return ax


def variable_heat(
    parts: np.ndarray, columns: Sequence[str], *, times: Any = None, buckets: int = 400, ax: Axes | None = None
) -> Axes:
    """Draw what each variable adds to the score over time: one row per variable, the largest value of each bucket.

    Parameters
    ----------
    parts : ndarray of shape (n, F)
        Contributions; NaN where there is none.
    columns : sequence of str
        Names of the F variables.
    times : DatetimeIndex or ndarray of shape (n,), optional
    buckets : int, default 400
        About how many columns of pixels; each shows the highest of its rows.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = variable_heat(np.eye(3), ["a", "b", "c"])
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['a', 'b', 'c']
    """
    from matplotlib.colors import PowerNorm

    parts = np.asarray(parts, dtype=float)
    n, n_features = parts.shape
    ax = ax if ax is not None else new_axes(height=max(1.8, 0.22 * n_features + 1.0))[1]
    size = max(1, -(-n // buckets))
    whole = np.concatenate([np.nan_to_num(parts, nan=-1.0), np.full((-n % size, n_features), -1.0)])
    highest = np.clip(whole.reshape(-1, size, n_features).max(axis=1), 0.0, None)
    x, x_label = _x(n, times)
    edges = np.append(np.arange(0, n, size), n - 1)
    top = float(np.quantile(highest, 0.999)) or 1.0
    mesh = ax.pcolormesh(
        x[edges], np.arange(n_features + 1), highest.T, cmap="Blues", norm=PowerNorm(0.5, vmin=0.0, vmax=top),
        rasterized=True,
    )  # fmt: skip
    ax.figure.colorbar(mesh, ax=ax, label="adds to the score", fraction=0.025, pad=0.01)
    ax.set_yticks(np.arange(n_features) + 0.5, list(map(_as_is, columns)))
    ax.invert_yaxis()
    _finish(ax, x=x_label, y="variable", legend=False, dates=_is_dates(x))
    ax.grid(False)
    return ax
