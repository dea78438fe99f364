"""Which series a fleet has, and what they are called."""

from __future__ import annotations

import pandas as pd
import pytest

from vaehelpers import InputError
from vaehelpers.fleet.inputs import find_sources, job_key, slug


def write(path, text="flow\n1\n2\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_globs_folders_and_files_give_each_series_once(tmp_path):
    files = [write(tmp_path / "data" / f"{name}.csv") for name in "ba"]
    write(tmp_path / "data" / "readme.md")
    given = [files[0], f"{tmp_path}/data/*.csv", f"{tmp_path}/data"]
    assert [one.name for one in find_sources(given, tmp_path / "input")] == ["b", "a"]


def test_names_are_as_short_as_they_can_be_and_stay(tmp_path):
    first = [write(tmp_path / "hall" / "m.csv"), write(tmp_path / "hall" / "n.csv")]
    found = find_sources(first, tmp_path / "input")
    assert [one.name for one in found] == ["m", "n"]
    more = [*first, write(tmp_path / "yard" / "m.csv")]
    known = {one.origin: one.name for one in found}
    assert [one.name for one in find_sources(more, tmp_path / "input", known=known)] == ["m", "n", "yard/m"]
    assert [one.name for one in find_sources(more, tmp_path / "input")] == ["hall/m", "n", "yard/m"]


def test_a_missing_file_is_a_row_and_an_empty_glob_an_error(tmp_path):
    (found,) = find_sources([f"{tmp_path}/no.csv"], tmp_path / "input")
    assert found.name == "no" and "No such file" in found.error
    with pytest.raises(InputError, match="no file matches"):
        find_sources([f"{tmp_path}/*.parquet"], tmp_path / "input")
    with pytest.raises(InputError, match="holds no table"):
        find_sources([str(tmp_path)], tmp_path / "input")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_table_is_cut_by_its_ids(tmp_path, kind):
    table = pd.DataFrame({"id": ["p1", "p2"] * 4, "flow": range(8)})
    path = tmp_path / f"long.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path, index=False)
    found = find_sources([str(path)], tmp_path / "input", by="id")
    assert [one.name for one in found] == ["p1", "p2"]
    read = pd.read_csv(found[1].path) if kind == "csv" else pd.read_parquet(found[1].path)
    assert read.columns.tolist() == ["flow"] and read["flow"].tolist() == [1, 3, 5, 7]
    again = find_sources([str(path)], tmp_path / "input", by="id")
    assert [one.sha256 for one in again] == [one.sha256 for one in found]
    with pytest.raises(InputError, match=r"no column 'machine'; it has id, flow"):
        find_sources([str(path)], tmp_path / "input", by="machine")


def test_an_address_is_read_through_fsspec(tmp_path):
    pytest.importorskip("fsspec", reason="fsspec comes with the extra fleet")
    path = write(tmp_path / "far" / "m.csv")
    (found,) = find_sources([f"file://{path}"], tmp_path / "input")
    assert found.name == "m" and found.path.startswith(str(tmp_path / "input"))
    (lost,) = find_sources([f"file://{tmp_path}/no.csv"], tmp_path / "input")
    assert "FileNotFoundError" in lost.error


def test_folders_are_safe_and_keys_change_with_what_a_result_depends_on():
    names = ["a/b", "a-b", "../../etc", "<script>", "ä" * 300, ".hidden", "con"]
    assert len({slug(name) for name in names}) == len(names)
    for name in names:
        assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert len(slug(name)) < 100 and not slug(name).startswith(".")
    keys = {job_key(*one) for one in [("1", {"a": 1}), ("2", {"a": 1}), ("1", {"a": 2}), ("1", {"b": 1})]}
    assert len(keys) == 4
    assert job_key("1", {"a": 1, "b": 2}) == job_key("1", {"b": 2, "a": 1})
