import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from .._cards import Card, carded, number, outline
from ..circuits import FeedbackNetwork
from ._overlaps import Overlaps, overlaps


@carded
class Trained(eqx.Module):
    """A trained network, and how well it performs in the states it was trained in.

    - `network`: the `FeedbackNetwork`, with its new weights.
    - `states`: (N,) or (conditions, N), x where it was trained: the teacher's states for
      `least_squares` and `ridge`, otherwise the last states of the network itself.
    - `error`: readout minus target in those states, in the shape of the target.
    - `history`: (steps,), the root mean squared error before each update; empty for methods that
      solve for the readout at once.
    - `overlaps`: n_m, n_I, the norm of n, …, as from `feedback.overlaps`.
    """

    network: FeedbackNetwork
    states: Float[Array, "*conditions N"]
    error: Float[Array, "..."]
    history: Float[Array, " steps"]

    @property
    def overlaps(self) -> Overlaps:
        return overlaps(self.network)

    def _card(self) -> Card:
        error, steps = np.asarray(self.error), self.history.size
        facts = {
            "network": outline(self.network),
            "error": f"{number(np.abs(error).max())} at most, of {error.shape or 'one readout'}",
            "steps": f"{steps}, to an error of {number(self.history[-1])}" if steps else "at once",
        }
        return Card("Trained", facts)
