"""A lock beside a file that only one training run at a time may write; it ends with its process.

It is a separate file, locked by `flock`: the system releases the lock when the process ends, for
whatever reason, and a file left behind does no harm. Windows and some network drives have no such
locks; there it is up to the user not to start two training runs on one file.
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

# The errors of a file system without locks.
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_held: set[int] = set()


@contextlib.contextmanager
def locked(argument: str, path: Path) -> Iterator[None]:
    """Refuse the argument while another training run, in any process, writes the file at `path`."""
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
        if descriptor in _held:  # not in a forked child, which does not own the lock
            _held.remove(descriptor)
            file.unlink(missing_ok=True)
            os.close(descriptor)


def _acquire(file: Path) -> int:
    """The locked file, open; BlockingIOError if another run holds the lock."""
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
        os.close(descriptor)  # the holder removed the file between the two calls


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
    """A forked child has its parent's files open, and would keep the lock after the parent ends."""
    os.register_at_fork(after_in_child=lambda: [os.close(_held.pop()) for _ in list(_held)])
