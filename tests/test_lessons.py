"""What every lesson owes its reader: an answer first, drawings, words for pictures, a way to run it elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import lesson_table
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1] / "notebooks"
REPORT = ROOT / "07_report.ipynb"  # a product that explains itself: no lesson
LESSONS = sorted({*ROOT.glob("[01]*.ipynb"), *ROOT.glob("appendices/A*.ipynb")} - {REPORT})


def parts(path):
    cells = nbformat.read(path, as_version=4).cells
    return [c for c in cells if c.cell_type == "code"], [c.source for c in cells if c.cell_type == "markdown"]


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return request.param


def test_lessons_are_found():
    assert len(LESSONS) >= 14


def test_one_parameters_cell_says_what_to_install(lesson):
    code, _ = parts(lesson)
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert [cell.source for cell in tagged] == [code[0].source]
    assert "install: bool = False" in code[0].source
    assert "source: str =" in code[0].source
    assert code[1].source == "if install:\n    %pip install --quiet {source}"


def test_answer_comes_first_and_the_page_can_be_taken_along(lesson):
    _, words = parts(lesson)
    assert re.match(r"# \S+ · .+\n\n> (\".+\" )?\*\*", words[0]), "a title, perhaps the question, the answer in bold"
    assert re.search(r"\d", words[0].split("\n\n")[1]), "with its number"
    assert f"]({lesson.name})" in words[0]


def test_the_first_answering_result_comes_within_forty_lines(lesson):
    code, _ = parts(lesson)
    assert lesson_table.code_lines_before_answer(code) <= 40
    answer = next(cell for cell in code if "answer" in cell.metadata.get("tags", []))
    assert any(re.search(r"\d", str(output)) for output in answer.outputs), "a result with a number in it"


def test_lines_above_the_answer_are_counted_and_a_missing_answer_is_refused():
    def cell(source, *tags):
        return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})

    above = [cell("n = 1\nm = 2", "parameters"), cell("if install:\n    pass"), cell("a\n\nb"), cell("c")]
    assert lesson_table.code_lines_before_answer([*above, cell("d", "answer"), cell("e")]) == 3
    with pytest.raises(ValueError, match="0 cells are tagged answer"):
        lesson_table.code_lines_before_answer(above)


def test_sentences_are_counted_without_code_tables_and_addresses():
    prose = "> **One `two` three.** Four [five six](https://a.b/c.d)?"
    text = f"# A title\n\n{prose}\n\n| a | b |\n\n- Seven 8.5.\n- **Predict.** Nine"
    assert [lesson_table.words(one) for one in lesson_table.sentences(text)] == [3, 3]


def test_the_page_holds_the_table_as_counted_now():
    text = lesson_table.PAGE.read_text(encoding="utf-8")
    assert lesson_table.page(text) == text, "run python tests/lesson_table.py --write"


def test_no_lesson_takes_more_than_a_minute_of_processor_time_and_says_how_much(lesson):
    fits_24_detectors = lesson.stem == "09_many_series"  # in processes of their own, and its first lines say so
    taken = float(lesson_table.seconds()[lesson.stem])
    assert taken <= (150 if fits_24_detectors else 60)
    said = float(re.search(r"(\d+) s to run", parts(lesson)[1][0])[1])
    assert abs(said - taken) <= max(10, 0.4 * taken), "the first lines of the lesson say how long it runs"


def test_exercises_fold_their_answers_away(lesson):
    if lesson.stem == "A2_probabilistic_pca":
        pytest.skip("an appendix that only proves, without exercises")
    _, words = parts(lesson)
    last = words[-1]
    assert "## Exercises" in last
    exercises = last[last.index("## Exercises") :]
    assert all(word in exercises for word in ("1. **Predict.**", "2. **Change.**", "3. **Extend.**"))
    assert last.count("<details><summary>") == exercises.count("<details><summary>") == last.count("</details>")
    folded = re.sub(r"<details>.*?</details>", "", exercises, flags=re.DOTALL)  # one fold for all, or one for each
    assert exercises.count("<details>") in (1, 3) and "Answer" not in folded


def test_cells_are_short_and_checked_and_print_no_verdicts(lesson):
    code, _ = parts(lesson)
    assert max(cell.source.count("\n") + 1 for cell in code) <= 20
    checked = [cell for cell in code if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(checked) >= 4
    for cell in code:
        for output in cell.outputs:
            assert not re.search(r"\b(True|False)\b", output.get("text", "")), cell.source[:60]


def test_every_figure_has_words(lesson):
    code, _ = parts(lesson)
    pictures = [out for cell in code for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 2
    for picture in pictures:
        assert len(picture.metadata["image/png"]["alt"].split()) >= 8


def test_a_link_called_by_a_file_name_leads_to_that_file(lesson):
    _, words = parts(lesson)
    for name, target in re.findall(r"\[`(\w+\.py)`\]\(([^)]+)\)", "\n".join(words)):
        assert target.endswith(name), f"{name} is now at {target}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("solutions/*.ipynb")), ids=lambda path: path.stem)
def test_solutions_say_what_to_install_too(path):
    code, _ = parts(path)
    assert "install: bool = False" in code[0].source and 'source: str = "../.."' in code[0].source
    assert code[1].source == "if install:\n    %pip install --quiet {source}"


def test_links_to_files_lead_somewhere(lesson):
    _, words = parts(lesson)
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", "\n".join(words)):
        assert (lesson.parent / target).exists(), target
