"""`<!-- notebook: NAME -->` on a page: that notebook of `examples/notebooks`, with its outputs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
_MARK = re.compile(r"^<!-- notebook: (\w+) -->$", re.MULTILINE)
# What Jupyter reads otherwise than the site: math within a line, and links to pages and notebooks.
_AS_THE_SITE = (
    (re.compile(r"(?<![$\\])\$([^$\n]+)\$(?!\$)"), r"\\(\1\\)"),
    (re.compile(r"\]\(\.\./\.\./docs/"), "](../"),
    (re.compile(r"\]\((\w+)\.ipynb\)"), r"](\1.md)"),
)


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with the cells of its notebook in place of the mark."""
    return _MARK.sub(lambda mark: "\n\n".join(_parts(mark[1])), markdown)


def _parts(name: str) -> Iterator[str]:
    notebook = json.loads((_FOLDER / f"{name}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for pattern, replacement in _AS_THE_SITE:
                source = pattern.sub(replacement, source)
            yield source
        else:
            yield f"```python\n{source}\n```"
            yield from map(_shown, cell["outputs"])


def _shown(output: dict) -> str:
    """An output of a cell: its picture, or its text."""
    data = output.get("data", {})
    if "image/png" in data:
        png = "".join(data["image/png"]).replace("\n", "")
        return f"![What the code above draws](data:image/png;base64,{png})"
    text = "".join(output.get("text") or data["text/plain"])
    return f"```text\n{text.rstrip()}\n```"
