"""Does jax_reppo.py compute what rlc computes? Updates of specs/reppo.yaml in rlc and in JAX on the
same numbers.

rlc learns offline from a file of one row, which its whole batch then is, with the noise of the draws
in columns of that file: UPDATES updates on each of ROWS rows, from the parameters that it drew. Its
losses, parameters and moments of Adam are compared with JAX's; in JAX, losses and gradients of all
rows as one batch with the means of each row's. The policy before is another one than the actor, so
that some rows improve and some return.

Prints the largest differences, each tensor's relative to its largest entry; status 1 where one is
above TOLERANCE.

    check_reppo.py RLC                 the compiler's binary
"""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

import data
import gpu_rows
import jax_reppo
from check_rlc import Tensors, load, save
from jax_parts import Tree

ROWS, UPDATES, MOVED, TOLERANCE = 6, 3, 1.1, 2e-5
CASE = dataclasses.replace(gpu_rows.REPPO, hidden=16, bins=31, draws=4, batch=4, lr=1e-3, rows=ROWS)
SPEC = """name: check
extends: {spec}
env: {{count: 1, normalize: null}}
constants: {{hidden: {c.hidden}, bins: {c.bins}, draws: {c.draws}, lr: {c.lr}}}
rollout: null
store: null
compute: null
replay:
  capacity: 1
  batch: {c.batch}
  from: {file}
  extra:
    target: reward
    next_feature: critic(next_obs, action).feature
    action_noise: action
    draw_noise: normal_noise[draw=draws, act]
losses:
  actor:
    let:
      a: sample(p, noise=action_noise)
      x: sample(before, noise=draw_noise)
loop:
  - set: {{old: {moved} * actor}}
  - sample: replay
  - descend: [critic, actor]
"""


def command(*words: object) -> None:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)


class Rlc:
    """Its trainer of these updates, and one of the same parameters that never moves them."""

    def __init__(self, rlc: str, folder: pathlib.Path) -> None:
        self.folder, self.file = folder, folder / "row.safetensors"
        self.trainer, self.still = folder / "trainer", folder / "still"
        spec, path = folder / "check.yaml", pathlib.Path(*CASE.spec).resolve()
        spec.write_text(SPEC.format(spec=path, c=CASE, file=self.file, moved=MOVED))
        command(rlc, "compile", spec, "-o", self.trainer)
        command(rlc, "compile", spec, "lr=0", "-o", self.still)

    def run(self, trainer: pathlib.Path, columns: Tensors) -> tuple[Tensors, list[dict[str, str]]]:
        """The checkpoint's tensors, and the lines of the log, one an update."""
        save(self.file, columns)
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "run"
        command(trainer, "--steps", UPDATES, "--log-every", 1, "--eval-every", 0,
                "--eval-episodes", 1, "--quiet", "--no-replay", "--out", out)  # fmt: skip
        (checkpoint,) = (out / "checkpoints").glob("*.safetensors")
        return load(checkpoint), list(csv.DictReader((out / "progress.csv").open()))


class Named:
    """rlc's tensors by their names there, of what a loss trains or of a moment of Adam of that."""

    def __init__(self, tensors: Tensors, loss: str, moment: str = "") -> None:
        before, behind = (f"optimizer.{loss}.", f".{moment}") if moment else ("", "")
        self.get = lambda name: tensors[f"{before}{name}{behind}"]

    def dense(self, name: str) -> tuple[np.ndarray, ...]:
        return self.get(f"{name}.w"), self.get(f"{name}.b")

    def turned(self, name: str) -> tuple[np.ndarray, ...]:
        """Of a layer whose units are along `act` or `feature`: they come first there."""
        return self.get(f"{name}.w").T, self.get(f"{name}.b")

    def hidden(self, net: str, i: int = 1) -> tuple[np.ndarray, ...]:
        return *self.dense(f"{net}.dense{i}"), self.get(f"{net}.norm{i}.rms_norm1.scale")

    def actor(self) -> Tree:
        heads = [self.turned(f"actor.{head}.dense1") for head in ("mean", "log_std")]
        last = tuple(np.concatenate(both, -1) for both in zip(*heads))
        net = [self.hidden("actor", 1), self.hidden("actor", 2), last]
        return {"net": net, "log_alpha": self.get("log_alpha"), "log_beta": self.get("log_beta")}

    def critic(self) -> Tree:
        columns = [self.get(f"critic.dense1.w.{column}") for column in ("obs", "action")]
        rest = self.get("critic.dense1.b"), self.get("critic.norm1.rms_norm1.scale")
        net = {
            "feature": [(np.concatenate(columns), *rest), self.dense("critic.dense2")],
            "logits": [self.hidden("critic.logits"), self.dense("critic.logits.dense2")],
            "next": [self.hidden("critic.next"), self.turned("critic.next.dense2")],
        }
        return {"net": net, "zero": self.get("zero")}


