"""One publication, as text and as a BibTeX entry."""

import re
from typing import NamedTuple


class Paper(NamedTuple):
    """One publication.

    - `key`: of its BibTeX entry.
    - `authors`: "Surname, Initials", joined by " and ", as in BibTeX.
    - `title`, `year`.
    - `journal` and `volume`, `booktitle` of proceedings, or `publisher` of a book.
    - `eprint`: the arXiv number. `doi`, `note`.
    """

    key: str
    authors: str
    title: str
    year: int | None
    journal: str = ""
    volume: str = ""
    booktitle: str = ""
    publisher: str = ""
    eprint: str = ""
    doi: str = ""
    note: str = ""

    @property
    def surnames(self) -> list[str]:
        """The authors' surnames, with "and others" as "et al."."""
        names = [name.partition(",")[0].strip("{}") for name in self.authors.split(" and ")]
        return ["et al." if name == "others" else _plain(name) for name in names]

    @property
    def text(self) -> str:
        """One line for a reader."""
        names = ", ".join(self.surnames).replace(", et al.", " et al.")
        place = f"{self.journal} {self.volume}".strip() or self.booktitle or self.publisher
        arxiv = f"arXiv:{self.eprint}" if self.eprint else ""
        doi = f"doi:{self.doi}" if self.doi else ""
        year = f" ({self.year})" if self.year else ""
        parts = [f"{names}{year}", _plain(self.title), place, arxiv, doi, self.note]
        return ". ".join(part for part in parts if part) + "."

    @property
    def bibtex(self) -> str:
        """The BibTeX entry."""
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}" if self.title else "",
            "journal": self.journal,
            "volume": self.volume,
            "booktitle": self.booktitle,
            "publisher": self.publisher,
            "year": self.year,
            "archivePrefix": "arXiv" if self.eprint else "",
            "eprint": self.eprint,
            "doi": self.doi,
            "note": self.note,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self._kind}{{{self.key},", *lines, "}"])

    @property
    def _kind(self) -> str:
        if self.journal:
            return "article"
        if self.booktitle:
            return "inproceedings"
        return "book" if self.publisher else "misc"


def article(key: str, authors: str, title: str, year: int, where: str, **more: str) -> Paper:
    """A paper in a journal: `where` is its name and volume."""
    journal, _, volume = where.rpartition(" ")
    return Paper(key, authors, title, year, journal, volume, **more)


def talk(key: str, authors: str, title: str, year: int, where: str, **more: str) -> Paper:
    """A conference paper."""
    return Paper(key, authors, title, year, booktitle=where, **more)


def _plain(text: str) -> str:
    """The text without the braces and accents of TeX."""
    return re.sub(r"\\.|[{}]", "", text)
