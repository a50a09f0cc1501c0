"""How trials, data and curves are printed: as a card of a few lines."""

import html
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np

_SHOWN = 7  # rows of a table; the rest are counted
_LONGEST = 120  # characters in a line
_KNOWN = (bool, int, float, np.ndarray, np.generic, jax.Array)

Record = TypeVar("Record", bound=type)


class Card(NamedTuple):
    """A title, facts on one line each, and a table with its head."""

    title: str
    facts: dict[str, str] = {}
    table: tuple[tuple[str, ...], ...] = ()


def carded(cls: Record) -> Record:
    """Makes a named tuple print as a card: its `_card()`, or its fields if it has none, if it is a
    batch (`_card()` is then None), or if its numbers are traced or missing."""
    cls.__repr__ = lambda self: _as_text(_card_of(self))  # pyright: ignore
    cls._repr_html_ = lambda self: _as_html(_card_of(self))
    return cls


def table(columns: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Named columns of numbers as a table: its head and its first rows."""
    rows = zip(*(np.asarray(column)[:_SHOWN] for column in columns.values()), strict=True)
    return (tuple(columns), *(tuple(map(number, row)) for row in rows))


def summary(value: Any) -> str:
    """A value on one line: numbers as they are, arrays by their shapes and ranges."""
    if not isinstance(value, _KNOWN) or _is_unread(value) or not np.size(value):
        return clipped(" ".join(eqx.tree_pformat(value, width=10**6).split()))
    array = np.asarray(value)
    if not array.ndim:
        return number(array)
    if array.dtype == bool:
        return f"{array.sum()} of {array.size}"
    found = array[np.isfinite(array)]
    span = dict.fromkeys((number(found.min()), number(found.max()))) if found.size else {}
    missing = [f"{array.size - found.size} not finite"] if found.size < array.size else []
    return ", ".join([str(array.shape), *([" to ".join(span)] if span else []), *missing])


def counted(count: int, noun: str) -> str:
    """ "1 step", "2 steps"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def clipped(text: str) -> str:
    """The text, cut to at most one line."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def number(value: Any) -> str:
    value = np.asarray(value).item()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _card_of(record: Any) -> Card:
    are_known = all(field is not None for field in record) and not any(
        not isinstance(leaf, _KNOWN) or _is_unread(leaf) for leaf in jax.tree.leaves(tuple(record))
    )
    card = record._card() if are_known and hasattr(record, "_card") else None
    if card is not None:
        return card
    facts = {name: summary(getattr(record, name)) for name in record._fields}
    return Card(type(record).__name__, facts)


def _is_unread(leaf: Any) -> bool:
    """Whether it has no numbers that can be shown: traced, deleted, or a key."""
    if isinstance(leaf, jax.core.Tracer):
        return True
    is_held = isinstance(leaf, jax.Array)
    return is_held and (leaf.is_deleted() or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _as_text(card: Card) -> str:
    width = max(map(len, card.facts), default=0)
    lines = [f"{name:{width}}  {text}" for name, text in card.facts.items()]
    widths = [max(map(len, column)) for column in zip(*card.table, strict=True)]
    for row in card.table:
        lines.append("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)))
    return "\n".join([card.title, *(f"  {line}" for line in lines)])


def _as_html(card: Card) -> str:
    def row(cells: Iterable[str], kind: str = "td") -> str:
        return f"<tr>{''.join(f'<{kind}>{html.escape(c)}</{kind}>' for c in cells)}</tr>"

    facts = "".join(map(row, card.facts.items()))
    rows = "".join(row(cells, "td" if i else "th") for i, cells in enumerate(card.table))
    tables = "".join(f"<table>{each}</table>" for each in (facts, rows) if each)
    return f"<div><b>{html.escape(card.title)}</b>{tables}</div>"
