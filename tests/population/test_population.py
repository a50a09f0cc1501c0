"""Tuning, selectivity and components of responses: against numpy, scipy and exact answers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from organics_ode import population

RNG = np.random.default_rng(0)
TRIALS, UNITS = 60, 4


@pytest.fixture(scope="module")
def trials():
    """Responses (trials, n), and a label of three for every trial."""
    labels = RNG.integers(0, 3, TRIALS)
    return RNG.normal(size=(TRIALS, UNITS)) + 2 * np.eye(3, UNITS)[labels], labels


# Conditions and periods


def test_condition_means_are_the_means_and_standard_errors_of_groups(trials):
    responses, labels = trials
    found = jax.jit(population.condition_means, static_argnums=2)(responses, labels, 3)
    for k in range(3):
        group = responses[labels == k]
        np.testing.assert_allclose(found.means[k], group.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.errors[k], scipy.stats.sem(group), rtol=1e-12)
        assert found.counts[k] == len(group)


def test_conditions_keep_the_axis_of_time_and_leave_trials_out():
    responses = np.arange(24.0).reshape(4, 3, 2)
    found = population.condition_means(responses, [0, 2, -1, 0], 3)
    np.testing.assert_array_equal(found.means[0], responses[[0, 3]].mean(axis=0))
    np.testing.assert_array_equal(found.means[2], responses[1])
    np.testing.assert_array_equal(found.errors[0], 9)  # |18 − 0| / 2
    assert np.all(np.isnan(found.means[1])) and np.all(np.isnan(found.errors[2]))
    assert found.counts.tolist() == [2, 0, 1]


def test_a_period_mean_takes_each_trials_own_steps():
    responses = RNG.normal(size=(3, 7, UNITS))
    periods = np.array([[0, 2], [3, 7], [5, 5]])
    found = jax.jit(population.period_mean)(responses, periods)
    np.testing.assert_allclose(found[0], responses[0, :2].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found[1], responses[1, 3:].mean(axis=0), rtol=1e-12)
    assert np.all(np.isnan(found[2]))
    same = population.period_mean(responses, (3, 7))
    np.testing.assert_allclose(same, responses[:, 3:].mean(axis=1), rtol=1e-12)


# Tuning


def test_cosine_tuning_has_its_preferred_direction_and_vector_strength():
    k, preferred, depth = 12, np.array([0.0, 1.0, 3.5, 6.0]), np.array([0.2, 0.5, 0.8, 1.0])
    angles = np.repeat(2 * np.pi * np.arange(k) / k, 2) - 4 * np.pi  # any range of angles
    noise = np.tile([[-1.0], [1.0]], (k, UNITS)) / 10
    curves = 1 + depth * np.cos(angles[:, None] - preferred) + noise
    found = population.tuning(curves, angles, bins=k)
    np.testing.assert_allclose(np.cos(found.preferred - preferred), 1, atol=1e-12)
    assert np.all((found.preferred >= 0) & (found.preferred < 2 * np.pi))
    np.testing.assert_allclose(found.vector_strength, depth / 2, rtol=1e-9)
    np.testing.assert_allclose(found.errors, 0.1, rtol=1e-9)
    np.testing.assert_array_equal(found.counts, 2)


def test_vector_strength_is_one_for_one_direction_and_zero_for_a_flat_or_silent_unit():
    angles = 2 * np.pi * np.arange(4) / 4
    responses = np.stack([np.eye(4)[1], np.ones(4), np.zeros(4)], axis=1)
    found = population.tuning(responses, angles, bins=4)
    np.testing.assert_allclose(found.vector_strength, [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(found.preferred[0], np.pi / 2, rtol=1e-12)


# Selectivity


def test_selectivity_is_the_eta_squared_of_an_analysis_of_variance(trials):
    responses, labels = trials
    found = population.selectivity(responses, labels, 3)
    F, _ = scipy.stats.f_oneway(*(responses[labels == k] for k in range(3)))
    between, within = 2, TRIALS - 3
    np.testing.assert_allclose(found, F * between / (F * between + within), rtol=1e-10)
    kept = np.where(np.arange(TRIALS) < 40, labels, -1)
    np.testing.assert_allclose(
        population.selectivity(responses, kept, 3),
        population.selectivity(responses[:40], labels[:40], 3),
        rtol=1e-10,
    )


def test_unrelated_labels_explain_what_chance_does():
    responses = RNG.normal(size=(50, 2000))
    labels = RNG.permutation(np.arange(50) % 5)
    mean = np.mean(population.selectivity(responses, labels, 5))
    # η² of 2 000 units ~ Beta(2, 22.5): five standard errors.
    error = scipy.stats.beta(2, 22.5).std() / 2000**0.5
    assert abs(mean - 4 / 49) < 5 * error


def test_mixed_selectivity_finds_pure_linear_and_nonlinear_units():
    first, second = (a.ravel() for a in np.meshgrid(np.arange(2), np.arange(2), indexing="ij"))
    first, second = np.repeat(first, [1, 2, 3, 4]), np.repeat(second, [1, 2, 3, 4])
    units = (first, second, first + second, (first + second) % 2, 0 * first)
    found = population.mixed_selectivity(np.stack(units, axis=1), first, second, (2, 2))
    np.testing.assert_allclose(found.first, [1, 0, 0.5, 0, 0], atol=1e-15)
    np.testing.assert_allclose(found.second, [0, 1, 0.5, 0, 0], atol=1e-15)
    np.testing.assert_allclose(found.interaction, [0, 0, 0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(found.within, 0, atol=1e-15)


def test_rounding_is_no_selectivity():
    constant, labels = np.full((30, 2), [0.1, 1e8 / 3]), np.arange(30) % 3
    assert population.selectivity(constant, labels, 3).tolist() == [0, 0]
    shares = population.mixed_selectivity(constant, labels, labels % 1, (3, 1))
    np.testing.assert_array_equal(shares, 0)


def test_mixed_selectivity_of_a_balanced_design_is_nested_regression():
    first, second = np.arange(48) % 3, np.arange(48) // 3 % 2
    responses = RNG.normal(size=(48, UNITS)) + first[:, None] * (1 + second[:, None])
    one = np.ones((48, 1))
    a, b = np.eye(3)[first], np.eye(2)[second]
    cell = np.eye(6)[2 * first + second]

    def unexplained(*columns):
        X = np.hstack(columns)
        fit = X @ np.linalg.lstsq(X, responses, rcond=None)[0]
        return ((responses - fit) ** 2).sum(axis=0)

    steps = [unexplained(*X) for X in ((one,), (one, a), (one, a, b), (cell,))]
    expected = [(s - t) / steps[0] for s, t in itertools.pairwise(steps)]
    found = population.mixed_selectivity(responses, first, second, (3, 2))
    np.testing.assert_allclose(found, [*expected, steps[-1] / steps[0]], rtol=1e-9)


def test_d_prime_is_the_distance_in_standard_deviations(trials):
    responses, labels = trials
    labels = np.minimum(labels, 1)
    found = population.d_prime(responses, labels)
    zero, one = responses[labels == 0], responses[labels == 1]
    pooled = np.sqrt((zero.var(axis=0, ddof=1) + one.var(axis=0, ddof=1)) / 2)
    np.testing.assert_allclose(found, (one.mean(axis=0) - zero.mean(axis=0)) / pooled, rtol=1e-10)
    still = population.d_prime(np.array([[0.0, 1], [0, 1], [2, 1], [2, 1]]), [0, 0, 1, 1])
    assert still.tolist() == [np.inf, 0]


# Components


@pytest.fixture(scope="module")
def paths():
    """Trajectories (trials, time, n) that lie in two dimensions, but for a little noise."""
    latent = RNG.normal(size=(5, 20, 2)) * [3.0, 1.0]
    axes = np.linalg.qr(RNG.normal(size=(6, 2)))[0].T
    return latent @ axes + 0.5 + 0.01 * RNG.normal(size=(5, 20, 6)), axes


def test_components_diagonalise_the_covariance(paths):
    responses, axes = paths
    found = jax.jit(population.principal_components)(responses)
    rows = responses.reshape(-1, 6)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    np.testing.assert_allclose(found.explained, values[::-1] / values.sum(), rtol=1e-8)
    along = np.sum(np.asarray(found.components) * vectors.T[::-1], axis=1)
    np.testing.assert_allclose(np.abs(along), 1, rtol=1e-8)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    largest = np.take_along_axis(
        np.asarray(found.components), np.abs(found.components).argmax(axis=1)[:, None], 1
    )
    assert np.all(largest > 0)
    assert found.explained[:2].sum() > 0.999
    np.testing.assert_allclose(np.linalg.svd(found.components[:2] @ axes.T)[1], 1, atol=1e-4)


def test_projections_keep_what_the_components_span(paths):
    responses, _ = paths
    every, two = (population.principal_components(responses, k) for k in (None, 2))
    full = every.project(responses)
    assert full.shape == responses.shape and two.project(responses).shape == (5, 20, 2)
    np.testing.assert_allclose(every.reconstruct(full), responses, atol=1e-12)
    np.testing.assert_allclose(two.project(responses), full[..., :2], atol=1e-12)
    lost = np.asarray(responses - two.reconstruct(two.project(responses))).reshape(-1, 6)
    spread = (responses - responses.mean(axis=(0, 1))).reshape(-1, 6)
    share = 1 - (lost**2).sum() / (spread**2).sum()
    np.testing.assert_allclose(two.captured(responses), share, rtol=1e-10)
    np.testing.assert_allclose(two.explained.sum(), share, rtol=1e-10)
    # Of data that varies in one of the other directions nothing is left.
    other = np.arange(7.0)[:, None] * np.asarray(every.components)[5]
    np.testing.assert_allclose(two.captured(jnp.asarray(other)), 0, atol=1e-20)


def test_alignment_and_distance_of_trajectories(paths):
    responses, _ = paths
    first = responses - responses.mean(axis=(0, 1))
    np.testing.assert_allclose(population.cosine_similarity(first, 3 * first), 1, rtol=1e-12)
    np.testing.assert_allclose(population.cosine_similarity(first, -first), -1, rtol=1e-12)
    turned = population.cosine_similarity(np.array([[1.0, 0]]), np.array([[1.0, np.sqrt(3)]]))
    np.testing.assert_allclose(turned, [0.5], rtol=1e-12)
    spread = np.sqrt(first.reshape(-1, 6).var(axis=0).sum())
    away = population.relative_distance(responses, responses + 0.1)
    np.testing.assert_allclose(away, np.full((5, 20), 0.1 * np.sqrt(6) / spread), rtol=1e-10)


# Arguments


BAD = {
    "labels must have shape": lambda: population.condition_means(np.ones((3, 2)), [0, 1], 2),
    "labels must be between 0 and 1, or -1": lambda: population.selectivity(
        np.ones((3, 2)), [0, 1, 2], 2
    ),
    "labels must hold integers": lambda: population.d_prime(np.ones((2, 2)), [0.0, 1.0]),
    "responses must be finite": lambda: population.tuning(np.full((2, 1), np.nan), [0.0, 1.0]),
    "responses must have shape": lambda: population.tuning(np.ones(2), [0.0, 1.0]),
    "responses must have axes": lambda: population.principal_components(np.ones((1, 3))),
    "count must be at most 2": lambda: population.principal_components(np.ones((2, 3)), 3),
    "period must have shape": lambda: population.period_mean(np.ones((4, 5, 2)), [0, 1, 2]),
    "second must have the shape": lambda: population.cosine_similarity(np.ones(2), np.ones(3)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused(message):
    name, rest = message.split(" ", 1)
    with pytest.raises(ValueError, match=f"Argument `{name}` {rest}"):
        BAD[message]()


# Missing trials


def test_a_direction_that_is_nan_is_in_no_bin_and_counted():
    angles = np.array([0.0, np.nan, 0.0, np.pi, np.nan])
    responses = np.arange(5.0)[:, None]
    for tune in (population.tuning, jax.jit(population.tuning, static_argnums=2)):
        found = tune(responses, angles, 4)
        assert found.counts.tolist() == [2, 0, 1, 0] and found.missing == 2
        np.testing.assert_array_equal(found.means[::2, 0], [1, 3])


def test_trials_that_are_left_out_may_be_nan(trials):
    responses, labels = trials
    kept = np.where(np.arange(TRIALS) % 3 > 0, np.minimum(labels, 1), -1)
    holes = np.where(kept[:, None] < 0, np.nan, responses)
    for f in (
        lambda r, k: population.condition_means(r, k, 2),
        lambda r, k: population.selectivity(r, k, 2),
        population.d_prime,
        lambda r, k: population.mixed_selectivity(r, k, 0 * k, (2, 1)),
    ):
        expected = f(responses[kept >= 0], kept[kept >= 0])
        for found in (f(holes, kept), jax.jit(f)(holes, kept)):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14),
                tuple(found),
                tuple(expected),
            )


def test_labels_known_only_inside_jit_that_are_no_condition_are_left_out():
    first, second = np.array([0, 1, 0, 1]), np.array([0, 0, 7, -5])
    shares = jax.jit(lambda a, b: population.mixed_selectivity(np.eye(4), a, b, (2, 1)))
    expected = population.mixed_selectivity(np.eye(4)[:2], first[:2], second[:2], (2, 1))
    np.testing.assert_allclose(shares(first, second), expected)


def float32(*shape, scale=1.0):
    return jnp.asarray(scale * np.random.default_rng(5).normal(size=shape), jnp.float32)


def test_shares_and_cosines_stay_in_their_ranges_whatever_rounding_does():
    u = float32(3000, 40)
    cosine = population.cosine_similarity(u, 3 * u)
    assert float(jnp.max(cosine)) <= 1 and float(jnp.min(cosine)) > 1 - 1e-6
    assert float(jnp.min(population.cosine_similarity(u, -u))) >= -1
    for scale in (1e-25, 1e25):  # the squares of which float32 does not hold
        far = population.cosine_similarity(float32(50, 3, scale=scale), float32(50, 3))
        np.testing.assert_allclose(far, 1, rtol=1e-6)
    labels = np.arange(60) % 3
    level = float32(3, 500)[labels]  # every unit is explained by its condition, but for rounding
    noisy = float32(60, 500)
    for responses in (level + 1000, level, noisy, level + 1e-4 * noisy):
        found = np.asarray(population.selectivity(responses, labels, 3), np.float64)
        assert found.min() >= 0 and found.max() <= 1
    one = population.Tuning(
        2 * jnp.pi * jnp.arange(7.0) / 7, jnp.eye(7), jnp.eye(7), jnp.ones(7, int)
    )
    assert float(jnp.max(one.vector_strength)) <= 1
    np.testing.assert_allclose(one.vector_strength, 1, rtol=1e-12)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_what_never_varies_has_no_variance_to_share_and_no_direction(dtype):
    still = jnp.full((24, 3), 0.1, dtype) + jnp.arange(3, dtype=dtype)[None, :]
    components = population.principal_components(still)
    assert components.explained.tolist() == [0, 0, 0] and components.captured(still) == 0
    assert population.principal_components(float32(9, 3)).captured(still) == 0
    moved = still.at[3].add(0.5)
    away = population.relative_distance(still, moved)
    assert np.isinf(away[3]) and np.all(np.delete(away, 3) == 0)
    labels = np.arange(24) % 2
    assert population.d_prime(still, labels).tolist() == [0, 0, 0]
    apart = still + jnp.asarray(labels, dtype)[:, None] * jnp.array([[0.3, -0.3, 0.0]], dtype)
    assert population.d_prime(apart, labels).tolist() == [np.inf, -np.inf, 0]
    # A trial that is left out, however large, is no measure of rounding.
    first = float32(24, 3).astype(dtype)
    kept, left = labels.copy(), first.at[0].set(1e9)
    kept[0] = -1
    for measure in (population.d_prime, lambda r, l: population.selectivity(r, l, 2)):
        np.testing.assert_allclose(measure(left, kept), measure(first[1:], kept[1:]), rtol=1e-4)
    assert np.all(np.isnan(population.tuning(still, np.linspace(0, 6, 24), 6).preferred))


def test_where_trajectories_meet_the_distance_has_a_slope():
    u = np.random.default_rng(6).normal(size=(5, 3))
    slope = jax.grad(lambda v: jnp.sum(population.relative_distance(u, v)))(jnp.asarray(u))
    assert np.all(np.isfinite(slope))
