"""The publications behind what was run, as text and as BibTeX."""

from ._citation import Citation as Citation, citation as citation

# The names that are public as `oo.…`.
__all__ = ["Citation", "citation"]
