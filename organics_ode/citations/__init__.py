"""The publications behind what was run, as text and as BibTeX."""

from ._citation import Citation as Citation, citation as citation

# What is public as `oo.…`.
__all__ = ["Citation", "citation"]
