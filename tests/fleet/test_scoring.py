"""The days after: only what is new is scored, as it would be in the whole series."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from fleet.conftest import make_frame

from vaehelpers import Detector, InputError
from vaehelpers import fleet as room

pytestmark = pytest.mark.slow  # fits detectors


def prepare(small, place):
    """A copy of the fleet, and files of the next 200 rows; one holds the old rows too."""
    shutil.copytree(small[1] / "out", place / "out")
    (place / "today").mkdir()
    for seed in range(3):
        begin = 0 if seed == 0 else 500
        make_frame(seed, begin=begin, rows=700 - begin).to_csv(place / "today" / f"m{seed}.csv", index=False)
    return place


@pytest.fixture
def today(small, tmp_path):
    return prepare(small, tmp_path)


@pytest.fixture(scope="module")
def scored(small, tmp_path_factory):
    """The next day, scored once; only to be read."""
    place = prepare(small, tmp_path_factory.mktemp("scored"))
    return score(place), place


def score(place, **options):
    return room.score_fleet(place / "out", place / "today", **{"workers": 0, **options})


def test_new_rows_score_as_in_the_whole_series(scored):
    found, today = scored
    rows = found.rows.set_index("series")
    assert rows["new_rows"].to_dict() == {"m0": 200, "m1": 200, "m2": 200}
    assert rows["rows"].tolist() == [700] * 3
    for seed in range(3):
        folder = today / "out" / rows.loc[f"m{seed}", "folder"]
        ours = pd.read_csv(folder / "new_scores.csv")
        whole = Detector.load(folder / "detector").decision_function(make_frame(seed, rows=700)[["flow"]])
        np.testing.assert_allclose(ours["score"], whole[500:], rtol=1e-4, atol=1e-5)
        assert ours["time"].iloc[0] == "2024-01-02 17:40:00"


def test_what_is_new_is_on_top_and_only_once(scored, tmp_path):
    found, place = scored
    today = shutil.copytree(place, tmp_path / "copy")
    first = found.events.iloc[0]
    assert first["series"] == "m2" and first["new"]
    assert first["first"] <= 580 and first["last"] >= 560  # rows of the whole series
    assert found.rows.iloc[0]["series"] == "m2" and found.rows.iloc[0]["new_events"] >= 1
    again = score(today)
    assert (again.done, again.kept) == (0, 3)
    pd.testing.assert_frame_equal(again.rows, found.rows)
    make_frame(2, rows=700).to_csv(today / "today" / "m2.csv", index=False)  # other bytes, no new row
    third = score(today)
    assert (third.done, third.kept) == (1, 2)
    assert third.rows.set_index("series").loc["m2", ["new_rows", "new_events"]].tolist() == [0, 0]
    assert not third.events[third.events["series"] == "m2"]["new"].any()


def test_the_fitted_series_stay_done(small, scored, tmp_path):
    from fleet.conftest import run

    out = shutil.copytree(scored[1] / "out", tmp_path / "out")
    assert run(small[1] / "data", out).done == 0


def test_series_of_another_fleet_are_left_out_or_refused(today):
    make_frame(9).to_csv(today / "today" / "stranger.csv", index=False)
    for name in ("m1", "m2"):
        (today / "today" / f"{name}.csv").unlink()
    assert score(today).skipped == (str((today / "today" / "stranger.csv").resolve()),)
    with pytest.raises(InputError, match="none of 1 series"):
        room.score_fleet(today / "out", today / "today" / "stranger.csv", workers=0)


def test_a_file_that_cannot_be_scored_is_a_row_and_the_rest_goes_on(today):
    (today / "today" / "m0.csv").unlink()
    (today / "today" / "m1.csv").write_text("when,other,more\n2024-02-01,1,2\n2024-02-02,1,3\n2024-02-03,2,3\n")
    found = score(today)
    assert found.failed == 1 and found.rows.iloc[0]["series"] == "m1"
    assert "2 variables" in found.rows.iloc[0]["error"]
    make_frame(1, rows=700).to_csv(today / "today" / "m1.csv", index=False)
    assert score(today).failed == 0
