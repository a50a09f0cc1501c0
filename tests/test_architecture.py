"""The folder listing is the architecture: who may import whom, and what every class is."""

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import pytest

import organics_ode
import tasks

ROOT = Path(__file__).parents[1]
PACKAGES = {"organics_ode": organics_ode, "tasks": tasks}

# Each layer may import the layers above it in this list, and nothing else of the library.
LAYERS = (
    {"_checks", "_compiler", "_extremes", "_facts", "_functions", "_lines", "_order", "_steps"},
    {"_closures", "_paths"},
    {"_shared"},
    {"_nonlinearities", "_masks", "mean_field", "population"},
    {"_ornstein_uhlenbeck"},
    {"_constraints"},
    {"circuits"},
    {"cells", "_inputs", "_linearise", "_closed_form", "_optimizer", "_parts"},
    {"_tangent_limits"},
    {"_step_limits", "_trajectory", "_within_switches", "_exponents", "_balance"},
    {"_controllers", "_decay", "_implicit_steps", "_sizes"},
    {"_simulate", "_kernel", "_oscillator", "_routes", "_fourier_memory"},
    {"_unroll", "_spectrum"},
    {"_search", "_hypotheses"},
    {"_fixed_points", "_points"},
    {"_certificate", "_lyapunov_equation", "_find_fixed_points", "_slow_points"},
    {"_energy", "_noise"},
    {"_encoding"},
    {"_header", "_differences"},
    {"_storage"},
    {"_sample_paths", "planar", "robustness", "feedback", "_lock"},
    {"losses", "models", "readouts", "_batches", "_history", "_fixed_point_layer", "_ranges"},
    {"_devices", "_signals"},
    {"_shard"},
    {"_objective", "_fingerprint", "_log", "_members"},
    {"_resume"},
    {"_recorder"},
    {"_loop"},
    {"train", "_ensemble", "skips"},
    {"_names"},
    {"checkpoint"},
    {"_pretrained"},
    {"plot"},
)


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


def imports(package, module):
    return set(imported(package, module, ast.walk(sources(package)[module])))


def top_level_imports(package, module):
    """Those that run when the module is imported: all but the ones inside functions."""

    def outside_functions(node):
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield child
                yield from outside_functions(child)

    return set(imported(package, module, outside_functions(sources(package)[module])))


def layer(module):
    found = [i for i, names in enumerate(LAYERS) if module.split(".")[0] in names]
    assert len(found) == 1, f"{module} stands in {len(found)} layers of the table"
    return found[0]


FOLDERS = sorted(p.parent.name for p in ROOT.glob("organics_ode/*/__init__.py"))
LIBRARY = [m for m in sources("organics_ode") if m != "__init__"]
EVERYWHERE = [(package, m) for package in PACKAGES for m in sources(package)]


def test_the_table_lists_every_module_and_no_other():
    assert {m.split(".")[0] for m in LIBRARY} == set.union(*LAYERS)


@pytest.mark.parametrize("module", LIBRARY)
def test_imports_point_one_way(module):
    own = module.split(".")[0]
    for name in imports("organics_ode", module):
        package, *path = name.split(".")
        if package != "organics_ode":
            continue
        assert path, f"{module} imports the whole library"
        is_own_folder = path[0] == own and "." in module
        # A package is imported as `..circuits`, a module as `.._checks`: never by its inner files.
        assert is_own_folder or layer(path[0]) < layer(own), f"{module} imports {name}"


def test_the_scan_sees_the_imports_there_are():
    # Without these the law above would hold for want of imports.
    assert "organics_ode.circuits.AbstractCircuit" in imports("organics_ode", "cells._euler")
    assert "organics_ode._checks.refuse" in imports("organics_ode", "circuits._circuit")
    assert "organics_ode._history.History" in imports("organics_ode", "plot._dynamics")
    assert "matplotlib.pyplot" in imports("organics_ode", "plot._axes")
    assert "matplotlib.pyplot" not in top_level_imports("organics_ode", "plot._axes")


def test_modules_of_one_folder_do_not_import_each_other_in_a_circle():
    for folder in FOLDERS:
        graph = {
            m.split(".")[1]: {
                name.split(".")[2]
                for name in imports("organics_ode", m)
                if name.startswith(f"organics_ode.{folder}._")
            }
            for m in LIBRARY
            if m.startswith(f"{folder}.")
        }
        while graph:
            leaves = {m for m, needs in graph.items() if not needs & set(graph)}
            assert leaves, f"a circle among {sorted(graph)}"
            graph = {m: needs for m, needs in graph.items() if m not in leaves}


@pytest.mark.parametrize(("package", "module"), EVERYWHERE)
def test_tasks_and_the_library_do_not_import_each_other(package, module):
    (other,) = set(PACKAGES) - {package}
    assert not [n for n in imports(package, module) if n.split(".")[0] == other]


@pytest.mark.parametrize(("package", "module"), EVERYWHERE)
def test_optional_packages_are_imported_inside_functions(package, module):
    optional = {"matplotlib", "sklearn", "pooch", "scipy"}
    assert not {n.split(".")[0] for n in top_level_imports(package, module)} & optional


@pytest.mark.parametrize("module", [m for m in LIBRARY if m.startswith("circuits")])
def test_circuits_are_equations_without_solvers(module):
    solvers = {"diffrax", "optimistix", "lineax", "optax"}
    assert not {n.split(".")[0] for n in imports("organics_ode", module)} & solvers


def test_nobody_imports_plot_but_the_package_itself():
    outside = [m for m in sources("organics_ode") if not m.startswith("plot.")]
    names = {m: " ".join(imports("organics_ode", m)) for m in outside}
    assert [m for m, text in names.items() if "organics_ode.plot" in text] == ["__init__"]


@pytest.mark.parametrize(
    ("package", "module"), [pair for pair in EVERYWHERE if pair[1].endswith("__init__")]
)
def test_package_files_only_re_export(package, module):
    first, *rest = sources(package)[module].body
    assert isinstance(first, ast.Expr) and isinstance(first.value.value, str)
    for node in rest:
        assert isinstance(node, ast.ImportFrom) and node.level == 1, ast.unparse(node)
        assert all(alias.asname == alias.name for alias in node.names), ast.unparse(node)


# These compare times or numbers of the user, which were checked to be finite.
MAY_REDUCE = {"_nonlinearities", "_checks", "_controllers", "_simulate"}
MAY_REDUCE |= {"mean_field._padded"}


@pytest.mark.parametrize("module", [m for m in LIBRARY if m not in MAY_REDUCE])
def test_no_maximum_passes_over_nan(module):
    # `_nonlinearities` says why: `highest` and `lowest` stand in for jnp.max and jnp.min.
    names = {ast.unparse(n) for n in ast.walk(sources("organics_ode")[module])}
    assert not names & {"jnp.max", "jnp.min"}


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


@pytest.mark.parametrize("cls", MODULES, ids=lambda c: c.__qualname__)
def test_every_module_is_abstract_or_final(cls):
    subclasses = [c for c in MODULES if cls in c.__mro__[1:]]
    if is_abstract(cls):
        assert subclasses, f"{cls.__qualname__} is abstract, and nobody fills it in"
        assert cls.__name__.lstrip("_").startswith("Abstract")
    else:
        assert not subclasses, f"{cls.__qualname__} is concrete, but has subclasses"
        assert not cls.__name__.lstrip("_").startswith("Abstract")


@pytest.mark.parametrize("cls", MODULES, ids=lambda c: c.__qualname__)
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
heavy = {{"matplotlib", "sklearn", "pooch", "scipy.io", "pandas", "{other}"}} & set(sys.modules)
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
