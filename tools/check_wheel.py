"""Build the wheel and use it where nothing else is installed, on each Python the package promises.

    python tools/check_wheel.py [--python 3.11] [--constraints constraints.txt] [--keep FOLDER]

For each Python that is found: an empty virtual environment, the wheel alone, then fit and score, from Python and from
the command line, and a report, which must refuse in one line; then the wheel with the extra `notebooks`, and a report
that must be written. A Python that this machine does not have is named, and skipped; with none at all the check fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
USE = """
import numpy as np
import pandas as pd
import vaehelpers
from vaehelpers import Detector, load_series

series = load_series("example").values[:4_000]
detector = Detector(timesteps=96, steps=40, smooth=10).fit(series)
scores = detector.decision_function(series)
assert scores.shape == (4_000,) and np.isfinite(scores).any()
detector.save("saved")
again = Detector.load("saved").decision_function(series)
np.testing.assert_array_equal(scores, again)
pd.DataFrame({"row": np.arange(len(series)), "value": series[:, 0]}).to_csv("series.csv", index=False)
print(f"vaehelpers {vaehelpers.__version__}: fit, score, save and load on {len(series):,} rows")
"""


def build(folder: Path) -> Path:
    """Return the wheel, built into `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def interpreter(version: str) -> str | None:
    """Where a Python of that version is: this one, on the path, or where uv or pyenv keep theirs; None if nowhere."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    if shutil.which("uv"):
        found = subprocess.run(["uv", "python", "find", version], capture_output=True, text=True, check=False)
        candidates.append(found.stdout.strip())
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for python in filter(None, candidates):  # a name on the path may be a shim that leads nowhere
        asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)
        if not said.returncode and said.stdout.strip() == version:
            return python
    return None


def check(version: str, python: str, wheel: Path, constraints: Path | None, folder: Path) -> None:
    """Install and use the wheel in an environment of its own; raise where something fails."""
    place = folder / f"python{version}"
    subprocess.run([python, "-m", "venv", str(place / "venv")], check=True)
    bin_ = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(bin_ / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    limits = ["-c", str(constraints)] if constraints else []
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}

    def run(*command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != status:
            raise click.ClickException(
                f"Python {version}: {' '.join(command[:4])} ended with {done.returncode}, not {status}:\n{done.stderr}"
            )
        return done

    run(*pip, str(wheel), *limits)
    click.echo(f"Python {version}: {run(str(bin_ / 'python'), '-c', USE).stdout.strip()}")
    tool = str(bin_ / "vaehelpers")
    run(tool, "fit", "series.csv", "--out", "detector", "--set", "steps=40", "--quiet")
    run(tool, "score", "detector", "series.csv", "--out", "scores.csv", "--quiet")
    lines = len((place / "scores.csv").read_text(encoding="utf-8").splitlines())
    if lines != 4_001:
        raise click.ClickException(f"Python {version}: scores.csv has {lines:,} lines, not 4,001")
    click.echo(f"Python {version}: vaehelpers fit and vaehelpers score, {lines - 1:,} rows")
    refusal = run(tool, "report", status=2).stderr.strip()
    if len(refusal.splitlines()) != 1 or "vaehelpers[notebooks]" not in refusal:
        raise click.ClickException(f"Python {version}: without the extra, `report` says {refusal!r}")
    click.echo(f"Python {version}: {refusal}")
    run(*pip, f"{wheel}[notebooks]", *limits)
    page = run(tool, "report", "--quiet", "--set", "steps=200", "--out", "page").stdout.strip()
    click.echo(f"Python {version}: {page}, {(place / page).stat().st_size / 1e6:.1f} MB")


@click.command()
@click.option("--python", "pythons", multiple=True, default=PYTHONS, help="Version to try, repeatable; default: all.")
@click.option("--constraints", type=click.Path(exists=True, path_type=Path), default=ROOT / "constraints.txt")
@click.option("--any-versions", is_flag=True, help="Newest versions that the wheel allows, instead of constraints.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the environments, kept afterwards.")
def main(pythons: tuple[str, ...], constraints: Path, any_versions: bool, keep: Path | None) -> None:
    """Build the wheel and use it in empty environments."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = (keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = build(folder)
        click.echo(f"{wheel.name}: {wheel.stat().st_size / 1e3:.0f} kB")
        tried = 0
        for version in pythons:
            python = interpreter(version)
            if python is None:
                click.echo(f"Python {version}: not on this machine, not checked")
                continue
            check(version, python, wheel, None if any_versions else constraints.resolve(), folder)
            tried += 1
        if not tried:
            raise click.ClickException(f"none of Python {', '.join(pythons)} is here")


if __name__ == "__main__":
    main()
