"""`::: organics_ode.ROOM.*` on an API page: public names of a room that no page has by itself."""

import ast
import re
from pathlib import Path

_PAGES, _LIBRARY = Path(__file__).parents[1] / "api", Path(__file__).parents[2] / "organics_ode"
_NAME = re.compile(r"^::: organics_ode\.(\w+)$", re.MULTILINE)
_ROOM = re.compile(r"^::: organics_ode\.(\w+)\.\*$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    return _ROOM.sub(
        lambda room: "\n".join(map("::: organics_ode.{}".format, rest(room[1]))), markdown
    )


def rest(room: str) -> list[str]:
    """The names in the room's `__all__` that have no line of their own, in the order there."""
    named = set()
    for page in _PAGES.glob("*.md"):
        named |= set(
            re.findall(r"^::: organics_ode\.(\w+)$", page.read_text("utf-8"), re.MULTILINE)
        )
    for node in ast.parse((_LIBRARY / room / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if name not in named]
    raise ValueError(f"The room `{room}` has no `__all__`.")
