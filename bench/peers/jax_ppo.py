"""One minibatch update of PPO in JAX, jitted whole.

A rollout of `rows` steps with its advantages is there; each epoch shuffles it and goes through it in
minibatches. Collecting, and the advantages themselves, are no part of what is timed.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

import data
import jax_parts as parts
import timing
from cases import CASES, Case
from jax_parts import Tree

CLIP_RATIO, VALUE_WEIGHT, MAX_NORM, ADAM_EPS = 0.2, 0.5, 0.5, 1e-5


def loss(params: Tree, batch: Tree, case: Case) -> jax.Array:
    mean = parts.mlp(params["actor"], batch["obs"], case.activation)
    value = parts.mlp(params["critic"], batch["obs"], case.activation)[..., 0]
    log_std = params["log_std"]
    z = (batch["action"] - mean) * jnp.exp(-log_std)
    log_prob = (-0.5 * z**2 - log_std - 0.5 * parts.LOG_2PI).sum(-1)
    ratio = jnp.exp(log_prob - batch["old_log_prob"])
    advantage = batch["advantage"]
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    clipped = jnp.clip(ratio, 1 - CLIP_RATIO, 1 + CLIP_RATIO)
    gain = jnp.minimum(ratio * advantage, clipped * advantage)
    return (-gain + VALUE_WEIGHT * 0.5 * jnp.square(value - batch["target"])).mean()


def step(state: Tree, batch: Tree, case: Case) -> Tree:
    value, grads = jax.value_and_grad(loss)(state["params"], batch, case)
    grads = parts.limited(grads, MAX_NORM)
    params, adam = parts.adam(state["params"], grads, state["adam"], case.lr, ADAM_EPS)
    return state | {"params": params, "adam": adam, "loss": value}


def epoch(state: Tree, rollout: Tree, case: Case) -> Tree:
    """Every row once: rows / batch updates."""
    key, order_key = jax.random.split(state["key"])
    order = jax.random.permutation(order_key, case.rows).reshape(-1, case.batch)

    def minibatch(state: Tree, rows: jax.Array) -> tuple[Tree, None]:
        return step(state, jax.tree.map(lambda column: column[rows], rollout), case), None

    return jax.lax.scan(minibatch, state | {"key": key}, order)[0]


def initial(case: Case) -> Tree:
    params = jax.tree.map(jnp.asarray, data.ppo_networks(case))
    return {
        "params": params,
        "adam": parts.adam_state(params),
        "key": jax.random.key(1),
        "loss": jnp.zeros(()),
    }


def variants(case: Case) -> list[timing.Variant]:
    rollout = jax.tree.map(jnp.asarray, data.rollout(case, case.rows))
    first = {name: column[: case.batch] for name, column in rollout.items()}
    partial, state = parts.partial, initial(case)
    return [
        timing.Variant("epoch", parts.caller(partial(epoch, case=case), state, rollout),
                       case.rows // case.batch),
        timing.Variant("single", parts.caller(partial(step, case=case), state, first), 1),
    ]  # fmt: skip


def main() -> None:
    given = timing.options(__doc__, [n for n, c in CASES.items() if c.family == "ppo"])
    timing.run("jax", given, variants(CASES[given.case]), parts.VERSIONS)


if __name__ == "__main__":
    main()
