"""The class of each circuit of a trial, from how it ended. In numpy."""

import numpy as np

from ._study import Study
from ._trials import Ending

CLASSES = ("stable", "critical slowing", "limit cycle", "diverging")
STABLE, SLOW, CYCLE, DIVERGING = range(4)
UNDECIDED = -1
_NEWTON = 20  # steps
_SOLVED = 1e-11  # relative residual


def classify(study: Study, ending: Ending) -> dict[str, np.ndarray]:
    """The class and the numbers of every circuit of a trial, in the shape (Δ, ‖z‖)."""
    grid = np.ndindex(study.deltas.size, study.norms.size)
    found = [_circuit(study, ending, *place) for place in grid]
    names = {"classes": np.int8, "abscissa": float, "frequency": float, "amplitude": float}
    columns = zip(names.items(), zip(*found, strict=True), strict=True)
    shape = (study.deltas.size, study.norms.size)
    return {name: np.array(v, dtype).reshape(shape) for (name, dtype), v in columns}


def _circuit(study: Study, ending: Ending, i: int, j: int) -> tuple[int, float, float, float]:
    """Class, abscissa, frequency and amplitude at Δ number i and ‖z‖ number j."""
    delta, norm = float(study.deltas[i]), float(study.norms[j])
    at = i * study.norms.size + j
    v, nan = np.asarray(ending.v[:, at], float), np.nan
    if ending.has_left[at]:
        return DIVERGING, nan, nan, nan
    if not ending.is_over[at]:
        return UNDECIDED, nan, nan, nan
    if ending.has_settled[at] or ending.slows[at]:
        abscissa, resolution = _abscissa(study, delta, norm, ending, v)
        if abscissa <= resolution:
            # A marginal point is as slow as can be.
            is_stable = abscissa < -resolution
            is_slow = not is_stable or -1 / abscissa > study.slow * _relaxation(study, norm)
            return (SLOW if is_slow else STABLE), abscissa, nan, nan
        if not ending.has_settled[at]:
            return SLOW, nan, nan, nan
        # It is as slow as this on its way past a saddle, too, and what comes then was not computed.
        return UNDECIDED, abscissa, nan, nan
    return CYCLE, nan, float(ending.frequency[at]), float(ending.amplitude[at])


def _abscissa(
    study: Study, delta: float, norm: float, ending: Ending, v: np.ndarray
) -> tuple[float, float]:
    """1/ms, at the fixed point that Newton's method finds from v, and below what size its sign is
    unknown, as in `Spectrum`; NaN where it finds none."""
    W_r = np.eye(study.size) + delta * np.asarray(ending.R, float)
    drive, beta = study.b * norm * np.asarray(ending.z, float), (study.b * study.sigma) ** 2
    for _ in range(_NEWTON):
        if not v[-1] > 0:
            return np.nan, np.nan
        f, J = _linearise(W_r, drive, beta, v)
        terms = np.linalg.norm(np.abs(J[:-1, :-1]) @ np.abs(v[:-1]) + np.abs(drive))
        residual = max(np.linalg.norm(f[:-1]) / terms, abs(f[-1]) / v[-1])
        if residual < _SOLVED:
            largest = max(np.linalg.eigvals(J).real.max(), -1.0)
            resolution = (len(v) * np.finfo(float).eps + residual) * _even_norm(J)
            return float(largest / study.tau), float(resolution / study.tau)
        v = v - np.linalg.solve(J, f)
    return np.nan, np.nan


def _even_norm(J: np.ndarray) -> float:
    """The norm, in the unit of a in which a acts on y as strongly as y on a."""
    (yy, ya), (ay, aa) = (np.split(row, [-1], axis=1) for row in np.split(J, [-1]))
    coupling = np.linalg.norm(ya) * np.linalg.norm(ay)
    return float(np.sqrt(np.linalg.norm(yy) ** 2 + 2 * coupling + aa.item() ** 2))


def _linearise(
    W_r: np.ndarray, drive: np.ndarray, beta: float, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """τ times the velocity at v = (y; a), and τ times its Jacobian."""
    y, a = v[:-1], v[-1]
    s, Wy = np.sqrt(a), W_r @ y
    f = np.append(-y + drive + (1 - s) * Wy, -a + beta + a * (y @ y))
    J = np.empty((v.size, v.size))
    J[:-1, :-1] = (1 - s) * W_r - np.eye(y.size)
    J[:-1, -1], J[-1, :-1], J[-1, -1] = -Wy / (2 * s), 2 * a * y, y @ y - 1
    return f, J


def _relaxation(study: Study, norm: float) -> float:
    """ms, of W_r = I: a plane spanned by y and a, modes −√a across y, −1 among the a."""
    drive = study.b * norm
    a = (study.b * study.sigma) ** 2 + drive**2
    s, y = np.sqrt(a), drive / np.sqrt(a)
    plane = np.linalg.eigvals(np.array([[-s, -y / (2 * s)], [2 * a * y, y * y - 1]]))
    across = -s if study.size > 1 else -np.inf
    return float(-study.tau / max(plane.real.max(), across, -1.0))
