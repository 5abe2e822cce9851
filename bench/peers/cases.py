"""The updates that are compared: one Case for each spec that `rlc bench` runs beside the peers.

Sizes and settings are those of the spec named in the case (HalfCheetah-v5: 17 observations, 6
actions). rlc's own figures say how many FLOPs an update needs (minimal_mflop), so no count is kept
here.
"""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Case:
    """One update. Lengths are in rows or units, rates per update."""

    name: str
    spec: tuple[str, ...]  # arguments of rlc bench
    family: str  # which scripts run it: jax_FAMILY.py, torch_FAMILY.py
    hidden: int
    activation: str  # relu or tanh
    batch: int
    lr: float
    gamma: float = 0.99
    tau: float = 0.005
    log_std_low: float = -5.0
    draws: int = 1  # M, actions drawn in every state
    tries: int = 1  # K, of which the best is wanted
    target_every: int = 1  # updates between two moves of the target critics
    normalize: bool = False  # observations are scaled as they are sampled
    bins: int = 0  # of a critic that is a histogram
    rows: int = 1_000_000  # in the replay or the rollout
    obs: int = 17
    act: int = 6


CASES = {
    case.name: case
    for case in (
        Case("sac", ("specs/sac.yaml",), "sac", 256, "relu", 256, 3e-4),
        Case("remac_8_4", ("specs/remac.yaml", "M=8", "K=4"), "remac", 256, "relu", 256, 3e-4,
             draws=8, tries=4),
        Case("remac_16_8", ("specs/remac.yaml", "M=16", "K=8"), "remac", 256, "relu", 256, 3e-4,
             draws=16, tries=8),
        Case("remac_paper", ("specs/paper/remac.yaml", "M=16", "K=4"), "remac", 64, "tanh", 512,
             1e-4, gamma=0.98, log_std_low=-10.0, draws=16, tries=4, target_every=128,
             normalize=True),
        Case("ppo", ("specs/ppo.yaml",), "ppo", 64, "tanh", 64, 3e-4, rows=2048),
    )
}  # fmt: skip


def retry_weights(draws: int, tries: int) -> list[float]:
    """Weights of the ascending ranks whose sum estimates the best of `tries` without bias."""
    return [math.comb(i, tries - 1) / math.comb(draws, tries) for i in range(draws)]
