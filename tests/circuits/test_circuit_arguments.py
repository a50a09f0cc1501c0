"""How circuits are built: what their constructors refuse, and what `random` draws."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import zoo
from compared import tree_equal
from marks import slow

import organics_ode as oo
from organics_ode.circuits import INPUT, RECURRENT, read_parameters

CLASSES = {"organics": (oo.ORGaNICs, zoo.values), "gated": (oo.GatedORGaNICs, zoo.gated_values)}
FIELDS = [(kind, name) for kind, (_, values) in CLASSES.items() for name in values()]
MATRICES = ("W_zx", "W_r", "W", *zoo.GATES)
# Fixed keys and 2 000 draws: a right sampler passes once and for all, p is no coin tossed anew.
P_VALUE, DRAWS = 1e-3, 2000


def refuses(kind, message, **changes):
    cls, values = CLASSES[kind]
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        cls(**(values() | changes))


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_every_argument_must_be_finite_and_real(unchecked, kind, name):
    value = CLASSES[kind][1]()[name]
    for bad in (np.nan, np.inf, -np.inf):
        changed = value.copy()
        changed.flat[-1] = bad
        refuses(kind, f"`{name}` must be finite, but it holds NaN or infinite", **{name: changed})
    refuses(kind, f"`{name}` must hold real numbers, but", **{name: value + 0j})
    refuses(kind, f"`{name}` must hold real numbers, but", **{name: value > 0})
    refuses(kind, f"`{name}` must be an array of numbers, but", **{name: np.full(value.shape, "a")})


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_every_argument_must_have_its_shape(unchecked, kind, name):
    value, n, m = CLASSES[kind][1]()[name], zoo.N, zoo.M
    if name in MATRICES:
        must = r"(be a square matrix \(n, n\)|have shape \(n, [nm]\))"
        shapes = [(), (m,), (n, n, 1), (n + 1, value.shape[1]), (0, 0)]
        # Alone it tells m, and (n,) is (n, 1).
        shapes += [] if name == "W_zx" else [(n, n + 1)]
        shapes += [] if (kind, name) == ("organics", "W_zx") else [(n,)]
    else:
        must = r"be a scalar or have shape \(n,\)"
        shapes = [(n + 1,), (m,), (1,), (0,), (n, n), (n, 1), (1, n)]
    for shape in shapes:
        refuses(kind, f"`{name}` must {must}", **{name: np.ones(shape)})


@pytest.mark.parametrize("name", ("W_zx", "W_bx0", "W_bx1"))
def test_a_transposed_matrix_is_recognised(name):
    transposed = zoo.gated_values()[name].T
    refuses("gated", rf"`{name}` must have shape .*\(is it transposed\?\)", **{name: transposed})


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_signs_are_checked(kind, name):
    value = CLASSES[kind][1]()[name]
    if name == "W":
        value[0, 1] = -0.5
        refuses(kind, "`W` must not be negative, but its smallest value is -0.5", W=value)
    elif name in MATRICES:
        cls, values = CLASSES[kind]
        cls(**(values() | {name: -value}))
    else:
        for bad in (0.0, -1.5, np.where(np.arange(zoo.N) == 1, -1.5, value)):
            message = f"`{name}` must be positive, but its smallest value is {np.min(bad)}"
            refuses(kind, message, **{name: bad})


PUBLIC = [v for v in vars(oo).values() if isinstance(v, type) and issubclass(v, oo.AbstractCircuit)]
TABLES = [cls for cls in PUBLIC if cls.kinds]


def test_circuits_say_what_their_parameters_are():
    """All but those that have none of their own, and each parameter once."""
    assert {c.__name__ for c in PUBLIC} - {c.__name__ for c in TABLES} == {
        "AbstractCircuit",
        "Hierarchy",
        "Noisy",
    }
    for cls in TABLES:
        static = {f.name for f in dataclasses.fields(cls) if f.metadata.get("static")}
        assert cls.kinds.keys() | static == {f.name for f in dataclasses.fields(cls)}


@pytest.mark.parametrize(
    ("shape", "sizes", "must"),
    (
        ((4, 3), {}, r"be a square matrix \(n, n\), but it has shape \(4, 3\)\."),
        ((0, 0), {}, r"be a square matrix \(n, n\), but"),
        ((3, 3), {"n": 4}, r"have shape \(n, n\) = \(4, 4\), but it has shape \(3, 3\)\."),
    ),
)
def test_sizes_are_those_of_the_first_parameter_that_has_their_letter(shape, sizes, must):
    with pytest.raises(ValueError, match=f"^Argument `w` must {must}"):
        read_parameters({"w": RECURRENT}, {"w": np.ones(shape)}, **sizes)
    found = read_parameters({"w": RECURRENT, "v": INPUT}, {"v": np.ones((2, 5)), "w": np.eye(2)})
    assert list(found) == ["w", "v"]
    with pytest.raises(ValueError, match=r"`v` .* \(n, m\) = \(2, m\), but .* \(is it transposed"):
        read_parameters({"w": RECURRENT, "v": INPUT}, {"v": np.ones((5, 2)), "w": np.eye(2)})


@pytest.mark.parametrize("kind", CLASSES)
def test_values_inside_nodes_are_checked_too(kind):
    refuses(kind, "`W_r` must be a square", W_r=oo.Frozen(jnp.ones((zoo.N, zoo.M))))
    refuses(kind, "`tau_y` must be a scalar or", tau_y=oo.Positive(np.ones(zoo.N + 1)))
    refuses(kind, "`tau_y` must be positive, but its smallest value is -1", tau_y=oo.Frozen(-1.0))
    refuses(kind, "`W` must not be negative", W=oo.SpectralBound(-np.eye(zoo.N)))
    refuses(kind, "`sigma` must be positive", sigma=oo.NonNegative(0.0))


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("bad", ("after", None, 2.0))
def test_a_rectification_must_be_one_of_the_three(unchecked, kind, bad):
    refuses(kind, "`rectification` must be an `oo.Rectification`", rectification=bad)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("bad", (0, -2.0, np.nan, np.inf, "2", None, True, np.ones(zoo.N), 2j))
def test_an_exponent_must_be_one_positive_number(unchecked, kind, bad):
    refuses(kind, "`exponent` must be a positive number", exponent=bad)


@pytest.mark.parametrize("kind", CLASSES)
def test_lists_integers_and_numbers_are_read_as_arrays(kind):
    cls, values = CLASSES[kind]
    whole = {name: np.round(value).astype(int) for name, value in values().items()}
    whole = {name: v if name in MATRICES else np.maximum(v, 1) for name, v in whole.items()}
    given = {name: value.tolist() for name, value in whole.items()}
    expected = oo.resolve(cls(**{name: v.astype(float) for name, v in whole.items()}))
    assert tree_equal(oo.resolve(cls(**given)), expected)
    assert expected.W_r.dtype == np.float64


@pytest.mark.parametrize("kind", CLASSES)
def test_all_arrays_of_a_circuit_share_the_widest_dtype_given(kind):
    cls, values = CLASSES[kind]
    single = values(dtype=np.float32)
    numbers = {name: v if name in MATRICES else float(v[0]) for name, v in single.items()}
    assert dtypes(cls(**single)) == dtypes(cls(**numbers)) == {np.dtype("float32")}
    assert dtypes(cls(**(single | {"tau_y": np.float64(2)}))) == {np.dtype("float64")}


def dtypes(circuit):
    return {leaf.dtype for leaf in jax.tree.leaves(circuit) if eqx.is_array(leaf)}


@pytest.mark.parametrize("kind", CLASSES)
def test_negative_weights_known_only_at_run_time_raise_then(kind):
    cls, values = CLASSES[kind]

    @eqx.filter_jit
    def build(W, tau):
        return oo.resolve(cls(**(values() | {"W": W, "tau_y": tau})))

    W, tau = (jnp.asarray(values()[name]) for name in ("W", "tau_y"))
    assert tree_equal(build(W, tau).W, W)
    with pytest.raises(RuntimeError, match=r"Argument `W` must not be negative"):
        jax.block_until_ready(build(-W, tau).W)
    with pytest.raises(RuntimeError, match=r"Argument `tau_y` must be positive"):
        jax.block_until_ready(build(W, -tau).tau_y)


@pytest.mark.parametrize("kind", [slow("organics"), "gated"])
def test_many_random_circuits_are_built_by_vmap(kind):
    cls = CLASSES[kind][0]
    keys = jax.random.split(jax.random.key(1), 2)
    build = eqx.filter_vmap(lambda key: cls.random(zoo.M, zoo.N, key=key))
    many = eqx.filter_jit(build)(keys)
    one = cls.random(zoo.M, zoo.N, key=keys[1])
    last = jax.tree.map(lambda leaf: leaf[1] if eqx.is_array(leaf) else leaf, many)
    # A batched orthogonalisation need not round like a single one.
    close = jax.tree.map(lambda a, b: np.allclose(a, b, rtol=0, atol=1e-13), one, last)
    assert all(jax.tree.leaves(close))


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(("n", "m"), ((1, 1), (zoo.N, zoo.M), (2, 5)))
def test_a_random_circuit_has_the_drawn_shapes_and_norms(kind, n, m):
    c = oo.resolve(CLASSES[kind][0].random(m, n, key=jax.random.key(2)))
    assert (c.size, c.input_size, c.W_zx.shape) == (n, m, (n, m))
    # Norms of one to the rounding of a singular value decomposition.
    np.testing.assert_allclose(np.linalg.norm(c.W_zx, 2), 1, rtol=1e-14)
    np.testing.assert_allclose(c.W_r @ c.W_r.T, np.eye(n), atol=1e-14)
    assert np.all((c.W >= 0) & (c.W <= 1)) and np.all(np.diag(c.W) == 1)
    if kind == "gated":
        assert all(getattr(c, name).shape == (n, m if name[3] == "x" else n) for name in zoo.GATES)


def test_matrices_of_a_random_circuit_are_uniform():
    n, m = 40, 30
    c = oo.resolve(oo.GatedORGaNICs.random(m, n, key=jax.random.key(3)))
    off = np.asarray(c.W)[~np.eye(n, dtype=bool)]
    assert scipy.stats.kstest(off, "uniform").pvalue > P_VALUE
    for name in zoo.GATES:
        matrix = np.asarray(getattr(c, name))
        bound = matrix.shape[1] ** -0.5
        uniform = scipy.stats.uniform(-bound, 2 * bound)
        assert scipy.stats.kstest(matrix.ravel(), uniform.cdf).pvalue > P_VALUE
    assert len({float(getattr(c, name)[0, 0]) for name in zoo.GATES}) == len(zoo.GATES)


def test_log_uniform_time_constants_are_log_uniform():
    tau = oo.resolve(oo.LogUniform(10, 300)(jax.random.key(4), DRAWS))
    share = (np.log(tau) - np.log(10)) / np.log(30)
    assert scipy.stats.kstest(share, "uniform").pvalue > P_VALUE
    node = oo.LogUniform(10, 300, bound=1.0)(jax.random.key(4), 3)
    assert (node.low, oo.LogUniform(10, 300)(jax.random.key(4), 3).low) == (1, 5)


def test_logit_normal_steps_are_sigmoids_of_normal_numbers():
    node = oo.LogitNormal(50.0)(jax.random.key(5), DRAWS)
    rate = 50 / np.asarray(oo.resolve(node))
    assert scipy.stats.kstest(np.log(rate / (1 - rate)), "norm").pvalue > P_VALUE
    assert node.low == 50 and np.isinf(node.high)


@pytest.fixture(scope="module")
def sequential_classifier():
    return oo.GatedORGaNICs.random(1, 64, key=jax.random.key(6))


def test_random_starts_are_those_of_the_reference(sequential_classifier):
    state = sequential_classifier.random_state(jax.random.key(7))
    y, a, b0, b1 = map(np.asarray, state)
    np.testing.assert_allclose(np.linalg.norm(y), 1, rtol=1e-12)
    for draw in (y / y.max(), a, b1):
        assert scipy.stats.kstest(draw, "uniform").pvalue > P_VALUE
    assert np.all(b0 == 1)
    assert abs(np.corrcoef(np.stack([y, a, b1]))[~np.eye(3, dtype=bool)]).max() < 5 / 64**0.5


def test_the_gated_circuit_has_as_many_trainable_numbers_as_the_reference(sequential_classifier):
    head = eqx.nn.Linear(64, 10, key=jax.random.key(9))
    assert trainable_numbers(sequential_classifier) == 6 * 64**2 + 7 * 64
    assert trainable_numbers((sequential_classifier, head)) == 25_674


def trainable_numbers(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(tree, oo.trainable(tree))))


def test_random_takes_values_nodes_and_initializers():
    options = {"tau_y": 3.0, "tau_a": oo.Frozen(4.0), "sigma": oo.LogUniform(0.1, 1.0)}
    for cls, _ in CLASSES.values():
        circuit = cls.random(2, 3, key=jax.random.key(0), **options)
        c = oo.resolve(circuit)
        np.testing.assert_allclose(c.tau_y, 3, rtol=1e-15)
        assert isinstance(circuit.tau_a, oo.Frozen) and c.tau_a == 4
        assert c.sigma.shape == (3,) and np.all((c.sigma >= 0.1) & (c.sigma <= 1))


def test_different_keys_give_different_circuits_and_equal_keys_equal_ones():
    one, same, other = (oo.ORGaNICs.random(2, 3, key=jax.random.key(k)) for k in (0, 0, 1))
    assert tree_equal(one, same) and not np.any(np.asarray(one.W_r == other.W_r))


@pytest.mark.parametrize("bad", (0, -1, 2.0, True, "3", None))
def test_sizes_must_be_positive_integers(unchecked, bad):
    for cls, _ in CLASSES.values():
        with pytest.raises(ValueError, match=r"Argument `size` must be a positive integer"):
            cls.random(2, bad, key=jax.random.key(0))
        with pytest.raises(ValueError, match=r"Argument `input_size` must be a positive integer"):
            cls.random(bad, 2, key=jax.random.key(0))


BAD_INITIALIZERS = {
    "`low` must be a positive number": lambda: oo.LogUniform(0, 1),
    "`low` must be a positive number, but it is 'a'": lambda: oo.LogUniform("a", 1),
    "`high` must be a positive number": lambda: oo.LogUniform(1, np.inf),
    "`low` must lie between `bound` and `high`": lambda: oo.LogUniform(2, 1),
    "`shortest` must be a positive number": lambda: oo.LogitNormal(-1.0),
}


@pytest.mark.parametrize("message", BAD_INITIALIZERS)
def test_initializers_refuse_bad_times(unchecked, message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        BAD_INITIALIZERS[message]()
