"""A geometry, its networks and what the mean-field theory says of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.sparse.linalg

import organics_ode as oo


class Geometry(NamedTuple):
    sigma_m: float = 1.2
    sigma_I: float = 0.5
    rho: float = 0.5
    p: float = 1.0
    p_m: float = 1.0
    p_I: float = 0.3


# What the theory says for g = 0.3 and the target 2: the scale of the readout, the readouts of the
# three fixed points, and the outliers of the first two.
FIGURE_1E, C, G, TARGET = Geometry(), 1.8728547547553114, 0.3, 2.0


READOUTS, OUTLIERS = (-1.627, -0.403, 2.000), (0.3415, 2.1786)
RADII = (0.15521, 0.24031, 0.13454)  # of the bulks, g√⟨φ'²⟩
N, LARGE = 100, 600


def arrays(network):
    c = oo.resolve(network)
    return [np.asarray(v) for v in (c.chi, c.m, c.n, c.I, c.g)]


def solutions(network, low=-3.0, high=3.0, points=25):
    """All fixed points of a tanh network of rank one with g < 1, by scanning its readout, in numpy.

    For a given z the states x(z) = g χ φ(x) + m z + I are unique, so that the roots of
    nᵀφ(x(z))/N − z are all there are.
    """
    chi, m, n, I, g = arrays(network)

    def excess(z, x):
        while True:
            new = g * chi @ np.tanh(x) + np.outer(m, z) + I[:, None]
            change, x = np.max(np.abs(new - x)), new
            if change < 1e-13:
                return n @ np.tanh(x) / len(m) - z, x

    zs = np.linspace(low, high, points)
    f, x = excess(zs, np.outer(m, zs) + I[:, None])
    found = []
    for i in np.flatnonzero(f[:-1] * f[1:] < 0):
        v = x[:, i : i + 1]
        z = scipy.optimize.brentq(lambda z, v=v: excess([z], v)[0][0], *zs[i : i + 2], xtol=1e-14)
        found.append((z, excess([z], v)[1][:, 0]))
    return found


def outlier(network, x):
    """The eigenvalue of largest real part of (g χ + m nᵀ/N) diag(φ'(x)), by Arnoldi's method."""
    chi, m, n, _, g = arrays(network)
    coupling = (g * chi + np.outer(m, n) / len(m)) * (1 - np.tanh(x) ** 2)[None, :]
    return scipy.sparse.linalg.eigs(coupling, k=1, which="LR", v0=m)[0][0].real


def small(rank=None, inputs=None, seed=0, size=6, **options):
    rng = np.random.default_rng(seed)
    shape = (size,) if rank is None else (size, rank)
    W_x = None if inputs is None else rng.normal(size=(size, inputs))
    chi = rng.normal(size=(size, size)) / size**0.5
    m, n, I = rng.normal(size=shape), 2 * rng.normal(size=shape), rng.normal(size=size)
    return oo.FeedbackNetwork(chi, m, n, I, 0.7, W_x, **options)


def small_in_float32():
    return jax.tree.map(lambda v: jnp.asarray(v, np.float32), oo.resolve(small()))


def to_state(x):
    return oo.FeedbackNetworkState(jnp.asarray(x))
