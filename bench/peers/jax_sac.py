"""One update of soft actor-critic in JAX, as rejax writes it, jitted whole.

Sampling, the critics' step, the actor's step with the new critics, the temperature's step with the
actor's draw, and the blend of the target critics.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

import data
import jax_parts as parts
from cases import Case
from jax_parts import Tree


def critic_loss(critic: Tree, state: Tree, batch: Tree, noise: jax.Array, case: Case) -> jax.Array:
    mean, log_std = parts.actor(state["actor"], batch["next_obs"], case)
    action, log_prob = parts.squashed(mean, log_std, noise)
    slow = parts.critics(state["slow"], batch["next_obs"], action, case.activation)
    value = slow.min(0) - jnp.exp(state["log_alpha"]) * log_prob
    target = batch["reward"] + case.gamma * (1 - batch["terminated"]) * value
    q = parts.critics(critic, batch["obs"], batch["action"], case.activation)
    return 0.5 * jnp.square(q - jax.lax.stop_gradient(target)).sum(0).mean()


def actor_loss(
    actor: Tree, state: Tree, batch: Tree, noise: jax.Array, case: Case
) -> tuple[jax.Array, jax.Array]:
    mean, log_std = parts.actor(actor, batch["obs"], case)
    action, log_prob = parts.squashed(mean, log_std, noise)
    q = parts.critics(state["critic"], batch["obs"], action, case.activation).min(0)
    return (jnp.exp(state["log_alpha"]) * log_prob - q).mean(), log_prob


def temperature_loss(log_alpha: jax.Array, log_prob: jax.Array, case: Case) -> jax.Array:
    return -(jnp.exp(log_alpha) * (log_prob - case.act)).mean()


def update(state: Tree, replay: Tree, case: Case) -> Tree:
    key, rows_key, next_key, action_key = jax.random.split(state["key"], 4)
    state = state | {"key": key}
    batch = parts.sample(replay, rows_key, case)
    shape = (case.batch, case.act)
    noise = jax.random.normal(next_key, shape)
    loss, grads = jax.value_and_grad(critic_loss)(state["critic"], state, batch, noise, case)
    state = parts.descend(state, "critic", grads, case) | {"critic_loss": loss}
    noise = jax.random.normal(action_key, shape)
    gradient = jax.value_and_grad(actor_loss, has_aux=True)
    (loss, log_prob), grads = gradient(state["actor"], state, batch, noise, case)
    state = parts.descend(state, "actor", grads, case) | {"actor_loss": loss}
    grads = jax.grad(temperature_loss)(state["log_alpha"], log_prob, case)
    state = parts.descend(state, "log_alpha", grads, case)
    return state | {"slow": parts.blend(state["slow"], state["critic"], case.tau)}


def initial(case: Case) -> Tree:
    drawn = data.actor_critic(case)
    networks = {
        "actor": jax.tree.map(jnp.asarray, drawn["actor"]),
        "critic": parts.stack(drawn["critics"]),
        "log_alpha": jnp.zeros(()),
    }
    return networks | {
        "slow": jax.tree.map(jnp.copy, networks["critic"]),
        "adam": {name: parts.adam_state(params) for name, params in networks.items()},
        "key": jax.random.key(1),
        "critic_loss": jnp.zeros(()),
        "actor_loss": jnp.zeros(()),
    }


if __name__ == "__main__":
    parts.run_family(__doc__, "sac", update, initial)
