"""The parameters that the report notebook declares."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import os
import tokenize
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaehelpers.common.errors import InputError
from vaehelpers.detectors.settings import DETECTOR_PARAMETERS
from vaehelpers.report.errors import ReportError

if TYPE_CHECKING:
    from vaehelpers.data.choices import Choices
    from vaehelpers.data.series import Series


NOTEBOOK = "07_report.ipynb"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of the report notebook, as its parameters cell declares it.

    Attributes
    ----------
    name : str
    type : str
        "str", "int", "float" or "bool".
    default : object
    help : str
        The comment behind it.
    """

    name: str
    type: str
    default: Any
    help: str


def template() -> Path:
    """Find the report notebook: the repository's own in an editable install, else the one inside the package.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ReportError
        If it is in neither place.

    Examples
    --------
    >>> template().name
    '07_report.ipynb'
    """
    package = Path(str(resources.files("vaehelpers")))
    for place in (package / "templates" / NOTEBOOK, package.parent / "notebooks" / NOTEBOOK):
        if place.is_file():
            return place
    raise ReportError(f"the report notebook {NOTEBOOK} is not part of this installation; install vaehelpers again")


def parameters(notebook: str | os.PathLike[str] | None = None) -> dict[str, Parameter]:
    """Read the parameters of the report notebook: names, types, defaults and what the comments say.

    The same as ``papermill.inspect_notebook`` (a test holds the two together) in a hundredth of the time, so that
    ``--help`` and a mistyped name are answered at once.

    Parameters
    ----------
    notebook : path, optional
        Default: `template`.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

    Examples
    --------
    >>> parameters()["series"].type, parameters()["series"].default
    ('str', 'example')
    """
    path = template() if notebook is None else Path(notebook)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if not tagged:
        raise ReportError(f"{path} has no cell tagged parameters")
    source = "".join(tagged[0]["source"])
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            line = node.end_lineno or node.lineno
            name = node.target.id
            found[name] = Parameter(
                name, ast.unparse(node.annotation), ast.literal_eval(node.value), comments.get(line, "")
            )
    return found


def check_parameters(given: Mapping[str, Any], known: Mapping[str, Parameter] | None = None) -> dict[str, Any]:
    """Check names and types of report parameters, and what can be told about their values without any work.

    Parameters
    ----------
    given : mapping of str to object
        Values as text (from a command line) or of the right type.
    known : mapping of str to Parameter, optional
        Default: `parameters`.

    Returns
    -------
    dict of str to object
        The same names with values of the declared types.

    Raises
    ------
    InputError
        For an unknown name (with the list of known ones) or a value of another type or out of range.

    Examples
    --------
    >>> check_parameters({"timesteps": "50", "false_alarm_rate": 0.01})
    {'timesteps': 50, 'false_alarm_rate': 0.01}
    >>> check_parameters({"timesteps": "many"})
    Traceback (most recent call last):
    ...
    vaehelpers.InputError: timesteps='many' is not a whole number (...)
    """
    known = parameters() if known is None else known
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"unknown parameter {name!r}{_guess(name, known)}; known are {', '.join(known)}")
        checked[name] = _convert(known[name], value)
    _check_values(checked)
    return checked


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


def _convert(parameter: Parameter, value: Any) -> Any:
    """`value` as one of the declared types ("int", "str | None", ...); text is read, other types are checked."""
    types = [part.strip().partition("[")[0] for part in parameter.type.split("|")]
    if isinstance(value, str) and "str" not in types:
        value = _read(value, types)
    if isinstance(value, list) and "tuple" in types:
        value = tuple(value)
    if "float" in types and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{parameter.name}={str(value)[:20]}... is too large for a number") from None
    if type(value).__name__ not in types and not (value is None and "None" in types):
        words = " or ".join(_KINDS.get(name, name) for name in types if name != "None")
        hint = f" ({parameter.help})" if parameter.help else ""
        raise InputError(f"{parameter.name}={value!r} is not {words}{hint}")
    return value


def _read(text: str, types: Sequence[str]) -> Any:
    word = text.strip().lower()
    if "None" in types and word in ("none", ""):
        return None
    if types[0] == "bool":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(word, text)
    return _literal(text.strip(), text)


def _literal(text: str, otherwise: Any) -> Any:
    """A number, text, list or the like as Python writes it, which runs nothing; something else where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return otherwise


def _check_values(values: Mapping[str, Any]) -> None:
    """The detector's own checks; in the notebook 0 and "" leave a value to the preset, -1 a share to the series."""
    for name, value in values.items():
        left_open = value in (None, 0, "") or (name == "contamination" and value == -1)
        if name in DETECTOR_PARAMETERS and not left_open:
            DETECTOR_PARAMETERS[name].check(value)
    if values.get("train_rows", 0) < 0:
        raise InputError(f"train_rows={values['train_rows']} is negative; give a whole number of at least 1")


