"""A record of numbers as a line of JSON, and back.

JSON has no NaN and no infinities: NaN is written as null, infinities as texts.
"""

import json
import math
import sys
from typing import Any

_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


def to_line(record: dict[str, Any]) -> str:
    """The record as a line, including its end."""
    return json.dumps({k: _to_json(v) for k, v in record.items()}, allow_nan=False) + "\n"


def from_line(line: bytes) -> dict[str, Any] | None:
    """The record in a line; None if it is not JSON, has no step, or holds more than numbers."""
    try:
        # Decoded as UTF-8, because json would try UTF-16 and UTF-32 on bytes, importing modules.
        pairs = json.loads(line.decode(), object_pairs_hook=_Pairs)
        record = {sys.intern(name): _from_json(value) for name, value in pairs}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_record = type(pairs) is _Pairs and len(record) == len(pairs)
    return record if is_record and type(record.get("step")) is int else None


class _Pairs(list):
    """A JSON object, in which a name may occur twice."""


def _to_json(value: object) -> object:
    if isinstance(value, list):
        return [_to_json(v) for v in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else next(k for k, v in _INFINITIES.items() if v == value)


def _from_json(value: object) -> object:
    if type(value) is list:
        return [_from_json(v) for v in value]
    if isinstance(value, str):
        return _INFINITIES[value]
    if not isinstance(value, int | float | None):
        raise TypeError
    return math.nan if value is None else value
