"""Model files: a zip of arrays and a JSON header, no pickle."""

from .._namespace import _public as _public
from ._archive import (
    library as library,
    read as read,
    read_writable as read_writable,
    reading as reading,
    remove_leftovers as remove_leftovers,
    write as write,
)
from ._differences import differences as differences, listed as listed
from ._encoding import (
    Unloadable as Unloadable,
    flatten as flatten,
    is_allowed as is_allowed,
    unflatten as unflatten,
)
from ._files import load as load, read_stored as read_stored, save as save
from ._functions import saved_name as saved_name
from ._lines import from_line as from_line, to_line as to_line
from ._lock import locked as locked
from ._paths import read_path as read_path, read_target as read_target
from ._ranges import out_of_range as out_of_range
from ._trained import (
    card as card,
    command_of as command_of,
    model_card as model_card,
    origin as origin,
    pretrained as pretrained,
    pretrained_names as pretrained_names,
)

# The public names; other rooms import more.
__all__ = [
    "card",
    "command_of",
    "load",
    "model_card",
    "origin",
    "pretrained",
    "pretrained_names",
    "save",
]

__dir__ = _public(__name__)
