"""Where a recording comes from: a folder that the user names, or a checked download."""

import hashlib
import os
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ..._checks import refuse, shown

VARIABLE = "ORGANICS_DATA"
_TIMEOUT = 10.0  # seconds of silence after which a mirror counts as dead


class Recording(NamedTuple):
    """A file of a public data set: its folder and name, its checksum, and its source."""

    folder: str
    name: str
    sha256: str
    mirrors: tuple[str, ...]


def file_of(recording: Recording, data_dir: str | os.PathLike[str] | None) -> Path:
    """The intact file of a recording, downloaded if the user named no folder.

    Args:
        recording: which one.
        data_dir: the folder that holds the folder of the data set. By default it is the environment
            variable ORGANICS_DATA, or, if that is not set, a per-user cache that is filled by a
            download.

    Raises:
        ValueError: `data_dir` is not a path, or the file there has another checksum.
        FileNotFoundError: the named folder does not have the file, or it could not be downloaded.
        ImportError: a download is needed, and pooch or tqdm is not installed.
    """
    named = (os.environ.get(VARIABLE) or None) if data_dir is None else data_dir
    if named is None:
        return download(recording, Path(_pooch(recording).os_cache("organics_ode")))
    path = _read_folder(named) / recording.folder / recording.name
    if not path.is_file():
        raise FileNotFoundError(f"File `{path}` does not exist. {_ways(recording)}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != recording.sha256:
        raise ValueError(
            f"File `{path}` must be intact, but its SHA-256 is {found} and not "
            f"{recording.sha256}: delete it. {_ways(recording)}"
        )
    return path


def download(recording: Recording, cache: Path) -> Path:
    """The file in a cache, downloaded if necessary from the first mirror that has it intact.

    Raises:
        FileNotFoundError: no mirror had it.
        ImportError: pooch or tqdm is not installed.
    """
    pooch, folder, failures = _pooch(recording), cache / recording.folder, []
    for mirror in recording.mirrors:
        try:
            pooch.retrieve(
                url=mirror + recording.name,
                known_hash=f"sha256:{recording.sha256}",
                fname=recording.name,
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT),
            )
            return folder / recording.name
        except (OSError, ValueError) as error:  # pooch raises ValueError for a wrong checksum
            failures.append(f"{mirror}{recording.name}: {error}")
    raise FileNotFoundError(
        f"File `{folder / recording.name}` does not exist intact and could not be downloaded. "
        f"{_ways(recording)} The mirrors failed as follows. " + " | ".join(failures)
    )


def _ways(recording: Recording) -> str:
    return (
        f"The data can be provided in three ways: argument `data_dir`, the folder that holds "
        f"`{recording.folder}/{recording.name}`; environment variable {VARIABLE}, with the same "
        "meaning; or, with neither of them, a network connection, over which it is downloaded once."
    )


def _read_folder(value: str | os.PathLike[str]) -> Path:
    try:
        text = os.fspath(value)
    except TypeError:
        text = None
    if not isinstance(text, str) or "\0" in text:
        refuse("data_dir", "be a path", f"it is {shown(value)}")
    return Path(os.path.expanduser(text)).absolute()


def _pooch(recording: Recording) -> ModuleType:
    try:
        import pooch
        import tqdm  # noqa: F401  # the progress bar of pooch
    except ImportError as error:
        raise ImportError(
            f"Downloading `{recording.name}`, for want of `data_dir` and of {VARIABLE}, needs the "
            f"packages `pooch` and `tqdm`, one of which cannot be imported ({error}). Install them "
            "with `pip install organics_ode[examples]`."
        ) from error
    return pooch
