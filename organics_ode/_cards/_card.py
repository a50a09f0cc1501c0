"""What a result shows when it is printed, or ends a notebook cell: a card of a few lines."""

import dataclasses
import html
import typing
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import is_traced
from ._summary import number, outline, summary

SHOWN = 7  # Rows of a table that are shown; the rest is counted.
_NAME = 10  # The minimum width of the column of names.
# Properties that summarize a batch by a count or a range.
_SUMMED = ("succeeded", "is_stable", "abscissa")

Result = TypeVar("Result", bound=type)


class Card(NamedTuple):
    """A title, facts with one line each, a table, and notes below it.

    Numbers in the table are aligned right, texts left; `total` is the number of rows where not all
    of them are given.
    """

    title: str
    facts: dict[str, str] = {}
    columns: tuple[str, ...] = ()
    rows: typing.Sequence[tuple[Any, ...]] = ()
    total: int = 0
    notes: typing.Sequence[str] = ()


def carded(cls: Result) -> Result:
    """Make a class of results print a card: its `_card()`, or its fields if it has none.

    Traced results, batches, and trees without numbers are shown by their fields.
    """
    cls.__repr__ = lambda self: as_text(card_of(self))  # pyright: ignore
    cls._repr_html_ = lambda self: as_html(card_of(self))
    return cls


def card_of(result: Any) -> Card:
    """The card that is printed for a result."""
    if not _is_known(result):
        facts = {name: outline(value) for name, value in _fields(result).items()}
        return Card(type(result).__name__, facts)
    batch = _batch_of(result)
    if batch == () and hasattr(result, "_card"):
        return result._card()
    return plain(result, batch)


def plain(result: Any, batch: tuple[int, ...] = ()) -> Card:
    """The fields of a result, arrays as their shapes and ranges."""
    title = type(result).__name__
    facts = {name: summary(value) for name, value in _fields(result).items()}
    if batch:
        title += f": a batch of {batch[0] if len(batch) == 1 else batch}"
        summed = [
            name for name in _SUMMED if isinstance(getattr(type(result), name, None), property)
        ]
        facts |= {name: summary(getattr(result, name)) for name in summed}
    return Card(title, facts)


def _hints(cls: type) -> dict[str, Any]:
    if dataclasses.is_dataclass(cls):
        return {field.name: field.type for field in dataclasses.fields(cls)}
    return typing.get_type_hints(cls) if hasattr(cls, "_fields") else {}


def _fields(result: Any) -> dict[str, Any]:
    names = _hints(type(result)) or vars(result)
    return {name: getattr(result, name) for name in names if hasattr(result, name)}


def _dims(hint: Any) -> list[str] | None:
    """The names of the axes in the jaxtyping annotation of an array."""
    kinds = [each for each in (hint, *typing.get_args(hint)) if hasattr(each, "dim_str")]
    return kinds[0].dim_str.split() if kinds else None


def _batch_of(result: Any) -> tuple[int, ...]:
    """The sizes of the axes in front of those that the annotations name."""
    for name, hint in _hints(type(result)).items():
        dims, value = _dims(hint), getattr(result, name)
        if dims is None or value is None:
            continue
        named = [d for d in dims if d != "*batch"]
        if not any(d.startswith(("*", ".")) for d in named):
            return np.shape(value)[: np.ndim(value) - len(named)]
    return ()


def _is_known(result: Any) -> bool:
    """Whether every annotated field is present, with numbers that can be read."""
    fields, hints = _fields(result), _hints(type(result))
    if len(fields) < len(hints):
        return False
    are_there = (_fits(fields[name], hint) for name, hint in hints.items())
    return all(are_there) and not any(map(_is_unread, jax.tree.leaves(list(fields.values()))))


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated kind, as far as a card has to know."""
    is_number = isinstance(value, bool | int | float | np.generic)
    if _dims(hint) is not None:
        may_be_none = type(None) in typing.get_args(hint) and value is None
        return is_number or may_be_none or isinstance(value, jax.Array | np.ndarray)
    if typing.get_origin(hint) is dict and isinstance(value, dict):
        return all(_fits(each, typing.get_args(hint)[-1]) for each in value.values())
    if hint is np.ndarray:
        return isinstance(value, jax.Array | np.ndarray)
    if not isinstance(hint, type) or hint is Any:
        return True
    return isinstance(value, hint) or (hint in (bool, int, float) and is_number)


def _is_unread(leaf: PyTree) -> bool:
    if is_traced(leaf) or isinstance(leaf, jax.ShapeDtypeStruct):
        return True
    is_held = isinstance(leaf, jax.Array)
    return is_held and (leaf.is_deleted() or not leaf.is_fully_addressable)


def _cells(card: Card) -> list[list[str]]:
    return [[c if isinstance(c, str) else number(c) for c in row] for row in card.rows]


def _more(card: Card) -> list[str]:
    left = card.total - len(card.rows)
    return [f"... {left} more"] if left > 0 else []


def as_text(card: Card) -> str:
    width = max([_NAME, *map(len, card.facts)])
    lines = [f"{name:{width}}  {text}" for name, text in card.facts.items()]
    table = [[*card.columns]] * bool(card.columns) + _cells(card)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    is_text = (
        [isinstance(cell, str) for cell in card.rows[0]] if card.rows else [True] * len(widths)
    )
    for row in table:
        cells = zip(row, widths, is_text, strict=True)
        lines += ["  ".join(c.ljust(w) if left else c.rjust(w) for c, w, left in cells).rstrip()]
    lines += [*_more(card), *card.notes]
    return "\n".join([card.title, *(f"  {line}" for line in lines)])


def as_html(card: Card) -> str:
    def row(cells: typing.Iterable[str], kind: str = "td") -> str:
        return f"<tr>{''.join(f'<{kind}>{html.escape(c)}</{kind}>' for c in cells)}</tr>"

    facts = "".join(map(row, card.facts.items()))
    table = row(card.columns, "th") * bool(card.columns) + "".join(map(row, _cells(card)))
    notes = "".join(f"<div>{html.escape(note)}</div>" for note in (*_more(card), *card.notes))
    tables = "".join(f"<table>{rows}</table>" for rows in (facts, table) if rows)
    return f"<div><b>{html.escape(card.title)}</b>{tables}{notes}</div>"
