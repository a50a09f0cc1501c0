"""The class of each circuit of a trial, from how it ended. In numpy."""

import numpy as np

from .._nonlinearities import Rectification
from ._normal import normalized
from ._study import Study, Variant
from ._trials import Ending

CLASSES = ("stable", "critical slowing", "limit cycle", "diverging")
"""The names of the classes 0 to 3 of a `PhaseDiagram`, in order."""
STABLE = 0
"""The class of a circuit that comes to rest at a stable fixed point."""
SLOW = 1
"""The class of a circuit that comes to rest more slowly than the simulation could follow."""
CYCLE = 2
"""The class of a circuit that ends in a limit cycle."""
DIVERGING = 3
"""The class of a circuit whose state grows without bound."""
UNDECIDED = -1
"""The class of a circuit that neither the simulation nor the search could classify."""
_NEWTON = 20  # steps
_SOLVED = 1e-11  # relative residual


def classify(study: Study, ending: Ending, variant: Variant = Variant()) -> dict[str, np.ndarray]:
    """The class and the numbers of every circuit of a trial, in the shape (Δ, ‖z‖)."""
    grid = np.ndindex(study.deltas.size, study.norms.size)
    found = [_circuit(study, ending, variant, *place) for place in grid]
    names = {"classes": np.int8, "abscissa": float, "frequency": float, "amplitude": float}
    columns = zip((names | {"distance": float}).items(), zip(*found, strict=True), strict=True)
    shape = (study.deltas.size, study.norms.size)
    return {name: np.array(v, dtype).reshape(shape) for (name, dtype), v in columns}


def _circuit(
    study: Study, ending: Ending, variant: Variant, i: int, j: int
) -> tuple[int, float, float, float, float]:
    """Class, abscissa, frequency, amplitude and distance at Δ number i and ‖z‖ number j."""
    at, norm = i * study.norms.size + j, float(study.norms[j])
    v, nan = np.asarray(ending.v[:, at], float), np.nan
    if ending.has_left[at]:
        return DIVERGING, nan, nan, nan, nan
    if not ending.is_over[at]:
        return UNDECIDED, nan, nan, nan, nan
    if ending.has_settled[at] or ending.slows[at]:
        abscissa, resolution, rest = _abscissa(study, ending, variant, (i, j), v)
        if abscissa <= resolution:
            # A marginal point is as slow as can be.
            is_stable = abscissa < -resolution
            relaxation = _relaxation(study, norm, np.asarray(ending.z, float), variant)
            is_slow = not is_stable or -1 / abscissa > study.slow * relaxation
            away = _distance(study, norm, ending, variant, rest[:-1])
            return (SLOW if is_slow else STABLE), abscissa, nan, nan, away
        if not ending.has_settled[at]:
            return SLOW, nan, nan, nan, _distance(study, norm, ending, variant, v[:-1])
        # It may also be this slow because it passes a saddle, and what follows was not computed.
        return UNDECIDED, abscissa, nan, nan, nan
    mean = v[:-1] * nan if ending.mean is None else np.asarray(ending.mean[:, at], float)
    away = _distance(study, norm, ending, variant, mean)
    return CYCLE, nan, float(ending.frequency[at]), float(ending.amplitude[at]), away


def _normalized(study: Study, norm: float, z: np.ndarray, variant: Variant) -> tuple:
    size, beta = np.array([study.b * norm]), (study.b * study.sigma) ** 2
    y, a = normalized(np, z, size, beta, variant.rectification)
    return y[:, 0], float(a[0])


def _distance(study: Study, norm: float, ending: Ending, variant: Variant, y: np.ndarray) -> float:
    normal = _normalized(study, norm, np.asarray(ending.z, float), variant)[0]
    unit = np.max(np.abs(normal))  # the square of a faint response underflows
    if not unit > 0:
        return np.nan
    return float(np.linalg.norm((y - normal) / unit) / np.linalg.norm(normal / unit))


def _abscissa(
    study: Study, ending: Ending, variant: Variant, place: tuple[int, int], v: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """The spectral abscissa, 1/ms, at the fixed point that Newton's method finds from v (NaN if it
    finds none); the size below which its sign is unknown, as in `Spectrum`; and that point."""
    delta, norm = float(study.deltas[place[0]]), float(study.norms[place[1]])
    n, z = study.size, np.asarray(ending.z, float)
    W_r = np.eye(n) + delta * np.asarray(ending.R, float) + variant.mean / n
    is_after = variant.rectification is Rectification.AFTER
    drive = study.b * norm * (np.maximum(z, 0) if is_after else z)
    beta = (study.b * study.sigma) ** 2
    for _ in range(_NEWTON):
        if not v[-1] > 0:
            return np.nan, np.nan, v
        f, J = _linearise(W_r, drive, beta, v, variant.rectification)
        terms = np.linalg.norm(np.abs(J[:-1, :-1]) @ np.abs(v[:-1]) + np.abs(drive))
        residual = max(np.linalg.norm(f[:-1]) / terms, abs(f[-1]) / v[-1])
        if residual < _SOLVED:
            largest = max(np.linalg.eigvals(J).real.max(), -1.0)
            resolution = (len(v) * np.finfo(float).eps + residual) * _even_norm(J)
            return float(largest / study.tau), float(resolution / study.tau), v
        v = v - np.linalg.solve(J, f)
    return np.nan, np.nan, v


def _even_norm(J: np.ndarray) -> float:
    """The norm of J, with a in the unit in which a acts on y as strongly as y on a."""
    (yy, ya), (ay, aa) = (np.split(row, [-1], axis=1) for row in np.split(J, [-1]))
    coupling = np.linalg.norm(ya) * np.linalg.norm(ay)
    return float(np.sqrt(np.linalg.norm(yy) ** 2 + 2 * coupling + aa.item() ** 2))


def _linearise(
    W_r: np.ndarray, drive: np.ndarray, beta: float, v: np.ndarray, where: Rectification
) -> tuple[np.ndarray, np.ndarray]:
    """τ times the velocity at v = (y; a), and τ times its Jacobian."""
    y, a = v[:-1], v[-1]
    h = y if where is Rectification.NONE else np.maximum(y, 0)
    # ∂(the recurrent drive)/∂y; the drive is linear on either side of 0.
    W = W_r * (y > 0) if where is Rectification.BEFORE else W_r
    W = W * ((W_r @ y) > 0)[:, None] if where is Rectification.AFTER else W
    s, Wy = np.sqrt(a), W @ y
    f = np.append(-y + drive + (1 - s) * Wy, -a + beta + a * (h @ h))
    J = np.empty((v.size, v.size))
    J[:-1, :-1] = (1 - s) * W - np.eye(y.size)
    J[:-1, -1], J[-1, :-1], J[-1, -1] = -Wy / (2 * s), 2 * a * h, h @ h - 1
    return f, J


def _relaxation(study: Study, norm: float, z: np.ndarray, variant: Variant) -> float:
    """The relaxation time for W_r = I, ms. The modes are those in the plane of y and a, −√a across
    y, and −1 among the a."""
    y, a = _normalized(study, norm, z, variant)
    s = np.sqrt(a)
    y = np.linalg.norm(y if variant.rectification is Rectification.NONE else np.maximum(y, 0))
    plane = np.linalg.eigvals(np.array([[-s, -y / (2 * s)], [2 * a * y, y * y - 1]]))
    across = -s if study.size > 1 else -np.inf
    return float(-study.tau / max(plane.real.max(), across, -1.0))
