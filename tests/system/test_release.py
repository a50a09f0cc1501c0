"""What a release rests on: workflows call scripts that exist, and wheels are looked into."""

import importlib
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

import organics_ode as oo

_ROOT = Path(__file__).parents[2]
_WORKFLOWS = sorted((_ROOT / ".github/workflows").glob("*.yml"))
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))


def _jobs(path):
    return pytest.importorskip("yaml").safe_load(path.read_text("utf-8"))["jobs"]


@pytest.mark.parametrize("path", _WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_scripts_and_parts_that_there_are(path):
    called = []
    for name, job in _jobs(path).items():
        assert job.get("needs", name) in _jobs(path)
        for command in (step["run"] for step in job["steps"] if "run" in step):
            shell, script, *words = command.split(maxsplit=2)
            assert shell == "bash" and script.startswith(".ci/")
            text = (_ROOT / script).read_text("utf-8")
            parts = job["strategy"]["matrix"]["part"] if words == ["${{ matrix.part }}"] else words
            assert all(re.search(rf"^{part}\(\)", text, re.MULTILINE) for part in parts)
            called.append(script)
    assert called


def test_what_is_published_is_what_was_tried():
    jobs = _jobs(_ROOT / ".github/workflows/release.yml")
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    names = [
        s["with"]["name"] for job in jobs.values() for s in job["steps"] if "artifact" in str(s)
    ]
    assert names == ["dist", "dist"]


def test_the_scripts_are_bash():
    for script in ("run", "deep", "release"):
        subprocess.run(["bash", "-n", _ROOT / ".ci" / script], check=True)


def test_the_pythons_are_the_same_everywhere():
    listed = [c.rpartition(" ")[2] for c in _PROJECT["project"]["classifiers"] if ":: 3." in c]
    matrix = _jobs(_ROOT / ".github/workflows/ci.yml")["checks"]["strategy"]["matrix"]
    text = (_ROOT / ".github/workflows/release.yml").read_text("utf-8")
    assert listed == matrix["python"] == re.findall(r"^ +(3\.\d+)$", text, re.MULTILINE)
    assert f"PYTHONS:-{' '.join(listed)}" in (_ROOT / ".ci/release").read_text("utf-8")
    assert _PROJECT["project"]["requires-python"] == f">={listed[0]}"


@pytest.fixture
def contents(monkeypatch):
    monkeypatch.syspath_prepend(_ROOT / ".ci")
    return importlib.import_module("contents")


def test_the_packages_hold_weights_cards_types_and_code_alone(contents):
    if not (_ROOT / ".git").exists():
        pytest.skip("This is no checkout: git tells which files belong to it.")
    files = contents.tracked("organics_ode", "tasks")
    weights = {f"organics_ode/storage/weights/{name}" for name in oo.pretrained_names()}
    needed = {f"{name}.{kind}" for name in weights for kind in ("npz", "json")}
    needed |= {"organics_ode/py.typed", "tasks/py.typed"}
    assert {name for name in files if not name.endswith(".py")} == needed
    assert set(contents.sdist_folders()) > {"organics_ode", "tasks", "tests", "CITATION.cff"}


def test_what_a_wheel_lacks_and_what_is_foreign_is_told(contents, tmp_path):
    metadata = [
        "Name: x",
        *(f"Provides-Extra: {name}" for name in contents.EXTRAS),
    ]
    text = "\n".join([*metadata, "", (_ROOT / "README.md").read_text("utf-8")])
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("x-1.dist-info/METADATA", text)
        for name in ("x-1.dist-info/RECORD", "x/__init__.py", "x/notes.txt"):
            wheel.writestr(name, "")
    found = contents.wheel_files(tmp_path / "x.whl")
    expected = ["x/py.typed is missing", "x/notes.txt does not belong here"]
    assert contents.differences(found, {"x/__init__.py", "x/py.typed"}) == expected