def _guess(name: str, known: Mapping[str, Any]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def parse_settings(text: str, parameter: str = "settings") -> dict[str, Any]:
    """Read ``"units=16, linear_path=False"``, the form of the notebook's parameter `settings`.

    Values are Python literals; a bare word is text. Nothing is evaluated.

    Parameters
    ----------
    text : str
    parameter : str, default "settings"
        For messages.

    Returns
    -------
    dict of str to object

    Raises
    ------
    InputError
        If a piece is no ``name=value``.

    Examples
    --------
    >>> parse_settings("units=16, linear_path=False, decoder=state")
    {'units': 16, 'linear_path': False, 'decoder': 'state'}
    """
    found: dict[str, Any] = {}
    for piece in _split_outside_brackets(text):
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"{parameter}={text!r}: {piece.strip()!r} is not NAME=VALUE")
        found[name] = _literal(value, {"true": True, "false": False, "none": None}.get(value.lower(), value))
    return found


def reading_choices(text: str) -> Choices:
    """Read ``"skip_rows=2, tz='Europe/Berlin'"``, the form of the notebook's parameter `reading`.

    Parameters
    ----------
    text : str
        Fields of `vaehelpers.data.choices.Choices`; empty: what the file itself suggests.

    Returns
    -------
    Choices

    Raises
    ------
    InputError
        If a name or a value cannot be used.

    Examples
    --------
    >>> reading_choices("skip_rows=2, decimal=','").decimal
    ','
    """
    from vaehelpers.data.choices import Choices

    known = [field.name for field in dataclasses.fields(Choices)]
    given = parse_settings(text, "reading")
    for name in given:
        if name not in known:
            raise InputError(
                f"reading={text!r}: unknown {name!r}{_guess(name, dict.fromkeys(known))}; known are {', '.join(known)}"
            )
    return Choices(**given)


def reading_text(choices: Choices) -> str:
    """Write choices as `reading_choices` reads them; those left alone are left out.

    Examples
    --------
    >>> from vaehelpers.data.choices import Choices
    >>> reading_text(Choices(skip_rows=2, na=["ERR"]))
    "skip_rows=2, na=('ERR',)"
    """
    usual = type(choices)()
    return ", ".join(f"{name}={value!r}" for name, value in vars(choices).items() if value != getattr(usual, name))


def _split_outside_brackets(text: str) -> list[str]:
    """Cut at commas that lie in no brackets and no quotes."""
    pieces, depth, start, quote = [], 0, 0, ""
    for position, character in enumerate(text):
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
            continue
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            pieces.append(text[start:position])
            start = position + 1
    pieces.append(text[start:])
    return [piece for piece in pieces if piece.strip()]


def detector_parameters() -> dict[str, Parameter]:
    """Names, types and defaults of the Detector's parameters, as `vaehelpers.detectors.settings` declares them.

    Examples
    --------
    >>> detector_parameters()["units"].type
    'int | tuple[int, ...]'
    """
    return {name: Parameter(name, one.type, one.default, one.help) for name, one in DETECTOR_PARAMETERS.items()}


def detector_settings(data: Series, settings: str = "", **values: Any) -> dict[str, Any]:
    """Turn the notebook's parameters into the Detector's: 0 and "" mean what the preset says.

    Parameters
    ----------
    data : Series
        Decides what ``contamination=-1`` means: 0 where its training part is known, else 0.05.
    settings : str, optional
        Further parameters, as `parse_settings` reads them.
    **values
        Parameters of the Detector.

    Returns
    -------
    dict of str to object

    Raises
    ------
    InputError
        For a name that the Detector does not know.

    Examples
    --------
    >>> from vaehelpers.data.series import Series
    >>> detector_settings(Series([1.0, 2.0]), "units=16", timesteps=0, contamination=-1.0, seed=3)
    {'contamination': 0.05, 'seed': 3, 'units': 16}
    """
    known = detector_parameters()
    chosen = {
        name: value for name, value in values.items() if value not in (0, "") or name in ("seed", "contamination")
    }
    if chosen.get("contamination", 0.0) < 0:
        chosen["contamination"] = 0.0 if data.train_rows is not None else 0.05
    chosen |= parse_settings(settings)
    for name in chosen:
        if name not in known:
            raise InputError(f"unknown parameter {name!r}{_guess(name, known)}; known are {', '.join(known)}")
    return chosen
