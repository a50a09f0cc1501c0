"""API pages open with a table of their entries, and names in inline code link to them.

`oo.fixed_point`, `planar.basins(...)` or `Spectrum.abscissa` becomes a link to its entry, which
`mkdocs-autorefs` resolves: a strict build fails where it is missing.
"""

import functools
import html
import re
from pathlib import Path

import rooms

_PAGES = Path(__file__).parents[1] / "api"
_ENTRY = re.compile(r"^::: (\S+)$", re.MULTILINE)
# Code that is a link or a title already, or a block, stays as it is.
_CODE = re.compile(r"<(a|pre|h[1-6])\b.*?</\1>|<code>(?P<text>[^<]*)</code>", re.DOTALL)
_NAME = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*(?=$|[(\[])")


def on_page_markdown(markdown: str, page, **_: object) -> str:
    """The page with a table of its entries before the first one."""
    first = _ENTRY.search(markdown)
    if not page.file.src_uri.startswith("api/") or not first:
        return markdown
    rows = [_row(identifier) for identifier in entries(markdown)]
    table = "\n".join(["| name | what it is |", "|---|---|", *rows])
    return f"{markdown[: first.start()]}{table}\n\n{markdown[first.start() :]}"


def on_page_content(content: str, page, **_: object) -> str:
    """The page with a link on every name that has an entry."""
    # On API pages a function's name alone is as often that of an argument.
    is_guide = not page.file.src_uri.startswith("api/")
    return _CODE.sub(lambda code: _link(code, is_guide), content)


def entries(markdown: str) -> list[str]:
    """What a page documents, in order, `::: organics_ode.circuits.*` written out."""
    return _ENTRY.findall(rooms.on_page_markdown(markdown))


def identifier(code: str, *, is_guide: bool = True) -> str | None:
    """The entry that inline code is about, such as `oo.fit(model, …)`, or None."""
    found = _NAME.match(code)
    if is_guide and found and f"oo.{found[0]}" in _known():
        return _known()[f"oo.{found[0]}"]
    parts = found[0].split(".") if found else []
    for end in range(len(parts), 0, -1):
        entry = _known().get(".".join(parts[:end]))
        # A field of a class has its place with the class; a function has no fields.
        if entry and (end == len(parts) or parts[end - 1][0].isupper()):
            return entry
    return None


def _link(match: re.Match, is_guide: bool) -> str:
    code = html.unescape(match["text"] or "")
    entry = identifier(code, is_guide=is_guide)
    return f'<autoref identifier="{entry}">{match[0]}</autoref>' if entry else match[0]


@functools.cache
def _known() -> dict[str, str]:
    """Every way to write a name that has an entry."""
    known, bare = {}, {}
    for page in sorted(_PAGES.glob("*.md")):
        for entry in entries(page.read_text("utf-8")):
            short = entry.removeprefix("organics_ode.")
            known |= {entry: entry, f"oo.{short}": entry}
            last = short.rpartition(".")[2]
            if "." in short:
                known[short] = entry
            if last[0].isupper() or last.startswith("plot_"):
                bare.setdefault(last, []).append(entry)
    # A name alone, where it can mean one thing only.
    return known | {name: each[0] for name, each in bare.items() if len(each) == 1}


def _row(entry: str) -> str:
    shown = entry.removeprefix("organics_ode.")
    return f"| [`{shown}`][{entry}] | {first_sentence(entry)} |"


def first_sentence(entry: str) -> str:
    """The first sentence of a docstring, for a cell of a table."""
    target = _sources()[entry]
    target = target.final_target if target.is_alias else target
    text = " ".join(target.docstring.value.partition("\n\n")[0].split())
    sentence = re.match(r".+?(?<! al)\.(?=\s|$)", text)
    return (sentence[0] if sentence else text.rstrip(",:") + ".").replace("|", r"\|")


@functools.cache
def _sources():
    import griffe

    loader = griffe.GriffeLoader(search_paths=[str(Path(__file__).parents[2])])
    for package in ("organics_ode", "tasks"):
        loader.load(package)
    loader.resolve_aliases(implicit=True)
    return loader.modules_collection
