"""A line that follows a stream, and what a judge makes of rows that are no longer like the calibration rows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vaehelpers.alarms import calibrate, find_incidents
from vaehelpers.alarms.follow import WINDOWS, Follower
from vaehelpers.alarms.incidents import incident_table
from vaehelpers.alarms.redraw import followed, judge
from vaehelpers.alarms.tails import block_maxima, tail_of_maxima
from vaehelpers.common import InputError


@pytest.fixture(scope="module")
def line():
    return calibrate({"row 1": np.random.default_rng(0).exponential(size=10_000)})


def incidents(line, score):
    return find_incidents(score, start=line.start, end=line.end, cooldown=line.cooldown)


def test_rows_like_the_calibration_move_nothing(line):
    """Twenty streams of the same kind: no change is found, and the points are those of the line that stays."""
    for seed in range(20):
        rows = {"row 1": np.random.default_rng([1, seed]).exponential(size=10_000)}
        follower = Follower(line)
        np.testing.assert_array_equal(follower.take(rows).score, line.point_scores(rows).score)
        assert follower.changed == follower.drawn == 0


@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_a_change_is_found_and_events_behind_it_too(line, factor):
    """Louder by a factor, or calmer: in the last part a single event is found, and little else."""
    rng = np.random.default_rng(2)
    rows = factor * rng.exponential(size=20_000)
    rows[18_000] = factor * 40.0
    follower = Follower(line)
    points = follower.take({"row 1": rows}).score
    late = [one for one in incidents(line, points) if one.first >= 10_000]
    assert follower.changed >= 1 and follower.drawn >= 1
    assert any(one.first <= 18_000 <= one.last and one.n_points < 200 for one in late)
    assert len(late) <= 3
    fixed = [one for one in incidents(line, line.point_scores({"row 1": rows}).score) if one.first >= 10_000]
    found = [one for one in fixed if one.first <= 18_000 <= one.last and one.n_points < 200]
    if factor > 1:
        assert not found  # the line that stays drowns it


def test_only_rows_of_the_past_count(line):
    rng = np.random.default_rng(3)
    rows = np.r_[rng.exponential(size=4_000), 3 * rng.exponential(size=12_000)]
    whole = Follower(line).take({"row 1": rows}).score
    np.testing.assert_array_equal(Follower(line).take({"row 1": rows[:9_000]}).score, whole[:9_000])


def test_row_by_row_and_after_a_restart_it_is_the_same(line):
    rng = np.random.default_rng(4)
    rows = np.r_[rng.exponential(size=2_000), 4 * rng.exponential(size=8_000)]
    rows[rng.random(len(rows)) < 0.02] = np.nan
    whole = Follower(line)
    expected = whole.take({"row 1": rows}).score
    assert whole.drawn
    follower, found = Follower(line), []
    for first in range(0, len(rows), 37):
        found.append(follower.take({"row 1": rows[first : first + 37]}).score)
        if first % 370 == 0:
            follower = Follower(line).restore(json.loads(json.dumps(follower.state())))
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_one_spike_masks_nothing_and_a_daily_one_stops(line):
    """Of four complaints about other tools, two: 50 times the usual once, and the same every day."""
    rng = np.random.default_rng(5)
    once = rng.exponential(size=6_000)
    once[3_000] = once[3_400] = 50.0
    assert {3_000, 3_400} <= {one.peak for one in incidents(line, Follower(line).take({"row 1": once}).score)}
    daily = rng.exponential(size=30_000)
    daily[5_000::50] = 30.0
    found = incidents(line, Follower(line).take({"row 1": daily}).score)
    assert all(one.last < 15_000 for one in found)


def test_a_line_without_a_promise_stays():
    few = calibrate({"row 1": np.random.default_rng(0).exponential(size=300)})
    follower = Follower(few)
    follower.take({"row 1": np.full(5_000, 9.0)})
    assert few.status == "no promise" and not follower.follows and follower.line is few


def test_points_count_their_scale_by_the_first_line():
    rng = np.random.default_rng(6)

    def scales(rows):
        return {"row 1": rows, "row 25": np.convolve(rows, np.ones(25) / 25, "same")}

    line = calibrate(scales(rng.exponential(size=8_000)), reach={"row 1": 1, "row 25": 900})
    points = Follower(line).take(scales(5 * rng.exponential(size=9_000)))
    assert set(np.unique(points.scale)) <= {0, 1}
    table = incident_table(line, scales(np.ones(9_000)), points=points)
    assert set(table["scale"]) <= {"row 1", "row 25"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("since", 10**6), ("row", -1), ("open", {}), ("maxima", {"row 1": [[1, -2.0]]}), ("line", {"rows": 1}),
     ("open", {"row 1": [0.0, 5, 2]}), ("line", {"rows": 5, "tails": {"other": {}}})],
)  # fmt: skip
def test_a_damaged_state_is_refused(line, key, value):
    state = Follower(line).state() | {key: value}
    with pytest.raises(InputError):
        Follower(line).restore(state)


def test_a_tail_of_maxima_is_that_of_the_scores():
    rng = np.random.default_rng(7)
    scores = rng.exponential(size=20_000)
    tail = tail_of_maxima(block_maxima(scores, 100), 100)
    chances = tail.block_chances(block_maxima(rng.exponential(size=40_000), 100))
    assert abs(chances.mean() - 0.5) < 0.06
    assert abs(np.mean(chances < 0.05) - 0.05) < 0.04


# ------------------------------------------------------------------------------------------------------------- judge


def test_a_judge_leaves_rows_that_fit_alone(line):
    rows = {"row 1": np.random.default_rng(8).exponential(size=8_000)}
    judged = judge(line, rows)
    assert judged.check.status == "ok" and not judged.check.redrawn and judged.line is line
    np.testing.assert_array_equal(judged.points.score, line.point_scores(rows).score)


def test_a_judge_says_that_the_line_followed(line):
    rows = {"row 1": 4 * np.random.default_rng(9).exponential(size=20_000)}
    judged = judge(line, rows)
    assert judged.check.status == "doubtful" and judged.check.redrawn
    assert "drawn anew" in judged.check.reason and judged.check.reason.endswith("refit the detector.")
    before = np.mean(line.point_scores(rows).score[-8_000:] >= line.start)
    assert np.mean(judged.points.score[-8_000:] >= line.start) < 0.1 * before


def test_a_series_that_drew_its_own_line_is_judged_by_it():
    """Its second half is louder. Even where the check doubts, the same rows would draw the same line."""
    rng = np.random.default_rng(10)
    rows = {"row 1": np.r_[rng.exponential(size=10_000), 1.2 * rng.exponential(size=10_000)]}
    own = calibrate(rows, contaminated=True)
    judged = judge(own, rows)
    doubted = judged._replace(check=replace(judged.check, status="doubtful"))
    assert own.status == "ok" and followed(own, rows, doubted) == doubted
    shifted = {"row 1": 3 * rows["row 1"]}
    other = judge(own, shifted)
    assert other.check.status == "doubtful" and other.check.redrawn


def test_too_few_rows_are_judged_by_the_old_line(line):
    rows = {"row 1": 9 * np.random.default_rng(11).exponential(size=400)}
    judged = judge(line, rows)
    assert not judged.check.redrawn and judged.line is line
    assert len(rows["row 1"]) < min(WINDOWS) * line.tails["row 1"].block
