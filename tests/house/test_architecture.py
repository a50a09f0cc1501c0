"""The folder listing is the architecture: who may import whom, and what every class is."""

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import pytest
from cases import for_each

import organics_ode
import tasks

ROOT = Path(__file__).parents[2]
PACKAGES = {"organics_ode": organics_ode, "tasks": tasks}

# Everyone may import it.
GROUND = {
    "_axes",
    "_cards",
    "_checks",
    "_constraints",
    "_namespace",
    "_nonlinearities",
    "_operators",
    "_progress",
    "_tables",
    "_types",
    "_version",
}
# Each room, and the rooms whose names it may import; those come before it.
ROOMS = {
    "citations": "",
    "programs": "",
    "circuits": "programs",
    "cells": "circuits",
    "kernels": "circuits cells programs",
    "facts": "circuits",
    "linear": "circuits facts programs",
    "dynamics": "circuits cells kernels facts programs",
    "equilibria": "circuits facts linear dynamics programs",
    "stability": "circuits facts linear equilibria programs",
    "noise": "circuits facts linear dynamics equilibria programs",
    "models": "circuits cells facts dynamics equilibria",
    "parallel": "programs",
    "storage": "circuits",
    "population": "programs",
    "mean_field": "programs",
    "optimizers": "programs",
    "planar": "circuits cells facts linear equilibria programs",
    "robustness": "circuits cells facts linear storage programs",
    "feedback": "circuits cells dynamics equilibria linear optimizers programs",
    "periods": "circuits cells dynamics equilibria",
    "studies": "circuits dynamics storage programs",
    "cortex": "circuits linear dynamics equilibria noise studies programs",
    "training": (
        "circuits cells kernels facts dynamics models parallel storage optimizers programs"
    ),
    "plot": (
        "circuits linear dynamics equilibria stability noise population planar robustness feedback "
        "mean_field studies training"
    ),
    "explore": "circuits facts linear dynamics equilibria stability noise planar programs",
    "tasks": "",
    "__main__": "parallel storage training explore tasks",
}
# It finds the package `tasks` where it is installed, and stands for it.
STANDS_FOR_TASKS = ("organics_ode", "tasks")


@functools.cache
def sources(package):
    """Every module's dotted name under the package, and its syntax tree."""
    folder = ROOT / package
    named = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        named[".".join(parts)] = ast.parse(path.read_text())
    return named


def imported(package, module, nodes):
    """The absolute names that the given statements of a module import."""
    parents = [package, *module.split(".")[:-1]]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1]
            base += node.module.split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


@functools.cache
def imports(package, module):
    return set(imported(package, module, ast.walk(sources(package)[module])))


@functools.cache
def top_level_imports(package, module):
    """Those that run when the module is imported: all but the ones inside functions, and those
    that only static checkers read."""

    def outside_functions(node):
        is_unread = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in node.orelse if is_unread else ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield child
                yield from outside_functions(child)

    return set(imported(package, module, outside_functions(sources(package)[module])))


FOLDERS = [p.parent for p in (ROOT / "organics_ode").glob("**/__init__.py")]
LIBRARY = [m for m in sources("organics_ode") if m != "__init__"]
EVERYWHERE = [(package, m) for package in PACKAGES for m in sources(package)]


def test_the_house_has_the_ground_and_the_rooms_of_the_table():
    assert {m.split(".")[0] for m in LIBRARY} == GROUND | ROOMS.keys()


def test_a_room_comes_after_those_that_it_imports():
    done = set()
    for room, others in ROOMS.items():
        assert set(others.split()) <= done, f"{room} imports a room below it"
        done.add(room)


@for_each(LIBRARY)
def test_rooms_import_what_the_table_says(module):
    own = module.split(".")[0]
    allowed = GROUND | set(ROOMS.get(own, "").split())
    for name in imports("organics_ode", module):
        package, *path = name.split(".")
        if package != "organics_ode":
            continue
        assert path, f"{module} imports the whole library"
        if path[0] != own or own in GROUND:
            assert path[0] in allowed, f"{module} imports {name}"
            # A room is imported by what it shows, never by its inner files.
            is_inner = any(part.startswith("_") for part in path[1:])
            assert path[0] in GROUND or not is_inner, f"{module} imports {name}"


def test_every_line_of_the_table_is_used():
    for room, others in ROOMS.items():
        here = [m for m in LIBRARY if m.split(".")[0] == room]
        names = {name for m in here for name in imports("organics_ode", m)}
        for other in others.split():
            used = any(f"{name}.".startswith(f"organics_ode.{other}.") for name in names)
            assert used, f"{room} imports nothing of {other}"


