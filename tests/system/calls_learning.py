"""Calls of what trains, stores and measures models."""

import jax
import jax.numpy as jnp
import optax
from calls_parts import (
    FOLDER,
    LABELS,
    Call,
    batch,
    batches,
    circuit,
    classifier,
    draw,
    flip_flop,
    key,
    saved,
    sequences,
)

import organics_ode as oo

_QUIET = {"progress": False, "steps": 2}
_TRAIN = ("loss", "metric", "mesh")

CALLS: dict[str, Call] = {
    "minibatches": Call(oo.minibatches, lambda s: {"split": batch(s), "size": 2, "key": key(s)}),
    "trials": Call(oo.trials, lambda s: {"task": flip_flop(), "size": 2, "key": key(s)}),
    "fit": Call(
        oo.fit,
        lambda s: {
            "model": classifier(s),
            "throw": True,
            "batches": batches(s),
            "optimizer": optax.adam(0.01 + 0.001 * s),
            "validation": batch(s),
            "validate_every": 1,
            "checkpoint": None,
            "checkpoint_every": None,
            "stop": oo.EarlyStopping("loss", 2),
            "keep": "best",
            "callback": None,
            "log": None,
            "epochs": None,
            **_QUIET,
        },
        free=_TRAIN,
    ),
    "ensemble": Call(
        oo.ensemble,
        lambda s: {
            "models": [classifier(s), classifier(s + 1)],
            "batches": batches(s),
            "optimizer": optax.adam(0.01 + 0.001 * s),
            "hyperparameters": None,
            "validation": batch(s),
            "validate_every": 1,
            "checkpoint": None,
            "checkpoint_every": None,
            "stop": oo.EarlyStopping("loss", 2),
            "keep": "best",
            "callback": None,
            "log": None,
            "epochs": None,
            **_QUIET,
        },
        free=_TRAIN,
    ),
    "fit_with_skips": Call(
        oo.fit_with_skips,
        lambda s: {
            "models": [sequences(s)],
            "task": flip_flop(),
            "schedule": oo.SkipSchedule(oo.StateSkip(), length=2),
            "optimizer": optax.adam(0.01 + 0.001 * s),
            "key": key(s),
            "rounds": 2,
            "steps_per_round": 1,
            "batch_size": 2,
            "trials": 2,
            "evaluate_every": 1,
            "criterion": 1.0,
            "burn_in": 5.0,
            "activity": 1e-5 * (s + 1),
            "weights": 1e-5 * (s + 1),
            "checkpoint": None,
            "checkpoint_every": 1,
            "stop": oo.EarlyStopping("performance", 2),
            "keep": "best",
            "callback": None,
            "log": None,
            "progress": False,
        },
        free=_TRAIN,
    ),
    "evaluate": Call(
        oo.evaluate,
        lambda s: {"model": classifier(s), "data": batch(s), "batch_size": 2},
        free=_TRAIN,
    ),
    "project": Call(oo.project, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "values": Call(oo.values, lambda s: {"circuit": circuit(s)}),
    "replace": Call(oo.replace, lambda s: {"circuit": circuit(s), "tau_y": 3.0 + s}),
    "resolve": Call(oo.resolve, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "trainable": Call(oo.trainable, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "weight_decay_mask": Call(oo.weight_decay_mask, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "device_mesh": Call(oo.device_mesh, lambda s: {"devices": jax.devices()}),
    "use_cores": Call(oo.use_cores, lambda s: {"count": len(jax.devices("cpu"))}),
    "save": Call(
        oo.save, lambda s: {"path": FOLDER / "saved", "model": circuit(s)}, free=("path", "model")
    ),
    "load": Call(oo.load, lambda s: {"path": saved(s), "like": circuit(s)}),
    "model_card": Call(oo.model_card, lambda s: {"name": oo.pretrained_names()[0]}),
    "pretrained": Call(oo.pretrained, lambda s: {"name": oo.pretrained_names()[0]}),
    "pretrained_names": Call(oo.pretrained_names, lambda s: {}),
    "orthogonal_directions": Call(
        oo.orthogonal_directions, lambda s: {"size": 4, "count": 2, "key": key(s)}
    ),
    **{
        loss.__name__: Call(
            loss,
            lambda s: {"outputs": jnp.asarray(draw(s, 3, 2)), "targets": LABELS[:3], "mask": None},
        )
        for loss in (oo.accuracy, oo.cross_entropy)
    },
    "squared_error": Call(
        oo.squared_error,
        lambda s: {"outputs": jnp.asarray(draw(s, 3, 2)), "targets": draw(s, 3, 2), "mask": None},
    ),
}
