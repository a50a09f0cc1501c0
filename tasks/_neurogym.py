"""Tasks of neurogym, or of any package with environments like those of neurogym."""

# Class variables of other tasks are known here only once there is an environment.
# pyright: reportIncompatibleVariableOverride=false

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NoReturn, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._checks import (
    KeyLike,
    check_integer,
    check_kind,
    check_time_step,
    counted,
    read_key,
)
from ._cognitive import held_and_right
from ._task import AbstractTask, Trial


@final
class NeurogymTask(AbstractTask):
    """A trial-based environment in the style of neurogym, as a task of this package.

    Nothing is imported from neurogym: `env` needs `seed(seed)`, `new_trial()`, `dt` in ms and,
    after `new_trial()`, `ob` (T, m), the observations of the whole trial, and `gt` (T,), the right
    action at every step, an integer. It may have `start_ind` and `end_ind`, the steps of the
    periods by name, and names of observations and actions in `observation_space.name` and
    `action_space.name`.

    Trials are drawn on the host, one after the other; `sample` may still be compiled and mapped
    over keys. The environment is seeded from the key, and the same key must draw the same trial:
    all randomness must come from `seed`, and nothing may carry over from earlier trials. This is
    tested on a few trials, so a schedule of several tasks, whose turn depends on the previous
    trial, is refused; make a separate task of each. Wrappers that change observations or actions at
    every step are refused too, because trials are drawn whole. Shorter trials are padded with zeros
    that the mask leaves out; longer ones raise an error. Steps whose right action is 0 count as
    waiting.

    Args:
        env: the environment, which two tasks must not share.
        length: the number of steps to pad to.
        actions: the number of actions; by default `env.action_space.n`.
        reference: where the task was published.

    Raises:
        ValueError: `env` lacks one of those attributes, is wrapped, draws different trials when
            seeded again, or has right actions that are not actions (such as angles, or anything
            outside 0 … n − 1), observations that are not finite, or a trial longer than `length`. A
            trial drawn later raises it for the same reasons.

    Reference:
        Molano-Mazón et al., "NeuroGym", PsyArXiv (2022), doi:10.31234/osf.io/aqc9n.
    """

    env: Any = eqx.field(static=True)
    length: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    channels: tuple[str, ...] = eqx.field(static=True)
    outputs: tuple[str, ...] = eqx.field(static=True)
    reference: str = eqx.field(static=True)
    _names: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self, env: object, length: int, *, actions: int | None = None, reference: str = "neurogym"
    ):
        check_integer("length", length, minimum=1, maximum=np.iinfo(np.int32).max)
        check_kind("reference", reference, str)
        _check_wrappers(env)
        self.env, self.length, self.reference = env, length, reference
        n: Any = (
            getattr(_find(env, "action_space", None), "n", None) if actions is None else actions
        )
        ob, _, _ = _new_trial(env, 0, length, n)
        check_integer("actions", n, minimum=1, maximum=_MOST_ACTIONS)
        _check_pure(env, length, n)
        self.dt = float(_find(env, "dt"))
        check_time_step("env.dt", self.dt)
        self.channels = _names_of(env, "observation_space", "input", ob.shape[1])
        self.outputs = _names_of(env, "action_space", "action", int(n))
        self._names = tuple(_find(env, "start_ind", None) or ())

    @property
    def periods(self) -> dict[str, tuple[int, int]]:
        """The whole trial; the periods of one trial are in its `info`."""
        return {"trial": (0, self.length)}

    def sample(self, key: KeyLike) -> Trial:
        """Draws one trial from the environment; `info["periods"]` has the periods it names."""
        key = read_key("key", key)
        seed = jax.random.bits(key, dtype=jnp.uint32) >> 1
        dtype = jnp.zeros(()).dtype
        shapes = (
            jax.ShapeDtypeStruct((self.length, self.input_size), dtype),
            jax.ShapeDtypeStruct((self.length,), jnp.int32),
            jax.ShapeDtypeStruct((self.length,), dtype),
            jax.ShapeDtypeStruct((len(self._names) + 1, 2), jnp.int32),
        )
        drawn = jax.pure_callback(self._draw, shapes, seed, vmap_method="sequential")
        inputs, targets, mask, periods = drawn
        return Trial(inputs, targets, mask, {"periods": dict(zip(self._all, periods, strict=True))})

    def score(self, outputs: Float[Array, "time actions"], trial: Trial) -> Float[Array, ""]:
        """(share of waiting steps, action 0, answered right) · (share of the others right)."""
        return held_and_right(outputs, trial.targets, trial.mask)

    @property
    def _all(self) -> tuple[str, ...]:
        return ("trial", *self._names)

    def _draw(self, seed: int | np.ndarray | Array) -> tuple[np.ndarray, ...]:
        ob, gt, steps = _new_trial(self.env, int(seed), self.length, self.output_size)
        dtype, T = np.dtype(jnp.zeros(()).dtype), len(gt)
        padding = self.length - T
        inputs = np.pad(ob.astype(dtype), ((0, padding), (0, 0)))
        targets = np.pad(gt.astype(np.int32), (0, padding))
        mask = np.pad(np.ones(T, dtype), (0, padding))
        pairs = [(0, T), *(steps.get(name, (0, 0)) for name in self._names)]
        return inputs, targets, mask, np.array(pairs, np.int32)


