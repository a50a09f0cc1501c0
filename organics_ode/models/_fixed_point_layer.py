"""`FixedPointLayer`: the fixed point of a circuit as a layer of a network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import read_input_array, read_key
from .._constraints import resolve, table
from .._nonlinearities import power, unit
from .._types import KeyLike, Numbers, ParameterLike
from ..circuits import (
    EXPONENT,
    INPUT,
    POOL,
    POSITIVE,
    RECURRENT,
    Kind,
    ORGaNICs,
    Parameter,
    check_sizes,
    input_matrix,
    read_parameters,
    uniform_fan_in,
)
from ..equilibria import fixed_point
from ..facts import closed_form


class FixedPointLayer(eqx.Module):
    """The firing rates of an `ORGaNICs` at its fixed point, (m,) → (n,).

        z = W_zx x / ‖W_zx x‖₂,    b0 = sigmoid(β0),    b1 = sigmoid(W_bx x)
        0 = −y + b1⊙z + (1 − ⌊a⌋^(1/p)) ⊙ (W_r y)
        0 = −a + (σ⊙b0)^p + W (⌊a⌋ ⊙ |y|^p)
        output = ⌊y⌋^p

    Without W_r the recurrence is the identity, which is not trained. Then the fixed point is
    divisive normalization, a = (σ b0)^p + W |b1 z|^p and y = b1 z / a^(1/p), computed and
    differentiated as written, and the circuit is locally stable there for every input and all time
    constants. With W_r, `fixed_point` starts from there, and derivatives come from the implicit
    function theorem, so memory does not grow with the iterations. A sample without a fixed point is
    an error, and if W_r is large, there may only be an unstable one. `SpectralBound(W_r, 1.0)`
    keeps W_r in a range where all of 6 000 random circuits (W in [0, 1]) had a stable one, which is
    no proof.

    Pure (jit, vmap, grad); no batch axis. Use it for inputs that do not change in time; for
    sequences there is `SequenceClassifier`. Where z = 0 the output is 0, and so are its
    derivatives.

    Args:
        W_zx: (n, m), input weights; a common factor has no effect.
        W_bx: (n, m), weights of the input gain.
        W: (n, n), normalization weights, ≥ 0.
        sigma: scalar or (n,), > 0, the semi-saturation constant.
        beta0: scalar or (n,), sets the gain of sigma: b0 = sigmoid(β0).
        W_r: (n, n), recurrent weights, or None for the identity.
        exponent: p > 0, as in `ORGaNICs`.

    Any array may be a node that says how it is trained. Otherwise W is `NonNegative`, sigma is
    `Positive`, and the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Rawat, Heeger, Martiniani, "Unconditional stability of a recurrent neural circuit
        implementing divisive normalization", NeurIPS 37 (2024), arXiv:2409.18946.
    """

    W_zx: Parameter
    W_bx: Parameter
    W: Parameter
    sigma: Parameter
    beta0: Parameter
    W_r: Parameter | None
    exponent: float | Parameter

    kinds = {"W_r": RECURRENT, "W_zx": INPUT, "W_bx": INPUT, "W": POOL, "sigma": POSITIVE} | {
        "beta0": Kind(("n",), or_scalar=True, sets_dtype=False),
        "exponent": EXPONENT,
    }

    def __init__(
        self,
        W_zx: ParameterLike,
        W_bx: ParameterLike,
        W: ParameterLike,
        sigma: ParameterLike,
        beta0: ParameterLike,
        *,
        W_r: ParameterLike | None = None,
        exponent: ParameterLike = 2.0,
    ):
        given = {"W_zx": W_zx, "W_bx": W_bx, "W": W, "sigma": sigma, "beta0": beta0}
        given |= {"exponent": exponent} | ({} if W_r is None else {"W_r": W_r})
        for name, parameter in ({"W_r": None} | read_parameters(self.kinds, given)).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        sigma: ParameterLike = 1.0,
        beta0: ParameterLike = 0.0,
        W_r: ParameterLike | None = None,
        exponent: ParameterLike = 2.0,
    ) -> "FixedPointLayer":
        """A random layer.

        W_zx uniform with ‖W_zx‖₂ = 1, W_bx uniform between ±1/√m, log W ~ U(−1, 0) with W = 1 on
        the diagonal.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            sigma: a value or a node; a number is repeated for every unit.
            beta0: a value or a node; a number is repeated for every unit.
            W_r: as above; to train it from the identity, `SpectralBound(jnp.eye(size), 1.0)`.
            exponent: as above.
        """
        key = read_key("key", key)
        input_size, size = check_sizes(input_size, size)
        keys = jax.random.split(key, 3)
        W_zx = input_matrix(keys[0], (size, input_size))
        W_bx = uniform_fan_in(keys[1], (size, input_size))
        W = jnp.exp(jax.random.uniform(keys[2], (size, size), minval=-1.0, maxval=0.0))
        W = jnp.fill_diagonal(W, 1.0, inplace=False)
        sigma, beta0 = (_per_unit(p, size) for p in (sigma, beta0))
        return cls(W_zx, W_bx, W, sigma, beta0, W_r=W_r, exponent=exponent)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_zx).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W_zx).shape[0]

    def __call__(
        self, x: Float[Array, " m"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, " n"]:
        """The firing rates ⌊y⌋^p (n,) for one input; `key` is ignored (for `eqx.nn.Sequential`).

        Raises:
            ValueError: x has another shape.
            RuntimeError: W_r was given, and no fixed point was found (inside jit, equinox's
                run-time error, even if only one sample of a batch fails).
        """
        circuit, z = self.circuit(x)
        # Built without W_r is known now; whether a given W_r is I would only be known at run time.
        y = closed_form(circuit, z).y if self.W_r is None else fixed_point(circuit, z).state.y
        return power(jax.nn.relu(y), circuit.exponent)

    def circuit(
        self, x: Numbers, *, tau_y: float = 2.0, tau_a: float = 2.0
    ) -> tuple[ORGaNICs, Float[Array, " n"]]:
        """The circuit that comes to rest for one input, and its input z, for any analysis, such as
        `oo.certify(*layer.circuit(x))`.

        Args:
            x: (m,), the input of the layer.
            tau_y, tau_a: ms; the fixed point does not depend on them, its stability may unless
                W_r = I.

        Returns:
            An `ORGaNICs` with the gains b0 and b1 for this input and W_zx = I, and z (n,).
        """
        c: FixedPointLayer = resolve(self)
        dtype, many = c.W_zx.dtype, "jax.vmap(layer)(batch)"
        x = read_input_array("x", x, self.input_size, dtype, many=many)
        eye = np.eye(self.size, dtype=c.W_zx.dtype)
        W_r = eye if c.W_r is None else c.W_r
        b0, b1 = jax.nn.sigmoid(c.beta0), jax.nn.sigmoid(c.W_bx @ x)
        # The layer's values were checked when it was built; not again in each training step.
        template = ORGaNICs(eye, eye, eye, 1.0, 1.0, 1.0, tau_y, tau_a, exponent=1.0)
        circuit = eqx.tree_at(
            lambda c: (c.W_r, c.W, c.sigma, c.b0, c.b1, c.exponent),
            resolve(template),
            (jnp.asarray(W_r), c.W, c.sigma, b0, b1, c.exponent),
        )
        return circuit, unit(c.W_zx @ x)

    def __repr__(self) -> str:
        return table(self)


def _per_unit(parameter: ParameterLike, size: int) -> ParameterLike:
    """Numbers are repeated for every unit; arrays and nodes stay as they are."""
    return jnp.full(size, float(parameter)) if isinstance(parameter, int | float) else parameter
