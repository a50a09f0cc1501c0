"""Compiled programs: sharing them between equal functions, their precision and memory, and
workarounds for faults upstream."""

from ._closures import opened as opened
from ._detached import detached as detached
from ._memory import device_memory as device_memory
from ._precision import in_full_precision as in_full_precision
from ._quickly import prepare as prepare, quickly_compiled as quickly_compiled
from ._shared import (
    Shared as Shared,
    arrived as arrived,
    compiled as compiled,
    equal_one as equal_one,
    jitted as jitted,
    shared as shared,
    unawaited as unawaited,
)
from ._upstream import (
    after as after,
    as_if_alone as as_if_alone,
    few_threads as few_threads,
    lazily as lazily,
    nextafter as nextafter,
    prevbefore as prevbefore,
    within_loop as within_loop,
)
