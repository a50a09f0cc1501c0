"""The tables of docs/trust.md, each between two marks that name it."""

from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "trust.md"


def write_table(name: str, lines: list[str]) -> None:
    """Put the lines in place of those between the marks of the table `name`."""
    before, rest = _PAGE.read_text().split(f"<!-- {name} -->\n")
    after = rest.split(f"<!-- end of {name} -->\n")[1]
    table = "\n".join(["", *lines, "", ""])
    _PAGE.write_text(f"{before}<!-- {name} -->\n{table}<!-- end of {name} -->\n{after}")
