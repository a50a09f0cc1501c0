"""Where a user's file is."""

import os
from pathlib import Path
from typing import Any

from ._checks import refuse


def read_path(name: str, path: Any) -> Path:
    """The absolute path that an argument names, `~` being the user's home."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str) or "\0" in text:
        refuse(name, "be a path, as a text or a `pathlib.Path`", f"it is {path!r}")
    # From here on a change of the working directory moves no file.
    return Path(os.path.expanduser(text)).absolute()
