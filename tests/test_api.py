"""The package as a whole: every public name documented, imports downwards only, nothing that runs code from data."""

import ast
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vaehelpers"
HOUSE = tomllib.loads((PACKAGE.parent / "docs" / "house.toml").read_text(encoding="utf-8"))
FLOORS = [list(floor) for floor in reversed(HOUSE["floor"])]  # lowest first
FLOOR_OF = {room: height for height, floor in enumerate(FLOORS) for room in floor}
ROOMS = list(FLOOR_OF)
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
LONGEST = 600  # lines of a file
MOST_PUBLIC = 120


def path_of(module):
    return PACKAGE / f"{module.replace('.', '/')}.py"


@functools.cache
def tree(module):
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def room_of(module):
    return module.split(".")[0]


def imported(module):
    """Rooms of this package that a module imports, anywhere but for type checkers."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vaehelpers":
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("vaehelpers.")]
        else:
            continue
        if node not in for_type_checkers(module):
            found |= {name for name in names if name in FLOOR_OF or name in HOUSE["doors"]}
    return found


@functools.cache
def for_type_checkers(module):
    return {
        inner
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


# -- imports -------------------------------------------------------------------------------------------------------


def test_every_module_has_its_floor():
    found = {room_of(module) for module in MODULES}
    assert found == set(ROOMS) | set(HOUSE["doors"]), "say in docs/house.toml where each room is"


@pytest.mark.parametrize("module", [name for name in MODULES if name not in HOUSE["doors"]])
def test_imports_go_downwards(module):
    for other in imported(module) - {room_of(module)}:
        assert other in FLOOR_OF, f"{module} imports by the door {other}, which is for users"
        below = FLOOR_OF[other] < FLOOR_OF[room_of(module)]
        assert below, f"{module} imports {other}, which is not on a lower floor"


def test_no_circle_within_a_room():
    arrows = {module: set() for module in MODULES}
    for module in MODULES:
        for node in tree(module).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vaehelpers."):
                arrows[module].add(node.module.removeprefix("vaehelpers."))
    done = set()
    while rest := {module for module in MODULES if module not in done}:
        free = {module for module in rest if not (arrows[module] & rest)}
        assert free, f"these import each other in a circle: {sorted(rest)}"
        done |= free


@pytest.mark.parametrize(("door", "room"), HOUSE["doors"].items())
def test_doors_hold_nothing_of_their_own(door, room):
    here, there = importlib.import_module(f"vaehelpers.{door}"), importlib.import_module(f"vaehelpers.{room}")
    text, *body, exports = tree(door).body
    assert isinstance(text, ast.Expr) and [target.id for target in exports.targets] == ["__all__"]
    assert all(isinstance(node, ast.ImportFrom) for node in body)
    assert {".".join(node.module.split(".")[:2]) for node in body} == {f"vaehelpers.{room}"}
    assert sorted(alias.asname or alias.name for node in body for alias in node.names) == sorted(here.__all__)
    assert all(getattr(here, name) is getattr(there, name) for name in here.__all__ if name in there.__all__)


def test_files_can_be_read_in_a_sitting():
    long = {module: len(path_of(module).read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert not {module: lines for module, lines in long.items() if lines > LONGEST}


def test_nobody_imports_by_dots():
    for module in MODULES:
        dotted = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.level]
        assert not dotted, module


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_numbers_need_no_tensorflow():
    names = ", ".join(
        f"vaehelpers.{module}" for module in MODULES if room_of(module) in HOUSE["without_tensorflow"]["rooms"]
    )
    code = f"import sys, {names}\nprint(*sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    assert run(code) == []


def test_the_package_itself_costs_next_to_nothing():
    heavy = "{'tensorflow', 'keras', 'pandas', 'numpy', 'scipy', 'sklearn', 'matplotlib'}"
    assert run(f"import sys, vaehelpers\ndir(vaehelpers)\nprint(*sorted({heavy} & set(sys.modules)))") == []
    code = f"""import sys
from vaehelpers.commands.cli import main
sys.argv = ["vaehelpers", "--help"]
try:
    main()
