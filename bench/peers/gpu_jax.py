"""The updates of SAC and ReMAC (M=16 K=4) in JAX on a card: jax_sac.py and jax_remac.py, many updates
in a loop inside one jitted function whose state is given away, for one seed and for many by vmap.

Many seeds share one replay, which spares the card memory and cache: that favours this peer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import gpu_rows

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
VARIANTS = ["sac", "sac-unrolled", "remac", "sac-seeds", "remac-seeds"]
SCANNED, UNROLLED = 64, 8


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

    return jax.jit(run, donate_argnums=0)


def main() -> None:
    given = gpu_rows.options(__doc__, VARIANTS)
    try:
        import jax

        import data
        import jax_parts as parts
        import jax_remac
        import jax_sac
    except ImportError as error:
        gpu_rows.missing(error)
    device = jax.devices()[0]
    if device.platform == "cpu" and not given.cpu:
        gpu_rows.missing("JAX sees no card")
    plain = gpu_rows.sized(gpu_rows.SAC, given)
    replay = parts.device_replay(data.transitions(plain, plain.rows))
    families = {"sac": (gpu_rows.SAC, jax_sac), "remac": (gpu_rows.REMAC, jax_remac)}
    for variant in given.variants:
        name, _, way = variant.partition("-")
        case, module = families[name]
        case = gpu_rows.sized(case, given)
        seeds = given.seeds if way == "seeds" else 1
        update = parts.partial(module.update, case=case)
        state = jax.tree.map(jax.numpy.copy, module.initial(case))
        if seeds > 1:
            update = jax.vmap(update, in_axes=(0, None))
            state = seeded(jax, state, seeds)
        box = [state]
        run = looped(jax, update, UNROLLED if way == "unrolled" else 1)

        def call(box: list = box, run: Callable = run) -> None:
            box[0] = run(box[0], replay)

        wait = lambda box=box: jax.block_until_ready(box[0])
        measured = gpu_rows.measure(call, wait, SCANNED, given.seconds)
        loss = float(jax.numpy.mean(box[0]["critic_loss"]))
        note = f"JAX {jax.__version__}, {device.device_kind}, {SCANNED} updates in a scan"
        note += f", {UNROLLED} of them unrolled" if way == "unrolled" else ""
        note += "" if loss == loss else ": the loss is not finite"
        gpu_rows.row("jax", name, measured, note, seeds)


if __name__ == "__main__":
    main()
