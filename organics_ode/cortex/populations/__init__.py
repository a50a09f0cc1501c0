"""Populations of tuned cells."""

from ._population import (
    AbstractPopulation as AbstractPopulation,
    Attention as Attention,
    check_population as check_population,
)
from ._ring import Ring as Ring
from ._sheet import Sheet as Sheet
