"""The forms in which people have arrays, states and keys."""

import jax
import jax.numpy as jnp
import numpy as np


class Tensor:
    """As one of PyTorch that a gradient is wanted of: an array only once it is taken off."""

    def __init__(self, values, is_detached=False, is_here=False):
        self.values, self.is_detached, self.is_here = np.asarray(values), is_detached, is_here
        self.dtype, self.shape, self.ndim = "torch.float64", values.shape, values.ndim

    def __array__(self, dtype=None, copy=None):
        if not (self.is_detached and self.is_here):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.values

    def detach(self):
        return Tensor(self.values, True, self.is_here)

    def cpu(self):
        return Tensor(self.values, self.is_detached, True)


def forms_of(value):
    """Other forms of an array, a key or a state of arrays, by name."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {"a seed": 0} if value.ndim == 0 else {}
    if isinstance(value, np.ndarray | jax.Array):
        return {"lists": np.asarray(value).tolist()} | (
            {"a tensor": Tensor(value)} if value.ndim else {}
        )
    if type(value).__name__.endswith("State") and hasattr(value, "_fields"):
        lists = [np.asarray(part).tolist() for part in value]
        return {"a tuple": tuple(lists), "a dict": dict(zip(value._fields, lists, strict=True))}
    return {}
