"""The minibatch update of REPPO in JAX: the critic's step and then the actor's, which sees it.

A rollout of `rows` steps is there with its targets and the features of what came next. What is timed
are whole passes over it, jitted as one: the policy that collected is kept, and then each epoch
shuffles the rows and goes through them in minibatches. Collecting and targets are no part of that.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

import data
import jax_parts as parts
from cases import Case
from jax_parts import Tree

EPOCHS, MAX_NORM = 8, 0.5
LOW, HIGH, SIGMA, SHARPNESS = -50.0, 150.0, 0.75, 40.0  # of the critic's histogram
AUX_WEIGHT, MIN_STD, EDGE = 1.0, 0.1, 1 - 1e-6
KL_BOUND, FIRST_PRICE = 0.1, 0.01

stop = jax.lax.stop_gradient


def network(layers: Tree, x: jax.Array) -> jax.Array:
    """Every layer but the last is normalised by its root mean square and passes a SiLU."""
    for weights, bias, scale in layers[:-1]:
        x = x @ weights + bias
        x = jax.nn.silu(x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-6) * scale)
    weights, bias = layers[-1]
    return x @ weights + bias


def hl_gauss(value: jax.Array | float, bins: int) -> jax.Array:
    """The mass of a normal around `value` in each of `bins` evenly spaced bins: [..., bins]."""
    width = (HIGH - LOW) / (bins - 1)
    edges = LOW + width * (jnp.arange(bins + 1, dtype=jnp.float32) - 0.5)
    centre = jnp.clip(value, LOW, HIGH)[..., None]
    below = jax.lax.erf((edges - centre) / (math.sqrt(2) * SIGMA * width))
    return jnp.diff(below) / (below[..., -1:] - below[..., :1])


def critic(params: Tree, obs: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Logits of the histogram of returns, and the next features that are expected."""
    net = params["net"]
    hidden = jax.nn.silu(network(net["feature"], jnp.concatenate([obs, action], axis=-1)))
    return network(net["logits"], hidden) + SHARPNESS * params["zero"], network(net["next"], hidden)


def critic_loss(params: Tree, batch: Tree, case: Case) -> jax.Array:
    logits, expected = critic(params, batch["obs"], batch["action"])
    fit = -(hl_gauss(batch["target"], case.bins) * jax.nn.log_softmax(logits)).sum(-1)
    aux = jnp.square(expected - batch["next_feature"]).mean(-1)
    return (fit + AUX_WEIGHT * (1 - batch["terminated"]) * aux).mean()


def policy(layers: Tree, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation before squashing."""
    mean, log_std = jnp.split(network(layers, obs), 2, axis=-1)
    return mean, jnp.exp(log_std) + MIN_STD


def density(x: jax.Array, mean: jax.Array, std: jax.Array) -> jax.Array:
    """The normal's log-density of x, less what does not depend on mean and std."""
    return -(0.5 * jnp.square((x - mean) / std) + jnp.log(std)).sum(-1)


def divergence(mean: jax.Array, std: jax.Array, before: Tree, noise: jax.Array) -> jax.Array:
    """The forward KL by draws of the policy before, noise [draws, batch, act]. What squashing adds
    to both densities of a draw falls out of their difference."""
    draws = jnp.tanh(before[0] + before[1] * noise)
    x = jnp.arctanh(jnp.clip(draws, -EDGE, EDGE))
    return (density(x, *before) - density(x, mean, std)).mean(0)


def actor_loss(params: Tree, state: Tree, batch: Tree, noise: Tree, case: Case) -> jax.Array:
    mean, std = policy(params["net"], batch["obs"])
    action, log_prob = parts.squashed(mean, jnp.log(std), noise["action"])
    logits, _ = critic(state["critic"], batch["obs"], action)
    value = (jax.nn.softmax(logits) * jnp.linspace(LOW, HIGH, case.bins)).sum(-1)
    drift = divergence(mean, std, policy(state["old"], batch["obs"]), noise["draws"])
    alpha, beta = jnp.exp(params["log_alpha"]), jnp.exp(params["log_beta"])
    improve = stop(alpha) * log_prob - value
    temperature = alpha * stop(0.5 * case.act - log_prob)
    multiplier = -beta * stop(drift - KL_BOUND)
    moved = jnp.where(drift < KL_BOUND, improve, stop(beta) * drift)
    return (moved + temperature + multiplier).mean()


def step(state: Tree, batch: Tree, noise: Tree, case: Case) -> Tree:
    loss, grads = jax.value_and_grad(critic_loss)(state["critic"], batch, case)
    state = parts.descend(state, "critic", parts.limited(grads, MAX_NORM), case)
    state |= {"critic_loss": loss}
    loss, grads = jax.value_and_grad(actor_loss)(state["actor"], state, batch, noise, case)
    state = parts.descend(state, "actor", parts.limited(grads, MAX_NORM), case)
    return state | {"actor_loss": loss}


def epoch(state: Tree, rollout: Tree, case: Case) -> Tree:
    """Every row once: rows / batch updates."""
    key, order_key = jax.random.split(state["key"])
    order = jax.random.permutation(order_key, case.rows).reshape(-1, case.batch)

    def minibatch(state: Tree, rows: jax.Array) -> tuple[Tree, None]:
        key, action_key, draws_key = jax.random.split(state["key"], 3)
        noise = {
            "action": jax.random.normal(action_key, (case.batch, case.act)),
            "draws": jax.random.normal(draws_key, (case.draws, case.batch, case.act)),
        }
        batch = jax.tree.map(lambda column: column[rows], rollout)
        return step(state | {"key": key}, batch, noise, case), None

    return jax.lax.scan(minibatch, state | {"key": key}, order)[0]


def learn(state: Tree, rollout: Tree, case: Case) -> Tree:
    """All that is learned from one rollout: EPOCHS * rows / batch updates."""
    body = lambda state, _: (epoch(state, rollout, case), None)
    return jax.lax.scan(body, state | {"old": state["actor"]["net"]}, None, length=EPOCHS)[0]


def initial(case: Case) -> Tree:
    drawn = jax.tree.map(jnp.asarray, data.reppo_networks(case))
    price = jnp.log(jnp.float32(FIRST_PRICE))
    trained = {
        "actor": {"net": drawn["actor"], "log_alpha": price, "log_beta": jnp.copy(price)},
        "critic": {"net": drawn["critic"], "zero": hl_gauss(0.0, case.bins)},
    }
    return trained | {
        "old": jax.tree.map(jnp.copy, drawn["actor"]),
        "adam": {name: parts.adam_state(params) for name, params in trained.items()},
        "key": jax.random.key(1),
        "critic_loss": jnp.zeros(()),
        "actor_loss": jnp.zeros(()),
    }
