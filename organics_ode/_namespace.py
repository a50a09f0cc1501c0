"""What a namespace shows: completion lists public names, and studies are imported on demand.

Python calls `__getattr__` and `__dir__` of a module like those of an object (PEP 562).
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]
# Public under their own names, `oo.planar.…`.
_STUDIES = (
    "cortex",
    "facts",
    "feedback",
    "mean_field",
    "periods",
    "planar",
    "population",
    "robustness",
    "storage",
    "tasks",
)


def __getattr__(name: str) -> ModuleType:
    if name in _STUDIES:
        return importlib.import_module(f"{_PACKAGE}.{name}")
    raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}", name=name)


def _public(module: str) -> Callable[[], list[str]]:
    """The `__dir__` of a module: its `__all__`, or its names without a leading underscore."""

    def __dir__() -> list[str]:
        members = vars(sys.modules[module])
        if "__all__" in members:
            return sorted(members["__all__"])
        names = {n for n, value in members.items() if n[0] != "_" and not _is_module(value)}
        return sorted(names | ({"__version__", *_STUDIES} if module == _PACKAGE else set()))

    return __dir__


def _is_module(value: object) -> bool:
    return isinstance(value, ModuleType)
