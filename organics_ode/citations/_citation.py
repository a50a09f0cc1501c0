"""`citation`: what to cite for what you ran."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .._cards import SHOWN, Card, carded
from .._checks import counted, refuse, shown
from .._version import __version__
from ._behind import BEHIND, PAPERS
from ._paper import Paper

_PACKAGES = ("organics_ode", "tasks")


@carded
class Citation(NamedTuple):
    """What to cite.

    - `text`: a line for each publication, the software first.
    - `bibtex`: the same as BibTeX entries.
    """

    text: str
    bibtex: str

    def _card(self) -> Card:
        lines = self.text.splitlines()
        rows = [(str(i + 1), line) for i, line in enumerate(lines[:SHOWN])]
        title = f"Citation: {counted(len(lines), 'entry', 'entries')}"
        return Card(title, rows=rows, total=len(lines))


def citation(*things: object) -> Citation:
    """The publications behind what you ran, and the software itself (host).

        print(oo.citation(circuit, oo.certify, trajectory).bibtex)

    A circuit, a model, a population, a task or a result stands for its class and for everything it
    holds, such as the circuit of a fit; a function or a class stands for itself. For a circuit of
    your own, only the software is cited. The publications are those that the docstrings of this
    library refer to; which solver of diffrax or optimizer of optax you used is not known here.

    Args:
        things: any number of circuits, cells, models, tasks, results, functions or classes. With
            none, only the software is cited.

    Returns:
        A `Citation` with `text` and `bibtex`, each publication once.

    Raises:
        ValueError: one of them is not known here, such as an array, a module, or a function of
            your own.
    """
    names = [name for thing in things for name in _known(thing)]
    keys = {key for name in names for key in BEHIND.get(name, ())}
    papers = [_software(), *(paper for key, paper in PAPERS.items() if key in keys)]
    texts = "\n".join(paper.text for paper in papers)
    return Citation(texts, "\n\n".join(paper.bibtex for paper in papers))


def _software() -> Paper:
    note = f"Software, version {__version__}"
    title = "organics_ode: ORGaNICs in JAX"
    return Paper("organics_ode", "{The organics_ode authors}", title, None, note=note)


def _known(thing: object) -> list[str]:
    names = list(_names(thing))
    if not names:
        must = (
            "be circuits, models, tasks, results, functions or classes of this library, or classes "
            "of yours that inherit from one"
        )
        refuse("things", must, f"one of them is {shown(thing)}")
    return names


def _names(thing: object) -> Iterator[str]:
    """The rooms and names of everything from the library that a thing is or holds."""
    if inspect.isclass(thing):
        yield from (name for cls in thing.__mro__ if (name := _name(cls)))
    elif inspect.isroutine(thing):
        yield from [name] if (name := _name(thing)) else []
    else:
        yield from _names(type(thing))
        for part in _parts(thing):
            yield from _names(part)


def _name(thing: Any) -> str | None:
    package, _, rest = (getattr(thing, "__module__", None) or "").partition(".")
    if package not in _PACKAGES:
        return None
    room = package if package == "tasks" or rest.startswith("tasks") else rest.partition(".")[0]
    return f"{room}.{thing.__qualname__}"


def _parts(thing: object) -> list[Any]:
    if dataclasses.is_dataclass(thing):
        return list(vars(thing).values())
    if isinstance(thing, Mapping):
        return list(thing.values())
    return list(thing) if isinstance(thing, list | tuple) else []
