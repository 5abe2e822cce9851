"""Parameters and data that every peer starts from: drawn with NumPy from one seed, float32.

A network is a list of layers, each a pair of weights [in, out] and bias [out], with a scale [out]
behind where its outputs are normalised. Weights are uniform with PyTorch's bound, biases are zero,
scales one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cases import Case

Array = np.ndarray
Layers = list[tuple[Array, ...]]


def _layers(rng: np.random.Generator, sizes: list[int]) -> Layers:
    layers = []
    for rows, columns in zip(sizes, sizes[1:]):
        bound = 1 / np.sqrt(rows)
        weights = rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)
        layers.append((weights, np.zeros(columns, np.float32)))
    return layers


def actor_critic(case: Case, seed: int = 1) -> dict[str, Any]:
    """An actor (its last layer holds the means, then the log standard deviations) and two critics."""
    rng = np.random.default_rng(seed)
    width = case.hidden
    critic = [case.obs + case.act, width, width, 1]
    return {
        "actor": _layers(rng, [case.obs, width, width, 2 * case.act]),
        "critics": [_layers(rng, critic) for _ in range(2)],
    }


def ppo_networks(case: Case, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    width = case.hidden
    return {
        "actor": _layers(rng, [case.obs, width, width, case.act]),
        "critic": _layers(rng, [case.obs, width, width, 1]),
        "log_std": np.zeros(case.act, np.float32),
    }


def reppo_networks(case: Case, seed: int = 1) -> dict[str, Any]:
    """An actor as above; a critic whose histogram and next features are made of its features."""
    rng = np.random.default_rng(seed)
    width = case.hidden

    def normalised(*sizes: int) -> Layers:
        """All but the last."""
        *layers, last = _layers(rng, list(sizes))
        return [(*layer, np.ones_like(layer[1])) for layer in layers] + [last]

    return {
        "actor": normalised(case.obs, width, width, 2 * case.act),
        "critic": {
            "feature": normalised(case.obs + case.act, width, width),
            "logits": normalised(width, width, case.bins),
            "next": normalised(width, width, width),
        },
    }


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def transitions(case: Case, rows: int, seed: int = 2) -> dict[str, Array]:
    """A replay: [rows, obs], [rows, act], [rows]."""
    rng = np.random.default_rng(seed)
    return {
        "obs": _normal(rng, rows, case.obs),
        "action": rng.uniform(-1, 1, (rows, case.act)).astype(np.float32),
        "reward": _normal(rng, rows),
        "next_obs": _normal(rng, rows, case.obs),
        "terminated": (rng.uniform(size=rows) < 0.01).astype(np.float32),
    }


def rollout(case: Case, rows: int, seed: int = 2) -> dict[str, Array]:
    """What an update of PPO reads: [rows, obs], [rows, act], [rows]."""
    rng = np.random.default_rng(seed)
    action = _normal(rng, rows, case.act)
    return {
        "obs": _normal(rng, rows, case.obs),
        "action": action,
        "old_log_prob": (-0.5 * (action**2 + np.log(2 * np.pi))).sum(1).astype(np.float32),
        "advantage": _normal(rng, rows),
        "target": _normal(rng, rows),
    }


def reppo_rollout(case: Case, rows: int, seed: int = 2) -> dict[str, Array]:
    """What an update of REPPO reads: [rows, obs], [rows, act], [rows], [rows, hidden]."""
    rng = np.random.default_rng(seed)
    return {
        "obs": _normal(rng, rows, case.obs),
        "action": rng.uniform(-1, 1, (rows, case.act)).astype(np.float32),
        "target": 20 * _normal(rng, rows),
        "terminated": (rng.uniform(size=rows) < 0.01).astype(np.float32),
        "next_feature": _normal(rng, rows, case.hidden),
    }
