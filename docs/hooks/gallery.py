"""`<!-- gallery -->` on the page of examples: a thumbnail of each, by section, that leads to it."""

import re

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_EXAMPLE = re.compile(r"^### `(\w+)\.py`[^\n]*$(.*?)(?=^###? |\Z)", re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(r"^!\[([^\]]*)\]\(([^)]+)\)", re.MULTILINE)
_MARK = "<!-- gallery -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with its thumbnails in place of the mark."""
    if _MARK not in markdown:
        return markdown
    _, *parts = _SECTION.split(markdown)
    sections = zip(parts[::2], parts[1::2], strict=True)
    return markdown.replace(_MARK, "\n".join(_thumbnails(*section) for section in sections))


def _thumbnails(title: str, text: str) -> str:
    shown = [
        f'[![{picture[1]}]({picture[2]}){{ loading=lazy }} {name}](#{name}py "{picture[1]}")'
        for name, example in _EXAMPLE.findall(text)
        if (picture := _PICTURE.search(example))
    ]
    links = "\n".join(shown)
    return f'**{title}**\n\n<div class="gallery" markdown>\n\n{links}\n\n</div>\n' if shown else ""
