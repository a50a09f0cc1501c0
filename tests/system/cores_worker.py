"""Trainings in a process with two CPU devices, run by `test_cores.py`: writes what came of them."""

import json
import os
import sys
from pathlib import Path

import devices_worker as worker
import jax
import numpy as np
import threads

import organics_ode as oo
from organics_ode.parallel import _cores, usual_mesh
from organics_ode.training.batches import mesh_for_batches, read_function

ENOUGH = lambda: (2 * _cores._LEAST_OF_A_STEP, 100)  # noqa: E731
STEPS = 6


def chosen(sizes, work=ENOUGH, *trees):
    mesh = usual_mesh(sizes, work, *trees)
    return 1 if mesh is None else mesh.size


def choices():
    """Over how many devices what is split that is given no mesh."""
    here = jax.device_put(np.zeros(2), jax.devices()[0])
    found = {"even": chosen([4, 6]), "odd": chosen([4, 7]), "any": chosen([0])}
    found["small steps"] = chosen([4], lambda: (10.0, 10**9))
    found["few steps"] = chosen([4], lambda: (2 * _cores._LEAST_OF_A_STEP, 2))
    found["placed"] = chosen([4], ENOUGH, here)
    with jax.default_device(jax.devices()[1]):
        found["default"] = chosen([4])
    return found


def meshes():
    """The same for the kinds of batches, all of them large enough."""
    model, batches = worker.model(np.float64), worker.batches(np.float64)
    kinds = {"minibatches": batches, "a function": lambda step: batches(step)}
    kinds |= {"a list": read_function([batches(0), batches(1)])}
    found = {kind: mesh_for_batches(None, model, each) for kind, each in kinds.items()}
    return {kind: 1 if mesh is None else mesh.size for kind, mesh in found.items()}


def refusal(count):
    try:
        oo.use_cores(count)
    except ValueError as error:
        return str(error)
    return None


def trained(steps, mesh=None, **options):
    options = {"validation": worker.data(np.float64)} | options
    result = worker.train(np.float64, steps, mesh, **options)
    return worker.numbers(result.model, result.history)


def main(folder):
    made = oo.use_cores(2)
    assert "NPROC" not in os.environ
    jax.config.update("jax_enable_x64", True)
    found = {
        "threads": threads.named("XLAEigen"),
        "made": made,
        "devices": len(jax.devices()),
        "again": oo.use_cores(2),
    }
    found |= {"refusal": refusal(3), "choices": choices()}
    _cores._LEAST_OF_ALL = _cores._LEAST_OF_A_STEP = 0.0
    found["meshes"] = meshes()
    one, two = (oo.device_mesh(jax.devices()[:count]) for count in (1, 2))
    found["usual"] = trained(STEPS)
    found |= {"one": trained(STEPS, one), "two": trained(STEPS, two)}
    checkpoint = folder / "checkpoint"
    trained(STEPS // 2, checkpoint=checkpoint)
    found["resumed"] = trained(STEPS, checkpoint=checkpoint)
    for name, mesh in (("members", None), ("members on one", one)):
        members = worker.train_members(2, mesh)
        found[name] = worker.numbers(members.models, members.history)
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
