"""What is compiled: programs that equal functions share, and ways around faults of XLA."""

from ._closures import opened as opened
from ._shared import (
    Shared as Shared,
    arrived as arrived,
    compiled as compiled,
    equal_one as equal_one,
    jitted as jitted,
    shared as shared,
    unawaited as unawaited,
)
from ._upstream import after as after
