"""Other models of recurrent circuits, to compare with: one per file."""

from ._wilson_cowan import WilsonCowan as WilsonCowan, WilsonCowanState as WilsonCowanState
