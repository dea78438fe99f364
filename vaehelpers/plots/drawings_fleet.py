"""Drawings of the lesson on many series: who talks to whom, and which worker did what when."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from vaehelpers.common import InputError
from vaehelpers.plots import OKABE_ITO, new_axes, picture
from vaehelpers.plots.base import Picture
from vaehelpers.plots.canvas import Canvas


def fleet_map() -> Picture:
    """Draw a fleet: the command, the scheduler, its workers, and the folder that all of them see.

    Returns
    -------
    Picture

    Examples
    --------
    >>> "scheduler" in fleet_map().alt
    True
    """
    page = Canvas(30)
    command = page.box(11, 21, "vaehelpers fleet\nSERIES... --out DIR", width=20, height=7, fill="white")
    scheduler = page.box(42, 21, "scheduler\n(knows the jobs, not the data)", width=24, height=7, fill="orange")
    workers = [
        page.box(80, y, f"worker {k}\none process, one TensorFlow", width=30, height=5.4, fill="blue")
        for k, y in enumerate((26, 19.5, 13), 1)
    ]
    folder = page.box(42, 4.5, "DIR\nseries/NAME/ appears whole, fleet.json says how it went", width=56, height=6,
                      fill="green")  # fmt: skip
    page.arrow(command, scheduler)
    for worker in workers:
        page.arrow(scheduler, worker)
    page.arrow(workers[2], folder)
    page.arrow(command, folder)
    page.text(13, 13, "looks first what is done", size=8.5)
    page.text(88, 7.4, "results go to the disk,\nnot through the scheduler", size=8.5)
    return page.picture(
        "The command looks into the folder for what is done, and gives the rest to the scheduler as jobs. The "
        "scheduler gives each job to a worker, a process with a TensorFlow of its own. Workers write results into the "
        "folder; each series' folder appears whole."
    )


def fleet_timeline(rows: pd.DataFrame, lost: Sequence[tuple[float, str]] = ()) -> Picture:
    """Draw which worker did which series when.

    Parameters
    ----------
    rows : DataFrame
        fleet.parquet: worker, finished and seconds of each series.
    lost : sequence of (float, str)
        Moments at which a worker was lost, in seconds since the epoch, and its name.

    Returns
    -------
    Picture
    """
    if not len(rows):
        raise InputError("0 series have nothing to draw; give at least one")
    end = pd.to_datetime(rows["finished"]).map(pd.Timestamp.timestamp).to_numpy(float)
    begin = end - rows["seconds"].to_numpy(float)
    zero = begin.min()
    workers = list(rows.assign(begin=begin).sort_values("begin")["worker"].unique())
    figure, axes = new_axes(height=0.5 + 0.32 * len(workers))
    for name, first, last in zip(rows["worker"], begin, end):
        colour = OKABE_ITO["blue"] if workers.index(name) % 2 else OKABE_ITO["green"]
        axes.barh(workers.index(name), last - first, left=first - zero, height=0.6, color=colour, edgecolor="white")
    for moment, name in lost:
        if name in workers:
            axes.plot(moment - zero, workers.index(name), marker="X", color=OKABE_ITO["vermilion"], markersize=10)
        axes.axvline(moment - zero, color=OKABE_ITO["vermilion"], linestyle="--", linewidth=1)
    axes.set_yticks(range(len(workers)), [f"process {k}" for k in range(1, len(workers) + 1)])
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    killed = f" A dashed line marks the moment at which a worker was killed; {len(lost)} was." if lost else ""
    return picture(
        figure,
        f"Bars of {len(rows)} series on {len(workers)} processes over {end.max() - zero:.0f} seconds.{killed} The "
        "first bar of each process is the longest, because TensorFlow starts in it.",
    )
