"""The site: every page is in its navigation, every link leads to something."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_PAGES = {path.relative_to(_DOCS).as_posix(): path for path in _DOCS.rglob("*.md")}
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
GROUPS = ["Start", "How to", "Circuits and analysis", "Physiology", "Training", "Theory"]
GROUPS += ["Results", "API"]


def _navigation():
    text = (_ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    return text, re.findall(r": (\S+\.md)$", text, re.MULTILINE)


def test_no_page_is_an_orphan():
    text, pages = _navigation()
    assert re.findall(r"^  - (.*):$", text, re.MULTILINE) == GROUPS
    assert sorted(pages) == sorted(_PAGES)


def test_links_between_pages_lead_to_files():
    targets = [
        (page, link.partition("#")[0])
        for page in [*_PAGES.values(), _ROOT / "README.md"]
        for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8")))
        if not link.startswith(("http", "#"))
    ]
    assert len(targets) > 50
    assert [(p.name, t) for p, t in targets if not (p.parent / t).exists()] == []
