"""Spectra: the eigenvalues of circuits at their fixed points, for one input and for many."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import organics_ode as oo

jax.config.update("jax_enable_x64", True)
n, inputs = 16, 400
keys = jax.random.split(jax.random.key(0), 5)
W_zx, rotation = (jnp.linalg.qr(jax.random.normal(k, (n, n)))[0] for k in keys[:2])
W = jax.random.uniform(keys[2], (n, n))
tau_y = jnp.exp(jax.random.uniform(keys[3], (n,), minval=jnp.log(2.0), maxval=jnp.log(8.0)))
xs = jax.random.normal(keys[4], (inputs, n))
xs = xs / jnp.linalg.norm(xs, axis=1, keepdims=True)


def circuit_of(W_r):
    return oo.ORGaNICs(W_zx, W_r, W, sigma=0.1, b0=0.5, b1=0.5, tau_y=tau_y, tau_a=10.0)


@jax.jit
def spectra(circuit):
    """The spectra at the fixed point for each input."""

    def of(x):
        return oo.spectrum(circuit, oo.fixed_point(circuit, x).state, x)

    return jax.vmap(of)(xs)


figure, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
left, middle, right = axes
circuits = {"$W_r$ = I": jnp.eye(n), "$W_r$ a rotation": rotation}
for (name, W_r), color in zip(circuits.items(), ("#0072B2", "#D55E00"), strict=True):
    found = spectra(circuit_of(W_r))
    one = jax.tree.map(lambda leaf: leaf[0], found)
    print(f"{name}, first input: {one}\n")
    print(f"{name}: {int(found.is_stable.sum())} of {inputs} inputs stable")
    for label, values in (
        ("abscissa (1/ms)", found.abscissa),
        ("fastest oscillation (Hz)", found.frequencies.max(axis=1)),
        ("smallest damping ratio", found.damping_ratios.min(axis=1)),
    ):
        low, median, high = jnp.quantile(values, jnp.array([0.0, 0.5, 1.0]))
        print(f"  {label:26} {low:9.4f} {median:9.4f} {high:9.4f}  (smallest, median, largest)")
    oo.plot_spectrum(one, left, color=color, ms=6, label=name)
    oo.plot_abscissae(found.abscissa, middle, color=color, label=name, alpha=0.65)
    if name == "$W_r$ = I":
        identity, oscillating = one, found

pencil = oo.oscillator(circuit_of(jnp.eye(n)), xs[0]).eigenvalues
gap = jnp.abs(pencil[:, None] - identity.eigenvalues[None]).min(axis=1).max()
print(f"λ² + λB + K: largest distance of a root to an eigenvalue of J {gap:.1e} /ms")
style = {"mfc": "none", "mec": "black", "ms": 10, "mew": 0.8}
oo.plot_spectrum(pencil, left, label="det(λ² + λB + K) = 0", **style)
left.set_title("One input")
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False)
oo.plot_eigenvalues(oscillating, right)
right.set_title(f"$W_r$ = I: all eigenvalues, {inputs} inputs")
figure.colorbar(right.collections[0], ax=right, label="eigenvalues")
middle.set_title(f"{inputs} random inputs of norm 1")
middle.legend(frameon=False)
figure.savefig("spectra.png", dpi=120)
print("wrote spectra.png")
