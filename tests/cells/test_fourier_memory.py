"""The start as a bank of oscillators: against the Fourier integral, and in the circuit itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal

import organics_ode as oo

KEY = jax.random.key(0)
SIZE, LENGTH, DT = 6, 60, 2.0


def circuit(size=SIZE, inputs=2, tau=8.0, sigma=0.04, rectification=zoo.NONE):
    times = {name: jnp.full(size, 5.0) for name in ("tau_a", "tau_b0", "tau_b1")}
    drawn = oo.GatedORGaNICs.random(
        inputs, size, key=KEY, sigma=sigma, tau_y=tau, rectification=rectification, **times
    )
    gains = [getattr(drawn, name) for name in zoo.GATES]
    return eqx.tree_at(
        lambda c: [c.W.value, *(getattr(c, name) for name in zoo.GATES)],
        drawn,
        [0 * drawn.W.value, *(0 * gain for gain in gains)],  # gains at 1/2: the circuit is linear
    )


def sequences(inputs=2, batch=5):
    return np.random.default_rng(1).uniform(size=(batch, LENGTH, inputs))


def test_the_responses_are_fourier_coefficients_of_the_sequence():
    xs = sequences()
    made = oo.fourier_memory(circuit(), xs, DT, cycles=(0.5, 3.0), rms=0.2, key=KEY)
    run = jax.vmap(lambda x: oo.unroll(oo.RungeKutta(made, DT / 8), x, last_only=True))
    y = np.asarray(run(jnp.repeat(xs, 8, axis=1)).y)
    # The integral of b1 z e^{λ(T − t)} dt/τ, with z held; the modulators are at rest at (σ/2)².
    root, tau, duration = 0.04 / 2, 8.0, LENGTH * DT
    omega = 2 * np.pi / duration * np.linspace(0.5, 3.0, SIZE // 2)
    rate = -root / tau + 1j * omega * (1 - root)
    z = xs @ np.asarray(made.W_zx).T
    z = z[..., ::2] + 1j * z[..., 1::2]
    edges = np.exp(rate * (duration - DT * np.arange(LENGTH + 1))[:, None])
    integral = (edges[:-1] - edges[1:]) / rate / (2 * tau)
    coefficients = np.einsum("btk,tk->bk", z, integral)
    np.testing.assert_allclose(y[:, ::2] + 1j * y[:, 1::2], coefficients, rtol=1e-5, atol=1e-7)
    # Each pair ends with the size asked for.
    size = np.sqrt(np.mean(y**2, axis=0).reshape(-1, 2).mean(axis=1))
    np.testing.assert_allclose(size, 0.2, rtol=1e-5)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("root", [0.1, 0.6, 1.0, 1.7])
def test_normalization_slows_the_rotation_and_beyond_one_reverses_it(root):
    tau = 8.0
    made = oo.fourier_memory(circuit(tau=tau), sequences(), DT, cycles=(0.5, 3.0), key=KEY)
    c, held = oo.resolve(made), made.initial_state()._replace(a=jnp.full(SIZE, root**2))

    def flow(y):
        return c.vector_field(0.0, held._replace(y=y), jnp.zeros(2)).y

    matrix = np.array(jax.jit(jax.jacfwd(flow))(jnp.zeros(SIZE)))
    omega = 2 * np.pi / (LENGTH * DT) * np.linspace(0.5, 3.0, SIZE // 2)
    for i in range(SIZE // 2):  # as complex numbers: the sense of rotation counts
        block = matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2]
        rate = (1 - root) * 1j * omega[i] - root / tau
        for v in (1, 1j):
            turned = block @ [np.real(v), np.imag(v)]
            assert abs(complex(*turned) - rate * v) < 1e-12
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = 0
    assert np.all(matrix == 0)


def test_it_remembers_what_an_orthogonal_recurrence_forgets():
    xs, first = sequences(1), np.zeros((1, LENGTH, 1))
    first[0, :3] = 1.0  # a pulse at the very start
    memory = oo.fourier_memory(circuit(inputs=1), xs, DT, cycles=(0.5, 3.0), key=KEY)
    trace = [
        jnp.abs(oo.unroll(oo.ShuOsher(c, DT), jnp.asarray(first[0]), last_only=True).y).max()
        / jnp.abs(c.W_zx).max()
        for c in (memory, circuit(inputs=1))
    ]
    assert trace[0] > 10 * trace[1]


def test_only_the_drive_and_the_recurrence_change():
    before = circuit()
    made = oo.fourier_memory(before, sequences(), DT, cycles=(0.5, 3.0), key=KEY)
    same = eqx.tree_at(lambda c: (c.W_r, c.W_zx), made, (before.W_r, before.W_zx))
    assert tree_equal(same, before)
    assert made.W_r.dtype == before.W_r.dtype and made.W_zx.shape == before.W_zx.shape


@pytest.mark.parametrize(
    ("options", "must"),
    (
        ({"circuit": zoo.organics()}, "`circuit` must be a `GatedORGaNICs`"),
        ({"circuit": circuit(rectification=zoo.AFTER)}, "without rectification"),
        ({"circuit": circuit(size=5)}, "even size"),
        ({"circuit": circuit(tau=jnp.arange(1.0, 7.0))}, "same tau_y"),
        ({"circuit": eqx.tree_at(lambda c: c.W_r, circuit(), oo.Frozen(np.eye(6)))}, "array W_r"),
        ({"xs": sequences(3)}, "`xs` must have shape .* = .batch, time, 2"),
        ({"xs": sequences()[0]}, "`xs` must have shape"),
        ({"xs": np.full((2, LENGTH, 2), np.nan)}, "`xs` must be finite"),
        ({"dt": 0.0}, "`dt` must be a positive"),
        ({"rms": -1.0}, "`rms` must be a positive"),
        ({"cycles": (3.0, 1.0)}, "rising order"),
        ({"cycles": (1.0, 20.0)}, "four steps"),
        ({"cycles": ["1", "2"]}, "`cycles` must be an array"),
        ({"cycles": (1.0, 2.0, 3.0)}, "`cycles` must have shape"),
        ({"cycles": (1.0, np.nan)}, "rising order"),
        ({"xs": np.zeros((2, LENGTH, 2))}, "`xs` must drive"),
    ),
)
def test_bad_arguments_are_refused(options, must, unchecked):
    arguments = {
        "circuit": circuit(),
        "xs": sequences(),
        "dt": DT,
        "cycles": (0.5, 3.0),
        "key": KEY,
    }
    with pytest.raises(ValueError, match=must):
        oo.fourier_memory(**(arguments | options))
