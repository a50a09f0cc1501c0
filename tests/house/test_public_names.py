"""What is public is imported from its public place; inside a room only its own tests look."""

import ast
import contextlib
import functools
import importlib
import inspect
import json
import pkgutil
import re
import sys
from pathlib import Path

import pytest
from cases import for_each

ROOT = Path(__file__).parents[2]
PACKAGES = ("organics_ode", "tasks")
# Folders of tests that are of no room: what they need of the inside of one is told here.
NO_ROOM = {"house", "support", "system", "old_files"}
# File: the private modules that it knows, and why it has to.
EXCEPTIONS = {
    "support/forge.py": (
        "storage._archive storage._encoding storage._header storage._files programs._closures "
        "optimizers._optimizer training._checkpoints training._recorder",
        "writes any header under a checksum that is right, with names that no file may reach",
    ),
    "system/file_readers.py": (
        "training._checkpoints tasks._idx",
        "reads thousands of forged checkpoints and data sets, each of which `fit` would train on",
    ),
    "system/file_studies.py": (
        "robustness._study studies._file",
        "reads thousands of forged studies, each of which would go on being computed",
    ),
    "system/test_files.py": (
        "storage._archive storage._files",
        "takes the checks out of the reader, to show that the attack sees what they keep out",
    ),
    "system/cores_worker.py": (
        "parallel._cores",
        "splits small trainings, by setting the limits from which splitting pays",
    ),
    "system/devices_worker.py": (
        "training._objective",
        "counts the exchanges between devices in the program of a training step",
    ),
}
# What a NamedTuple has for everybody.
OF_TUPLES = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
PATH = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+")
NAME_IN_A_FILE = re.compile(rf"({'|'.join(PACKAGES)})[.\w]*:[.\w]+")


def is_private(part):
    return part.startswith("_") and not part.endswith("__") and part not in OF_TUPLES


def used(nodes):
    """The absolute names that a script imports, and those that it reads of what it imported."""
    known = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield f"{node.module}.{alias.name}"
    for node in nodes:
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id in known:
            yield ".".join([known[node.id], *reversed(parts)])


def told(nodes):
    """Names in texts: patched or imported by a call, or written into a file as `module:name`."""
    for node in nodes:
        for argument in node.args if isinstance(node, ast.Call) else ():
            text = argument.value if isinstance(argument, ast.Constant) else None
            if isinstance(text, str) and PATH.fullmatch(text):
                yield text
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and NAME_IN_A_FILE.fullmatch(text):
            yield text.replace(":", ".")


def scripts(nodes):
    """Texts that are Python with an import: what other processes run."""
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "_" for part in node.values)
            text = "".join(parts)
        if isinstance(text, str) and "import " in text:
            with contextlib.suppress(SyntaxError):  # prose
                yield ast.parse(text)


def inside(names):
    """Those of the packages with a private part, as from `organics_ode` or from `tasks`."""
    names = {name.replace("organics_ode.tasks.", "tasks.") for name in names}
    ours = {name for name in names if name.split(".")[0] in PACKAGES}
    return {name for name in ours if any(map(is_private, name.split(".")))}


def names_inside(text):
    """Of a script and the scripts within it: those that it uses, and those that it tells."""
    trees = [list(ast.walk(ast.parse(text)))]
    trees += [list(ast.walk(tree)) for tree in scripts(trees[0])]
    return tuple(inside(name for nodes in trees for name in kind(nodes)) for kind in (used, told))


