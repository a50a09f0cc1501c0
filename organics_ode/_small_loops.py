"""Whole loops of small circuits in one kernel.

XLA's CPU backend runs a loop operation by operation, each a task for its threads, and of a small
circuit most of the time goes into handing them out: a step of an adaptive solver of 16 units takes
12 to 30 µs so, and 3 µs where the whole loop is one kernel. It makes one of a loop that touches
less than a kilobyte a turn; in those of 64 KB the threads are worth it. The threshold is an option
of XLA that is read once, before the first program is compiled, so it is set on import.
"""

import os

_OPTION = "--xla_backend_extra_options"
_THRESHOLD = 65536  # Bytes that a turn of the loop touches.

_flags = os.environ.get("XLA_FLAGS", "")
if _OPTION not in _flags:  # Options of this kind that the user has set stay as they are.
    _option = f"{_OPTION}=xla_cpu_small_while_loop_byte_threshold={_THRESHOLD}"
    os.environ["XLA_FLAGS"] = f"{_flags} {_option}".strip()
