"""How an odd file is to be read, as one parameter of the report notebook."""

from __future__ import annotations

import pytest

from vaehelpers import InputError
from vaehelpers.commands import cli
from vaehelpers.data.choices import Choices
from vaehelpers.report import run
from vaehelpers.report.parameters import parse_settings, reading_choices, reading_text

CHOSEN = Choices(
    3, ["n/a, broken", "it's"], "Europe/Berlin", ("a=b", "[c]"), "2024-02-01 00:00", True, "mean", "device=pump-1", ","
)


def test_choices_come_back_from_their_text():
    assert reading_choices(reading_text(CHOSEN)) == CHOSEN
    assert reading_text(Choices()) == ""
    assert reading_choices("") == Choices()


def test_bare_words_are_text():
    assert reading_choices("tz=Europe/Berlin, sort=true") == Choices(tz="Europe/Berlin", sort=True)


def test_a_comma_within_quotes_separates_nothing():
    assert parse_settings("""a="x, y", b=(1, 2), c='"'""") == {"a": "x, y", "b": (1, 2), "c": '"'}


@pytest.mark.parametrize(("text", "words"), [
    ("skip_row=2", ["unknown 'skip_row'", "did you mean 'skip_rows'"]),
    ("skip_rows", ["reading='skip_rows'", "is not NAME=VALUE"]),
    ("decimal=;", ["decimal=';'"]),
])  # fmt: skip
def test_what_cannot_be_used_is_named(text, words):
    with pytest.raises(InputError) as told:
        reading_choices(text)
    assert all(word in str(told.value) for word in words)


def test_options_of_report_become_that_parameter(monkeypatch, tmp_path, capsys):
    given = {}

    def write_report(series, out, *, values, **rest):
        given.update(values)
        raise InputError("stop here")

    monkeypatch.setattr(run, "report", write_report)
    options = ["--skip-rows", "3", "--tz", "Europe/Berlin", "--decimal", ",", "--na", "ERR", "--sort"]
    assert cli.run(["report", "odd.csv", *options]) == 2
    assert "stop here" in capsys.readouterr().err
    assert reading_choices(given["reading"]) == Choices(3, ["ERR"], "Europe/Berlin", sort=True, decimal=",")
