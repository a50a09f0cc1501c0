"""The package `tasks`, also where a user's own `tasks.py` hides it.

    from organics_ode import tasks

This is the one exception to the rule that the library and the tasks do not import each other: it
finds the package where it is installed, beside the library, and replaces itself by it. If
`import tasks` finds the package too, both are the same modules and classes. If something else has
this name, the package is loaded under `organics_ode.tasks`, and pickles and files find its classes
under either name.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks import *  # noqa: F403

_NAME, _HIDDEN = "tasks", __name__
_FOLDER = Path(__file__).resolve().parents[1] / _NAME


def _package() -> ModuleType:
    """The package: as `tasks` if that name finds it, else as `organics_ode.tasks`."""
    module = sys.modules.get(_NAME)
    spec = getattr(module, "__spec__", None) if module else importlib.util.find_spec(_NAME)
    if spec is not None and spec.origin and Path(spec.origin).resolve().parent == _FOLDER:
        package = importlib.import_module(_NAME)
        _rename(_NAME, _HIDDEN)
        return package
    package = _loaded()
    # A package of the user's own may have modules of the same names.
    if spec is None or not spec.submodule_search_locations:
        _rename(_HIDDEN, _NAME)
    return package


def _loaded() -> ModuleType:
    file = _FOLDER / "__init__.py"
    if not file.is_file():
        raise ImportError(f"The package `tasks` is not beside the library, in {_FOLDER}.")
    places = [str(_FOLDER)]
    spec = importlib.util.spec_from_file_location(_HIDDEN, file, submodule_search_locations=places)
    package = sys.modules[_HIDDEN] = importlib.util.module_from_spec(spec)  # pyright: ignore
    spec.loader.exec_module(package)  # pyright: ignore
    return package


def _rename(here: str, there: str) -> None:
    """Let the package's modules be found under the other name too."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{here}."):
            sys.modules.setdefault(there + name.removeprefix(here), module)


sys.modules[_HIDDEN] = _package()
