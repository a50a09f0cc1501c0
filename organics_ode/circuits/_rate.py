from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import (
    as_known_array,
    check_flag,
    check_nonnegative,
    check_positive_integer,
    read_key,
    read_number,
    refuse,
    shape_of,
)
from .._constraints import Connectivity, resolve
from .._types import KeyLike, Numbers, ParameterLike
from ._circuit import AbstractCircuit
from ._initial import balanced, with_radius
from ._obeys import obeys, what_is
from ._parameters import (
    KNOWN,
    RECURRENT,
    Kind,
    Parameter,
    check_elementwise,
    read_parameters,
    size_of_square,
)
from ._time import Time

_DALE_RADIUS = 1.5


class RateNetworkState(NamedTuple):
    """The firing rates r, (n,)."""

    r: Float[Array, "*batch n"]


class RateNetwork(AbstractCircuit[RateNetworkState]):
    """A plain rate network: the model of a cortical area that is trained on cognitive tasks.

        T ṙ = −r + f(W r + b + W_in x + σ η)

    T is diagonal; the input x reaches only the units `input_units`. η is noise inside the
    nonlinearity: for each unit an Ornstein-Uhlenbeck process of variance 1 and time constant
    `tau_noise`. Without the noise (`simulate`, `fixed_point`) the network is an ordinary circuit;
    `Noisy(network)` is a circuit of m + n inputs [x, η] that is driven by it. A readout chooses the
    units it sees: `Readout(…, units=(20, 40))`.

    Args:
        W: (n, n), recurrent weights. A `Connectivity` node keeps absent connections absent and, for
            Dale's law, keeps the sign of each presynaptic unit.
        W_in: (k, m), input weights of the k units that receive input.
        b: (n,), biases.
        tau: scalar or (n,), time constants in ms, > 0; not trained unless given as a node, such as
            `Positive(tau)`.
        f: the nonlinearity, elementwise and compiled in: `jax.nn.relu`, `jnp.tanh`,
            `jax.nn.softplus`.
        noise: σ ≥ 0, scalar or (n,); not trained unless given as a node.
        tau_noise: ms, > 0; likewise.
        input_units: (start, stop) of the units that receive input; all n unless given.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values, an `f` that is not elementwise.

    Reference:
        Soo, Goudar, Wang, "Training biologically plausible recurrent neural networks on cognitive
        tasks with long-term dependencies", NeurIPS 36 (2023).
    """

    W: Parameter
    W_in: Parameter
    b: Parameter
    tau: Parameter
    noise: Parameter
    tau_noise: Parameter
    f: Callable[[Array], Array] = eqx.field(static=True)
    input_units: tuple[int, int] = eqx.field(static=True)

    kinds = {
        "W": RECURRENT,
        "W_in": Kind(("k", "m")),
        "b": Kind(("n",)),
        "tau": KNOWN,
        "noise": KNOWN._replace(sign=check_nonnegative),
        "tau_noise": KNOWN._replace(shape=(), or_scalar=False),
    }

    def __init__(
        self,
        W: ParameterLike,
        W_in: ParameterLike,
        b: ParameterLike,
        tau: ParameterLike,
        *,
        f: Callable[[Array], Array] = jax.nn.relu,
        noise: ParameterLike = 0.1,
        tau_noise: ParameterLike = 100.0,
        input_units: tuple[int, int] | None = None,
    ):
        n = size_of_square("W", shape_of("W", resolve(W)))
        start, stop = self.input_units = check_units("input_units", input_units, n)
        given = {"W": W, "W_in": W_in, "b": b}
        given |= {"tau": tau, "noise": noise, "tau_noise": tau_noise}
        for name, parameter in read_parameters(self.kinds, given, n=n, k=stop - start).items():
            setattr(self, name, parameter)
        self.f = check_elementwise("f", f, resolve(self.b).dtype)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        tau: ParameterLike | None = None,
        f: Callable[[Array], Array] = jax.nn.relu,
        noise: ParameterLike = 0.1,
        tau_noise: ParameterLike = 100.0,
        input_units: tuple[int, int] | None = None,
        mask: Numbers | None = None,
        excitatory: float | None = None,
        radius: float | None = None,
        self_connections: bool | None = None,
    ) -> "RateNetwork":
        """A random network as in the reference: W ~ N(0, 1)/n, b and W_in ~ N(0, 1).

        With `excitatory` it obeys Dale's law and can learn from the first step on: the absolute
        values of such a W get the sign of their presynaptic unit, the inhibition of every unit is
        scaled to balance its excitation, Σ_j W_ij = 0, the whole of W is scaled to its spectral
        radius, and b = 0 (Song, Yang, Wang 2016).

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            tau: ms; unless given, 100 for the first 80 % of the units and 50 for the others.
            f, noise, tau_noise, input_units: as above.
            mask: (n, n), which connections exist; all unless given.
            excitatory: for Dale's law, the fraction of units (the first ones) that excite; the
                others inhibit. Without it weights have either sign.
            radius: the spectral radius of W, its largest |eigenvalue|. Unless given, it is 1.5 with
                `excitatory`: for `jax.nn.relu`, which lets about half of the units take part, this
                is the edge at which activity neither dies nor explodes. Without `excitatory` it is
                left as drawn.
            self_connections: whether a unit may be connected to itself; unless given, only without
                `excitatory`.

        Raises:
            ValueError: an argument is bad.

        Reference:
            Song, Yang, Wang, "Training excitatory-inhibitory recurrent neural networks for
            cognitive tasks", PLoS Computational Biology 12 (2016).
        """
        key = read_key("key", key)
        input_size = check_positive_integer("input_size", input_size)
        size = check_positive_integer("size", size)
        units = check_units("input_units", input_units, size)
        first = np.arange(size) < round(0.8 * size)
        tau = np.where(first, 100.0, 50.0) if tau is None else tau
        keys = jax.random.split(key, 3)
        W = jax.random.normal(keys[0], (size, size)) / size
        W_in = jax.random.normal(keys[1], (units[1] - units[0], input_size))
        b = jax.random.normal(keys[2], (size,))
        return cls(
            _connect(W, mask, excitatory, radius, self_connections),
            W_in,
            b if excitatory is None else jnp.zeros_like(b),
            tau,
            f=f,
            noise=noise,
            tau_noise=tau_noise,
            input_units=units,
        )

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_in).shape[1]

    @property
    def size(self) -> int:
        """n, the number of units."""
        return resolve(self.b).shape[0]

    def drive(
        self, x: Float[Array, " m"], eta: Float[Array, " n"] | float = 0.0
    ) -> Float[Array, " n"]:
        """The external drive of the units, W_in x + b + σ η, for x (m,) and η (n,)."""
        c: RateNetwork = resolve(self)
        start, stop = self.input_units
        return jnp.pad(c.W_in @ x, (start, self.size - stop)) + c.b + c.noise * eta

    def vector_field(
        self, t: Time, state: RateNetworkState, x: Float[Array, " m"]
    ) -> RateNetworkState:
        """(ṙ,) without noise at the state for the input x (m,); t is not used."""
        return self.velocity(state, self.drive(x))

    def velocity(self, state: RateNetworkState, drive: Float[Array, " n"]) -> RateNetworkState:
        """(ṙ,) for the `drive` from outside (n,)."""
        c: RateNetwork = resolve(self)
        (r,) = state
        return RateNetworkState((-r + c.f(c.W @ r + drive)) / c.tau)

    def initial_state(self) -> RateNetworkState:
        """r = 0."""
        return RateNetworkState(jnp.zeros(self.size, resolve(self.b).dtype))


