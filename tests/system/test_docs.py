"""The code blocks of the documentation run, page by page and in order."""

import builtins
import os
import re
import subprocess
import symtable
import sys
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

import organics_ode as oo

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
        if _blocks(page) and page.stem != "README":
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
    plt.close("all")


@pytest.mark.usefixtures("_as_users_run_it")
def test_the_readme_prints_what_it_says(capsys):
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = _blocks(_ROOT / "README.md")
    shown = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0].splitlines()
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out.splitlines()
    # The digits after the fourth are those of the machine.
    cut = [re.sub(r"(\.\d{4})\d+", r"\1", line) for line in printed]
    wanted = [re.sub(r"(\.\d{4})\d+", r"\1", line) for line in shown if line.strip() != "..."]
    assert cut[: len(wanted)] == wanted
    assert len(block.splitlines()) <= 10 and len(text.splitlines()) <= 80


def test_the_readme_has_the_accuracies_of_the_cards():
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`) \| ([\d., ]+) \|", text, re.MULTILINE)
    named = {
        n: float(a) for ns, xs in rows for n, a in zip(ns.split(", "), xs.split(", "), strict=True)
    }
    assert len(named) == 8
    for name, accuracy in named.items():
        assert accuracy == round(oo.model_card(name.strip("`"))["accuracy"]["test"], 4), name


# Common jobs: the page, the first line of what stands before the code, how many blocks, the most
# lines that they may have, and what of them the reader brings.
_JOBS = {
    "portrait": ("own_circuits", "## Its plane", 1, 15, set()),
    "stimulus": ("sweeps", "## From a stimulus to a file", 1, 8, set()),
    "gamma": ("studies", "`oo.spectral_peak` finds", 1, 10, set()),
    "training": ("training", "## Stop early, keep the best", 2, 30, set()),
    "sweep": ("sweeps", "## Sweeps", 1, 8, set()),
    "parameters": ("sweeps", "## Parameters from data", 1, 10, set()),
    "padded": (
        "training",
        "They are classified by the state",
        1,
        12,
        {"inputs", "labels", "mask"},
    ),
}


@pytest.mark.parametrize("job", _JOBS)
def test_a_common_job_takes_few_lines_that_stand_alone(job):
    page, start, count, limit, brought = _JOBS[job]
    text = (_ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    _, found, after = text.partition(f"\n{start}")
    blocks = _BLOCK.findall(after)[:count]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert found and len(lines) <= limit
    for block in blocks:
        table = symtable.symtable(block, page, "exec")
        assert _unassigned(table) - vars(builtins).keys() <= brought


def _unassigned(table):
    """The global names that code reads and never gives a value."""
    tables = [table]
    for each in tables:
        tables += each.get_children()
    own = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    read = (s for each in tables for s in each.get_symbols() if s.is_referenced())
    return {s.get_name() for s in read if s.is_global()} - own


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
