"""LSTM or dense: the figure and the tables, from the results that `vaehelpers bench` left in docs/results.

python docs/make_recurrence.py
"""

from pathlib import Path

import pandas as pd

from vaehelpers.bench import paired_interval

HERE = Path(__file__).parent
SOURCES = {
    "tuning-fast": {"vae": "dense, fast", "matrix_profile": "matrix profile"},
    "tuning-accurate": {"vae": "dense, accurate"},
    "tuning-lstm": {
        "vae-lstm": "LSTM",
        "pca": "PCA, 8",
        "pca16": "PCA, 16",
        "kmeans": "k-means",
        "kmeans100": "k-means, 100 rows",
    },
}
"""Folder of results to the methods that are shown, with the names they get."""

SHOWN = [
    "LSTM",
    "dense, fast",
    "dense, accurate",
    "PCA, 8",
    "PCA, 16",
    "k-means",
    "k-means, 100 rows",
    "matrix profile",
]
MARKS = {"LSTM": "o", "dense, accurate": "s", "dense, fast": "^", "PCA, 8": "x"}


def results() -> pd.DataFrame:
    """Rows of all sources; a seed that was not run on all series is left out, since its mean would not compare."""
    parts = []
    for folder, names in SOURCES.items():
        rows = pd.read_csv(HERE / "results" / folder / "bench.csv")
        rows = rows[rows["method"].isin(names)]
        parts.append(rows.assign(method=rows["method"].map(names)))
    rows = pd.concat(parts)
    rows = rows.assign(series=rows["file"].str[:3], seed=rows["seed"].fillna(0))
    whole = rows.groupby(["method", "seed"])["series"].transform("nunique") == rows["series"].nunique()
    return rows[whole]


def by_series(rows: pd.DataFrame) -> pd.DataFrame:
    """VUS-PR of each series and method, mean over seeds."""
    return rows.pivot_table(index="series", columns="method", values="vus_pr")[SHOWN]


def tables(rows: pd.DataFrame) -> tuple[str, str]:
    """Means with paired intervals, and series by series; no seconds, since the runs were not made side by side."""
    scores = by_series(rows)
    seeds = rows.groupby(["method", "seed"])["vus_pr"].mean().groupby("method")
    means = ["| method | mean VUS-PR | worst to best seed (seeds) | LSTM less this | 95 % |"]
    means.append("| --- | ---: | ---: | ---: | ---: |")
    for name in SHOWN:
        cells = [
            f"{scores[name].mean():.3f}",
            f"{seeds.min()[name]:.3f} to {seeds.max()[name]:.3f} ({seeds.count()[name]})",
        ]
        if name == "LSTM":
            cells += ["", ""]
        else:
            low, high = paired_interval(scores["LSTM"] - scores[name])
            cells += [f"{(scores['LSTM'] - scores[name]).mean():+.3f}", f"{low:+.3f} to {high:+.3f}"]
        means.append(f"| {name} | {' | '.join(cells)} |")
    each = ["| series | " + " | ".join(SHOWN) + " |", "| --- |" + " ---: |" * len(SHOWN)]
    each += [
        f"| {series} | " + " | ".join(f"{value:.2f}" for value in line) + " |" for series, line in scores.iterrows()
    ]
    return "\n".join(means), "\n".join(each)


def draw(scores: pd.DataFrame, path: Path) -> None:
    """Draw the methods of `MARKS` on each series."""
    from vaehelpers.plots import new_axes

    figure, ax = new_axes(1)
    for shift, (name, mark) in enumerate(MARKS.items()):
        places = [place + 0.16 * (shift - 1.5) for place in range(len(scores))]  # beside each other, not on top
        ax.plot(places, scores[name], mark, label=f"{name}: mean {scores[name].mean():.2f}", alpha=0.8)
    ax.set_xticks(range(len(scores)), scores.index)
    ax.set_xlabel("tuning series")
    ax.set_ylabel("VUS-PR, mean over seeds")
    ax.set_ylim(0, 1.05)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    print("\n\n".join(tables(results())))
    draw(by_series(results()), HERE / "figures" / "recurrence.png")
