"""One update of ReMAC in PyTorch, eager in the manner of CleanRL, and compiled whole.

In every state M actions are drawn; their values under the smaller critic are sorted and weighted. The
actor's network runs once a state, the critics on all M actions at once. As published, the actor moves
before the critics and the targets move once in 128 updates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import torch_parts as parts
from cases import Case, retry_weights
from torch_parts import Batch, Eager, Nets, Whole


def critic_loss(nets: Nets, batch: Batch, noise: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        action, _ = nets.actor(batch["next_obs"], noise)
        slow = torch.min(*(critic(batch["next_obs"], action) for critic in nets.slow))
        target = batch["reward"] + case.gamma * (1 - batch["terminated"]) * slow
    q = [critic(batch["obs"], batch["action"]) for critic in nets.critics]
    loss = 0.5 * (F.mse_loss(q[0], target) + F.mse_loss(q[1], target))
    return loss, target


def actor_loss(nets: Nets, batch: Batch, noise: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """`noise` is [draws, batch, act], `weights` belong to ascending ranks."""
    action, _ = nets.actor(batch["obs"], noise)
    obs = batch["obs"].expand(len(weights), -1, -1)
    q = torch.min(*(critic(obs, action) for critic in nets.critics))
    return -(weights @ q.sort(0).values).mean(), q.detach()


class Remac:
    def __init__(self, way: Eager | Whole) -> None:
        self.way, self.case, self.updates = way, way.case, 0
        self.weights = torch.tensor(retry_weights(self.case.draws, self.case.tries))
        self.steps = way.compiled(self.learn)
        self.follow = way.compiled(way.follow)

    def learn(self, batch: Batch, next_noise: Tensor, noise: Tensor) -> None:
        critics = lambda: self.way.descend("critics", critic_loss, batch, next_noise, self.case)
        actor = lambda: self.way.descend("actor", actor_loss, batch, noise, self.weights)
        for step in [critics, actor] if self.case.target_every == 1 else [actor, critics]:
            step()

    def update(self, batch: Batch) -> None:
        shape = self.case.batch, self.case.act
        self.steps(batch, torch.randn(shape), torch.randn(self.case.draws, *shape))
        self.updates += 1
        if self.updates % self.case.target_every == 0:
            self.follow()


if __name__ == "__main__":
    parts.run_family(__doc__, "remac", Remac)
