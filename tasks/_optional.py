"""Packages that only some tasks need, imported when they are used."""

import importlib
from types import ModuleType


def require(module: str, *, package: str, purpose: str) -> ModuleType:
    """Imports an optional module, or says what is missing, what needs it, and how to install it.

    Args:
        module: the name to import, such as `sklearn.datasets`.
        package: the name to install, such as `scikit-learn`.
        purpose: what needs it, as the subject of a sentence.

    Returns:
        The module.

    Raises:
        ImportError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs the package `{package}`, which cannot be imported ({error}). "
            "Install it with `pip install organics_ode[examples]`."
        ) from error
