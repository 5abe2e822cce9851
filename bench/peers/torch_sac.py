"""One update of soft actor-critic in PyTorch, eager as CleanRL writes it, and compiled whole.

The actor's draw is used for the temperature too (CleanRL draws again), and the actor moves in every
update (in CleanRL twice in every second one).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import torch_parts as parts
from cases import Case
from torch_parts import Batch, Eager, Nets, Whole


def critic_loss(nets: Nets, batch: Batch, noise: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        action, log_prob = nets.actor(batch["next_obs"], noise)
        slow = torch.min(*(critic(batch["next_obs"], action) for critic in nets.slow))
        value = slow - nets.log_alpha.exp() * log_prob
        target = batch["reward"] + case.gamma * (1 - batch["terminated"]) * value
    q = [critic(batch["obs"], batch["action"]) for critic in nets.critics]
    loss = 0.5 * (F.mse_loss(q[0], target) + F.mse_loss(q[1], target))
    return loss, target


def actor_loss(nets: Nets, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
    """And the log-probabilities of the drawn actions."""
    action, log_prob = nets.actor(batch["obs"], noise)
    q = torch.min(*(critic(batch["obs"], action) for critic in nets.critics))
    return (nets.log_alpha.exp().detach() * log_prob - q).mean(), log_prob.detach()


def temperature_loss(nets: Nets, log_prob: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    return -(nets.log_alpha.exp() * (log_prob - case.act)).mean(), log_prob


class Sac:
    def __init__(self, way: Eager | Whole) -> None:
        self.way, self.case = way, way.case
        self.steps = way.compiled(self.learn)

    def learn(self, batch: Batch, next_noise: Tensor, noise: Tensor) -> None:
        way = self.way
        way.descend("critics", critic_loss, batch, next_noise, self.case)
        log_prob = way.descend("actor", actor_loss, batch, noise)
        way.descend("log_alpha", temperature_loss, log_prob, self.case)
        way.follow()

    def update(self, batch: Batch) -> None:
        shape = self.case.batch, self.case.act
        self.steps(batch, torch.randn(shape), torch.randn(shape))


if __name__ == "__main__":
    parts.run_family(__doc__, "sac", Sac)
