"""What is cited is what the docstrings refer to, and entries are entries."""

import importlib
import inspect
import re
import unicodedata
from typing import NamedTuple

import jax
import numpy as np
import pytest

import organics_ode as oo
import tasks
from organics_ode import cortex
from organics_ode.citations._behind import BEHIND, PAPERS

ROOMS = ("cortex", "facts", "feedback", "mean_field", "periods", "planar", "population")
ROOMS += ("robustness",)
# It refers to code; the circuits that it makes have papers.
UNCITED = {"models.recipe"}


def public():
    """Every public function and class, by room and name."""
    spaces = [oo, cortex.data, tasks, *(getattr(oo, room) for room in ROOMS)]
    for space in spaces:
        for name in dir(space):
            thing = getattr(space, name)
            if name[0] != "_" and (inspect.isclass(thing) or inspect.isfunction(thing)):
                package, *rest = thing.__module__.split(".")
                room = package if package == "tasks" else rest[0]
                yield f"{room}.{thing.__qualname__}", thing


PUBLIC = dict(public())


def reference(thing):
    _, found, section = (inspect.getdoc(thing) or "").partition("\nReference:\n")
    return " ".join(section.split()) if found else ""


def plain(text):
    """Without accents."""
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


REFERRING = sorted(name for name, thing in PUBLIC.items() if reference(thing))


def test_the_table_knows_every_docstring_with_a_reference():
    assert len(REFERRING) > 60
    assert set(REFERRING) - BEHIND.keys() == UNCITED


@pytest.mark.parametrize("name", [name for name in REFERRING if name not in UNCITED])
def test_what_is_cited_is_what_the_docstring_says(name):
    text = plain(reference(PUBLIC[name]))
    cited = [PAPERS[key] for key in BEHIND[name]]
    for paper in cited:
        assert paper.surnames[0] in text and str(paper.year) in text, paper.key
        if f'"{paper.title.partition(":")[0]}'.lower() not in text.lower():
            # A docstring may leave out the title, or shorten it; the place is there, then.
            assert any(w in text for w in (paper.journal, paper.eprint, "bioRxiv", "PMC")), paper
    years = {int(year) for year in re.findall(r"\((?:\w+ )?(\d{4})\)", text)}
    assert years <= {paper.year for paper in cited}


def test_every_name_of_the_table_is_there_and_every_paper_is_used():
    assert {key for keys in BEHIND.values() for key in keys} == PAPERS.keys()
    assert BEHIND.keys() <= PUBLIC.keys()


def test_entries_can_be_read_as_bibtex():
    everything = oo.citation(*(PUBLIC[name] for name in BEHIND))
    entries = everything.bibtex.split("\n\n")
    assert len(entries) == len(PAPERS) + 1 == len(everything.text.splitlines())
    for entry in entries:
        assert re.match(r"@(article|inproceedings|book|misc)\{\w+,\n", entry)
        assert entry.count("{") == entry.count("}") and entry.endswith(",\n}")
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.MULTILINE))
        assert len(fields) == len(entry.splitlines()) - 2
        if "@article" in entry:
            assert re.fullmatch(r"\d+", fields["volume"]) and fields["year"].isdigit()


class State(NamedTuple):
    y: jax.Array


class Own(oo.AbstractCircuit[State]):
    tau: float = 1.0

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return State((x - state.y) / self.tau)

    def initial_state(self):
        return State(jax.numpy.zeros(1))


def keys(*things):
    return re.findall(r"^@\w+\{(\w+),$", oo.citation(*things).bibtex, re.MULTILINE)


def test_a_thing_stands_for_what_it_holds():
    circuit = oo.ORGaNICs(1.0, 1.0, 1.0, 0.1, 0.5, 0.5, 2.0, 2.0)
    assert keys() == ["organics_ode"]
    assert keys(circuit) == keys(oo.ORGaNICs, circuit) == ["organics_ode", "rawat2024"]
    assert keys(oo.ShuOsher(circuit, 0.1)) == ["organics_ode", "rawat2024", "shu1988"]
    assert keys([cortex.Ring(4, sigma=0.1)])[1:] == ["rawat2024", "heeger1992", "simoncelli1995"]
    assert keys(oo.recipe("cornn-smnist")) == ["organics_ode", "rusch2021a"]
    assert keys(oo.simulate, tasks.ReadySetGo()) == ["organics_ode", "jazayeri2010"]
    assert keys(Own()) == keys(Own) == ["organics_ode"]
    assert "Rawat, Heeger, Martiniani (2024)" in oo.citation(circuit).text


@pytest.mark.parametrize("thing", [np.ones(2), "smnist-128", oo.cortex, len, lambda x: x, None, []])
def test_what_is_not_known_is_refused(thing):
    with pytest.raises(ValueError, match=r"Argument `things` must be circuits, models, tasks"):
        oo.citation(oo.simulate, thing)


def test_rooms_of_the_table_are_rooms():
    for name in BEHIND:
        room = name.partition(".")[0]
        importlib.import_module(room if room == "tasks" else f"organics_ode.{room}")
