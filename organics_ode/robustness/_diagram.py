"""`phase_diagram`: the behaviour of circuits with W_r = I + ΔR."""

import os
from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int

from .._cards import SHOWN, Card, carded
from .._checks import check_flag, check_positive_integer, read_key, refuse
from .._nonlinearities import Rectification
from .._progress import progress_bar
from .._tables import AbstractTabular, Table
from .._types import KeyLike, Numbers
from ._classes import CLASSES, classify
from ._ensembles import anywhere, gaussian
from ._study import (
    Direction,
    RandomMatrix,
    describe,
    load,
    read_file,
    read_study,
    read_variant,
    save,
)
from ._trials import run_trials


@carded
class PhaseDiagram(eqx.Module, AbstractTabular):
    """The behaviour of circuits with W_r = I + ΔR, over Δ and ‖z‖.

    - `deltas`: (Δ,). `norms`: (z,).
    - `classes`: (trials, Δ, z), an index into `robustness.CLASSES`, or −1 where undecided.
    - `abscissa`: (trials, Δ, z), 1/ms, at the point where the circuit settled, else NaN.
    - `frequency`: (trials, Δ, z), Hz, of a limit cycle: √(⟨|ẏ|²⟩/⟨|y − ȳ|²⟩)/2π, which is exact for
      a sinusoid and higher if there are harmonics.
    - `amplitude`: (trials, Δ, z), root mean square fluctuation of a unit on a limit cycle.
    - `distance`: (trials, Δ, z), how far the response is from normalization: |y − yₙ|/|yₙ|, with yₙ
      that of W_r = I, at the point where the circuit settled, or of the mean of a limit cycle. NaN
      where it diverges or is undecided, and for trials from a file of an earlier version.
    """

    deltas: Float[np.ndarray, " d"]
    norms: Float[np.ndarray, " z"]
    classes: Int[np.ndarray, "trials d z"]
    abscissa: Float[np.ndarray, "trials d z"]
    frequency: Float[np.ndarray, "trials d z"]
    amplitude: Float[np.ndarray, "trials d z"]
    distance: Float[np.ndarray, "trials d z"] | None = None

    @property
    def counts(self) -> Int[np.ndarray, "4 d z"]:
        """How many trials fell into each of `robustness.CLASSES`."""
        return np.stack([np.sum(self.classes == i, axis=0) for i in range(len(CLASSES))])

    def fraction(self, name: str) -> Float[np.ndarray, "d z"]:
        """The fraction of trials in a class."""
        if name not in CLASSES:
            refuse("name", f"be one of {', '.join(CLASSES)}", f"it is {name!r}")
        return self.counts[CLASSES.index(name)] / len(self.classes)

    def to_table(self) -> Table:
        """The class of every circuit by name, and its numbers, over `trial`, `delta`, `norm`."""
        names = np.array([*CLASSES, "undecided"])
        numbers = {name: getattr(self, name) for name in ("abscissa", "frequency", "amplitude")}
        numbers |= {} if self.distance is None else {"distance": self.distance}
        axes = {"trial": np.arange(len(self.classes)), "delta": self.deltas, "norm": self.norms}
        columns = {"class": names[self.classes]} | numbers
        return Table(axes, columns, {"abscissa": "1/ms", "frequency": "Hz"})

    def _card(self) -> Card:
        shares = np.moveaxis(self.counts / len(self.classes), 0, -1).mean(axis=1)
        # Of many values of delta, a selection from the first to the last.
        chosen = np.unique(np.linspace(0, len(self.deltas) - 1, SHOWN).astype(int))
        rows = [(self.deltas[i], *shares[i].round(3)) for i in chosen]
        title = f"PhaseDiagram: {self.classes.shape}, trials, delta, |z|; fractions over all |z|"
        return Card(title, columns=("delta", *CLASSES), rows=rows, total=len(self.deltas))


