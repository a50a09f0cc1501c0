"""Random circuits of the tested box, in stacks, and the eigenvalues at their points."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo


def stack(trees):
    """Circuits of one structure as one, with a batch axis."""
    return jax.tree.map(lambda *v: jnp.stack(v) if eqx.is_array(v[0]) else v[0], *trees)


def draw(n, norm, seed, *, identity=False) -> tuple[dict[str, Any], Any]:
    """Plain arrays of the tested box, math.md §3: W in [0, 1], gains in (0, 1), σ_max(W_r) = 1."""
    rng = np.random.default_rng(seed)
    W_r, z = rng.normal(size=(n, n)), rng.normal(size=n)
    values = {
        "W_zx": np.eye(n),
        "W_r": np.eye(n) if identity else W_r / np.linalg.norm(W_r, 2),
        "W": rng.uniform(size=(n, n)),
        "sigma": rng.uniform(0.1, 1, n),
        "b0": rng.uniform(0.1, 1, n),
        "b1": rng.uniform(0.1, 1, n),
        "tau_y": rng.uniform(1, 10, n),
        "tau_a": rng.uniform(1, 10, n),
    }
    return values, norm * z / np.linalg.norm(z)


def eigenvalues(velocity, v):
    """Of the Jacobian by central differences."""
    steps = 1e-6 * np.eye(v.size)
    columns = [(velocity(v + h) - velocity(v - h)) / 2e-6 for h in steps]
    return np.linalg.eigvals(np.stack(columns, 1))


def velocity(values, z):
    """(ẏ, ȧ) of an `ORGaNICs` without rectification and p = 2, in numpy."""

    def of(v):
        c, (y, a) = values, np.split(v, 2)
        dy = -y + c["b1"] * z + (1 - np.sqrt(np.maximum(a, 0))) * (c["W_r"] @ y)
        da = -a + (c["sigma"] * c["b0"]) ** 2 + c["W"] @ (np.maximum(a, 0) * y**2)
        return np.concatenate([dy / c["tau_y"], da / c["tau_a"]])

    return of


def side_by_side(*units):
    """Two units of math.md §3 that do not see each other: (w_r, b0, σ) of each."""
    w_r, b0, sigma = np.transpose(units)
    values = {"W_zx": np.eye(2), "W_r": np.diag(w_r), "W": np.eye(2), "sigma": sigma, "b0": b0}
    return values | {k: np.full(2, v) for k, v in (("b1", 0.5), ("tau_y", 2.0), ("tau_a", 2.0))}


def blow_up():
    """The circuit of math.md §3 that diverges from .01 though it has a stable point."""
    return {
        "W_zx": np.eye(2),
        "W_r": np.array([[-0.87417, 0.48561], [0.48561, 0.87417]]),
        "W": np.array([[0.94658, 0.85010], [0.82841, 0.02378]]),
        "sigma": np.array([0.2156, 0.1612]),
        **{name: np.ones(2) for name in ("b0", "b1", "tau_y", "tau_a")},
    }, np.array([0.8114, 0.5649])


class Cubic(NamedTuple):
    v: jax.Array
    w: jax.Array


class Excitable(oo.AbstractCircuit):
    """v̇ = c0 + c1 v + c2 v² + c3 v³ − w + x, ẇ = ε (k v − w): known to no registry."""

    c: jax.Array
    k: Any
    epsilon: Any
    v0: Any

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        v, w = state
        powers = jnp.stack([jnp.ones_like(v), v, v**2, v**3])
        return Cubic(self.c @ powers - w + x, self.epsilon * (self.k * v - w))

    def initial_state(self):
        return Cubic(jnp.full(1, self.v0), jnp.zeros(1))


def excitable(*c, k=1.5, epsilon=0.08, v0=0.0):
    return Excitable(*map(jnp.asarray, (c, k, epsilon, v0)))


NOTHING = excitable(1.0, 0.0, 1.0, 0.0, k=0.0)  # v̇ = 1 + v²
ZERO = jnp.zeros(1)
