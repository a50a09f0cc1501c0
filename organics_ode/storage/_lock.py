"""A lock beside a file that one training at a time writes; it ends with its process.

It is a file of its own, locked by `flock`: the system gives it up when the process ends, whatever
ends it, and what is left of it by then does not matter. Where a system or a file system has no such
locks (Windows, some network drives), there is none, and you have to take care to train only once.
"""

import contextlib
import errno
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from .._checks import refuse
from ._archive import hidden_prefix

try:
    import fcntl
except ImportError:
    fcntl = None

# Of a file system that does not know locks.
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_held: set[int] = set()


@contextlib.contextmanager
def locked(argument: str, path: Path) -> Iterator[None]:
    """Refuse the argument while another training, in any process, writes the file at `path`."""
    if fcntl is None:
        yield
        return
    file = path.with_name(f"{hidden_prefix(path)}lock")
    _forget_in_children()
    try:
        descriptor = _acquire(file)
    except BlockingIOError:
        what = f"{path} is being written by another training{_holder(file)}"
        refuse(argument, "name a file of this training alone", f"{what}; wait for its end")
    except OSError as error:
        refuse(argument, "name a file that can be written", error.strerror or str(error))
    _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # not in a forked child, to which it does not belong
            _held.remove(descriptor)
            file.unlink(missing_ok=True)
            os.close(descriptor)


def _acquire(file: Path) -> int:
    """The locked file, open; BlockingIOError where another one holds it."""
    assert fcntl is not None
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(file, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _UNKNOWN:
                os.close(descriptor)
                raise
        if _is_still(file, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor
        os.close(descriptor)  # its holder removed it between the two calls


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return f", of process {int(file.read_bytes()[:20])}"
    return ""


@functools.cache
def _forget_in_children() -> None:
    """A forked child has its parent's files open, and would keep the lock beyond its end."""
    os.register_at_fork(after_in_child=lambda: [os.close(_held.pop()) for _ in list(_held)])
