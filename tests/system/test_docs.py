"""The code blocks of the documentation run, page by page and in order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

_ROOT = Path(__file__).parents[2]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _blocks(page):
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def _as_users_run_it():
    # Readers have jax's own defaults, not the strict ones of this test suite.
    with (
        jax.enable_x64(False),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield


_LONG = ("analysis", "skips", "solvers", "stability")


def _with_code():
    for page in _PAGES:
        if _blocks(page):
            marks = [pytest.mark.slow] if page.stem in _LONG else []
            yield pytest.param(page, id=page.stem, marks=marks)


@pytest.mark.usefixtures("_as_users_run_it")
@pytest.mark.parametrize("page", _with_code())
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "__main__"}
    for block in _blocks(page):
        if block.startswith("# in another process\n"):
            environment = os.environ | {"PYTHONPATH": str(_ROOT)}
            subprocess.run([sys.executable, "-c", block], check=True, env=environment)
        else:
            exec(compile(block, str(page), "exec"), scope)


def test_a_task_of_ones_own_is_trained_and_analysed_in_thirty_lines():
    page = (_ROOT / "docs/training.md").read_text(encoding="utf-8")
    section = page.split("## Stop early, keep the best")[1].split("\n## ")[0]
    train, analyse = _BLOCK.findall(section)
    assert len((train + analyse).splitlines()) <= 30


def _scripts():
    paths = [path.relative_to(_ROOT) for path in (_ROOT / "examples").rglob("*.py")]
    return [path for path in paths if path.name[0] != "_"]


def test_every_example_is_in_the_gallery():
    gallery = (_ROOT / "docs/examples.md").read_text(encoding="utf-8")
    for path in _scripts():
        is_benchmark = path.parent.name == "benchmarks"
        shown = f"`{path.name}`" if is_benchmark else f"python {path.as_posix()}"
        assert shown in gallery, shown


def test_the_scripts_that_texts_name_are_there():
    modules = [p for name in ("organics_ode", "tasks", "examples") for p in _sources(name)]
    texts = [*_PAGES, *modules, _ROOT / "CONTRIBUTING.md"]
    named = {
        name
        for path in texts
        if path.name != "changelog.md"
        for name in re.findall(r"examples/[\w/]+\.py", path.read_text(encoding="utf-8"))
    }
    assert {path.as_posix() for path in _scripts() if path.parent.name == "start"} <= named
    assert [name for name in sorted(named) if not (_ROOT / name).exists()] == []


def _sources(name):
    return (_ROOT / name).rglob("*.py")


def test_displayed_math_is_written_as_the_site_reads_it():
    # docs/hooks/mathml.py turns $$ … $$ into MathML; \\[ … \\] would be shown as it stands.
    raw = [page.name for page in _PAGES if re.search(r"^\s*\\\[", page.read_text(), re.M)]
    assert raw == []


def test_pages_with_code_are_found():
    assert {"README", "getting_started", "equations", "solvers", "training"} <= {
        page.stem for page in _PAGES if _blocks(page)
    }
