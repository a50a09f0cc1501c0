from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..._checks import counted, read_key, read_number, refuse
from ..._constraints import Connectivity
from ..._types import KeyLike, ParameterLike
from .._initial import balanced, check_sizes, with_radius
from .._rate import RateNetwork

# W_in is U(0, 0.1) in the authors' code.
_INPUT = 0.1


def balanced_network(
    input_size: int,
    size: int = 100,
    *,
    key: KeyLike,
    excitatory: float = 0.8,
    radius: float = 1.5,
    tau: ParameterLike = 100.0,
    f: Callable[[Array], Array] = jax.nn.relu,
    noise: ParameterLike = 0.15,
    tau_noise: ParameterLike = 100.0,
) -> RateNetwork:
    """A `RateNetwork` of excitatory and inhibitory units by the recipe of Song, Yang and Wang.

    Its weights are gamma-distributed of shape 2, with the signs of Dale's law and without
    self-connections. The inhibition of every unit is scaled to balance its excitation,
    Σ_j W_ij = 0, and then all of W to its spectral radius. W_in, of inputs that excite, is
    U(0, 0.1) and stays ≥ 0; b = 0.

    `RateNetwork.random(excitatory=0.8)` does the same with half-normal weights and inputs of both
    signs. The published networks are trained with steps of dt = τ/5, noise of 0.01 in their inputs,
    a regularizer against vanishing gradients (weight 2) and gradients clipped at 1.

    Args:
        input_size: m.
        size: n.
        key: a PRNG key.
        excitatory: the fraction of units (the first ones) that excite; the others inhibit. There
            must be at least two of each kind, so that every unit receives both.
        radius: the spectral radius of W, its largest |eigenvalue|.
        tau, f, noise, tau_noise: as for `RateNetwork`.

    Returns:
        A `RateNetwork` whose W and W_in are `Connectivity` nodes.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Song, Yang, Wang, "Training excitatory-inhibitory recurrent neural networks for cognitive
        tasks", PLoS Computational Biology 12 (2016).
    """
    key = read_key("key", key)
    m, n = check_sizes(input_size, size)
    count = round(read_number("excitatory", excitatory, 0.0, 1.0) * n)
    if min(count, n - count) < 2:
        found = f"of {counted(n, 'unit')}, {count} excite and {n - count} inhibit"
        refuse("excitatory", "leave two units of each kind", found)
    keys = jax.random.split(key)
    excites, others = np.arange(n) < count, ~np.eye(n, dtype=bool)
    drawn = jax.random.exponential(keys[0], (2, n, n))
    sizes = jnp.where(others, jnp.sum(drawn, axis=0), 0)
    W = with_radius(balanced(sizes, excites), radius)
    W_in = jax.random.uniform(keys[1], (n, m), maxval=_INPUT)
    return RateNetwork(
        Connectivity(W, mask=others, signs=np.where(excites, 1, -1)),
        Connectivity(W_in, signs=np.ones(m, int)),
        jnp.zeros(n, W.dtype),
        tau,
        f=f,
        noise=noise,
        tau_noise=tau_noise,
    )
