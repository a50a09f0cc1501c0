"""Whether a wheel and an sdist hold what they must and nothing else.

    python contents.py dist/*.whl dist/*.tar.gz

What they must hold is what git tracks: of the wheel the two packages, of the sdist the folders that
pyproject.toml names. Prints the sizes.
"""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("organics_ode", "tasks")
EXTRAS = ("tables", "examples", "export", "explore")
_LARGEST = {".whl": 6_000_000, ".gz": 16_000_000}  # bytes; the weights are most of a wheel


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        found = wheel_files(path) if path.suffix == ".whl" else sdist_files(path)
        folders = _PACKAGES if path.suffix == ".whl" else sdist_folders()
        wrong = differences(found, tracked(*folders))
        size = path.stat().st_size
        if size > _LARGEST[path.suffix]:
            wrong.append(f"{size} bytes are more than {_LARGEST[path.suffix]}")
        print(f"{path.name}: {size / 1e6:.2f} MB, {len(found)} files")
        if wrong:
            sys.exit("\n".join(wrong))


def differences(found: set[str], expected: set[str]) -> list[str]:
    """What is missing and what is foreign, each in a line."""
    missing = [f"{name} is missing" for name in sorted(expected - found)]
    return missing + [f"{name} does not belong here" for name in sorted(found - expected)]


def wheel_files(path: Path) -> set[str]:
    """The files of a wheel but its metadata, which must hold the README and every extra."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = wheel.read(metadata).decode()
    assert (_ROOT / "README.md").read_text("utf-8").strip() in text
    for extra in EXTRAS:
        assert f"Provides-Extra: {extra}\n" in text, extra
    info = metadata.removesuffix("METADATA")
    return names - {info + name for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}


def sdist_files(path: Path) -> set[str]:
    """The files of an sdist but what its builder adds."""
    with tarfile.open(path) as sdist:
        names = {each.name.partition("/")[2] for each in sdist.getmembers() if each.isfile()}
    return names - {"PKG-INFO", ".gitignore", "pyproject.toml", "LICENSE"}


def sdist_folders() -> list[str]:
    """What pyproject.toml puts into the sdist."""
    options = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]
    return options["build"]["targets"]["sdist"]["include"]


def tracked(*paths: str) -> set[str]:
    """The files under these paths that git tracks."""
    command = ["git", "ls-files", "-z", "--", *paths]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True, text=True)
    return set(done.stdout.strip("\0").split("\0"))


if __name__ == "__main__":
    main()
