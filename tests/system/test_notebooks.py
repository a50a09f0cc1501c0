"""The notebooks run from top to bottom, and print now what is stored in them."""

import json
import re
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "examples" / "notebooks"
_NOTEBOOKS = sorted(_FOLDER.glob("*.ipynb"))
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture
def run(monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.syspath_prepend(_FOLDER)
    monkeypatch.delitem(sys.modules, "run", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    return __import__("run")


def _texts(notebook):
    """What the cells print, and how many pictures each one draws."""
    for cell in notebook["cells"]:
        # What goes to stderr, such as XLA's alarm of a slow compilation, is the machine's.
        outputs = [o for o in cell.get("outputs", []) if o.get("name") != "stderr"]
        pictures = [o for o in outputs if "image/png" in o.get("data", {})]
        printed = [o.get("text") or o["data"]["text/plain"] for o in outputs if o not in pictures]
        yield "".join("".join(each) for each in printed), len(pictures)


def _is_near(stored, now):
    """The same words; numbers that agree to 3 % or to two units of the last digit."""
    if _NUMBER.sub("#", stored).split() != _NUMBER.sub("#", now).split():
        return False
    pairs = zip(_NUMBER.findall(stored), _NUMBER.findall(now), strict=True)
    return all(abs(float(a) - float(b)) <= _tolerance(a) for a, b in pairs)


def _tolerance(number):
    if "e" in number:  # what is all but 0
        return max(1e-4, 0.03 * abs(float(number)))
    return max(2.1 * 10.0 ** -len(number.partition(".")[2]), 0.03 * abs(float(number)))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_and_draws_what_is_stored_in_it(path, run):
    stored, now = list(_texts(json.loads(path.read_text("utf-8")))), list(_texts(run.execute(path)))
    assert len(stored) == len(now)
    for (text, pictures), (found, drawn) in zip(stored, now, strict=True):
        assert _is_near(text, found), f"stored:\n{text}\nnow:\n{found}"
        assert pictures == drawn


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_on_the_site(path, monkeypatch):
    text = path.read_text("utf-8")
    notebook = json.loads(text)
    assert "stderr" not in text and len(text) < 300_000 and len(notebook["cells"]) <= 20
    assert sum(count for _, count in _texts(notebook)) >= 3
    counts = [c["execution_count"] for c in notebook["cells"] if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))  # run once, from top to bottom

    monkeypatch.syspath_prepend(_ROOT / "docs" / "hooks")
    page = (_ROOT / "docs" / "notebooks" / f"{path.stem}.md").read_text("utf-8")
    shown = __import__("notebooks").on_page_markdown(page)
    assert shown.count("```python\n") == len(counts) and shown.count("](data:image/png") >= 3
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", shown, flags=re.MULTILINE | re.DOTALL)
    assert "ipynb" not in prose and "../docs" not in prose and re.search(r"^# \w", shown)
    assert not re.search(r"(?<!\$)\$(?!\$)", prose)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s:]+)\)", prose)]
    assert links and all((_ROOT / "docs" / "notebooks" / link).exists() for link in links)
    converter = pytest.importorskip("latex2mathml.converter") and __import__("mathml")
    assert not re.search(r"\\[a-zA-Z(]+|\$\$", converter.on_page_markdown(prose))


def test_numbers_are_compared_to_rounding():
    assert _is_near("c50 = 0.316, 1e-07", "c50 = 0.317, 3e-07")
    assert not _is_near("c50 = 0.316", "c50 = 0.416")
    assert not _is_near("c50 = 0.316", "d50 = 0.316")
    assert not _is_near("a 1", "a 1 2")
