"""New values of one shape compile nothing anew, whatever function they are given to."""

import contextlib
import io
import warnings

import jax
import memory
import pytest
from calls import CALLS

# Each once compiled anew at every call: a scan of its own, an optimizer or a function made anew,
# a number among the options.
ONCE = (
    "cortex.adapt",
    "cortex.cueing_effect",
    "ornstein_uhlenbeck",
    "feedback.descend",
    "fit",
    "mean_field.average",
    "spectrum",
    "spectral_peak",
)
# Their calls take as long as a training, or make a picture.
LONG = (
    *("fit", "ensemble", "fit_with_skips", "mean_field.chaos", "slow_points", "coherence"),
    *("planar.bifurcation of any circuit", "plot_phase_portrait of any circuit"),
)


def call(name, number):
    # optax and jax.random promote dtypes by themselves.
    with (
        warnings.catch_warnings(),
        jax.numpy_dtype_promotion("standard"),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        CALLS[name].function(**CALLS[name].arguments(number))


@pytest.mark.parametrize("name", ONCE)
def test_a_second_call_compiles_nothing(name, compiled):
    jax.clear_caches()
    call(name, 0)
    assert compiled() > 0
    call(name, 1)
    compiled()
    call(name, 2)
    assert compiled() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_fifty_calls_compile_once_and_leave_nothing_behind(name, compiled):
    count = 12 if name in LONG else 50
    held = []
    for number in range(count):
        call(name, number)
        if number > 1:
            assert compiled() == 0
        compiled()
        held.append(memory.resident() / 1e6)
    # A program takes 1 to 10 MB: one for each call would be 50 MB and more. What comes and goes, as
    # a data set does that is dropped at the call after it, does not grow.
    assert max(held[count // 2 :]) - max(held[2 : count // 2]) < 8