except SystemExit:
    print("|", *sorted({heavy} & set(sys.modules)))"""
    words = run(code)
    assert words[words.index("|") + 1 :] == []


def test_lazy_names_lead_where_they_should():
    import vaehelpers

    for name in vaehelpers.__all__:
        assert getattr(vaehelpers, name) is not None, name
    assert set(ROOMS) - {"commands"} <= set(vaehelpers.__all__)


def test_contributing_shows_the_floors():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for number, floor in enumerate(HOUSE["floor"]):
        for room, what in floor.items():
            assert f"| {len(HOUSE['floor']) - number} | `{room}` | {what} |" in text, room


# -- nothing that runs code from data ------------------------------------------------------------------------------

FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "Lambda", "enable_unsafe_deserialization"}
FORBIDDEN_METHODS = FORBIDDEN_CALLS - {"compile"}  # re.compile and keras.Model.compile are others


def dangers(source):
    """What in a source could run code that came with data."""
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in FORBIDDEN_CALLS:
                yield function.id
            if isinstance(function, ast.Attribute) and function.attr in FORBIDDEN_METHODS:
                yield function.attr
            for keyword in node.keywords:
                unsafe = (keyword.arg, getattr(keyword.value, "value", None))
                if unsafe in {("allow_pickle", True), ("safe_mode", False), ("shell", True)}:
                    yield f"{keyword.arg}={keyword.value.value}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_runs_code_that_comes_with_data(module):
    assert list(dangers(tree(module))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "keras.layers.Lambda(f)",
        "np.load(path, allow_pickle=True)",
        "keras.saving.load_model(path, safe_mode=False)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_the_search_for_dangers_finds_them(code):
    assert len(list(dangers(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "module", [name for name in MODULES if room_of(name) != "commands" and name != "common.progress"]
)
def test_the_package_never_prints(module):
    calls = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


SCRIPTS = sorted(
    path
    for folder in ("benchmarks", "docs", "tools", "tests")
    for path in (Path(__file__).parents[1] / folder).rglob("*.py")
)


def test_scripts_import_names_that_exist():
    """Benchmarks are not run by the tests, so that a name they import could go away unseen."""
    absent = []
    for path in SCRIPTS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vaehelpers":
                room = importlib.import_module(node.module)
                for alias in node.names:
                    place = f"{node.module}.{alias.name}"
                    if not hasattr(room, alias.name) and importlib.util.find_spec(place) is None:
                        absent.append(f"{path.name}: {place}")
    assert len(SCRIPTS) > 50 and not absent, absent


# -- documentation -------------------------------------------------------------------------------------------------


# what Keras asks its layers and models to have, under names and with arguments of its own
KERAS_METHODS = {"build", "call", "compute_output_shape", "test_step", "train_step"}


@functools.cache
def public():
    """Every public name as (room, name, object): what a room's `__init__` exports, and `windows`."""
    found = []
    for room in ROOMS:
        held = importlib.import_module(f"vaehelpers.{room}")
        found += [(room, name, getattr(held, name)) for name in held.__all__]
    return found


def functions_and_classes():
    return [(module, name, it) for module, name, it in public() if inspect.isclass(it) or inspect.isfunction(it)]


def tuple_or_record(it):
    """NamedTuples and dataclasses describe their fields; they are shown by the functions that return them."""
    return inspect.isclass(it) and (issubclass(it, tuple) or dataclasses.is_dataclass(it))


def exempt(it):
    return inspect.isclass(it) and issubclass(it, Exception)


def parameters_of(it):
    try:
        signature = inspect.signature(it)
    except ValueError:
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    listed = [p.name for p in signature.parameters.values() if p.kind not in kinds and not p.name.startswith("_")]
    return [name for name in listed if name not in {"self", "cls"}]


def inherited_text(it):
    """Docstring of a class with those of its bases in this package: a block has the parameters of its base."""
    classes = it.__mro__ if inspect.isclass(it) else [it]
    classes = [one for one in classes if one.__module__.startswith("vaehelpers.")]
    return "\n".join(cls.__doc__ or "" for cls in classes)


def report(missing):
    return f"{len(missing)}: " + ", ".join(sorted(missing))


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_list_what_they_export(room):
    held = importlib.import_module(f"vaehelpers.{room}")
    assert sorted(held.__all__) == sorted(set(held.__all__))
    assert all(getattr(held, name) is not None for name in held.__all__)
    assert not [name for name in held.__all__ if name.startswith("_")]


def test_the_number_of_public_names_is_known():
    """Each is a promise; a helper needs none. Raise the number on purpose."""
    assert len(public()) <= MOST_PUBLIC


def test_every_public_function_and_class_has_an_example():
    missing = [
        f"{module}.{name}"
        for module, name, it in functions_and_classes()
        if not exempt(it) and not tuple_or_record(it) and ">>>" not in (it.__doc__ or "")
    ]
    assert not missing, report(missing)


def test_every_parameter_is_described():
    missing = []
    for module, name, it in functions_and_classes():
        if exempt(it) or tuple_or_record(it):
            continue
        text = inherited_text(it)
        for parameter in parameters_of(it):
            if not re.search(rf"(^|[\s,*`]){re.escape(parameter)}([\s,`:=]|$)", text):
                missing.append(f"{module}.{name}({parameter})")
    assert not missing, report(missing)


def returns_something(it):
    annotation = inspect.signature(it).return_annotation
    return annotation not in (inspect.Signature.empty, None, "None", "bool", "NoReturn")


def test_every_result_is_described():
    """A section Returns (or Yields), or a first sentence that says it: `Return the ...`."""
    missing = []
    for module, name, it in functions_and_classes():
        if inspect.isclass(it) or exempt(it) or not returns_something(it):
            continue
        text = it.__doc__ or ""
        said = re.match(r"\s*(Return|Yield)\b", text) or re.search(r"^\s*(Returns|Yields)\n\s*-+", text, re.MULTILINE)
        if not said:
            missing.append(f"{module}.{name}")
    assert not missing, report(missing)


def test_public_methods_are_documented():
    missing = []
    for module, name, it in functions_and_classes():
        if not inspect.isclass(it):
            continue
        for method, function in vars(it).items():
            if (
                method.startswith("_")
                or method in KERAS_METHODS
                or not (inspect.isfunction(function) or isinstance(function, classmethod))
            ):
                continue
            # an override has the text of what it overrides
            if not inspect.getdoc(getattr(it, method)):
                missing.append(f"{module}.{name}.{method}")
    assert not missing, report(missing)


def test_the_type_hints_are_published():
    assert (PACKAGE / "py.typed").exists()
