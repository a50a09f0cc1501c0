"""The tables of docs, each between two marks that name it."""

from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"


def write_table(name: str, lines: list[str], page: str = "trust.md") -> None:
    """Put the lines in place of those between the marks of the table `name`."""
    before, _, after = _parts(name, page)
    table = "\n".join(["", *lines, "", ""])
    (_DOCS / page).write_text(f"{before}<!-- {name} -->\n{table}<!-- end of {name} -->\n{after}")


def table_of(name: str, page: str = "trust.md") -> list[str]:
    """The lines between its marks."""
    return _parts(name, page)[1].strip("\n").split("\n")


def _parts(name: str, page: str) -> tuple[str, str, str]:
    before, rest = (_DOCS / page).read_text().split(f"<!-- {name} -->\n")
    table, after = rest.split(f"<!-- end of {name} -->\n")
    return before, table, after
