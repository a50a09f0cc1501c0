"""The energy of a circuit on its way to the fixed point, and that of the linearised flow."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from jax.flatten_util import ravel_pytree

import organics_ode as oo

jax.config.update("jax_enable_x64", True)
n, starts = 8, 12
keys = jax.random.split(jax.random.key(0), 4)
W_zx = jnp.linalg.qr(jax.random.normal(keys[0], (n, n)))[0]
W = jax.random.uniform(keys[1], (n, n))
circuit = oo.ORGaNICs(W_zx, jnp.eye(n), W, sigma=0.1, b0=0.5, b1=0.5, tau_y=10.0, tau_a=4.0)
x = jax.random.normal(keys[2], (n,))
x = x / jnp.linalg.norm(x)

energy = oo.energy(circuit, x)
rest, unravel = ravel_pytree(energy.state)
J, ts = oo.jacobian(circuit, energy.state, x), jnp.linspace(0.0, 160.0, 801)
kicks = jax.random.normal(keys[3], (starts, 2 * n))
kicks = jnp.linalg.norm(rest) * kicks / jnp.linalg.norm(kicks, axis=1, keepdims=True)


@jax.jit
def linear(delta):
    """δ(t) = exp(tJ) δ(0)."""
    rates, modes = jnp.linalg.eig(J)
    amplitudes = jnp.linalg.solve(modes, delta.astype(modes.dtype))
    flow = jnp.exp(rates * ts[:, None]) @ (amplitudes[:, None] * modes.T)
    return oo.Paths(ts, jax.vmap(unravel)(rest + flow.real))


@jax.jit
def nonlinear(delta):
    """The circuit, starting from its fixed point + δ, with a ≥ 0."""
    state = unravel(rest + delta)
    start = state._replace(a=jnp.maximum(state.a, 0))
    return oo.Paths(ts, oo.simulate(circuit, x, ts, state0=start).states)


figure, axes = plt.subplots(1, 4, figsize=(16, 4.2), layout="constrained")
rates = jax.vmap(energy.rate)(linear(kicks[0]).states)
slopes = jnp.gradient(jax.vmap(energy)(linear(kicks[0]).states), ts)
error = jnp.max(jnp.abs(rates - slopes)[1:-1]) / jnp.max(jnp.abs(rates))
print(f'form "{energy.form}"; rate against the slope along the linearised flow: {error:.0e}')
panels = (
    ("Linearised flow", linear, 1.0),
    ("The circuit, started 1 % off", nonlinear, 0.01),
    ("The circuit, started 400 % off", nonlinear, 4.0),
)
for ax, (title, flow, part) in zip(axes, panels, strict=False):
    rises = []
    for kick in kicks:
        path = flow(part * kick)
        oo.plot_energy(energy, path, ax, color="#0072B2", alpha=0.6, lw=1.2)
        values = jax.vmap(energy)(path.states)
        rises.append(jnp.max(jnp.diff(values)) / values[0])
    share = jnp.mean(jnp.array(rises) > 1e-12)
    print(f"{title:31}: rises in {share:4.0%} of {starts} runs, at most by {max(rises):.1e} V(0)")
    ax.set_title(title)
oo.plot_energy(energy, linear(kicks[0]), axes[3], terms=True, color="black")
axes[3].set(title="Its two terms, linearised flow", xlim=(0, 160))
axes[3].legend(frameon=False)
figure.savefig("energy.png", dpi=120)
print("wrote energy.png")