def phase_diagram(
    deltas: Numbers,
    norms: Numbers,
    *,
    key: KeyLike,
    size: int = 100,
    trials: int = 8,
    b: float = 0.5,
    sigma: float = 0.1,
    tau: float = 2.0,
    random: RandomMatrix = gaussian,
    mean: float = 0.0,
    direction: Direction = anywhere,
    rectification: Rectification = Rectification.NONE,
    duration: float = 1000.0,
    slow: float = 3.0,
    path: str | os.PathLike | None = None,
    progress: bool = True,
    devices: Sequence[jax.Device] | None = None,
) -> PhaseDiagram:
    """The behaviour of circuits with W_r = I + μ/n + ΔR, over Δ and the norm of the input.

    W is all ones, b0 = b1 = b, τ_y = τ_a = τ, p = 2. A trial is one random R and one direction of
    z, shared by all Δ and ‖z‖. Each circuit starts 1 % off the normalization fixed point of W_r = I
    and runs for `duration` time constants. Its class is

    - diverging, if |y| exceeds 10⁶, or a exceeds 10⁶ times the larger of 1 and its start;
    - stable, if it settles (speed·τ of y and a below 10⁻⁴ of each) or is still slowing down (speed
      in the last quarter below 0.8 of that in the third), and Newton's method finds a stable point
      there;
    - critical slowing, if the relaxation time of that point, −1/abscissa, is more than `slow` times
      that of W_r = I at this ‖z‖, or if it is slowing down and no such point is found;
    - limit cycle, if it stays bounded and keeps moving, which includes chaos;
    - undecided, if it settles but Newton's method finds an unstable point or none, as on the way
      past a saddle; or if it is not over after 50 000 steps.

    If all a are equal at the start they remain so; then n + 1 variables are exact, and the
    eigenvalues left out are −1/τ. A host function. Most of its time goes into eigenvalues, one
    LAPACK call per settled circuit: if other programs share the processor, set
    OPENBLAS_NUM_THREADS=1.

    Args:
        deltas: (Δ,), ≥ 0.
        norms: (z,), > 0, of ‖z‖.
        key: a PRNG key. Trial k depends only on the key and k.
        size: n.
        trials: their number.
        b, sigma: b0 = b1 and σ, > 0.
        tau: ms.
        random: a traceable function of a key and n that returns R: `robustness.gaussian`, entries
            N(0, 1)/√n; `robustness.symmetric`; `robustness.Diluted(share)`.
        mean: μ, the same for all Δ: every entry of W_r is larger by μ/n.
        direction: a traceable function of a key and n that returns the direction of z:
            `robustness.anywhere`, a random one; `robustness.delocalised`, the same in all units;
            `robustness.localised`, in one unit.
        rectification: as for `ORGaNICs`.
        duration: of a run, in τ. A circuit that relaxes more slowly may be taken for a limit cycle.
        slow: see above.
        path: a file, in the format of `oo.save`, that is written atomically after every few trials.
            A later call with the same arguments continues from it, also with more trials.
        progress: whether to show a bar, or a line a minute if stderr is not a terminal.
        devices: the devices that share the trials; by default one.

    Returns:
        A `PhaseDiagram`.

    Raises:
        ValueError: an argument is bad, or `path` holds a diagram with other arguments.

    Reference:
        The question is that of Morone, Rawat, Heeger, Martiniani (2025). Their ensemble, R = (A +
        Aᵀ)/2 with A_ij ~ N(μ/n, Δ²/n) and the input z/√n in every unit, is `symmetric` with
        `delocalised`. With `gaussian`, circuits may oscillate where theirs become slow, so the
        borders cannot be compared.
    """
    key = read_key("key", key)
    study = read_study(deltas, norms, size, b, sigma, tau, duration, slow)
    trials = check_positive_integer("trials", trials)
    progress = check_flag("progress", progress)
    devices = list(jax.devices()[:1] if devices is None else devices)
    variant = read_variant(mean, direction, rectification)
    arguments = describe(study, key, random, variant)
    file = read_file(path)
    done = load(file, study, arguments)
    begun = min(len(done), trials)
    with progress_bar(trials, unit="trial", done=begun, shown=progress) as bar:
        while len(done) < trials:
            first, count = len(done), min(len(devices), trials - len(done))
            ends = run_trials(study, key, random, first, devices, variant)[:count]
            done += [classify(study, ending, variant) for ending in ends]
            save(file, arguments, done)
            bar.update(count)
    stacked = {name: np.stack([trial[name] for trial in done[:trials]]) for name in done[0]}
    return PhaseDiagram(study.deltas, study.norms, **stacked)
