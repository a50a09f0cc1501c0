"""Bad arguments are refused by name; the whole attack is `attack_arguments.py`."""

import enum
import inspect

import jax
import numpy as np
import pytest
from attack_arguments import cases, outcome
from calls import CALLS
from forms import forms_of
from objects import NAMESPACES

import organics_ode as oo
from organics_ode import cortex, feedback, mean_field, planar, population, robustness

# Quick to call, and with one argument at least of every kind.
QUICK = (
    *("ornstein_uhlenbeck", "unroll", "ORGaNICs.random", "Bounded", "jacobian", "simulate"),
    *("plot_state_space", "tasks.NeurogymTask", "tasks.ReactionTime", "tasks.fit_psychometric"),
)

# Public, and called by no user: what comes out of functions, each a class of its own.
RESULTS = (
    *(
        oo.Branches,
        oo.Certificate,
        oo.Energy,
        oo.FixedPoint,
        oo.FixedPoints,
        oo.History,
        oo.Oscillator,
    ),
    *(oo.ParameterFit, oo.Paths, oo.Peak, oo.Recipe, oo.SlowPoints, oo.Spectrum, oo.Sweep),
    *(oo.Trajectory, cortex.ContrastResponse, cortex.CueingEffect, cortex.FanoResponse),
    *(cortex.GammaPeak, cortex.Image, cortex.Latency, cortex.NoiseCorrelations),
    *(cortex.ReducedRank, cortex.SharedSpectra),
    *(cortex.MaskResponse, cortex.NakaRushton, cortex.OrientationTuning, cortex.PSTH),
    *(
        cortex.SharedSpectra,
        cortex.PeakAndSlope,
        cortex.PowerSpectra,
        cortex.RatioOfGaussians,
        cortex.SizeTuning,
    ),
    *(cortex.TransientIndex, feedback.Attractors, feedback.FullForce, feedback.Trained),
    *(mean_field.Chaos, mean_field.LeastSquares, mean_field.Solutions),
    *(planar.Bifurcation, planar.LimitCycle, planar.PlanarFixedPoints),
    *(population.PrincipalComponents, robustness.PhaseDiagram),
)


def public_callables():
    """Of every public namespace what it names."""
    for space in NAMESPACES:
        for name, value in vars(space).items():
            home = getattr(value, "__module__", "").partition(".")[0]
            if callable(value) and home in ("organics_ode", "tasks") and not name.startswith("_"):
                yield f"{space.__name__}.{name}", value


def needs_no_call(value):
    """What nobody calls: results, abstract classes and protocols, and those whose constructor is
    Python's."""
    if not inspect.isclass(value):
        return False
    is_python = issubclass(value, BaseException | enum.Enum | tuple)
    is_abstract = value.__name__.startswith("Abstract") or getattr(value, "_is_protocol", False)
    return is_python or value in RESULTS or is_abstract


def test_every_public_function_and_class_has_a_call():
    called = {inspect.unwrap(call.function) for call in CALLS.values()}
    missing = {
        name
        for name, value in public_callables()
        if inspect.unwrap(value) not in called and not needs_no_call(value)
    }
    assert missing == set()
    assert not called & set(RESULTS)


def check(some):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = {case: outcome(*case) for case in some}
    assert {k: v for k, v in found.items() if v not in ("refused", "accepted")} == {}


@pytest.mark.parametrize("name", QUICK)
def test_bad_arguments_are_refused_by_name(name, unchecked):
    check(cases([name], most=30))


@pytest.mark.slow
def test_bad_arguments_of_every_function_are_refused_by_name(unchecked):
    check(cases(most=22))


def results(call, arguments):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = jax.tree.leaves(call.function(**arguments))
    kinds, key = jax.Array | np.ndarray | float, jax.dtypes.prng_key
    arrays = [x for x in found if isinstance(x, kinds)]
    is_key = [jax.dtypes.issubdtype(getattr(x, "dtype", float), key) for x in arrays]
    return [np.asarray(x) for x, no in zip(arrays, is_key, strict=True) if not no]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"Frozen"}))  # which holds what it is given
def test_other_forms_of_arguments_give_the_same(name, unchecked):
    call = CALLS[name]
    expected = None
    for argument, value in call.arguments(0).items():
        for form, given in forms_of(value).items():
            expected = results(call, call.arguments(0)) if expected is None else expected
            found = results(call, call.arguments(0) | {argument: given})
            for a, b in zip(found, expected, strict=True):
                if np.issubdtype(a.dtype, np.number):
                    message = f"{argument} as {form}"
                    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9, err_msg=message)