class Noisy(AbstractCircuit[RateNetworkState]):
    """A rate network driven by noise: its m + n inputs are [x, η].

    With a path of `ornstein_uhlenbeck`, held or interpolated over time, this is an ordinary
    differential equation, for fixed-step and adaptive solvers alike.

    Args:
        network: a `RateNetwork`.

    Raises:
        ValueError: `network` is something else.
    """

    network: RateNetwork

    def __init__(self, network: RateNetwork):
        if not obeys(network, RateNetwork):
            refuse("network", "be a `RateNetwork`", what_is(network, RateNetwork))
        self.network = network

    @property
    def input_size(self) -> int:
        """m + n, the number of inputs and of noise channels."""
        return self.network.input_size + self.network.size

    def vector_field(
        self, t: Time, state: RateNetworkState, x: Float[Array, " m"]
    ) -> RateNetworkState:
        """(ṙ,) at the state for [x, η], (m + n,); t is not used."""
        m = self.network.input_size
        return self.network.velocity(state, self.network.drive(x[:m], x[m:]))

    def initial_state(self) -> RateNetworkState:
        """r = 0."""
        return self.network.initial_state()


def check_units(name: str, units: Sequence[int] | None, size: int | None) -> tuple[int, int]:
    """(start, stop) of a group of the `size` units (None: any number), all unless given."""
    pair = (0, size) if units is None else units
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    ends = [int(u) for u in pair if isinstance(u, int | np.integer)] if is_pair else []
    if len(ends) != 2:
        refuse(name, "be a pair (start, stop) of whole numbers", f"it is {units!r}")
    start, stop = ends
    if not 0 <= start < stop:
        refuse(name, "have 0 <= start < stop", f"it is ({start}, {stop})")
    if size is not None and stop > size:
        refuse(name, f"end at n = {size} at most", f"it is ({start}, {stop})")
    return start, stop


def _connect(
    W: Array,
    mask: Numbers | None,
    excitatory: float | None,
    radius: float | None,
    self_connections: bool | None,
) -> ParameterLike:
    n, is_dale = len(W), excitatory is not None
    mask = np.ones((n, n), bool) if mask is None else as_known_array("mask", mask)
    if mask.shape != (n, n) or mask.dtype != bool:
        found = f"it has shape {mask.shape} and dtype {mask.dtype}"
        refuse("mask", f"be a boolean array (n, n) = ({n}, {n})", found)
    may = (
        not is_dale
        if self_connections is None
        else check_flag("self_connections", self_connections)
    )
    mask, signs = mask & (may | ~np.eye(n, dtype=bool)), None
    W = jnp.where(mask, W, 0)
    if is_dale:
        excitatory = read_number("excitatory", excitatory, 0.0, 1.0)
        signs = np.where(np.arange(n) < round(excitatory * n), 1, -1)
        W = balanced(jnp.abs(W), signs > 0)
    if is_dale or radius is not None:
        W = with_radius(W, _DALE_RADIUS if radius is None else radius)
    return W if mask.all() and signs is None else Connectivity(W, mask=mask, signs=signs)
