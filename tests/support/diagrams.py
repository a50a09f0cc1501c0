"""The small phase diagrams that several files of tests draw."""

import jax

KEY = jax.random.key(3)
SMALL = {"size": 6, "trials": 3, "duration": 60.0, "progress": False}
DELTAS, NORMS = [0.0, 0.3, 20.0], [0.05, 1.0]
