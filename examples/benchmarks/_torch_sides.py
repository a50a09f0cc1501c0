"""The same training step in PyTorch: its own LSTM and GRU, and an eager loop of the circuit."""

import os
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
import torch
from _jax_sides import CLASSES, LEARNING_RATE, Shape, data, make_model
from _measure import Side, resident_gb
from torch.nn import functional as F

import organics_ode as oo

SIDES = ("torch-lstm", "torch-gru", "torch-loop")
torch.set_num_threads(os.cpu_count() or 1)
# Like jax_default_matmul_precision = "float32", which the script sets for jax.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def device() -> torch.device:
    """The accelerator, if both libraries see one."""
    both = jax.default_backend() == "gpu" and torch.cuda.is_available()
    return torch.device("cuda" if both else "cpu")


def tensor(array: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(array), device=device())


class Loop(torch.nn.Module):
    """The `GatedORGaNICs` of the other sides, rectified after, exponent 2, as an eager loop.

    Its parameters are the leaves that jax trains, in the same order: the time constants are
    low + exp(θ), and W is put back to W ≥ 0 after each update.
    """

    def __init__(self, size: int):
        super().__init__()
        model = make_model("organics_ode", size)
        leaves = jax.tree.leaves(eqx.filter(model, oo.trainable(model)))
        self.leaves = torch.nn.ParameterList(tensor(leaf) for leaf in leaves)
        c = model.cell.circuit
        self.low = [tau.low for tau in (c.tau_y, c.tau_a, c.tau_b0, c.tau_b1)]
        self.sigma = tensor(oo.resolve(c.sigma))
        self.state0 = [tensor(leaf) for leaf in oo.resolve(model.state0)]

    def forward(self, xs: torch.Tensor) -> torch.Tensor:
        """The scores (batch, k) of sequences (batch, time, 1)."""
        W_zx, W_r, W, W_bx0, W_by0, W_ba0, W_bx1, W_by1, W_ba1, *rest = self.leaves
        *thetas, weight, bias = rest
        taus = [low + theta.exp() for low, theta in zip(self.low, thetas, strict=True)]
        tau_y, tau_a, tau_b0, tau_b1 = taus
        y, a, b0, b1 = (start.expand(len(xs), -1) for start in self.state0)
        for x in xs.unbind(1):
            z = F.linear(x, W_zx).relu()
            dy = -y + b1 * z + (1 - a.relu().sqrt()) * F.linear(y, W_r).relu()
            da = -a + (self.sigma * b0) ** 2 + F.linear(a.relu() * y.relu() ** 2, W)
            u0 = F.linear(x, W_bx0) + F.linear(y, W_by0) + F.linear(a, W_ba0)
            u1 = F.linear(x, W_bx1) + F.linear(y, W_by1) + F.linear(a, W_ba1)
            db0, db1 = -b0 + u0.sigmoid(), -b1 + u1.sigmoid()
            y, a = y + dy / tau_y, a + da / tau_a
            b0, b1 = b0 + db0 / tau_b0, b1 + db1 / tau_b1
        return F.linear(y, weight, bias)

    @torch.no_grad()
    def project(self) -> None:
        """W ≥ 0."""
        self.leaves[2].clamp_(min=0)


class Recurrent(torch.nn.Module):
    """A PyTorch layer over whole sequences, and a readout of its last output."""

    def __init__(self, layer: Callable[..., torch.nn.Module], size: int):
        super().__init__()
        self.layer = layer(1, size, batch_first=True)
        self.readout = torch.nn.Linear(size, CLASSES)

    def forward(self, xs: torch.Tensor) -> torch.Tensor:
        """The scores (batch, k) of sequences (batch, time, 1)."""
        return self.readout(self.layer(xs)[0][:, -1])

    def project(self) -> None:
        """All its parameters are free."""


def build(side: str, size: int) -> Loop | Recurrent:
    if side == "torch-loop":
        return Loop(size)
    torch.manual_seed(0)
    return Recurrent(torch.nn.LSTM if side == "torch-lstm" else torch.nn.GRU, size)


def prepare(side: str, shape: Shape) -> Side:
    """The side, ready to run; nothing is compiled."""
    xs, targets = map(tensor, data(shape))
    model = build(side, shape.size).to(device(), xs.dtype)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)

    def run() -> tuple[Any, list[Any]]:
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(xs), targets)
        loss.backward()
        optimizer.step()
        model.project()
        if device().type == "cuda":
            torch.cuda.synchronize()
        return loss.detach(), [p.grad for p in model.parameters()]

    return Side(run, peak_gb)


def peak_gb() -> float:
    """The peak memory of the accelerator, or of this process on the CPU."""
    on_gpu = device().type == "cuda"
    return torch.cuda.max_memory_allocated() / 1e9 if on_gpu else resident_gb()
