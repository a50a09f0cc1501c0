# ruff: noqa: E402
"""Bad arguments for every public function: each is refused by name, or gives a finite result.

    python tests/system/attack_arguments.py [--most N] [--seed 0] [--write] [--show] [NAME …]

`--show` prints every raw error, `--write` puts the table into docs/trust.md. A raw error is one
that is not of the library or names no argument; NaN in a result that reports success, and success
on what means nothing, count as raw.
"""

import argparse
import collections
import contextlib
import inspect
import io
import platform
import re
import sys
import tempfile
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import jax
import jax.numpy as jnp
import numpy as np

if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)

import zoo
from calls import CALLS
from page import write_table

import organics_ode as oo


class Odd:
    """Nothing that anything here takes."""

    def __repr__(self):
        return "Odd()"


# What means nothing wherever it stands: success with it is as bad as an error without a name.
NONSENSE = {
    "an object": Odd,
    "a class": lambda: int,
    "a class of its own": lambda: oo.ORGaNICs,
    "a set": lambda: {1.0, 2.0},
    "text": lambda: "0.8",
    "bytes": lambda: b"0.8",
    "a dict": lambda: {"a": 1.0},
    "a ragged list": lambda: [[1.0], [1.0, 2.0]],
    "a list of text": lambda: ["a", "b"],
    "NaN": lambda: float("nan"),
    "an array of NaN": lambda: np.full(2, np.nan),
    "complex": lambda: 1.0 + 2.0j,
    "an array of complex": lambda: np.ones(2, complex),
    "an array of objects": lambda: np.array([Odd(), None], object),
    "a date": lambda: np.datetime64("2026-01-01"),
    "a key": lambda: jax.random.key(0),
    "keys": lambda: jax.random.split(jax.random.key(0), 3),
    "a generator": lambda: (i for i in range(3)),
}
# What some arguments take, and others must refuse.
DOUBTFUL = {
    "None": lambda: None,
    "True": lambda: True,
    "0": lambda: 0,
    "-1": lambda: -1,
    "2**70": lambda: 2**70,
    "-2**70": lambda: -(2**70),
    "infinite": lambda: float("inf"),
    "1e300": lambda: 1e300,
    "1e-300": lambda: 1e-300,
    "half": lambda: 0.5,
    "np.int64": lambda: np.int64(3),
    "np.uint8": lambda: np.uint8(3),
    "jnp integer": lambda: jnp.asarray(2),
    "an array": lambda: np.ones(2),
    "an empty array": lambda: np.zeros(0),
    "an empty list": lambda: [],
    "a matrix": lambda: np.ones((7, 5)),
    "a cube": lambda: np.ones((2, 3, 4)),
    "booleans": lambda: np.array([True, False]),
    "float16": lambda: np.ones(2, np.float16),
    "bfloat16": lambda: jnp.ones(2, jnp.bfloat16),
    "a raw key": lambda: jax.random.PRNGKey(0),
    "half a raw key": lambda: jax.random.PRNGKey(0)[:1],
    "a function": lambda: lambda *args: None,
}


class Timed(oo.AbstractCircuit):
    """A circuit that depends on the time."""

    size: int = 2

    @property
    def input_size(self):
        return 1

    def vector_field(self, t, state, x):
        return oo.RateNetworkState(-state.r + jnp.sin(0.1 * t) + x[0])

    def initial_state(self):
        return oo.RateNetworkState(jnp.zeros(self.size))


def in_dtype(dtype):
    values = {k: jnp.asarray(v, dtype) for k, v in zoo.values(2, 1, identity=True).items()}
    return oo.ORGaNICs(**values)


CIRCUITS = {
    "a circuit in float16": lambda: in_dtype(jnp.float16),
    "a circuit in bfloat16": lambda: in_dtype(jnp.bfloat16),
    "a circuit with a time": Timed,
    "a circuit with too much": lambda: oo.ORGaNICs(**zoo.values(5, 4)),
    "a cell in float16": lambda: oo.Euler(in_dtype(jnp.float16), 0.1),
    "a cell with a time": lambda: oo.Euler(Timed(), 0.1),
    "a rate network": lambda: oo.RateNetwork(np.eye(2), np.ones((2, 1)), np.zeros(2), 50.0),
}
OF_CIRCUITS = ("circuit", "cell", "network", "model", "tree")
VALUES = NONSENSE | DOUBTFUL | CIRCUITS
NAMED = re.compile(r"Arguments? `[A-Za-z_0-9.\[\]]+`")
# Results that say by themselves that there is none.
REPORTED = (RuntimeError, FileNotFoundError)
# States of amplitudes may be dicts; their fields are looked at where the circuit is known.
OF_FIELDS = ["Noise", "PoissonNoise", "OrnsteinUhlenbeckNoise", "SharedNoise", "MeasurementNoise"]
# What means something in an argument, or to a function, after all.
MEANT = {
    *(("a dict", name) for name in OF_FIELDS),
    ("text", "path"),
    ("text", "checkpoint"),
    ("text", "log"),
    ("bytes", "path"),
    ("text", "reference"),
    ("text", "stimulus"),
    ("a dict", "hyperparameters"),
    ("a dict", "notes"),
    ("a class", "activation"),
    ("a key", "key"),
    ("text", "name"),
    ("complex", "spectra"),
    ("an array of complex", "spectra"),
    ("a ragged list", "spectra"),
    ("a class of its own", "citation"),
    ("a list of text", "labels"),
    ("a list of text", "names"),
}

