"""What the PyTorch peers share: networks as modules, the squashed Gaussian, sampling, and the two ways
to run an update.

Losses are written once, as functions of Nets. Eager hands them modules and steps torch.optim.Adam;
Whole hands them the same modules bound to trees of parameters and compiles one function with every
gradient, Adam and the targets in it, which is the fastest that torch.compile was found to get.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.utils import _pytree as trees

import data
import timing
from cases import CASES, Case

LOG_2PI = float(np.log(2 * np.pi))
VERSIONS = {"torch": torch.__version__, "numpy": np.__version__}
Batch = dict[str, Tensor]


def options(description: str, cases: Iterable[str]) -> argparse.Namespace:
    """As timing.options; PyTorch keeps to the given threads, and denormals count as zero."""
    given = timing.options(description, cases)
    torch.set_num_threads(given.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(1)
    # Compiled code is kept beside the virtual environment's other files.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(sys.prefix, "inductor"))
    return given


# ---- networks ----


class Mlp(nn.Module):
    """Linear layers with the activation between them."""

    def __init__(self, layers: data.Layers, activation: str) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(*weights.shape) for weights, _ in layers)
        self.activation = {"relu": F.relu, "tanh": torch.tanh}[activation]
        with torch.no_grad():
            for linear, (weights, bias) in zip(self.linears, layers):
                linear.weight.copy_(torch.from_numpy(weights.T))
                linear.bias.copy_(torch.from_numpy(bias))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.linears
        for linear in hidden:
            x = self.activation(linear(x))
        return last(x)


class Critic(nn.Module):
    def __init__(self, layers: data.Layers, activation: str) -> None:
        super().__init__()
        self.mlp = Mlp(layers, activation)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return self.mlp(torch.cat([obs, action], -1)).squeeze(-1)


class Actor(nn.Module):
    def __init__(self, layers: data.Layers, case: Case) -> None:
        super().__init__()
        self.mlp = Mlp(layers, case.activation)
        self.low = case.log_std_low

    def forward(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of noise [..., batch, act] and their log-probabilities."""
        mean, log_std = self.mlp(obs).chunk(2, -1)
        log_std = log_std.clamp(self.low, 2)
        x = mean + log_std.exp() * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * LOG_2PI
        slope = 2 * (float(np.log(2)) - x - F.softplus(-2 * x))
        return torch.tanh(x), (normal - slope).sum(-1)


@dataclasses.dataclass
class Nets:
    """What a loss may call."""

    actor: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    critics: Iterable[Callable[[Tensor, Tensor], Tensor]]
    slow: Iterable[Callable[[Tensor, Tensor], Tensor]]
    log_alpha: Tensor


Loss = Callable[..., tuple[Tensor, Tensor]]  # of Nets, a batch and noise; and a value beside it


def modules(case: Case) -> tuple[Actor, nn.ModuleList]:
    drawn = data.actor_critic(case)
    critics = nn.ModuleList(Critic(c, case.activation) for c in drawn["critics"])
    return Actor(drawn["actor"], case), critics


# ---- data ----


def tensors(columns: dict[str, np.ndarray]) -> Batch:
    device = torch.get_default_device()
    return {name: torch.from_numpy(column).to(device) for name, column in columns.items()}


class Replay:
    """Columns, and a batch of rows drawn from them with replacement."""

    def __init__(self, columns: dict[str, np.ndarray], case: Case) -> None:
        self.columns = tensors(columns)
        self.case = case
        obs = self.columns["obs"]
        self.mean, self.scale = obs.mean(0), (obs.var(0, correction=0) + 1e-8).rsqrt()

    def sample(self) -> Batch:
        rows = torch.randint(self.case.rows, (self.case.batch,))
        batch = {name: column[rows] for name, column in self.columns.items()}
        if self.case.normalize:
            for name in ("obs", "next_obs"):
                batch[name] = (batch[name] - self.mean) * self.scale
        return batch


# ---- ways to run an update ----


