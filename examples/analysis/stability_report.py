"""A stability report of a circuit trained on handwritten digits, one pixel per millisecond.

While it learns, the circuit is examined a few times: its fixed points for constant pixels of every
brightness, with their eigenvalues, and its finite-time Lyapunov exponents along held-out images. A
driven circuit is never at a fixed point, so the exponents decide. Draws stability_report.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import organics_ode as oo
import tasks

SIZE, DT, IMAGES, EXPONENTS = 32, 1.0, 32, 4  # units, ms
LOOKS = (0, 2, 6, 14, 30)  # epochs
PIXELS = jnp.linspace(0.0, 1.0, 21)


def make_model(keys):
    times = oo.LogUniform(2.5 * DT, 32 * DT, bound=2 * DT)
    circuit = oo.GatedORGaNICs.random(
        1, SIZE, key=keys[0], sigma=0.1, tau_y=times, tau_a=times, tau_b0=times, tau_b1=times
    )
    bounded = oo.SpectralBound(2 * 0.999 * circuit.W_r, bound=2.0)
    circuit = oo.replace(circuit, W_r=bounded)
    readout = eqx.nn.Linear(SIZE, 10, key=keys[1])
    start = circuit.random_state(keys[2])
    return oo.SequenceClassifier(oo.Euler(circuit, DT), readout, state0=start)


@eqx.filter_jit
def at_rest(circuit):
    """For each constant pixel: whether a fixed point was found, and the eigenvalues there."""

    def follow(state, pixel):
        """From the fixed point for the last pixel: gated circuits can have several."""
        point = oo.fixed_point(circuit, pixel[None], state0=state, throw=False)
        state = jax.tree.map(lambda *v: jnp.where(point.succeeded, *v), point.state, state)
        return state, (point.succeeded, oo.spectrum(circuit, point.state, pixel[None]))

    start = oo.fixed_point(circuit, PIXELS[:1], throw=False).state
    return jax.lax.scan(follow, start, PIXELS)[1]


@eqx.filter_jit
def driven(model, images):
    """For each image: the largest exponents, and the largest |state| along it."""

    def of(xs):
        start = oo.resolve(model.state0)
        exponents = oo.lyapunov(model.cell, xs, EXPONENTS, state0=start)
        states = oo.unroll(model.cell, xs, state0=start)
        return exponents, jnp.max(jnp.stack([jnp.abs(leaf).max() for leaf in states]))

    return jax.vmap(of)(images)


def look(epoch, model, digits):
    found, spectra = at_rest(model.cell.circuit)
    exponents, largest = driven(model, jnp.asarray(digits.test.inputs[:IMAGES]))
    accuracy = oo.evaluate(model, digits.test)["accuracy"]
    abscissa = np.where(found, spectra.abscissa, np.nan)
    first = np.asarray(exponents[:, 0])
    stable = np.sum(found & spectra.is_stable)
    row = (accuracy, np.sum(found), stable, np.nanmin(abscissa), np.nanmax(abscissa))
    row += (np.median(first), first.max(), float(largest.max()))
    print(f"{epoch:5} " + " ".join(f"{value:10.4g}" for value in row), flush=True)
    return abscissa, spectra.eigenvalues[found], np.asarray(exponents), accuracy, largest


def train(model, digits, key):
    """The circuit at every look, with a single learning-rate schedule and order of batches."""
    batches = oo.minibatches(digits.train, 32, key=key)
    steps = [epoch * batches.steps_per_epoch for epoch in LOOKS]
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.01, steps[-1] // 20, steps[-1])
    yield LOOKS[0], model
    for epoch, first, last in zip(LOOKS[1:], steps[:-1], steps[1:], strict=True):
        part = eqx.Partial(lambda first, step: batches(first + step), first)
        rate = eqx.Partial(lambda first, step: schedule(first + step), first)
        optimizer = optax.adamw(rate, weight_decay=0.01, mask=oo.weight_decay_mask)
        model = oo.fit(model, part, optimizer=optimizer, steps=last - first, progress=False).model
        yield epoch, model


def draw(looks):
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    (rest, plane), (exponents, size) = axes
    colors = plt.get_cmap("viridis_r")(np.linspace(0.05, 1, len(looks)))
    for (epoch, (abscissa, _, rates, _, _)), color in zip(looks.items(), colors, strict=True):
        rest.plot(PIXELS, abscissa, ".-", color=color, label=f"epoch {epoch}")
        middle = np.median(rates, axis=0)
        spread = np.abs(np.quantile(rates, [0.0, 1.0], axis=0) - middle)
        place = np.arange(1, EXPONENTS + 1) + 0.12 * (list(looks).index(epoch) - len(looks) / 2)
        exponents.errorbar(place, middle, spread, fmt="o", color=color, ms=4, capsize=2)
    for ax in (rest, exponents):
        ax.axhline(0, color="0.3", lw=1, ls="--")
    rest.set(xlabel="brightness of a constant pixel", ylabel="spectral abscissa (1/ms)")
    rest.set_title("At the fixed points, while training")
    rest.legend(frameon=False)
    *_, (abscissa, eigenvalues, *_) = looks.values()
    brightness = plt.get_cmap("cividis")
    found = PIXELS[np.isfinite(abscissa)]
    for pixel, values in zip(found, eigenvalues, strict=True):
        oo.plot_spectrum(values, plane, ms=2.5, color=brightness(float(pixel)))
    plane.set_title("Eigenvalues there, after training")
    scale = plt.cm.ScalarMappable(cmap=brightness)
    figure.colorbar(scale, ax=plane, label="brightness")
    exponents.set(xlabel="exponent", ylabel="finite-time exponent (1/ms)")
    exponents.set(xticks=range(1, EXPONENTS + 1))
    exponents.set_title(f"Along {IMAGES} held-out images: median, range")
    size.plot(list(looks), [entry[3] for entry in looks.values()], "o-", color="#0072B2")
    size.set(xlabel="epoch", ylabel="held-out accuracy", ylim=(0, 1))
    right = size.twinx()
    right.plot(list(looks), [entry[4].max() for entry in looks.values()], "s--", color="#D55E00")
    right.set(ylabel="largest |state| (dashed)", ylim=(0, None))
    size.set_title("Accuracy and size of the state")
    figure.savefig("stability_report.png", dpi=120)
    print("wrote stability_report.png")


if __name__ == "__main__":
    digits = tasks.SequentialDigits()
    *keys, key_batches = jax.random.split(jax.random.key(1), 4)
    print(f"fixed points found and stable, of {len(PIXELS)} pixels; abscissa: smallest, largest;")
    print(f"largest exponent along {IMAGES} images: median, largest; largest |state|")
    names = ("accuracy", "found", "stable", "abscissa", "", "exponent", "", "|state|")
    print("epoch " + " ".join(f"{name:>10}" for name in names))
    models = train(make_model(keys), digits, key_batches)
    draw({epoch: look(epoch, model, digits) for epoch, model in models})