def trees(tensors: Tensors, moment: str = "") -> dict[str, Tree]:
    """rlc's tensors as jax_reppo.py has them."""
    return {
        "actor": Named(tensors, "actor", moment).actor(),
        "critic": Named(tensors, "critic", moment).critic(),
    }


def inputs() -> Tensors:
    """ROWS rows, with the noise that goes with each."""
    rng = np.random.default_rng(3)
    rows = data.reppo_rollout(CASE, ROWS)
    rows["terminated"][0] = 1
    rows["action_noise"] = rng.standard_normal((ROWS, CASE.act), np.float32)
    # Small, since float32 finds no way back from near the edge of the box; in one row, beyond it.
    noise = rng.standard_normal((ROWS, CASE.draws, CASE.act), np.float32) / 4
    noise[1] = 30 * np.sign(noise[1])
    rows["draw_noise"] = noise
    return rows


def batch_of(rows: Tensors, which: list[int]) -> tuple[Tree, Tree]:
    """A batch, and its noise."""
    batch = {name: column[which] for name, column in rows.items()}
    draws = np.moveaxis(batch.pop("draw_noise"), 0, 1)
    return batch, {"action": batch.pop("action_noise"), "draws": draws}


def moved(state: Tree) -> Tree:
    return state | {"old": jax.tree.map(lambda p: MOVED * p, state["actor"]["net"])}


@jax.jit
def step(state: Tree, batch: Tree, noise: Tree) -> Tree:
    return jax_reppo.step(moved(state), batch, noise, CASE)


@jax.jit
def gradients(state: Tree, batch: Tree, noise: Tree) -> Tree:
    """Losses and gradients, of the critic and of the actor."""
    state = moved(state)
    return (
        jax.value_and_grad(jax_reppo.critic_loss)(state["critic"], batch, CASE),
        jax.value_and_grad(jax_reppo.actor_loss)(state["actor"], state, batch, noise, CASE),
    )


def difference(ours: Tree, theirs: Tree, least: float = np.finfo(np.float32).tiny) -> float:
    """The largest of all tensors, each relative to its largest entry, or to `least` if that is more."""
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), least)) for a, b in pairs)


def told(values: Tree, second: Tree) -> Tree:
    """Zeros where gradients are so small beside others that Adam makes steps of their rounding."""
    return jax.tree.map(lambda x, v: np.where(v >= 1e-6 * v.max(), x, 0), values, second)


def updates(rlc: Rlc, rows: Tensors, row: int, state: Tree) -> Iterator[tuple[str, float]]:
    """UPDATES updates on one row, and whether rlc's actor returned in the first."""
    tensors, lines = rlc.run(rlc.trainer, {name: column[[row]] for name, column in rows.items()})
    for line in lines:
        state = step(state, *batch_of(rows, [row] * CASE.batch))
        for net in ("critic", "actor"):
            yield f"{net} loss", difference(state[f"{net}_loss"], float(line[f"losses/{net}"]), 1)
    params, first, second = (trees(tensors, moment) for moment in ("", "first", "second"))
    for net, moments in state["adam"].items():
        ours, theirs = (told(tree[net], second[net]) for tree in (state, params))
        yield f"{net} after Adam", difference(ours, theirs)
        yield f"{net} first moment", difference(moments["m"], first[net])
        yield f"{net} second moment", difference(moments["v"], second[net])
    yield "held", float(lines[0]["actor/held"])


def compare(rlc: Rlc) -> dict[str, float]:
    """What, and the largest difference in it."""
    rows = inputs()
    first, _ = rlc.run(rlc.still, {name: column[:1] for name, column in rows.items()})
    state = jax_reppo.initial(CASE) | jax.tree.map(jnp.asarray, trees(first))
    found: dict[str, list[float]] = {}
    for row in range(ROWS):
        for what, off in updates(rlc, rows, row, state):
            found.setdefault(what, []).append(off)
    held = sum(found.pop("held"))
    if held in (0, ROWS):
        sys.exit(f"{held:.0f} of {ROWS} rows return: MOVED is to be another")
    together = gradients(state, *batch_of(rows, list(range(ROWS))))
    single = [gradients(state, *batch_of(rows, [row])) for row in range(ROWS)]
    mean = jax.tree.map(lambda *each: sum(each) / ROWS, *single)
    return {what: max(off) for what, off in found.items()} | {"rows": difference(together, mean)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Rlc(sys.argv[1], pathlib.Path(folder)))
    for what, off in found.items():
        print(f"{what:22} {off:.1e}{'' if off <= TOLERANCE else '  TOO FAR'}")
    sys.exit(0 if max(found.values()) <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
