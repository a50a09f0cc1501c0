"""Namespaces show what is public, and no more; the tasks are one package under two names."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import organics_ode as oo
import tasks

ROOT = Path(__file__).parents[2]
STUDIES = ("cortex", "facts", "feedback", "mean_field", "periods", "planar", "population")
STUDIES += ("robustness",)


def on_pages():
    """What the API pages name, by namespace; a whole room by its list."""
    named = {}
    for page in (ROOT / "docs/api").glob("*.md"):
        for path in re.findall(r"^::: organics_ode\.(\S+)$", page.read_text("utf-8"), re.MULTILINE):
            room, _, name = path.rpartition(".")
            if name == "*":
                room, names = "", importlib.import_module(f"organics_ode.{room}").__all__
            named.setdefault(room, set()).update(names if name == "*" else [name])
    return named


def test_the_version_is_the_one_of_the_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", oo.__version__)
    (source,) = re.findall(
        r'^path = "(.*_version.py)"$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert f'__version__ = "{oo.__version__}"' in (ROOT / source).read_text()


def test_completion_of_the_library_shows_what_the_api_pages_name():
    shown = set(dir(oo))
    assert shown - on_pages()[""] == {"__version__", "storage", "tasks", *STUDIES}
    assert on_pages()[""] - shown == set()


@pytest.mark.parametrize("room", (*STUDIES, "storage"))
def test_completion_of_a_study_shows_what_is_public(room):
    space = getattr(oo, room)
    assert on_pages().get(room, set()) <= set(dir(space)) and dir(space)
    assert set(dir(space)) <= on_pages().get(room, set()) | on_pages()[""]
    for name in dir(space):
        assert name[0] != "_" and not isinstance(getattr(space, name), type(sys)), name


def test_every_public_name_of_the_tasks_has_an_entry():
    modules = {name for name, value in vars(tasks).items() if isinstance(value, type(sys))}
    page = (ROOT / "docs/api/tasks.md").read_text("utf-8")
    entries = set(re.findall(r"^::: tasks\.(\w+)$", page, re.MULTILINE))
    assert entries == {name for name in vars(tasks).keys() - modules if name[0] != "_"}


def test_the_tasks_of_the_library_are_the_package():
    assert oo.tasks is tasks is importlib.import_module("organics_ode.tasks")
    module = importlib.import_module("organics_ode.tasks.ring")
    assert module.RingTask is tasks.RingTask


def test_an_unknown_attribute_is_named():
    with pytest.raises(AttributeError, match="module 'organics_ode' has no attribute 'nothing'"):
        _ = oo.nothing


SCRIPT = """
import sys
import organics_ode as oo
late = {"feedback", "mean_field", "periods", "tasks"}
assert not late & {name.removeprefix("organics_ode.") for name in sys.modules}
for name in late | set(dir(oo)):
    getattr(oo, name)
assert oo.feedback.force and oo.mean_field.chaos and oo.tasks.FlipFlop
"""


def test_studies_are_imported_when_they_are_asked_for():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