@functools.cache
def of_file(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return names_inside(text)


def room_of(name):
    package, part = name.split(".")[:2]
    return package if package == "tasks" else "ground" if is_private(part) else part


@functools.cache
def public_names():
    """Of each name that a package shows: where, the shortest place first, and what it is."""
    places = {}
    ours = (name for name in sys.modules if name.split(".")[0] in PACKAGES)
    packages = (name for name in ours if hasattr(sys.modules[name], "__path__"))
    for package in sorted(packages, key=lambda name: (name.count("."), name)):
        for name, value in vars(sys.modules[package]).items():
            if not is_private(name) and not inspect.ismodule(value):
                places.setdefault(name, []).append((package, value))
    return places


def public_place(name):
    """Where a name that is told by its private module is public, if it is."""
    parts = name.split(".")
    for end in range(2, len(parts)):
        home, own = ".".join(parts[:end]), parts[end]
        if home in sys.modules and any(map(is_private, parts[:end])):
            value = getattr(sys.modules[home], own, None)
            places = [room for room, other in public_names().get(own, ()) if other is value]
            if places and places[0] != home:
                return f"{places[0]}.{own}"
    return None


TESTS = sorted({*(ROOT / "tests").rglob("*.py")} - {Path(__file__)})
EXAMPLES = sorted(p for kind in ("*.py", "*.ipynb") for p in (ROOT / "examples").rglob(kind))


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported():
    for package in map(importlib.import_module, PACKAGES):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith("__main__"):
                importlib.import_module(info.name)


@for_each(TESTS)
def test_a_public_name_is_imported_from_its_public_place(path):
    places = {name: public_place(name) for name in of_file(path)[0]}
    assert not {name: place for name, place in places.items() if place}


@for_each(TESTS)
def test_only_the_tests_of_a_room_know_its_inside(path):
    where = path.relative_to(ROOT / "tests")
    room = None if where.parts[0] in NO_ROOM else where.parts[0]
    foreign = {name for name in set().union(*of_file(path)) if room_of(name) != room}
    modules, _ = EXCEPTIONS.get(where.as_posix(), ("", ""))
    for module in modules.split():
        full = module if module.startswith("tasks.") else f"organics_ode.{module}"
        needed = {name for name in foreign if f"{name}.".startswith(f"{full}.")}
        assert needed, f"it does not need {module}"
        foreign -= needed
    assert not foreign


def test_every_exception_is_of_a_file_there_is():
    assert EXCEPTIONS.keys() <= {path.relative_to(ROOT / "tests").as_posix() for path in TESTS}


@for_each(TESTS)
def test_what_no_file_may_reach_is_there(path):
    """Else an attack by its name would show nothing."""
    for name in of_file(path)[1]:
        pkgutil.resolve_name(name)


@for_each(EXAMPLES)
def test_examples_know_no_inside(path):
    assert of_file(path) == (set(), set())


@for_each(sorted((ROOT / "tasks").rglob("*.py")))
def test_tasks_know_no_inside_but_their_own(path):
    assert {room_of(name) for name in set().union(*of_file(path))} <= {"tasks"}


def test_the_scan_sees_what_it_looks_for():
    uses, tells = names_inside("""
import organics_ode as oo
from organics_ode import storage as s, tasks
from organics_ode.training import _fit
oo.noise._large.variances(s._header)
patch("organics_ode.storage._lock.fcntl", oo.fit)
NAMES = ["organics_ode.storage._files:os.remove", "organics_ode:load", "organics_ode._history"]
SCRIPT = "import tasks; tasks._source.download()"
run(f"from organics_ode.studies import _sweep as sweep; sweep._EVERY = {NAMES}")
state._replace(oo.ORGaNICsState._fields)
""")
    assert uses == {
        "organics_ode.noise._large",
        "organics_ode.noise._large.variances",
        "organics_ode.storage._header",
        "organics_ode.studies._sweep",
        "organics_ode.studies._sweep._EVERY",
        "organics_ode.training._fit",
        "tasks._source",
        "tasks._source.download",
    }
    assert tells == {"organics_ode.storage._lock.fcntl", "organics_ode.storage._files.os.remove"}
    assert public_place("organics_ode.training._fit.fit") == "organics_ode.fit"
    assert public_place("organics_ode.storage._lock.locked") == "organics_ode.storage.locked"
    assert public_place("organics_ode.training._objective.State") == "organics_ode.optimizers.State"
    assert public_place("organics_ode._constraints.Frozen") == "organics_ode.Frozen"
    assert public_place("organics_ode._checks._errors.refuse") == "organics_ode._checks.refuse"
    assert public_place("organics_ode._checks.refuse") is None
    assert public_place("organics_ode.storage._archive.hidden_prefix") is None
