"""Where MNIST comes from: a folder that the user names, or a checked download."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from ._checks import read_folder
from ._optional import require

VARIABLE = "ORGANICS_DATA"

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}

_THREE_WAYS = (
    "MNIST can be provided in three ways: argument `data_dir`, the folder that holds `mnist/` "
    f"with the four IDX files; environment variable {VARIABLE}, with the same meaning; or, with "
    "neither of them, a network connection, over which the files are downloaded once."
)

_TIMEOUT = 10.0  # Seconds of silence after which a mirror counts as dead


def mnist_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    """The folder with the four files of MNIST, downloaded if the user named no folder.

    Args:
        data_dir: the folder that holds `mnist/`; by default the environment variable
            ORGANICS_DATA, or, if that is not set, a per-user cache that is filled by a download.

    Returns:
        The path of `mnist/`. A folder that the user named is not checked here.

    Raises:
        ValueError: `data_dir` is not a path.
        FileNotFoundError: a download was needed and failed.
        ImportError: a download was needed, and pooch or tqdm is not installed.
    """
    named = (os.environ.get(VARIABLE) or None) if data_dir is None else data_dir
    if named is not None:
        return read_folder("data_dir", named) / "mnist"
    return download(_pooch().os_cache("organics_ode") / "mnist", MD5, MIRRORS)


def present(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder of all four files of MNIST if they are there, without a download; else None."""
    named = (os.environ.get(VARIABLE) or None) if data_dir is None else data_dir
    try:
        folder = read_folder("data_dir", named) if named else _pooch().os_cache("organics_ode")
        for name in MD5:
            find_file(folder / "mnist", name.removesuffix(".gz"))
    except (FileNotFoundError, ImportError):
        return None
    return folder / "mnist"


def find_file(folder: Path, name: str) -> Path:
    """The file `name` in a folder, gzipped or already unpacked.

    Raises:
        FileNotFoundError: the folder has neither.
    """
    packed, plain = folder / f"{name}.gz", folder / name
    for path in (packed, plain):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"Neither file `{packed}` nor file `{plain}` exists. Put one of them there, or take the "
        f"data from elsewhere. {_THREE_WAYS}"
    )


def download(folder: Path, md5: Mapping[str, str], mirrors: tuple[str, ...]) -> Path:
    """Fills a folder with files, each from the first mirror that has it intact.

    Intact files that are already there are left alone. A file with a wrong checksum counts as
    missing, and is not kept.

    Args:
        folder: the folder to fill; created if it does not exist.
        md5: the checksum of every file by its name.
        mirrors: addresses, ending in `/`, to try in order.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: some file could not be had from any mirror.
        ImportError: pooch or tqdm is not installed.
    """
    for name, checksum in md5.items():
        _download_file(folder, name, checksum, mirrors)
    return folder


def _download_file(folder: Path, name: str, checksum: str, mirrors: tuple[str, ...]) -> None:
    failures = []
    for mirror in mirrors:
        try:
            return _retrieve(folder, name, checksum, mirror)
        except (OSError, ValueError) as error:  # pooch raises ValueError for a wrong checksum.
            failures.append(f"{mirror}{name}: {error}")
    raise FileNotFoundError(
        f"File `{folder / name}` does not exist intact and could not be downloaded. "
        f"{_THREE_WAYS} The mirrors failed as follows. " + " | ".join(failures)
    )


def _retrieve(folder: Path, name: str, checksum: str, mirror: str) -> None:
    pooch = _pooch()
    pooch.retrieve(
        url=mirror + name,
        known_hash=f"md5:{checksum}",
        fname=name,
        path=folder,
        downloader=pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT),
    )


def _pooch() -> ModuleType:
    purpose = f"Downloading MNIST, for want of `data_dir` and of {VARIABLE},"
    require("tqdm", package="tqdm", purpose=purpose)
    return require("pooch", package="pooch", purpose=purpose)
