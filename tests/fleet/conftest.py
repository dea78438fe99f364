"""Small series and a training of a few steps, so that a fleet is a matter of seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vaehelpers import fleet as room

TINY = {"timesteps": 16, "settings": "steps=4, units=4, latent_dim=2, smooth=8"}


def make_frame(seed=0, rows=500, begin=0):
    """A wave, the same whatever part of it is asked for; odd seeds jump at row 300, seed 2 at row 560."""
    row = np.arange(700)
    flow = np.sin(row / (3 + seed)) + 0.1 * np.random.default_rng(seed).normal(size=700)
    if seed % 2:
        flow[300:320] += 4
    if seed == 2:
        flow[560:580] -= 5
    when = pd.date_range("2024-01-01", periods=700, freq="5min")
    return pd.DataFrame({"when": when, "flow": flow})[begin : begin + rows]


def write(folder, count=3, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        make_frame(seed, **options).to_csv(folder / f"m{seed}.csv", index=False)
    return folder


def run(series, out, **options):
    """A fleet in this process, without reports."""
    return room.fleet(series, out, **{"values": TINY, "report": False, "workers": 0, **options})


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Three series and their finished fleet; only to be read."""
    place = tmp_path_factory.mktemp("small")
    return run(write(place / "data"), place / "out"), place