def test_rooms_and_files_are_of_a_size_that_one_knows():
    for folder in FOLDERS:
        files = list(folder.glob("*.py"))
        assert len(files) <= 13, f"{folder.name} has {len(files)} files"
        for file in files:
            lines = len(file.read_text().splitlines())
            assert lines <= 300, f"{folder.name}/{file.name} has {lines} lines"


@for_each(EVERYWHERE)
def test_functions_are_of_a_length_that_one_reads(package, module):
    for node in ast.walk(sources(package)[module]):
        if isinstance(node, ast.FunctionDef):
            words = ast.get_docstring(node, clean=False) or ""
            told = len(words.split("\n")) if words else 0
            lines = node.end_lineno - node.lineno + 1 - told
            assert lines <= 60, f"{node.name} of {module} has {lines} lines without its docstring"


def test_the_scan_sees_the_imports_there_are():
    # Without these the law above would hold for want of imports.
    assert "organics_ode.circuits.AbstractCircuit" in imports("organics_ode", "cells.steps._step")
    assert "organics_ode._checks.refuse" in imports("organics_ode", "circuits._parameters")
    assert "organics_ode.training.History" in imports("organics_ode", "plot._dynamics")
    assert "matplotlib.pyplot" in imports("organics_ode", "_axes")
    assert "matplotlib.pyplot" not in top_level_imports("organics_ode", "_axes")


