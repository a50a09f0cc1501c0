"""Paths of the user's files."""

import os
from pathlib import Path

from .._checks import refuse


def read_path(name: str, path: str | os.PathLike[str]) -> Path:
    """The absolute path that an argument names; `~` is the user's home folder."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str) or "\0" in text:
        refuse(name, "be a path, as a text or a `pathlib.Path`", f"it is {path!r}")
    # A later change of the working directory has no effect from here on.
    absolute = Path(os.path.expanduser(text)).absolute()
    try:
        os.stat(absolute)
    except (FileNotFoundError, NotADirectoryError):  # for the caller to judge
        pass
    except (OSError, ValueError) as error:  # too long, circular links, not a valid name
        found = f"{text!r:.99} is none: {getattr(error, 'strerror', None) or error}"
        refuse(name, "be a path that can be followed", found)
    return absolute


def read_target(
    name: str, path: str | os.PathLike[str], missing: type[Exception] = ValueError
) -> Path:
    """The path of a file to be written, in an existing folder, with links resolved for good."""
    target = read_path(name, path).resolve()
    if not target.parent.is_dir():
        raise missing(
            f"Argument `{name}` must lie in an existing folder, but {target.parent} is none; "
            "create it first."
        )
    if target.exists() and not target.is_file():
        refuse(name, "name a file", f"{target} is a folder or a device")
    return target
