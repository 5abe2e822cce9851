"""One update of ReMAC in JAX with the official loss, jitted whole.

In every state M actions are drawn with noise of their own; the smaller critic's values are sorted
and weighted so that the sum estimates the best of K tries without bias. No entropy anywhere. As
published, the actor moves before the critics and the targets move once in 128 updates; with
`specs/remac.yaml` the critics come first and the targets follow every update.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

import data
import jax_parts as parts
from cases import Case, retry_weights
from jax_parts import Tree


def critic_loss(critic: Tree, state: Tree, batch: Tree, noise: jax.Array, case: Case) -> jax.Array:
    mean, log_std = parts.actor(state["actor"], batch["next_obs"], case)
    action, _ = parts.squashed(mean, log_std, noise)
    slow = parts.critics(state["slow"], batch["next_obs"], action, case.activation).min(0)
    target = batch["reward"] + case.gamma * (1 - batch["terminated"]) * slow
    q = parts.critics(critic, batch["obs"], batch["action"], case.activation)
    return 0.5 * jnp.square(q - jax.lax.stop_gradient(target)).sum(0).mean()


def actor_loss(actor: Tree, state: Tree, batch: Tree, noise: jax.Array, case: Case) -> jax.Array:
    """`noise` is [draws, batch, act]."""
    mean, log_std = parts.actor(actor, batch["obs"], case)

    def values(noise: jax.Array) -> jax.Array:
        action, _ = parts.squashed(mean, log_std, noise)
        return parts.critics(state["critic"], batch["obs"], action, case.activation).min(0)

    ranked = jnp.sort(jax.vmap(values)(noise), axis=0)
    weights = jnp.asarray(retry_weights(case.draws, case.tries), jnp.float32)
    return -(weights @ ranked).mean()


def critic_step(state: Tree, batch: Tree, key: jax.Array, case: Case) -> Tree:
    noise = jax.random.normal(key, (case.batch, case.act))
    loss, grads = jax.value_and_grad(critic_loss)(state["critic"], state, batch, noise, case)
    return parts.descend(state, "critic", grads, case) | {"critic_loss": loss}


def actor_step(state: Tree, batch: Tree, key: jax.Array, case: Case) -> Tree:
    noise = jax.random.normal(key, (case.draws, case.batch, case.act))
    loss, grads = jax.value_and_grad(actor_loss)(state["actor"], state, batch, noise, case)
    return parts.descend(state, "actor", grads, case) | {"actor_loss": loss}


def follow(state: Tree, case: Case) -> Tree:
    """The target critics move when their turn has come."""
    moved = lambda: parts.blend(state["slow"], state["critic"], case.tau)
    count = state["updates"] + 1
    if case.target_every == 1:
        slow = moved()
    else:
        slow = jax.lax.cond(count % case.target_every == 0, moved, lambda: state["slow"])
    return state | {"slow": slow, "updates": count}


def update(state: Tree, replay: Tree, case: Case) -> Tree:
    key, rows_key, next_key, action_key = jax.random.split(state["key"], 4)
    batch = parts.sample(replay, rows_key, case)
    steps = [(critic_step, next_key), (actor_step, action_key)]
    if case.target_every > 1:
        steps.reverse()
    state = state | {"key": key}
    for step, step_key in steps:
        state = step(state, batch, step_key, case)
    return follow(state, case)


def initial(case: Case) -> Tree:
    drawn = data.actor_critic(case)
    networks = {
        "actor": jax.tree.map(jnp.asarray, drawn["actor"]),
        "critic": parts.stack(drawn["critics"]),
    }
    return networks | {
        "slow": jax.tree.map(jnp.copy, networks["critic"]),
        "adam": {name: parts.adam_state(params) for name, params in networks.items()},
        "key": jax.random.key(1),
        "updates": jnp.zeros((), jnp.int32),
        "critic_loss": jnp.zeros(()),
        "actor_loss": jnp.zeros(()),
    }


if __name__ == "__main__":
    parts.run_family(__doc__, "remac", update, initial)