class Eager:
    """Modules, one Adam for the actor, one for the critics, one for the temperature, as in CleanRL.

    The actor's loss fills gradients of the critics too, which nobody reads.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.actor, self.critics = modules(case)
        self.slow = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_alpha = torch.zeros((), requires_grad=True)
        self.nets = Nets(self.actor, self.critics, self.slow, self.log_alpha)
        adam = partial(torch.optim.Adam, lr=case.lr)
        self.adam = {
            "critics": adam(self.critics.parameters()),
            "actor": adam(self.actor.parameters()),
            "log_alpha": adam([self.log_alpha]),
        }

    def descend(self, name: str, loss: Loss, *given: Any) -> Tensor:
        value, beside = loss(self.nets, *given)
        self.adam[name].zero_grad()
        value.backward()
        self.adam[name].step()
        return beside

    def follow(self) -> None:
        """The target critics, parameter by parameter."""
        with torch.no_grad():
            for slow, fast in zip(self.slow.parameters(), self.critics.parameters()):
                slow.lerp_(fast, self.case.tau)

    def compiled(self, function: Callable) -> Callable:
        return function


class Whole:
    """Trees of parameters, changed in place by functions that torch.compile takes whole."""

    def __init__(self, case: Case) -> None:
        self.case = case
        actor, critics = modules(case)
        named = lambda net: {k: v.detach().clone() for k, v in net.named_parameters()}
        self.modules: dict[str, Any] = {"actor": actor, "critics": list(critics)}
        self.params: dict[str, Any] = {
            "actor": named(actor),
            "critics": [named(critic) for critic in critics],
            "log_alpha": torch.zeros(()),
        }
        self.slow = copy.deepcopy(self.params["critics"])
        self.adam = {name: AdamTree(tree, case.lr) for name, tree in self.params.items()}

    def bound(self, params: dict[str, Any]) -> Nets:
        critics = self.modules["critics"]
        call = lambda net, tree: lambda *x: functional_call(net, tree, x)
        return Nets(
            call(self.modules["actor"], params["actor"]),
            [call(net, tree) for net, tree in zip(critics, params["critics"])],
            [call(net, tree) for net, tree in zip(critics, self.slow)],
            params["log_alpha"],
        )

    def descend(self, name: str, loss: Loss, *given: Any) -> Tensor:
        of = lambda tree: loss(self.bound(self.params | {name: tree}), *given)
        grads, (_, beside) = grad_and_value(of, has_aux=True)(self.params[name])
        self.adam[name].step(self.params[name], grads)
        return beside

    def follow(self) -> None:
        for slow, fast in zip(
            trees.tree_leaves(self.slow), trees.tree_leaves(self.params["critics"])
        ):
            slow.lerp_(fast, self.case.tau)

    def compiled(self, function: Callable) -> Callable:
        whole = torch.compile(function, fullgraph=True)
        return torch.no_grad()(whole)


class AdamTree:
    """Adam with bias correction on a tree of tensors, in place."""

    def __init__(self, params: Any, lr: float, eps: float = 1e-8) -> None:
        self.m = [torch.zeros_like(p) for p in trees.tree_leaves(params)]
        self.v = [torch.zeros_like(p) for p in trees.tree_leaves(params)]
        self.t = torch.zeros(())
        self.lr, self.eps = lr, eps

    def step(self, params: Any, grads: Any) -> None:
        self.t.add_(1)
        m_scale, v_scale = 1 / (1 - 0.9**self.t), 1 / (1 - 0.999**self.t)
        leaves = trees.tree_leaves(params), trees.tree_leaves(grads), self.m, self.v
        for p, g, m, v in zip(*leaves):
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.999).add_(g * g, alpha=0.001)
            p.sub_(self.lr * (m * m_scale) / ((v * v_scale).sqrt() + self.eps))


def variants(make: Callable[[Any], Any], replay: Replay, case: Case) -> list[timing.Variant]:
    """make(way) is an object with update(batch)."""
    eager, whole = make(Eager(case)), make(Whole(case))
    return [
        timing.Variant("eager", lambda: eager.update(replay.sample()), 1),
        timing.Variant("compile", lambda: whole.update(replay.sample()), 1),
    ]


def run_family(about: str | None, family: str, make: Callable[[Any], Any]) -> None:
    """Measures make(way) over a replay, for the case of this family that the command line names."""
    given = options(about, [n for n, c in CASES.items() if c.family == family])
    case = CASES[given.case]
    replay = Replay(data.transitions(case, case.rows), case)
    timing.run("torch", given, variants(make, replay, case), VERSIONS)
