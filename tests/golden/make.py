"""Make the golden files: saved detectors that every later version must load and score alike.

    python tests/golden/make.py format_1 [--force]

Run it once for each format of the saved form, never to make a failing test pass: files of users are not made anew
either. Of each detector there is the folder that `Detector.save` wrote; in ``<name>.npz`` a series with missing values
and a fault, and the scores, flags and expected values of the day.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np

from vaehelpers.common.files import atomic_folder
from vaehelpers.data import Series
from vaehelpers.detectors import Detector
from vaehelpers.detectors.saved import FORMAT

SMALL = {"timesteps": 16, "units": 4, "latent_dim": 2, "steps": 60, "batch_size": 32, "smooth": 5}
DETECTORS = {
    "univariate": (1, SMALL),
    "multivariate": (
        3,
        {
            **SMALL,
            "encoder": "gru",
            "decoder": "repeat+state",
            "likelihood": "student-t",
            "kind": "error+latent",
            "threshold": "conformal",
            "false_alarm_rate": 0.01,
        },
    ),
}


def wave(features: int, n: int, seed: int) -> np.ndarray:
    """Sines of period 16 with noise, each variable with a level and a size of its own."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(n)[:, None], np.arange(features)
    return (
        (10.0 + np.sin(2 * np.pi * rows / 16 + columns) + 0.1 * rng.normal(size=(n, features))) * 2**columns
    ).astype(np.float32)


def faulty(features: int) -> np.ndarray:
    """New rows, with a fault in rows 120 to 130, missing values and a hole of 20 rows."""
    values = wave(features, 260, seed=1)
    values[120:131] += 5.0 * 2.0 ** np.arange(features)
    values[np.random.default_rng(2).random(values.shape) < 0.05] = np.nan
    values[200:220] = np.nan
    return values


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace golden files that are there; think twice.")
def main(folder: Path, force: bool) -> None:
    if not folder.is_absolute():
        folder = Path(__file__).parent / folder
    with atomic_folder(folder, force=force) as made:
        for name, (features, options) in DETECTORS.items():
            columns = tuple("abc"[:features])
            detector = Detector(**options).fit(Series(wave(features, 600, seed=0), columns=columns))
            detector.save(made / name)
            values = faulty(features)
            explained = detector.explain(Series(values, columns=columns))
            np.savez_compressed(
                made / f"{name}.npz",
                values=values,
                scores=explained.scores,
                p_values=explained.p_values,
                flags=explained.flags,
                expected=explained.expected,
                upper=explained.upper,
            )
    click.echo(f"wrote {folder} in format {FORMAT}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        raise SystemExit(str(error)) from error
