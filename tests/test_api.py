"""The package as a whole: every public name documented, imports downwards only, nothing that runs code from data."""

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vaehelpers"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

# rooms of the house, lowest first; a module imports from lower floors, and from its own as listed in BESIDE
FLOORS = [
    {"errors", "progress"},
    {"files", "series", "windows", "metrics", "thresholds"},
    {"tables", "baselines", "examples"},
    {"reading"},
    {"data"},
    {"layers", "losses"},
    {"blocks"},
    {"model"},
    {"training", "scores"},
    {"detector", "contracts"},
    {"stream"},
    {"museum", "plots", "findings"},
    {"narrative"},
    {"report", "fleet", "bench", "watch"},
    {"parts"},
    {"cli"},
]
BESIDE = {
    # contracts test any detector, ours included, on demand and never when imported
    ("contracts", "detector"),
}
WITHOUT_TENSORFLOW = [
    "baselines",
    "data",
    "errors",
    "examples",
    "files",
    "metrics",
    "progress",
    "reading",
    "series",
    "tables",
    "thresholds",
    "windows",
]
FLOOR_OF = {name: height for height, floor in enumerate(FLOORS) for name in floor}


@functools.cache
def tree(module):
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imported(module):
    """Modules of this package that a module imports, anywhere but for type checkers: (name, at top level)."""
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
            found |= {name for name in names if name in MODULES}
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
    assert set(MODULES) <= set(FLOOR_OF), f"say in FLOORS where {set(MODULES) - set(FLOOR_OF)} live"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downwards(module):
    for other in imported(module) - {module}:
        below = FLOOR_OF[other] < FLOOR_OF[module] or (module, other) in BESIDE
        assert below, f"{module} imports {other}, which is not on a lower floor"


def test_nobody_imports_by_dots():
    for module in MODULES:
        dotted = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.level]
        assert not dotted, module


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_numbers_need_no_tensorflow():
    names = ", ".join(f"vaehelpers.{module}" for module in WITHOUT_TENSORFLOW)
    code = f"import sys, {names}\nprint(*sorted({{'tensorflow', 'keras', 'matplotlib'}} & set(sys.modules)))"
    assert run(code) == []


def test_the_package_itself_costs_next_to_nothing():
    heavy = "{'tensorflow', 'keras', 'pandas', 'numpy', 'scipy', 'sklearn', 'matplotlib'}"
    assert run(f"import sys, vaehelpers\ndir(vaehelpers)\nprint(*sorted({heavy} & set(sys.modules)))") == []
    code = f"""import sys
from vaehelpers.cli import main
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
    lazily = {name for name in vaehelpers.__all__ if name in MODULES}
    internal = {"blocks", "cli", "errors", "files", "findings", "narrative", "progress", "reading", "series", "tables"}
    internal |= {"parts", "watch"}
    assert set(MODULES) - internal <= lazily


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


@pytest.mark.parametrize("module", [*MODULES, "__init__"])
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


@pytest.mark.parametrize("module", [name for name in MODULES if name not in {"cli", "progress"}])
def test_the_package_never_prints(module):
    calls = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


# -- documentation -------------------------------------------------------------------------------------------------


# sentences, tables and figures of the one report: proved by its tests and by the executed notebook, on whole detectors
ROOMS_OF_THE_REPORT = {"cli", "findings", "narrative", "report"}
# what Keras asks its layers and models to have, under names and with arguments of its own
KERAS_METHODS = {"build", "call", "compute_output_shape", "test_step", "train_step"}


@functools.cache
def public():
    """Every public name as (module, name, object)."""
    found = []
    for module in MODULES:
        held = importlib.import_module(f"vaehelpers.{module}")
        found += [(module, name, getattr(held, name)) for name in held.__all__]
    return found


def functions_and_classes():
    return [(module, name, it) for module, name, it in public() if inspect.isclass(it) or inspect.isfunction(it)]


def tuple_or_record(it):
    """NamedTuples and dataclasses describe their fields; they are shown by the functions that return them."""
    return inspect.isclass(it) and (issubclass(it, tuple) or dataclasses.is_dataclass(it))


def is_exhibit(module, it):
    """Pieces of the museum are shown in notebook 10, not to be used."""
    return module == "museum" and inspect.isclass(it)


def exempt(module, it):
    return module in ROOMS_OF_THE_REPORT or (inspect.isclass(it) and issubclass(it, Exception))


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


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_and_what_is_public(module):
    assert len(ast.get_docstring(tree(module)) or "") > 30
    held = importlib.import_module(f"vaehelpers.{module}")
    assert held.__all__ == sorted(held.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert all(hasattr(held, name) for name in held.__all__)
    defined = [node for node in tree(module).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    forgotten = {node.name for node in defined if not node.name.startswith("_")} - set(held.__all__)
    assert not {name for name in forgotten if not is_command(getattr(held, name))}


def is_command(it):
    """Commands of the terminal are reached by name there, not imported."""
    return type(it).__module__.startswith("click")


def test_every_public_function_and_class_is_documented():
    missing = [f"{m}.{name}" for m, name, it in functions_and_classes() if len(inspect.getdoc(it) or "") < 15]
    assert not missing, report(missing)


def test_every_constant_is_described_in_the_source():
    """A string right after the assignment, or a comment above or beside it."""
    missing = []
    for module, name, it in public():
        if inspect.isclass(it) or inspect.isfunction(it) or not name.isupper():
            continue
        body, lines = tree(module).body, (PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()
        for index, node in enumerate(body):
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            if not any(getattr(target, "id", None) == name for target in targets):
                continue
            after = body[index + 1] if index + 1 < len(body) else None
            text = isinstance(after, ast.Expr) and isinstance(getattr(after.value, "value", None), str)
            beside = "#" in lines[node.lineno - 1] or lines[node.lineno - 2].lstrip().startswith("#")
            if not (text or beside):
                missing.append(f"{module}.{name}")
    assert not missing, report(missing)


def test_every_public_function_and_class_has_an_example():
    missing = [
        f"{module}.{name}"
        for module, name, it in functions_and_classes()
        if not exempt(module, it)
        and not tuple_or_record(it)
        and not is_exhibit(module, it)
        and ">>>" not in (it.__doc__ or "")
    ]
    assert not missing, report(missing)


def test_every_parameter_is_described():
    missing = []
    for module, name, it in functions_and_classes():
        if exempt(module, it) or tuple_or_record(it) or is_exhibit(module, it):
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
        if inspect.isclass(it) or exempt(module, it) or not returns_something(it):
            continue
        text = it.__doc__ or ""
        said = re.match(r"\s*(Return|Yield)\b", text) or re.search(r"^\s*(Returns|Yields)\n\s*-+", text, re.MULTILINE)
        if not said:
            missing.append(f"{module}.{name}")
    assert not missing, report(missing)


def test_public_methods_are_documented():
    missing = []
    for module, name, it in functions_and_classes():
        if not inspect.isclass(it) or is_exhibit(module, it):
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
