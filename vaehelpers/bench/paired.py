"""Paired comparisons with bootstrap intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vaehelpers.bench.files import _stem
from vaehelpers.bench.methods import _is_vae
from vaehelpers.bench.schema import METRICS, TIE

_RESAMPLES = 9_999


def paired_interval(
    differences: ArrayLike, *, confidence: float = 0.95, seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """Bootstrap interval of the mean of paired differences.

    Series differ more than methods do. Differences on the same series take that out, and drawing series anew with
    replacement says how far the mean would move with another choice of series.

    Parameters
    ----------
    differences : array-like, shape (n_files,)
        One per series: this method less that.
    confidence : float, default 0.95
    seed : int, default 0
    resamples : int, default 9999

    Returns
    -------
    low, high : float
        NaN where there are fewer than two differences.

    References
    ----------
    Efron, "Better Bootstrap Confidence Intervals", JASA 82, 1987 (bias-corrected and accelerated).

    Examples
    --------
    >>> low, high = paired_interval([0.1, 0.2, 0.15, 0.3, -0.05, 0.1])
    >>> 0.0 < low < 0.133 < high < 0.25
    True
    """
    from scipy.stats import bootstrap

    values = np.asarray(differences, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) < 1e-12:  # nothing varies: no distribution to draw from
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,), np.mean, confidence_level=confidence, n_resamples=resamples, method="BCa", random_state=seed
    ).confidence_interval
    return float(found.low), float(found.high)


def compare(rows: pd.DataFrame, published: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means of all methods, and how the VAEs stand against the best of the others.

    Parameters
    ----------
    rows : DataFrame
        `COLUMNS`; rows with an error are left out. Seeds are averaged first, file by file.
    published : DataFrame, optional
        VUS-PR by file and detector, from `read_published`.

    Returns
    -------
    means : DataFrame
        Index: method, best first. Columns: kind ("vae", "baseline" or "published"), files, seeds, `METRICS`, lowest and
        highest (mean VUS-PR of the worst and the best seed), seconds (mean of fit and score per series),
        seconds_per_10000 (rows), wins, ties, losses (of the first VAE against this one, by VUS-PR; a tie is a
        difference below 0.01).
    differences : DataFrame
        One row per VAE and rival (best baseline, best published): method, against, kind, files, mean, rival,
        difference, low, high (95 % paired bootstrap interval), wins, ties, losses. The best rival is the one with the
        highest mean on these very files, which is in its favour.

    Examples
    --------
    >>> from vaehelpers.bench.schema import COLUMNS
    >>> made = [("a", "vae", 0.6), ("b", "vae", 0.5), ("a", "pca", 0.4), ("b", "pca", 0.505)]
    >>> rows = pd.DataFrame(made, columns=["file", "method", "vus_pr"]).reindex(columns=COLUMNS)
    >>> rows["error"] = ""
    >>> means, differences = compare(rows)
    >>> means["vus_pr"].round(3).to_dict()
    {'vae': 0.55, 'pca': 0.452}
    >>> differences[["against", "difference", "wins", "ties", "losses"]].round(4)
      against  difference  wins  ties  losses
    0     pca      0.0975     1     1       0
    """
    good = rows[~_has_error(rows)]
    scores = _by_file(good)
    ours = [str(name) for name in scores]
    kinds = {name: "vae" if _is_vae(name) else "baseline" for name in ours}
    if published is not None:
        known = {_stem(name): name for name in published.index}
        rivals = published.reindex([known.get(_stem(name)) for name in scores.index]).set_axis(scores.index)
        rivals = rivals.dropna(axis="columns", how="all")
        rivals.columns = pd.Index([f"{name} (published)" if name in kinds else str(name) for name in rivals])
        scores = scores.join(rivals)
        kinds |= dict.fromkeys(map(str, rivals), "published")
    vaes = [name for name in ours if kinds[name] == "vae"]
    means = pd.DataFrame({"kind": pd.Series(kinds, dtype=object), "files": scores.notna().sum()})
    by_method = good.groupby("method", sort=False)
    means["seeds"] = by_method["seed"].nunique().clip(lower=1)
    means["vus_pr"] = scores.mean()
    for metric in METRICS[1:]:
        means[metric] = good.groupby(["file", "method"])[metric].mean().groupby("method").mean()
    by_seed = good.groupby(["method", "seed"], dropna=False)["vus_pr"].mean().groupby("method")
    means["lowest"], means["highest"] = by_seed.min(), by_seed.max()
    spent = good["fit_seconds"] + good["score_seconds"]
    means["seconds"] = spent.groupby(good["method"]).mean()
    rows_done = good["n"].astype("float64").groupby(good["method"]).sum()
    means["seconds_per_10000"] = spent.groupby(good["method"]).sum() / rows_done * 1e4
    if vaes:
        outcome = {name: _outcome(scores[vaes[0]], scores[name]) for name in scores if name != vaes[0]}
        means = means.join(pd.DataFrame.from_dict(outcome, orient="index", columns=["wins", "ties", "losses"]))
    means = means.sort_values("vus_pr", ascending=False, kind="stable").rename_axis("method")
    found = []
    for vae in vaes:
        for kind in ("baseline", "published"):
            rival = _best(means[means["kind"] == kind])
            if rival is not None:
                found.append(_difference(scores[vae], scores[rival], vae, rival, kind))
    columns = ["method", "against", "kind", "files", "mean", "rival", "difference", "low", "high"]
    return means, pd.DataFrame(found, columns=[*columns, "wins", "ties", "losses"])


def _has_error(rows: pd.DataFrame) -> pd.Series:
    return rows["error"].fillna("").astype(str) != ""


def _by_file(good: pd.DataFrame) -> pd.DataFrame:
    """VUS-PR averaged over seeds: files x methods, methods in the order in which they come."""
    table = good.pivot_table("vus_pr", "file", "method", aggfunc="mean")
    return table.reindex(columns=list(dict.fromkeys(good["method"])))


def _best(means: pd.DataFrame) -> str | None:
    """Highest mean among those with the most files: a method that failed on the hard ones is no rival."""
    full = means[means["files"] == means["files"].max()]
    return None if full.empty or full["vus_pr"].isna().all() else str(full["vus_pr"].idxmax())


def _outcome(one: pd.Series, other: pd.Series) -> tuple[int, int, int]:
    gap = (one - other).dropna()
    return int((gap >= TIE).sum()), int((gap.abs() < TIE).sum()), int((gap <= -TIE).sum())


def _difference(one: pd.Series, other: pd.Series, vae: str, rival: str, kind: str) -> tuple[Any, ...]:
    both = one.notna() & other.notna()
    gap = (one - other)[both]
    low, high = paired_interval(gap)
    figures = one[both].mean(), other[both].mean(), gap.mean()
    return vae, rival, kind, int(both.sum()), *figures, low, high, *_outcome(one, other)
