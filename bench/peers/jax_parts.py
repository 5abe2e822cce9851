"""What the JAX peers share: networks, the squashed Gaussian, Adam, sampling, and running a case.

Everything is a pure function on trees of arrays, jitted as a whole, as rejax has it. Matrix products
are asked for in full float32.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import data
import timing
from cases import CASES, Case

jax.config.update("jax_default_matmul_precision", "highest")

Tree = Any
LOG_2PI = float(np.log(2 * np.pi))
SCANNED = 32  # updates in one call of the variant with a loop


def mlp(layers: Tree, x: jax.Array, activation: str) -> jax.Array:
    act = {"relu": jax.nn.relu, "tanh": jnp.tanh}[activation]
    for weights, bias in layers[:-1]:
        x = act(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


def stack(trees: list[Tree]) -> Tree:
    """An ensemble: the same tree with one more leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def critics(layers: Tree, obs: jax.Array, action: jax.Array, activation: str) -> jax.Array:
    """Values of the ensemble: [twin, ...]."""
    x = jnp.concatenate([obs, action], axis=-1)
    return jax.vmap(mlp, in_axes=(0, None, None))(layers, x, activation)[..., 0]


def actor(layers: Tree, obs: jax.Array, case: Case) -> tuple[jax.Array, jax.Array]:
    """Mean and log standard deviation before squashing."""
    mean, log_std = jnp.split(mlp(layers, obs, case.activation), 2, axis=-1)
    return mean, jnp.clip(log_std, case.log_std_low, 2)


def squashed(mean: jax.Array, log_std: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The action tanh(mean + std noise) and its log-probability."""
    x = mean + jnp.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * LOG_2PI
    slope = 2 * (jnp.log(2.0) - x - jax.nn.softplus(-2 * x))
    return jnp.tanh(x), (normal - slope).sum(-1)


def adam_state(params: Tree) -> Tree:
    zeros = jax.tree.map(jnp.zeros_like, params)
    return {"m": zeros, "v": jax.tree.map(jnp.zeros_like, params), "t": jnp.zeros((), jnp.int32)}


def adam(params: Tree, grads: Tree, state: Tree, lr: float, eps: float = 1e-8) -> tuple[Tree, Tree]:
    """One step of Adam with bias correction: new parameters, new state."""
    t = state["t"] + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], grads)
    m_scale, v_scale = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
    step = lambda p, m, v: p - lr * (m * m_scale) / (jnp.sqrt(v * v_scale) + eps)
    return jax.tree.map(step, params, m, v), {"m": m, "v": v, "t": t}


def limited(grads: Tree, most: float) -> Tree:
    """The gradient, not longer than `most` as a whole."""
    length = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
    return jax.tree.map(lambda g: g * (most / jnp.maximum(length, most)), grads)


def descend(state: Tree, name: str, grads: Tree, case: Case) -> Tree:
    """The state with network `name` and its moments one step of Adam further."""
    params, moments = adam(state[name], grads, state["adam"][name], case.lr)
    return state | {name: params, "adam": state["adam"] | {name: moments}}


def blend(slow: Tree, fast: Tree, tau: float) -> Tree:
    return jax.tree.map(lambda s, f: s + tau * (f - s), slow, fast)


def sample(replay: Tree, key: jax.Array, case: Case) -> Tree:
    """A batch of rows drawn with replacement."""
    rows = jax.random.randint(key, (case.batch,), 0, case.rows)
    batch = jax.tree.map(lambda column: column[rows], {k: replay[k] for k in ROW_KEYS})
    if case.normalize:
        scale = lambda x: (x - replay["mean"]) * jax.lax.rsqrt(replay["var"] + 1e-8)
        batch |= {"obs": scale(batch["obs"]), "next_obs": scale(batch["next_obs"])}
    return batch


ROW_KEYS = ("obs", "action", "reward", "next_obs", "terminated")


def device_replay(rows: dict[str, np.ndarray]) -> Tree:
    """The replay's columns, with the running mean and variance of observations beside them."""
    wide = {"mean": rows["obs"].mean(0), "var": rows["obs"].var(0)}
    return jax.tree.map(jnp.asarray, rows | wide)


def caller(function: Callable[[Tree, Tree], Tree], state: Tree, data: Tree) -> Callable[[], None]:
    """A call that moves the state on by the jitted function and waits for the result."""
    jitted = jax.jit(function, donate_argnums=0)
    box = [jax.tree.map(jnp.copy, state)]

    def call() -> None:
        box[0] = jax.block_until_ready(jitted(box[0], data))

    return call


def variants(
    update: Callable[[Tree, Tree], Tree], state: Tree, replay: Tree
) -> list[timing.Variant]:
    """SCANNED updates in a loop inside the jitted function, and one update a call."""

    def scanned(state: Tree, replay: Tree) -> Tree:
        body = lambda state, _: (update(state, replay), None)
        return jax.lax.scan(body, state, None, length=SCANNED)[0]

    return [
        timing.Variant("scan", caller(scanned, state, replay), SCANNED),
        timing.Variant("single", caller(update, state, replay), 1),
    ]


def run_family(
    about: str | None,
    family: str,
    update: Callable[[Tree, Tree, Case], Tree],
    initial: Callable[[Case], Tree],
) -> None:
    """Measures `update` over a replay, for the case of this family that the command line names."""
    given = timing.options(about, [n for n, c in CASES.items() if c.family == family])
    case = CASES[given.case]
    replay = device_replay(data.transitions(case, case.rows))
    measured = variants(partial(update, case=case), initial(case), replay)
    timing.run("jax", given, measured, VERSIONS)


partial = functools.partial
VERSIONS = {"jax": jax.__version__, "numpy": np.__version__}
