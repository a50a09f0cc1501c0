"""Where a user's file is."""

import os
from pathlib import Path

from .._checks import refuse


def read_path(name: str, path: str | os.PathLike[str]) -> Path:
    """The absolute path that an argument names, `~` being the user's home."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str) or "\0" in text:
        refuse(name, "be a path, as a text or a `pathlib.Path`", f"it is {path!r}")
    # From here on a change of the working directory moves no file.
    absolute = Path(os.path.expanduser(text)).absolute()
    try:
        os.stat(absolute)
    except (FileNotFoundError, NotADirectoryError):  # for the caller to judge
        pass
    except (OSError, ValueError) as error:  # too long, links in a circle, a text that is not a name
        found = f"{text!r:.99} is none: {getattr(error, 'strerror', None) or error}"
        refuse(name, "be a path that can be followed", found)
    return absolute


def read_target(
    name: str, path: str | os.PathLike[str], missing: type[Exception] = ValueError
) -> Path:
    """Where a file is to be written: its links followed, once and for all, in a folder there is."""
    target = read_path(name, path).resolve()
    if not target.parent.is_dir():
        raise missing(
            f"Argument `{name}` must lie in an existing folder, but {target.parent} is none; "
            "create it first."
        )
    if target.exists() and not target.is_file():
        refuse(name, "name a file", f"{target} is a folder or a device")
    return target
