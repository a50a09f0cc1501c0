"""All roots s of the fixed-point equation of one unit, in Python floats."""

from collections.abc import Callable, Iterator

from ._equations import Scalars


def roots(q: Scalars) -> Iterator[tuple[float, float]]:
    """(y, s) of every fixed point, before polishing."""
    K = q.w * abs(q.c) ** q.p
    rest = q.beta ** (1 / q.p)
    if K == 0:
        yield from _without_pool(q, rest)
    elif q.w_r == 0:
        yield from [(q.c, rest / (1 - K) ** (1 / q.p))] if K < 1 else []
    else:
        yield from ((q.c / _gap(q, s), s) for s in _outer(q, K, rest) + _inner(q, K))


def _without_pool(q: Scalars, rest: float) -> Iterator[tuple[float, float]]:
    """w = 0 or c = 0: s stays at rest, or u = 0 and y is free."""
    if q.c == 0 or _gap(q, rest) != 0:
        yield (q.c / _gap(q, rest) if q.c != 0 else 0.0), rest
    s = 1 - 1 / q.w_r if q.w_r != 0 else 0.0
    if q.c == 0 and q.w > 0 and s > rest:
        y = ((1 - q.beta / s**q.p) / q.w) ** (1 / q.p)
        yield from [(y, s), (-y, s)]


def _gap(q: Scalars, s: float) -> float:
    """u."""
    return 1 - q.w_r + q.w_r * s


def _at_gap(q: Scalars, size: float, side: int) -> float:
    """The s where |u| = size, on the side of s above (+1) or below (−1) the zero of u."""
    return (q.w_r - 1) / q.w_r + side * size / abs(q.w_r)


def _excess(q: Scalars, K: float, s: float) -> float:
    """G(s) − β times |u|^p, which has no pole."""
    u = abs(_gap(q, s)) ** q.p
    return s**q.p * (u - K) - q.beta * u


def _outer(q: Scalars, K: float, rest: float) -> list[float]:
    """The one root on the branch where G increases from 0 to infinity."""
    low = max(_at_gap(q, K ** (1 / q.p), 1), 0.0)
    high = max(_at_gap(q, (2 * K) ** (1 / q.p), 1), 2 ** (1 / q.p) * rest)
    return [bisect(lambda s: _excess(q, K, s), low, high)]


def _inner(q: Scalars, K: float) -> list[float]:
    """The roots where log G is concave, on both sides of the largest G; one if they coincide."""
    end = _at_gap(q, K ** (1 / q.p), -1)
    if end <= 0:
        return []

    def falls(s: float) -> float:  # −(log G)′, up to a positive factor
        u = abs(_gap(q, s))
        return K * abs(q.w_r) * s - u ** (q.p + 1) + K * u

    top = bisect(falls, 0.0, end)
    excess = _excess(q, K, top)
    if excess < 0:
        return []
    if excess == 0:
        return [top]
    rising = bisect(lambda s: _excess(q, K, s), 0.0, top)
    return [rising, bisect(lambda s: -_excess(q, K, s), top, end)]


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The zero of a function that is negative at `low` and positive at `high`."""
    while True:
        middle = low + (high - low) / 2
        if not low < middle < high:
            return middle
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
