"""One minibatch update of PPO in PyTorch, eager as CleanRL writes it, and compiled.

The rollout is there with its advantages; every epoch shuffles it. What is timed is one epoch:
shuffling, and for each minibatch gathering, the loss, its gradient, the limit of its length, and Adam.
Compiled, all of a minibatch but gathering is one function.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.utils import _pytree as trees

import data
import timing
import torch_parts as parts
from cases import CASES, Case
from torch_parts import AdamTree, Batch, Mlp

CLIP_RATIO, VALUE_WEIGHT, MAX_NORM, ADAM_EPS = 0.2, 0.5, 0.5, 1e-5


class Loss(nn.Module):
    """Both networks and their one loss."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        drawn = data.ppo_networks(case)
        self.actor = Mlp(drawn["actor"], case.activation)
        self.critic = Mlp(drawn["critic"], case.activation)
        self.log_std = nn.Parameter(torch.from_numpy(drawn["log_std"]))

    def forward(self, batch: Batch) -> Tensor:
        mean = self.actor(batch["obs"])
        value = self.critic(batch["obs"]).squeeze(-1)
        z = (batch["action"] - mean) * (-self.log_std).exp()
        log_prob = (-0.5 * z**2 - self.log_std - 0.5 * parts.LOG_2PI).sum(-1)
        ratio = (log_prob - batch["old_log_prob"]).exp()
        advantage = batch["advantage"]
        advantage = (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)
        clipped = ratio.clamp(1 - CLIP_RATIO, 1 + CLIP_RATIO)
        gain = torch.min(ratio * advantage, clipped * advantage)
        return (-gain + VALUE_WEIGHT * 0.5 * (value - batch["target"]) ** 2).mean()


class Eager:
    def __init__(self, case: Case) -> None:
        self.loss = Loss(case)
        self.adam = torch.optim.Adam(self.loss.parameters(), lr=case.lr, eps=ADAM_EPS)

    def step(self, batch: Batch) -> None:
        self.adam.zero_grad()
        self.loss(batch).backward()
        nn.utils.clip_grad_norm_(self.loss.parameters(), MAX_NORM)
        self.adam.step()


class Whole:
    def __init__(self, case: Case) -> None:
        self.loss = Loss(case)
        self.params = {k: v.detach().clone() for k, v in self.loss.named_parameters()}
        self.adam = AdamTree(self.params, case.lr, ADAM_EPS)
        self.step = torch.no_grad()(torch.compile(self.learn, fullgraph=True))

    def learn(self, batch: Batch) -> None:
        grads = grad(lambda params: functional_call(self.loss, params, (batch,)))(self.params)
        length = sum((g * g).sum() for g in trees.tree_leaves(grads)).sqrt()
        scale = MAX_NORM / length.clamp(min=MAX_NORM)
        self.adam.step(self.params, trees.tree_map(lambda g: g * scale, grads))


def variants(case: Case) -> list[timing.Variant]:
    rollout = parts.tensors(data.rollout(case, case.rows))

    def epoch(agent: Eager | Whole) -> None:
        for rows in torch.randperm(case.rows).split(case.batch):
            agent.step({name: column[rows] for name, column in rollout.items()})

    eager, whole = Eager(case), Whole(case)
    updates = case.rows // case.batch
    return [
        timing.Variant("eager", lambda: epoch(eager), updates),
        timing.Variant("compile", lambda: epoch(whole), updates),
    ]


def main() -> None:
    given = parts.options(__doc__, [n for n, c in CASES.items() if c.family == "ppo"])
    timing.run("torch", given, variants(CASES[given.case]), parts.VERSIONS)


if __name__ == "__main__":
    main()