def _new_trial(
    env: object, seed: int, length: int, actions: Any
) -> tuple[np.ndarray, np.ndarray, Mapping]:
    _find(env, "seed")(seed)
    _find(env, "new_trial")()
    ob, gt = np.asarray(_find(env, "ob")), np.asarray(_find(env, "gt"))
    if ob.ndim != 2 or gt.shape != ob.shape[:1]:
        _refuse(f"`ob` and `gt` have shapes {ob.shape} and {gt.shape}, not (T, m) and (T,)")
    if not np.isfinite(ob).all():
        _refuse("some of its observations in `ob` are NaN or infinite")
    _check_actions(env, gt, actions)
    if len(gt) > length:
        raise ValueError(
            f"Argument `length` must hold the longest trial, but it is {length} and a trial has "
            f"{counted(len(gt), 'step')}."
        )
    starts, ends = _find(env, "start_ind", None) or {}, _find(env, "end_ind", None) or {}
    return ob, gt, {name: (starts[name], ends[name]) for name in starts if name in ends}


def _check_actions(env: object, gt: np.ndarray, actions: Any) -> None:
    """Right actions are integers from 0 to n − 1, even before the environment truncates them."""
    if not np.issubdtype(gt.dtype, np.integer):
        _refuse(f"the actions in `gt` are {gt.dtype}, not integers: a task has discrete ones")
    if not isinstance(actions, Integral):
        return
    trial = _find(env, "trial", None)
    meant = trial.get("ground_truth") if isinstance(trial, Mapping) else None
    if isinstance(meant, Real) and float(meant) % 1 != 0 and np.trunc(float(meant)) in gt:
        _refuse(f"the ground truth of its trial is {meant}, which is not an action but cut to one")
    outside = gt[(gt < 0) | (gt >= actions)]
    if outside.size:
        _refuse(f"its right action is {outside[0]} where there are the actions 0 to {actions - 1}")


def _check_pure(env: object, length: int, actions: int) -> None:
    """The same seed draws the same trial, both immediately and after some others."""
    first = _new_trial(env, 0, length, actions)
    for seed in (0, *range(1, _TRIED), 0):
        found = _new_trial(env, seed, length, actions)
        if seed == 0 and not all(map(np.array_equal, first[:2], found[:2])):
            _refuse(
                "it draws another trial for the same seed: all its chance must come from `seed`, "
                "and nothing from the trials before; of a schedule of several tasks make a "
                "`NeurogymTask` each"
            )


def _check_wrappers(env: object) -> None:
    """Trials are drawn whole, so what a wrapper does at every step would have no effect."""
    for wrapper in _layers(env)[:-1]:
        for cls in type(wrapper).__mro__:
            changes = _PER_STEP & set(vars(cls))
            if changes and cls.__name__ not in _HARMLESS:
                _refuse(
                    f"its wrapper `{type(wrapper).__name__}` has a `{min(changes)}` of its own, "
                    "which would have no effect on trials that are drawn whole: give "
                    "`env.unwrapped`, or do the same in `new_trial`"
                )


def _layers(env: object) -> list[Any]:
    """The environment and its wrappers, the outermost first."""
    inner, found = getattr(env, "unwrapped", env), [env]
    while found[-1] is not inner:
        found.append(getattr(found[-1], "env", inner))
    return found


_TRIED = 20  # trials
_MOST_ACTIONS = 2**16  # each has a name and an output
_PER_STEP = {"action", "observation", "step"}
# The wrappers that gymnasium puts around every environment, and what wrappers inherit.
_HARMLESS = {"OrderEnforcing", "PassiveEnvChecker", "TimeLimit", "Wrapper", "TrialWrapper"}
_MISSING = object()


def _find(env: object, name: str, default: Any = _MISSING) -> Any:
    """An attribute of the environment, from the outermost layer that has it."""
    for owner in _layers(env):
        if hasattr(owner, name):
            return getattr(owner, name)
    return _refuse(f"it has no `{name}`") if default is _MISSING else default


def _names_of(env: object, space: str, word: str, count: int) -> tuple[str, ...]:
    """Names by index, from a dictionary that maps each name to an index or a list of them."""
    names = [f"{word} {i}" for i in range(count)]
    given = getattr(_find(env, space, None), "name", None)
    for name, indices in given.items() if isinstance(given, Mapping) else ():
        which = np.atleast_1d(np.asarray(indices, int))
        for position, i in enumerate(which):
            if 0 <= i < count:
                names[i] = name if len(which) == 1 else f"{name} {position}"
    return tuple(names)


def _refuse(found: str) -> NoReturn:
    raise ValueError(
        f"Argument `env` must be a trial-based environment like neurogym's, but {found}."
    )
