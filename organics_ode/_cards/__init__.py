"""What results show when they are printed."""

from ._card import (
    SHOWN as SHOWN,
    Card as Card,
    card_of as card_of,
    carded as carded,
    plain as plain,
)
from ._records import HIGHER_IS_BETTER as HIGHER_IS_BETTER, report as report
from ._summary import (
    first_numbers as first_numbers,
    number as number,
    outline as outline,
    summary as summary,
)
