"""Large feedback networks: their fixed points, including saddles, and how errors fall with N."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.optimize

import organics_ode as oo


def at_rest(network: oo.FeedbackNetwork, readouts: Iterable[float]) -> np.ndarray:
    """(k, N): the fixed points with readouts near the given ones, by the secant method in z.

    x(z) = gχφ(x) + m z + I is iterated for each z, which converges if the bulk of the open loop is
    inside the unit disk; then z = n·φ(x(z))/N is a single equation. For φ = tanh and rank one.
    """
    c: Any = oo.resolve(network)
    chi, m, n, I = (np.asarray(v) for v in (c.g * c.chi, c.m, c.n, c.I))

    def open_loop(z: float, x: np.ndarray) -> np.ndarray:
        move = np.inf
        while move > 1e-12:
            new = chi @ np.tanh(x) + m * z + I
            x, move = new, np.max(np.abs(new - x))
        return x

    def near(z: float) -> np.ndarray:
        x = open_loop(z, I + m * z)

        def excess(z: float) -> float:
            x[:] = open_loop(z, x)
            return n @ np.tanh(x) / len(m) - z

        z = scipy.optimize.root_scalar(excess, x0=z, x1=z + 0.01).root
        return open_loop(z, x)

    return np.array([near(z) for z in readouts])


def spectrum(network: oo.FeedbackNetwork, x: np.ndarray) -> np.ndarray:
    """The eigenvalues λ of gχφ′ + m nᵀφ′/N: those of the Jacobian without the leak −1."""
    return 1 + np.asarray(oo.spectrum(network, oo.FeedbackNetworkState(x), []).eigenvalues)


def errors(rows: list[dict], theory: np.ndarray) -> tuple[np.ndarray, ...]:
    """N, the root mean squared distance to the theory (N, columns, 3), and how many networks."""
    N, k = (np.array([row[name] for row in rows]) for name in ("N", "networks"))
    mean, sd = (np.array([row[name] for row in rows], float) for name in ("mean", "sd"))
    spread = sd**2 * (1 - 1 / k)[:, None, None]
    return N, np.sqrt((mean - theory) ** 2 + spread), k


def slope(N: np.ndarray, rms: np.ndarray, k: np.ndarray) -> tuple[float, float]:
    """d log rms / d log N and its standard error: log rms of k networks varies by 1/√(2k)."""
    t = np.log(N) - np.sum(k * np.log(N)) / np.sum(k)
    return np.sum(k * t * np.log(rms)) / np.sum(k * t * t), np.sum(2 * k * t * t) ** -0.5


def label_sizes(ax: Any, sizes: Any) -> None:
    """Label a logarithmic axis with the values of N."""
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    ax.set_xlabel("N")
