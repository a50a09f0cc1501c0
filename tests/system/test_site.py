"""The site: every page is in its navigation, names lead to their entries, equations render."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_PAGES = {path.relative_to(_DOCS).as_posix(): path for path in _DOCS.rglob("*.md")}
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
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


@pytest.fixture
def hook(monkeypatch):
    """Imports a hook of the site, as mkdocs does."""

    def load(name):
        monkeypatch.syspath_prepend(_DOCS / "hooks")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name)

    return load


def _prose(path):
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


_ROOMS = "oo|cortex|facts|feedback|mean_field|periods|planar|population|robustness|storage|tasks"


def test_names_in_guides_have_an_entry_to_lead_to(hook):
    api, named = hook("api"), 0
    for name, page in _PAGES.items():
        if name == "changelog.md":
            continue
        for code in _INLINE.findall(_prose(page)):
            if re.match(rf"({_ROOMS})\.(?!py\b|data$)\w", code):
                assert api.identifier(code), (name, code)
                named += 1
    assert named > 400


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("oo.fixed_point", "organics_ode.fixed_point"),
        ("oo.fit(model, batches, …)", "organics_ode.fit"),
        ("planar.basins", "organics_ode.planar.basins"),
        ("oo.planar.basins(circuit)", "organics_ode.planar.basins"),
        ("Spectrum.abscissa", "organics_ode.Spectrum"),
        ("oo.ORGaNICs.random(3, 5, key=0)", "organics_ode.ORGaNICs"),
        ("tasks.FlipFlop", "tasks.FlipFlop"),
        ("certify", "organics_ode.certify"),
        ("least_squares", None),  # there are two
        ("spectrum.abscissa", None),  # a variable of that name
        ("np.save", None),
        ("W_r = I", None),
    ],
)
def test_a_name_in_code_becomes_a_link(hook, code, entry):
    api = hook("api")
    guide = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    linked = api.on_page_content(f"<p>See <code>{code}</code>.</p>", page=guide)
    expected = f'<autoref identifier="{entry}"><code>{code}</code></autoref>'
    assert linked == f"<p>See {expected if entry else f'<code>{code}</code>'}.</p>"


def test_what_is_a_link_a_title_or_a_block_stays(hook):
    api = hook("api")
    guide = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    code = "<code>oo.fit</code>"
    for tag in ("a", "pre", "h2"):
        kept = f"<{tag}>{code}</{tag}>"
        assert api.on_page_content(kept, page=guide) == kept
    reference = SimpleNamespace(file=SimpleNamespace(src_uri="api/page.md"))
    assert "autoref" not in api.on_page_content("<code>values</code>", page=reference)


def test_api_pages_open_with_a_table_of_their_entries(hook):
    pytest.importorskip("griffe")
    api = hook("api")
    for name, path in _PAGES.items():
        page = SimpleNamespace(file=SimpleNamespace(src_uri=name))
        shown = api.on_page_markdown(path.read_text("utf-8"), page=page)
        if entries := api.entries(path.read_text("utf-8")):
            before = shown.partition("\n::: ")[0]
            assert len(re.findall(r"^\| \[`", before, re.MULTILINE)) == len(entries)
            assert re.search(r"\|\s+\|$", before, re.MULTILINE) is None, name
        else:
            assert shown == path.read_text("utf-8")


def test_every_equation_renders(hook):
    pytest.importorskip("latex2mathml")
    mathml = hook("mathml")
    for name, page in _PAGES.items():
        rendered = _CODE.sub("", mathml.on_page_markdown(_prose(page)))
        found = re.search(r"\\[a-zA-Z([\])]+|\$\$", rendered)
        assert found is None, (name, found)


def test_the_gallery_has_a_thumbnail_of_every_example_with_a_picture(hook):
    text = (_DOCS / "examples.md").read_text("utf-8")
    shown = hook("gallery").on_page_markdown(text).partition("## First steps")[0]
    names = re.findall(r"\{ loading=lazy \} (\w+)\]\(#(\w+)py ", shown)
    examples = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    pictured = [each for each in examples if re.search(r"^!\[", each, re.MULTILINE)]
    assert [(each, each) for each, _ in names] == names and len(names) > 30
    assert [name for name, _ in names] == [each[1:].partition(".py`")[0] for each in pictured]
