"""Files as an attacker writes them: any header, any members, checksums right."""

import json
import zipfile

import numpy as np

from organics_ode.storage import _archive, _header, flatten, library
from organics_ode.storage._encoding import to_numpy

# Of the library, and for no file to reach.
INNER = (
    "organics_ode.programs._closures:Opened",
    "organics_ode.optimizers._optimizer:Blind",
    "organics_ode.training._recorder:Log",
    "organics_ode.training._checkpoints:Checkpoints",
    "organics_ode.storage._files:warnings.warn",
)


def parts(tree):
    """The facts and the arrays of a tree, to be changed and written by `write`."""
    flat = flatten("tree", tree)
    facts = json.loads(json.dumps(flat.facts))
    return facts, {name: to_numpy(name, array) for name, array in flat.arrays.items()}


def read(path):
    """The same of a file, by numpy and json alone."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("__header__")))["model"], arrays


def write(path, facts, arrays, **options):
    _archive._write(path, members(facts, arrays, **options))


def members(facts, arrays, *, kept=None, **header):
    """Of a file, whose arrays or whose entries of the header (`...`: none) may be changed."""
    text = _header.header_text(library(), facts, arrays)
    if header:
        changed = {k: v for k, v in (json.loads(text) | header).items() if v is not ...}
        rest = {k: v for k, v in changed.items() if k != "checksum"}
        own = {"checksum": _header._checksum(rest, arrays)} if "checksum" in changed else {}
        text = json.dumps(changed | ({} if "checksum" in header else own))
    return {"__header__": np.array(text)} | (arrays if kept is None else kept)


def pack(path, into, *, compress=(), more=()):
    """The file's members again, some of them packed, and more of them: (name, bytes)."""
    with zipfile.ZipFile(path) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
    with zipfile.ZipFile(into, "w") as new:
        for name, data in (*members, *more):
            is_packed = name in compress
            new.writestr(name, data, zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED)
