"""LSTM or dense: the figure and the paired intervals, from the results that `vaehelpers bench` left in docs/results.

python docs/make_recurrence.py
"""

from pathlib import Path

import pandas as pd

from vaehelpers.bench import paired_interval
from vaehelpers.plots import new_axes

HERE = Path(__file__).parent
SOURCES = {
    "tuning-fast": {"vae": "dense, fast", "matrix_profile": "matrix profile"},
    "tuning-accurate": {"vae": "dense, accurate"},
}
OWN = {"vae-lstm": "LSTM", "pca": "PCA, 8", "pca16": "PCA, 16", "kmeans": "k-means", "kmeans100": "k-means, 100 rows"}
SOURCES["tuning-lstm"] = OWN
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

parts = []
for folder, names in SOURCES.items():
    rows = pd.read_csv(HERE / "results" / folder / "bench.csv")
    rows = rows[rows["method"].isin(names)]
    parts.append(rows.assign(method=rows["method"].map(names)))
rows = pd.concat(parts)
rows["series"] = rows["file"].str[:3]
rows["seed"] = rows["seed"].fillna(0)
whole = rows.groupby(["method", "seed"])["series"].transform("nunique") == rows["series"].nunique()
rows = rows[whole]  # a seed that was not run on all series would be no fair one
scores = rows.pivot_table(index="series", columns="method", values="vus_pr")[SHOWN]  # mean over seeds
seeds = rows.groupby(["method", "seed"])["vus_pr"].mean().groupby("method")

# no seconds: the runs were not made side by side
print("| method | mean VUS-PR | worst to best seed (seeds) | LSTM less this | 95 % |")
print("| --- | ---: | ---: | ---: | ---: |")
for name in SHOWN:
    low, high = paired_interval(scores["LSTM"] - scores[name]) if name != "LSTM" else (float("nan"), float("nan"))
    away = (scores["LSTM"] - scores[name]).mean()
    told = "" if name == "LSTM" else f"{away:+.3f} | {low:+.3f} to {high:+.3f}"
    spread = f"{seeds.min()[name]:.3f} to {seeds.max()[name]:.3f} ({seeds.count()[name]})"
    print(f"| {name} | {scores[name].mean():.3f} | {spread} | {told or ' | '} |")
print()
print("| series | " + " | ".join(SHOWN) + " |")
print("| --- |" + " ---: |" * len(SHOWN))
for series, line in scores.iterrows():
    print(f"| {series} | " + " | ".join(f"{value:.2f}" for value in line) + " |")

figure, ax = new_axes(1)
marks = {"LSTM": "o", "dense, accurate": "s", "dense, fast": "^", "PCA, 8": "x"}
for shift, (name, mark) in enumerate(marks.items()):
    places = [place + 0.16 * (shift - 1.5) for place in range(len(scores))]  # beside each other, not on top
    ax.plot(places, scores[name], mark, label=f"{name}: mean {scores[name].mean():.2f}", alpha=0.8)
ax.set_xticks(range(len(scores)), scores.index)
ax.set_xlabel("tuning series")
ax.set_ylabel("VUS-PR, mean over seeds")
ax.set_ylim(0, 1.05)
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
figure.savefig(HERE / "figures" / "recurrence.png", dpi=110, bbox_inches="tight")
