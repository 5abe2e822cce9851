"""The updates of SAC, ReMAC (M=16 K=4) and REPPO in JAX on a card: jax_sac.py, jax_remac.py and
jax_reppo.py, many updates in a loop inside one jitted function whose state is given away; of SAC and
ReMAC for one seed and for many by vmap.

Many seeds share one replay, which spares the card memory and cache: that favours this peer.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Any

import gpu_rows

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
VARIANTS = ["sac", "sac-unrolled", "remac", "reppo", "sac-seeds", "remac-seeds"]
SCANNED, UNROLLED = 64, 8


@dataclasses.dataclass
class Work:
    """What is timed: `run` is given a state and the rows, and returns the state after `updates`."""

    run: Callable
    state: dict
    rows: dict
    updates: int  # of each seed
    note: str
    seeds: int = 1


def seeded(jax: Any, state: dict, seeds: int) -> dict:
    """The state `seeds` times, each with draws of its own."""
    keys = jax.random.split(state["key"], seeds)
    rest = {name: leaf for name, leaf in state.items() if name != "key"}
    wide = jax.tree.map(lambda x: jax.numpy.broadcast_to(x, (seeds, *x.shape)), rest)
    return wide | {"key": keys}


def looped(jax: Any, update: Callable, unroll: int) -> Callable:
    def run(state: dict, replay: dict) -> dict:
        body = lambda state, _: (update(state, replay), None)
        return jax.lax.scan(body, state, None, length=SCANNED, unroll=unroll)[0]

    return run


@functools.cache
def replay(tiny: bool) -> dict:
    """One for all that sample it."""
    import data
    import jax_parts

    case = gpu_rows.sized(gpu_rows.SAC, tiny)
    return jax_parts.device_replay(data.transitions(case, case.rows))


def sac_or_remac(jax: Any, name: str, way: str, given: argparse.Namespace) -> Work:
    import jax_remac
    import jax_sac

    case, module = {"sac": (gpu_rows.SAC, jax_sac), "remac": (gpu_rows.REMAC, jax_remac)}[name]
    case = gpu_rows.sized(case, given.tiny)
    update, state = functools.partial(module.update, case=case), module.initial(case)
    seeds = given.seeds if way == "seeds" else 1
    if seeds > 1:
        update, state = jax.vmap(update, in_axes=(0, None)), seeded(jax, state, seeds)
    note, unroll = f"{SCANNED} updates in a scan", 1
    if way == "unrolled":
        note, unroll = f"{note}, {UNROLLED} of them unrolled", UNROLLED
    return Work(looped(jax, update, unroll), state, replay(given.tiny), SCANNED, note, seeds)


def reppo(jax: Any, given: argparse.Namespace) -> Work:
    """Passes over one rollout: collecting is no part of an update."""
    import data
    import jax_reppo

    case = gpu_rows.sized(gpu_rows.REPPO, given.tiny)
    rollout = jax.tree.map(jax.numpy.asarray, data.reppo_rollout(case, case.rows))
    run = functools.partial(jax_reppo.learn, case=case)
    updates = jax_reppo.EPOCHS * case.rows // case.batch
    note = f"passes of {updates} updates over a rollout, in a scan"
    return Work(run, jax_reppo.initial(case), rollout, updates, note)


def measure(jax: Any, name: str, work: Work, seconds: float) -> None:
    run = jax.jit(work.run, donate_argnums=0)
    box = [jax.tree.map(jax.numpy.copy, work.state)]

    def call() -> None:
        box[0] = run(box[0], work.rows)

    measured = gpu_rows.measure(call, lambda: jax.block_until_ready(box[0]), work.updates, seconds)
    note = f"JAX {jax.__version__}, {jax.devices()[0].device_kind}, {work.note}"
    loss = float(jax.numpy.mean(box[0]["critic_loss"]))
    note += "" if loss == loss else ": the loss is not finite"
    gpu_rows.row("jax", name, measured, note, work.seeds)


def main() -> None:
    given = gpu_rows.options(__doc__, VARIANTS)
    try:
        import jax
    except ImportError as error:
        gpu_rows.missing(error)
    if jax.devices()[0].platform == "cpu" and not given.cpu:
        gpu_rows.missing("JAX sees no card")
    for variant in given.variants:
        name, _, way = variant.partition("-")
        work = reppo(jax, given) if name == "reppo" else sac_or_remac(jax, name, way, given)
        measure(jax, name, work, given.seconds)


if __name__ == "__main__":
    main()
