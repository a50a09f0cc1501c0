"""The cost of training 20 networks at once instead of one, in seconds per round.

Rate networks of 50 units on a task of the ring family, with skips of the state; a round is 10
iterations of 20 trials and an evaluation of 200 trials. One network and many alternate in the same
process; with --devices 2 (forced CPU devices), the devices share the many.

    python examples/benchmarks/parallel_networks.py [--models 20 --devices 2 --task dms --repeats 3]
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cognitive"))
PARSER = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
PARSER.add_argument("--task", default="dms")
PARSER.add_argument("--dt", type=float, default=5.0, help="ms per step")
PARSER.add_argument("--models", type=int, default=20)
PARSER.add_argument("--devices", type=int, default=2, help="forced CPU devices")
PARSER.add_argument("--rounds", type=int, default=4, help="rounds of each measurement")
PARSER.add_argument("--repeats", type=int, default=3)


def main(args: argparse.Namespace) -> None:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={args.devices}"
    import jax
    import numpy as np
    import optax
    from _networks import make_models

    import organics_ode as oo
    import tasks
    from organics_ode.storage import origin

    task = tasks.RingTask(args.task, args.dt)
    schedule = oo.SkipSchedule(oo.StateSkip(), rounds=1000)
    optimizer = optax.adam(0.002)

    def seconds(count: int, mesh) -> float:
        """Seconds of one round; the first one and its evaluation may include compilation."""
        result = oo.fit_with_skips(
            make_models("rate", task, count, 0),
            task,
            schedule,
            optimizer=optimizer,
            key=jax.random.key(0),
            rounds=2 + args.rounds,
            progress=False,
            mesh=mesh,
        )
        times = result.history["seconds"]
        return float(times[-1] - times[1]) / args.rounds

    mesh = oo.device_mesh()
    sides = {"one network": (1, None), f"{args.models} on one device": (args.models, None)}
    if mesh.size > 1:
        sides[f"{args.models} on {mesh.size} devices"] = (args.models, mesh)
    start = time.perf_counter()
    found = {name: [] for name in sides}
    for _ in range(args.repeats):
        for name, side in sides.items():
            found[name].append(seconds(*side))
    one = np.median(found["one network"])
    print(f"{args.task}, dt {args.dt:g} ms: seconds of a round, median and best of {args.repeats}")
    for name, values in found.items():
        ratio = np.median(values) / one
        print(f"{name:20} {np.median(values):8.3f} {min(values):8.3f}   {ratio:5.2f} times one")
    print(origin(time.perf_counter() - start))


if __name__ == "__main__":
    main(PARSER.parse_args())