# Of these NaN is documented: no answer, no trial, no such state, nothing to divide by.
NAN_MEANS = (
    "cortex.fano_response",
    "cortex.gamma_peak",
    "cortex.latency",
    "cortex.noise_correlations",
    "fano",
    "fit_parameters",
    "fit_with_skips",
    "mean_field.least_squares",
    "mean_field.padded_solutions",
    "mean_field.phase_map",
    "mean_field.solutions",
    "planar.nullclines",
    "planar.bifurcation",
    "population.condition_means",
    "population.d_prime",
    "population.mixed_selectivity",
    "population.period_mean",
    "population.selectivity",
    "population.tuning",
    "robustness.phase_diagram",
    "tasks.chronometric",
    "tasks.psychometric",
    "tasks.reaction",
)


def outcome(name, argument, kind):
    """'refused', 'accepted', or a text that says what is raw about it."""
    call = CALLS[name]
    arguments = call.arguments(0)
    if argument is not None:
        arguments[argument] = VALUES[kind]()
    try:
        with _away(), contextlib.redirect_stderr(io.StringIO()):
            result = call.function(**arguments)
            jax.block_until_ready([x for x in jax.tree.leaves(result) if isinstance(x, jax.Array)])
    except ValueError as error:
        return "refused" if NAMED.search(str(error)) else _raw(error)
    except REPORTED as error:
        is_own = type(error) is not RuntimeError or _is_library(error)
        return "refused" if is_own else _raw(error)
    except Exception as error:
        return _raw(error)
    is_free = argument in call.free or {(kind, argument), (kind, name)} & MEANT
    if kind in NONSENSE and not is_free:
        return f"taken: {kind} for a result"
    if not is_free and name.partition(" ")[0] not in NAN_MEANS and _is_silent(result):
        return "NaN in a result that reports success"
    return "accepted"


@contextlib.contextmanager
def _away():
    """In an empty folder, for some arguments are paths, and without warnings."""
    quiet = warnings.catch_warnings(action="ignore")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), quiet:
        yield


def _raw(error):
    return f"{type(error).__name__}: {str(error).splitlines()[0][:150] if str(error) else ''}"


def _is_library(error):
    """Whether it was raised by this library's own words, and not below it."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    return "organics_ode" in frame.tb_frame.f_code.co_filename or "equinox" in str(error)


def _is_silent(result):
    # A result says itself that there is none, or that what was looked for is not there.
    if not np.all(getattr(result, "succeeded", getattr(result, "found", True))):
        return False
    leaves = [x for x in jax.tree.leaves(result) if isinstance(x, jax.Array | np.ndarray)]
    leaves += [x for x in jax.tree.leaves(result) if isinstance(x, float)]
    numbers = [
        np.asarray(x)
        for x in leaves
        if not jnp.issubdtype(getattr(x, "dtype", float), jax.dtypes.prng_key)
    ]
    return any(np.isnan(x).any() for x in numbers if np.issubdtype(x.dtype, np.inexact))


def parameters(name):
    """The arguments of a call: all that its function has and its good call knows."""
    return list(CALLS[name].arguments(0))


def cases(names=None, most=None, seed=0):
    """All (function, argument, kind of value), or at most so many of each function."""
    chosen = []
    for name in names or CALLS:
        every = [
            (name, argument, kind)
            for argument in parameters(name)
            if argument not in CALLS[name].free
            for kind in VALUES
            if kind not in CIRCUITS or argument in OF_CIRCUITS
        ]
        order = np.random.default_rng(seed).permutation(len(every))[:most]
        chosen += [every[i] for i in sorted(order)]
    return chosen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--most", type=int, help="cases of each function; all unless given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    found = collections.defaultdict(collections.Counter)
    last = None
    for case in cases(options.names, options.most, options.seed):
        name, argument, kind = case
        if name != last:
            print(name, file=sys.stderr, flush=True)
            last = name
        says = outcome(*case)
        if says not in ("refused", "accepted"):
            if options.show:
                print(f"{name}({argument}={kind}): {says}", flush=True)
            says = "raw"
        found[kind][says] += 1
    lines = table(found, options)
    print("\n".join(lines))
    if options.write:
        write_table("arguments", lines)


def table(found, options):
    total = collections.Counter()
    for counts in found.values():
        total.update(counts)
    rows = [
        f"| {kind} | {counts['refused']} | {counts['accepted']} | {counts['raw']} |"
        for kind, counts in [*found.items(), ("**all**", total)]
    ]
    most = "" if options.most is None else f"--most {options.most} "
    command = f"`python tests/system/attack_arguments.py {most}--seed {options.seed} --write`"
    count = len({inspect.unwrap(CALLS[name].function) for name in options.names or CALLS})
    where = (
        f"{count} functions and classes, jax {jax.__version__}, Python {platform.python_version()}"
    )
    return [
        f"{command}, {where}, AMD EPYC, 2 cores.",
        "",
        "| value | refused by name | taken, and the result is finite | raw |",
        "| --- | --- | --- | --- |",
        *rows,
    ]


if __name__ == "__main__":
    main()
