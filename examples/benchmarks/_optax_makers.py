"""Everything in optax that makes an optimizer or a schedule, and how to call it."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import optax
import optax.contrib as contrib

import organics_ode as oo

ADAM, SGD = optax.adam(0.01), optax.sgd(0.01)
LINEAR = optax.linear_schedule(0.02, 0.0, 10)
CYCLE = {"init_value": 0.0, "peak_value": 0.1, "decay_steps": 4, "warmup_steps": 1}
ALTERNATELY = {"should_transform_fn": lambda step, **_: step % 2 == 0}
NORMALIZED = optax.chain(contrib.normalize(), SGD)

# How it is called, if it needs more than one number.
ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "MultiSteps": lambda f: f(ADAM, 2),
    "add_noise": lambda f: f(0.01, 0.5, key=0),
    "apply_if_finite": lambda f: f(ADAM, 3),
    "chain": lambda f: f(optax.clip_by_global_norm(1.0), ADAM),
    "conditionally_mask": lambda f: f(ADAM, **ALTERNATELY),
    "conditionally_transform": lambda f: f(ADAM, **ALTERNATELY),
    "cosine_decay_schedule": lambda f: f(0.02, 6),
    "cosine_onecycle_schedule": lambda f: f(6, 0.02),
    "differentially_private_aggregate": lambda f: f(1.0, 0.1, key=0),
    "dpsgd": lambda f: f(0.01, 1.0, 0.1, seed=0),
    "exponential_decay": lambda f: f(0.02, 3, 0.5),
    "flatten": lambda f: f(ADAM),
    "freeze": lambda f: f(oo.weight_decay_mask),
    "galore": lambda f: f(0.01, rank=2),
    "inject_hyperparams": lambda f: f(optax.adam)(learning_rate=LINEAR),
    "inject_stateful_hyperparams": lambda f: f(optax.adam)(learning_rate=LINEAR),
    "join_schedules": lambda f: f([optax.linear_schedule(0.0, 0.1, 2), LINEAR], [2]),
    "linear_onecycle_schedule": lambda f: f(6, 0.02),
    "linear_schedule": lambda f: f(0.02, 0.0, 5),
    "lookahead": lambda f: f(ADAM, 2, 0.5),
    "masked": lambda f: f(ADAM, oo.weight_decay_mask),
    "measure_with_ema": lambda f: f(optax.global_norm, 0.9),
    "mechanize": lambda f: f(ADAM),
    "monitor": lambda f: f({"norm": optax.global_norm}),
    "multi_transform": lambda f: f({True: ADAM, False: SGD}, oo.weight_decay_mask),
    "named_chain": lambda f: f(("clip", optax.clip(0.1)), ("adam", ADAM)),
    "noisy_sgd": lambda f: f(0.01, key=0),
    "partition": lambda f: f({True: ADAM, False: SGD}, oo.weight_decay_mask),
    "piecewise_constant_schedule": lambda f: f(0.02, {3: 0.5}),
    "piecewise_interpolate_schedule": lambda f: f("linear", 0.02, {3: 0.5}),
    "polynomial_schedule": lambda f: f(0.02, 0.0, 2, 5),
    "reduce_on_plateau": lambda f: optax.chain(ADAM, f(patience=1)),
    "sam": lambda f: f(SGD, NORMALIZED, opaque_mode=True),
    "scale_by_backtracking_linesearch": lambda f: optax.chain(optax.sgd(1.0), f(10)),
    "scale_by_factored_rms": lambda f: f(),
    "scale_by_galore": lambda f: f(rank=2),
    "scale_by_schedule": lambda f: f(LINEAR),
    "scale_by_zoom_linesearch": lambda f: optax.chain(optax.sgd(1.0), f(10)),
    "schedule_free": lambda f: f(SGD, 0.01),
    "selective_transform": lambda f: f(ADAM, freeze_mask=oo.weight_decay_mask),
    "sgdr_schedule": lambda f: f([CYCLE, CYCLE]),
    "snapshot": lambda f: f("norm", optax.global_norm),
    "split_real_and_imaginary": lambda f: f(ADAM),
    "stateless": lambda f: f(lambda updates, params: updates),
    "stateless_with_tree_map": lambda f: f(lambda update, param: update),
    "warmup_constant_schedule": lambda f: f(0.0, 0.02, 3),
    "warmup_cosine_decay_schedule": lambda f: f(0.0, 0.02, 2, 6),
    "warmup_exponential_decay_schedule": lambda f: f(0.0, 0.02, 2, 3, 0.5),
    "with_extra_args_support": lambda f: f(ADAM),
}
# What the columns cannot tell.
NOTES = {
    "MultiSteps": "as it is, or its `gradient_transformation()`",
    "differentially_private_aggregate": "needs the gradient of every sample",
    "dpsgd": "needs the gradient of every sample",
    "fromage": "shrinks everything; `optax.masked` it, with another one for the rest",
    "lookahead": "trains pairs of parameters; pass its fast optimizer",
    "sam": "with `opaque_mode=True`; otherwise every other model is an adversarial one",
    "schedule_free": "see Averages, above, for the model to evaluate",
    "schedule_free_adamw": "see Averages, above, for the model to evaluate",
    "schedule_free_sgd": "see Averages, above, for the model to evaluate",
    "scale_by_muon": "for matrices alone; take `muon`",
    "monitor": "its state changes its structure",
    "named_chain": "its state is an `OrderedDict`; `optax.chain` is stored",
    "sophia": "needs second derivatives of the loss",
}


def exported() -> dict[str, dict[str, Any]]:
    """Every maker of schedules and optimizers that optax exports, by kind and name."""
    found: dict[str, dict[str, Any]] = {"optimizers": {}, "schedules": {}, "wrappers and parts": {}}
    for module in (optax, contrib):
        for name, value in sorted(vars(module).items()):
            if kind := kind_of(name, value):
                found[kind][name] = value
    return found


def kind_of(name: str, value: Any) -> str | None:
    is_function = isinstance(value, types.FunctionType | functools.partial)
    if name[0] == "_" or not (is_function or name == "MultiSteps"):
        return None
    module = str(getattr(getattr(value, "func", value), "__module__", ""))
    if module in ("optax.schedules._schedule", "optax.schedules._join"):
        return "schedules"
    known = name in ARGUMENTS or name in ("dog", "dowg", "MultiSteps")
    if not known and "GradientTransformation" not in str(inspect.signature(value)).split("->")[-1]:
        return None
    is_part = name.startswith("scale_by") or name in (
        "normalize",
        "differentially_private_aggregate",
    )
    is_optimizer = "alias" in module or ("contrib" in module and not is_part)
    return "optimizers" if is_optimizer else "wrappers and parts"


def make(kind: str, name: str, maker: Any, **more: Any) -> Any:
    """An optimizer made by it."""
    wanted = [p for p in inspect.signature(maker).parameters.values() if p.default is p.empty]
    maker = functools.partial(maker, **more) if more else maker
    usual = (lambda f: f(0.01)) if len(wanted) == 1 else (lambda f: f())
    made = ARGUMENTS.get(name, usual)(maker)
    if kind == "schedules":
        return optax.sgd(made)
    is_whole = kind == "optimizers" or name == "MultiSteps" or "linesearch" in name
    return made if is_whole else optax.chain(made, SGD)
