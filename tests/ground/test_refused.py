"""Bad arguments, across the rooms, that no other test gives: each is refused by name."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import zoo
from jax.experimental import sparse

import organics_ode as oo
import tasks
from organics_ode import cortex, population

CIRCUIT = zoo.organics()
X = zoo.input_of(CIRCUIT)
TS = np.array([0.0, 1.0])


class Wide(oo.ORGaNICs):
    """A circuit whose responses form a matrix."""

    def initial_state(self):
        rest = super().initial_state()
        return rest._replace(y=rest.y[:, None])


def wide():
    return Wide(*(np.eye(2),) * 3, 0.5, 0.5, 0.5, 5.0, 5.0)


def joined(areas):
    return oo.Hierarchy(areas, feedforward=[0.5] * (len(areas) - 1) if areas else [])


def curve(**parts):
    return tasks.Psychometric(
        **{
            "strengths": np.arange(3.0),
            "rates": np.zeros(3),
            "counts": np.ones(3),
            "errors": np.ones(3),
        }
        | parts
    )


def fitted(**options):
    return oo.fit_parameters(CIRCUIT, X, TS, np.zeros((2, X.size)), **options)


def simulated(**options):
    return oo.simulate(CIRCUIT, X, TS, **options)


traced = jax.jit
REFUSED = {
    "`max_steps` must be a positive integer, but it is traced": lambda: traced(
        lambda n: simulated(max_steps=n)
    )(3),
    "`dtmax` must be a positive number, but it is traced": lambda: traced(
        lambda d: simulated(dtmax=d)
    )(jnp.ones(2)),
    "`variables` must be the numbers of some variables": lambda: oo.power_spectrum(
        CIRCUIT, X, np.ones(1), oo.Noise(0.1), variables=[0.5]
    ),
    "`variables` must be numbers from 0 to .*, but they reach from 99": lambda: oo.power_spectrum(
        CIRCUIT, X, np.ones(1), oo.Noise(0.1), variables=[99]
    ),
    "`shape` must be": lambda: oo.Sparse([1.0], [0], [0], "ab"),
    "`rows` must be integers of shape": lambda: oo.Sparse([1.0], [0.5], [0], (2, 2)),
    "`matrix` must have shape": lambda: oo.Sparse.of(np.ones(3)),
    "`areas` must be a dict of circuits": lambda: joined("ab"),
    "`areas` must hold at least one circuit": lambda: joined([]),
    "`areas` must have names like `V1`": lambda: joined({"_a": CIRCUIT, "b": CIRCUIT}),
    "`areas` must hold circuits alone": lambda: joined({"a": CIRCUIT, "b": None}),
    "`areas` must have in `area1` a state of arrays": lambda: joined([wide(), wide()]),
    "`outputs` must be real numbers": lambda: tasks.reaction(np.ones(3), 0, threshold=0.5, dt=1.0),
    "`curve` must have a rate and a count": lambda: tasks.fit_psychometric(curve(rates=[0.5])),
    "`period` must hold whole numbers": lambda: population.period_mean(np.ones((3, 2)), [0.0, 1.0]),
    "`responses` must have axes": lambda: population.period_mean(np.ones(3), [0, 1]),
    "`tau_1` must be positive": lambda: cortex.TemporalAttention(tau_1=0.0),
    "`model` must be a `cortex.TemporalAttention`": lambda: cortex.cueing_effect(None, [100.0]),
    "`positions` must have shape": lambda: cortex.ReynoldsHeeger(positions=np.ones((2, 2))),
    "`drive_widths` must be positive, but it is 0": lambda: cortex.ReynoldsHeeger(
        drive_widths=(0.0, 1.0)
    ),
    "`free` must name parameters of the circuit": lambda: fitted(free=["x"]),
    "`data` must hold real numbers": lambda: oo.fit_parameters(
        CIRCUIT, X, TS, np.zeros((2, X.size), complex), free=["sigma"]
    ),
    "`ts` must hold at least the start": lambda: oo.fit_parameters(
        CIRCUIT, X, 1.0, np.zeros((2, X.size)), free=["sigma"]
    ),
    "`observe` must be a function of a state": lambda: fitted(free=["sigma"], observe=3),
    "`observe` must give an array of real": lambda: fitted(
        free=["sigma"], observe=lambda s: s.y > 0
    ),
    "`solver` must be": lambda: simulated(solver=diffrax.ConstantStepSize()),
}


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_refused_by_name(text, unchecked):
    with pytest.raises(ValueError, match=f"Argument {text}"):
        REFUSED[text]()


def test_sparse_weights_are_read_from_both_libraries():
    dense = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, -3.0]])
    for stored in (scipy.sparse.csr_matrix(dense), sparse.BCOO.fromdense(jnp.asarray(dense))):
        np.testing.assert_array_equal(oo.Sparse.of(stored) @ jnp.eye(3), dense)
