"""Points at which two curves of fixed points meet."""

import numpy as np

from ._system import System

_NEWTON = 8
_MET = 50.0  # times the accuracy: what may be left of f; curves that only pass by leave their gap


def meeting_point(system: System, z: np.ndarray, within: float) -> np.ndarray | None:
    """The point within a distance of z at which two curves meet, by Newton's method on
    f(z) + μψ = 0, Aᵀψ = 0, ψ·ψ = 1, since f(z) = 0 alone is singular there. None if μ does not
    vanish: the curves pass each other."""
    near, d, length = z, len(z) - 1, system.accuracy**0.5
    psi, mu = np.linalg.svd(system.look(z[None])[1][0])[0][:, -1], 0.0
    for _ in range(_NEWTON):
        shifts = length * np.eye(d + 1)
        f, A = system.look(np.concatenate([near[None], near + shifts, near - shifts]))
        slopes = (A[1 : d + 2] - A[d + 2 :]) / (2 * length)  # (along, d, d + 1)
        rest = np.concatenate([f[0] + mu * psi, A[0].T @ psi, [psi @ psi - 1]])
        matrix = np.zeros((2 * d + 2, 2 * d + 2))
        matrix[:d, : d + 1], matrix[:d, d + 1], matrix[:d, d + 2 :] = A[0], psi, mu * np.eye(d)
        matrix[d : 2 * d + 1, : d + 1] = np.einsum("kij,i->jk", slopes, psi)
        matrix[d : 2 * d + 1, d + 2 :] = A[0].T
        matrix[-1, d + 2 :] = 2 * psi
        if not (np.isfinite(matrix).all() and np.isfinite(rest).all()):
            return None
        move = np.linalg.lstsq(matrix, -rest, rcond=None)[0]
        near, mu, psi = near + move[: d + 1], mu + move[d + 1], psi + move[d + 2 :]
        if np.max(np.abs(move)) < system.accuracy:
            break
    is_met = np.max(np.abs(near - z)) < within and abs(mu) < _MET * system.accuracy
    return near if is_met else None


def crossing(system: System, z: np.ndarray, t: np.ndarray) -> np.ndarray | None:
    """The other root of the algebraic bifurcation equation ψᵀ f″(z)[w, w] = 0 in the null space."""
    A = system.look(z[None])[1][0]
    left, _, right = np.linalg.svd(A)
    psi, null = left[:, -1], right[-2:]
    length = system.accuracy**0.5 * 10
    moved = np.stack([system.look(np.stack([z + length * w, z - length * w]))[1] for w in null])
    c = np.array([[psi @ (m[0] - m[1]) @ w for w in null] for m in moved]) / (2 * length)
    # In coordinates of the null space whose first axis is the known direction.
    first = null @ t / np.linalg.norm(null @ t)
    across = np.array([-first[1], first[0]])
    mixed, second = first @ (c + c.T) @ across / 2, across @ c @ across
    if abs(mixed) < 1e-6 * np.max(np.abs(c)) or not np.isfinite(c).all():
        return None
    direction = (-second * first + 2 * mixed * across) @ null
    return direction / np.linalg.norm(direction)
