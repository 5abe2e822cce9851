"""Do the peers compute the same? Every loss and its gradient in JAX and in PyTorch, from the same
parameters, rows and noise, steps of Adam, and PyTorch's two ways of an update against each other.

Prints the largest differences, relative to the largest entry of what is compared; status 1 where one
is above TOLERANCE. Run by bench/peers/run.sh before anything is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import data
import jax_parts
import jax_ppo
import jax_remac
import jax_sac
import torch_parts
import torch_ppo
import torch_remac
import torch_sac
from cases import CASES, Case, retry_weights

TOLERANCE = 2e-5  # float32, sums of some thousand terms in other orders
Found = tuple[str, Any, Any]  # what, and its value in JAX and in PyTorch


def arrays(net: torch.nn.Module, grad: bool) -> list[np.ndarray]:
    """Layer after layer, weights [in, out] and bias, as data.py has them."""
    values = [p.grad if grad else p.detach() for p in net.parameters()]
    return [v.numpy().T for v in values]


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def twins(tree: Any) -> list[np.ndarray]:
    """Leaves of the ensemble, the first critic's and then the second's."""
    return [leaf[i] for i in range(2) for leaf in leaves(tree)]


class Inputs:
    """One batch and noise for both."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng(3)
        draws = (case.draws,) if case.family == "remac" else ()
        rows = data.transitions(case, case.batch)
        noise = [rng.standard_normal((*d, case.batch, case.act), np.float32) for d in ((), draws)]
        self.jax = [jnp.asarray(n) for n in noise]
        self.torch = [torch.from_numpy(n) for n in noise]
        self.jax_batch = {name: jnp.asarray(column) for name, column in rows.items()}
        self.torch_batch = torch_parts.tensors(rows)


def torch_gradient(way: torch_parts.Eager, loss: torch.Tensor) -> float:
    for net in (way.actor, way.critics):
        net.zero_grad()
    way.log_alpha.grad = None
    loss.backward()
    return loss.item()


def sac(case: Case, given: Inputs) -> Iterator[Found]:
    state, way = jax_sac.initial(case), torch_parts.Eager(case)
    batch, (next_noise, noise) = given.jax_batch, given.jax
    loss, grads = jax.value_and_grad(jax_sac.critic_loss)(
        state["critic"], state, batch, next_noise, case
    )
    other, _ = torch_sac.critic_loss(way.nets, given.torch_batch, given.torch[0], case)
    yield "critic loss", loss, torch_gradient(way, other)
    yield "critic gradient", twins(grads), arrays(way.critics, grad=True)
    params, _ = jax_parts.adam(state["critic"], grads, state["adam"]["critic"], case.lr)
    way.adam["critics"].step()
    yield "critic after Adam", twins(params), arrays(way.critics, grad=False)
    state = state | {"critic": params}
    of = jax.value_and_grad(jax_sac.actor_loss, has_aux=True)
    (loss, log_prob), grads = of(state["actor"], state, batch, noise, case)
    other, other_prob = torch_sac.actor_loss(way.nets, given.torch_batch, given.torch[1])
    yield "actor loss", loss, torch_gradient(way, other)
    yield "actor gradient", leaves(grads), arrays(way.actor, grad=True)
    loss, grad = jax.value_and_grad(jax_sac.temperature_loss)(state["log_alpha"], log_prob, case)
    other, _ = torch_sac.temperature_loss(way.nets, other_prob, case)
    yield "temperature loss", loss, torch_gradient(way, other)
    yield "temperature gradient", grad, way.log_alpha.grad.item()


def remac(case: Case, given: Inputs) -> Iterator[Found]:
    state, way = jax_remac.initial(case), torch_parts.Eager(case)
    batch, (next_noise, noise) = given.jax_batch, given.jax
    loss, grads = jax.value_and_grad(jax_remac.critic_loss)(
        state["critic"], state, batch, next_noise, case
    )
    other, _ = torch_remac.critic_loss(way.nets, given.torch_batch, given.torch[0], case)
    yield "critic loss", loss, torch_gradient(way, other)
    yield "critic gradient", twins(grads), arrays(way.critics, grad=True)
    loss, grads = jax.value_and_grad(jax_remac.actor_loss)(
        state["actor"], state, batch, noise, case
    )
    weights = torch.tensor(retry_weights(case.draws, case.tries))
    other, _ = torch_remac.actor_loss(way.nets, given.torch_batch, given.torch[1], weights)
    yield "actor loss", loss, torch_gradient(way, other)
    yield "actor gradient", leaves(grads), arrays(way.actor, grad=True)


def ppo(case: Case) -> Iterator[Found]:
    """And the parameters after one step, for here that has the limit of the gradient's length in it."""
    state, eager, whole = jax_ppo.initial(case), torch_ppo.Eager(case), torch_ppo.Whole(case)
    rows = data.rollout(case, case.batch)
    batch = jax.tree.map(jnp.asarray, rows)
    loss, grads = jax.value_and_grad(jax_ppo.loss)(state["params"], batch, case)
    other = eager.loss(torch_parts.tensors(rows))
    other.backward()
    yield "loss", loss, other.item()
    for net in ("actor", "critic"):
        yield f"{net} gradient", leaves(grads[net]), arrays(getattr(eager.loss, net), grad=True)
    yield "log_std gradient", grads["log_std"], eager.loss.log_std.grad
    for step in (eager.step, whole.learn):
        step(torch_parts.tensors(rows))
    params = jax_ppo.step(state, batch, case)["params"]
    yield "critic after a step", leaves(params["critic"]), arrays(eager.loss.critic, grad=False)
    yield (
        "eager and compiled step",
        arrays(eager.loss, grad=False),
        [p.numpy().T for p in whole.params.values()],
    )


def updates(case: Case, given: Inputs) -> Iterator[Found]:
    """Parameters after one update, PyTorch's two ways; the second one traced but not compiled."""
    make = torch_sac.Sac if case.family == "sac" else torch_remac.Remac
    eager, whole = torch_parts.Eager(case), torch_parts.Whole(case)
    setattr(whole, "compiled", torch.no_grad())
    for way in (eager, whole):
        make(way).steps(given.torch_batch, *given.torch)
    yield (
        "eager and compiled actor",
        arrays(eager.actor, grad=False),
        [p.numpy().T for p in whole.params["actor"].values()],
    )
    yield (
        "eager and compiled critics",
        arrays(eager.critics, grad=False),
        [p.numpy().T for tree in whole.params["critics"] for p in tree.values()],
    )


def difference(a: Any, b: Any) -> float:
    a, b = (
        np.concatenate([np.ravel(np.asarray(v)) for v in (x if isinstance(x, list) else [x])])
        for x in (a, b)
    )
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    return float(np.abs(a - b).max() / np.abs(b).max())


def found(case: Case) -> Iterator[Found]:
    if case.family == "ppo":
        yield from ppo(case)
        return
    given = Inputs(case)
    yield from {"sac": sac, "remac": remac}[case.family](case, given)
    yield from updates(case, given)


def main() -> None:
    good = True
    for case in CASES.values():
        for what, ours, theirs in found(case):
            off = difference(ours, theirs)
            good = good and off <= TOLERANCE
            print(f"{case.name:12} {what:28} {off:.1e}{'' if off <= TOLERANCE else '  TOO FAR'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