@for_each(ROOMS)
def test_modules_of_one_room_do_not_import_each_other_in_a_circle(room):
    own = [m for m in LIBRARY if m.startswith(f"{room}.") and not m.endswith("__init__")]
    graph = {m: set(_imported_modules(m, own)) for m in own}
    while graph:
        leaves = {m for m, needs in graph.items() if not needs & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {m: needs for m, needs in graph.items() if m not in leaves}


def _imported_modules(module, others):
    names = " ".join(f"{name}." for name in imports("organics_ode", module))
    return [other for other in others if f"organics_ode.{other}." in names]


@for_each(EVERYWHERE)
def test_tasks_and_the_library_do_not_import_each_other(package, module):
    (other,) = set(PACKAGES) - {package}
    found = [n for n in imports(package, module) if n.split(".")[0] == other]
    # What only static checkers read.
    assert found == (["tasks.*"] if (package, module) == STANDS_FOR_TASKS else [])
    assert not [n for n in top_level_imports(package, module) if n.split(".")[0] == other]


def test_the_command_line_alone_asks_for_the_tasks_of_the_library():
    asked = re.compile(r"organics_ode\.tasks(\.|$)")
    names = {m: imports("organics_ode", m) for m in LIBRARY}
    assert [m for m, found in names.items() if any(map(asked.match, found))] == ["__main__"]
    # Modules are found by a text in these files alone.
    finders = {m for m, found in names.items() if "importlib" in " ".join(found)}
    expected = {"_namespace", "_tables", "tasks", "storage._names", "storage._trained", "__main__"}
    assert finders == expected


@for_each(EVERYWHERE)
def test_optional_packages_are_imported_inside_functions(package, module):
    optional = {"matplotlib", "sklearn", "pooch", "scipy", "pandas", "xarray"}
    # Of the page itself nobody imports more than its server, inside a function.
    if not module.startswith("explore._") or module in ("explore._server", "explore._view"):
        optional |= {"bokeh", "tornado", "contourpy"}
    assert not {n.split(".")[0] for n in top_level_imports(package, module)} & optional


@for_each([m for m in LIBRARY if m.startswith("circuits")])
def test_circuits_are_equations_without_solvers(module):
    solvers = {"diffrax", "optimistix", "lineax", "optax"}
    assert not {n.split(".")[0] for n in imports("organics_ode", module)} & solvers


def test_nobody_imports_plot_but_the_package_itself():
    outside = [m for m in sources("organics_ode") if not m.startswith("plot.")]
    names = {m: " ".join(imports("organics_ode", m)) for m in outside}
    assert [m for m, text in names.items() if "organics_ode.plot" in text] == ["__init__"]


@for_each([pair for pair in EVERYWHERE if pair[1].endswith("__init__")])
def test_package_files_only_re_export(package, module):
    first, *rest = sources(package)[module].body
    assert isinstance(first, ast.Expr) and isinstance(first.value.value, str)
    for node in rest:
        if isinstance(node, ast.Assign):  # the one list of a room's public names, and who tells it
            target, value = ast.unparse(node.targets[0]), node.value
            is_told = (target, ast.unparse(value)) == ("__dir__", "_public(__name__)")
            assert is_told or (target == "__all__" and ast.literal_eval(value))
            continue
        if ast.unparse(node) == "from .._namespace import _public as _public":
            continue
        assert isinstance(node, ast.ImportFrom) and node.level == 1, ast.unparse(node)
        if [alias.name for alias in node.names] == ["*"]:
            room = sources(package)[f"{node.module}.__init__"].body
            assert any(isinstance(n, ast.Assign) for n in room), ast.unparse(node)
            continue
        assert all(alias.asname == alias.name for alias in node.names), ast.unparse(node)


# These compare times or numbers of the user, which were checked to be finite.
MAY_REDUCE = {"_nonlinearities", "_checks._arrays", "mean_field._padded"}
MAY_REDUCE |= {"dynamics._controllers", "dynamics._simulate"}


@for_each([m for m in LIBRARY if m not in MAY_REDUCE])
def test_no_maximum_passes_over_nan(module):
    # `_nonlinearities` says why: `highest` and `lowest` stand in for jnp.max and jnp.min.
    nodes = ast.walk(sources("organics_ode")[module])
    names = {ast.unparse(n) for n in nodes if isinstance(n, ast.Attribute)}
    assert not names & {"jnp.max", "jnp.min"}


EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


@for_each(EXAMPLES)
def test_examples_are_short_and_use_what_is_there(path):
    text = path.read_text(encoding="utf-8")
    for name in used(ast.parse(text)):
        room, _, attribute = name.rpartition(".")
        assert not room or hasattr(importlib.import_module(room), attribute), f"no {name}"
    assert path.parent.name == "benchmarks" or len(text.splitlines()) < 150


def used(tree):
    """What a script imports of the packages, and the attributes that it reads of their modules."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [n for n in imported("", "", [node]) if n.split(".")[0] in PACKAGES]
            yield from names
            aliases = [alias.asname or alias.name for alias in node.names if names]
            modules |= dict(zip(aliases, names, strict=True))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules:
            name = modules[ast.unparse(node.value)]
            if inspect.ismodule(sys.modules.get(name)):
                yield f"{name}.{node.attr}"


def test_every_example_has_a_theme():
    assert [path.name for path in EXAMPLES if path.parent == ROOT / "examples"] == []


def all_classes():
    for package in PACKAGES.values():
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for value in vars(module).values():
                if isinstance(value, type) and value.__module__ == info.name:
                    yield value


MODULES = [c for c in all_classes() if issubclass(c, eqx.Module)]


def is_abstract(cls):
    kinds = ("__abstractmethods__", "__abstractvars__", "__abstractclassvars__")
    return any(getattr(cls, kind, ()) for kind in kinds)


@for_each(MODULES)
def test_every_module_is_abstract_or_final(cls):
    subclasses = [c for c in MODULES if cls in c.__mro__[1:]]
    if is_abstract(cls):
        assert subclasses, f"{cls.__qualname__} is abstract, and nobody fills it in"
        assert cls.__name__.lstrip("_").startswith("Abstract")
    else:
        assert not subclasses, f"{cls.__qualname__} is concrete, but has subclasses"
        assert not cls.__name__.lstrip("_").startswith("Abstract")


@for_each(MODULES)
def test_a_concrete_method_is_implemented_once(cls):
    for base in cls.__mro__[1:]:
        if base not in MODULES:
            continue
        for name, member in vars(base).items():
            is_method = inspect.isfunction(member) or isinstance(member, property)
            if name.startswith("__") or not is_method or name in base.__abstractmethods__:
                continue
            assert name not in vars(cls), f"{cls.__qualname__} overrides {name} of {base.__name__}"


@pytest.mark.parametrize("package", PACKAGES)
def test_public_functions_and_classes_say_what_they_are(package):
    public = {n for n, value in vars(PACKAGES[package]).items() if callable(value)}
    public = {n for n in public if not n.startswith("_")}
    documented = {
        node.name
        for tree in sources(package).values()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node)
    }
    assert public and public <= documented, public - documented


IMPORT = """
import jax, sys
from jax._src import xla_bridge
before = dict(jax.config.values)
import {package}
changed = {{k for k, v in before.items() if jax.config.values[k] != v}}
assert not changed, changed
assert not xla_bridge.backends_are_initialized(), "a backend was started"
heavy = {{"matplotlib", "sklearn", "pooch", "scipy.io", "pandas", "xarray", "bokeh", "{other}"}}
heavy |= {{"organics_ode.explore"}}
heavy &= set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_has_no_side_effects(package):
    (other,) = set(PACKAGES) - {package}
    script = IMPORT.format(package=package, other=other)
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    # -W error: an import that warns is one too.
    command = [sys.executable, "-W", "error::UserWarning", "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
