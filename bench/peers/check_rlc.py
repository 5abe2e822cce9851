"""Do the peers compute what rlc computes? Losses and gradients of SAC and ReMAC in rlc and in JAX.

rlc learns offline from a file of ROWS rows with a rate of 0, so that its parameters stay as they were
drawn. Its log has the losses' averages, its checkpoint the parameters and Adam's first moments, which
are then averages of the gradient. JAX takes the parameters over and averages over DRAWS batches. Draws
differ, so the two agree to their spread alone, which JAX's batches tell. Printed is the difference in
units of it: about 1 for a gradient, whose many entries make that sharp, and below 4 for a loss.

    check_rlc.py RLC [CASE ...]        the compiler's binary
"""

from __future__ import annotations

import csv
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

import data
import jax_remac
import jax_sac
from cases import CASES, Case
from jax_parts import Tree

ROWS, BATCH, UPDATES, DRAWS = 4096, 1024, 100, 32
BETA = 0.999  # of the first moment, so that it averages over all updates
REWARD = 3.0  # on average, so that the critics' gradient is more than noise
LIMIT = {"loss": 4.0, "gradient": 1.5}
Tensors = dict[str, np.ndarray]


def save(path: pathlib.Path, tensors: Tensors) -> None:
    """A safetensors file of float32."""
    head, at = {}, 0
    for name, value in tensors.items():
        offsets = [at, at := at + value.nbytes]
        head[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": offsets}
    text = json.dumps(head).encode()
    rows = b"".join(value.tobytes() for value in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + rows)


def load(path: pathlib.Path) -> Tensors:
    """The tensors of a safetensors file that are real numbers, as float32."""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    tensors, kinds = {}, {"F32": "<f4", "F64": "<f8"}
    for name, entry in json.loads(content[8:start]).items():
        if kind := kinds.get(entry.get("dtype")):
            begin, end = (start + offset for offset in entry["data_offsets"])
            values = np.frombuffer(content[begin:end], kind).reshape(entry["shape"])
            tensors[name] = values.astype(np.float32)
    return tensors


def transitions(case: Case) -> Tensors:
    rows = data.transitions(case, ROWS)
    return rows | {"reward": rows["reward"] + np.float32(REWARD)}


def spec(case: Case, rows: pathlib.Path) -> str:
    """The case's spec, learning offline at a rate of 0."""
    path, *overrides = case.spec
    constants = ", ".join(o.replace("=", ": ") for o in ("lr=0", f"batch_size={BATCH}", *overrides))
    environment = "env: {normalize: null, count: 1}" if case.normalize else ""
    return f"""name: check
extends: {pathlib.Path(path).resolve()}
{environment}
constants: {{{constants}}}
replay: {{capacity: {ROWS}, from: {rows}}}
optimizers:
  default: adam(lr, beta1={BETA})
  actor: adam(lr, beta1={BETA})
loop:
  - sample: replay
  - descend: all
"""


def rlc_run(rlc: str, case: Case, folder: pathlib.Path) -> tuple[Tensors, dict[str, float]]:
    """Tensors of the checkpoint, and the losses, averaged over the lines of the log."""
    rows, yaml, out = (folder / name for name in ("rows.safetensors", "check.yaml", "run"))
    save(rows, transitions(case))
    yaml.write_text(spec(case, rows))
    options = ["--steps", str(UPDATES), "--log-every", "1", "--eval-every", "0"]
    options += ["--eval-episodes", "1", "--quiet", "--no-replay", "--out", str(out)]
    done = subprocess.run([rlc, "train", str(yaml), "--", *options], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    lines = list(csv.DictReader((out / "progress.csv").open()))
    losses = {name: np.mean([float(line[f"losses/{name}"]) for line in lines])
              for name in ("critic", "actor")}  # fmt: skip
    (checkpoint,) = (out / "checkpoints").glob("*.safetensors")
    return load(checkpoint), losses


def networks(tensors: Tensors, prefix: str = "", suffix: str = "") -> dict[str, Tree]:
    """rlc's actor and critic as jax_sac.py has them; a prefix and a suffix choose moments."""
    of = lambda net: lambda name: tensors[f"{prefix.format(net)}{net}.{name}{suffix}"]
    t = of("actor")
    heads = [np.concatenate([t(f"mean.dense1.{k}"), t(f"log_std.dense1.{k}")]) for k in "wb"]
    actor = [(t(f"dense{i}.w"), t(f"dense{i}.b")) for i in (1, 2)] + [(heads[0].T, heads[1])]
    t = of("critic")
    first = np.concatenate([t("dense1.w.obs"), t("dense1.w.action")], 1)
    critic = [
        (first, t("dense1.b")),
        (t("dense2.w"), t("dense2.b")),
        (t("dense3.w")[..., None], t("dense3.b")[..., None]),
    ]
    return jax.tree.map(jnp.asarray, {"actor": actor, "critic": critic})


def batches(case: Case, nets: dict[str, Tree]) -> dict[str, list[tuple[jax.Array, Tree]]]:
    """Of each network the losses and gradients of DRAWS batches of ROWS rows."""
    module = jax_sac if case.family == "sac" else jax_remac
    state = nets | {"slow": nets["critic"], "log_alpha": jnp.zeros(())}
    replay = jax.tree.map(jnp.asarray, transitions(case))
    tries = (case.draws,) if case.family == "remac" else ()
    shapes = {"critic": (ROWS, case.act), "actor": (*tries, ROWS, case.act)}

    def loss(net: Tree, name: str, key: jax.Array) -> jax.Array:
        rows_key, noise_key = jax.random.split(key)
        rows = jax.random.randint(rows_key, (ROWS,), 0, ROWS)
        batch = {column: values[rows] for column, values in replay.items()}
        noise = jax.random.normal(noise_key, shapes[name])
        found = getattr(module, f"{name}_loss")(net, state, batch, noise, case)
        return found[0] if isinstance(found, tuple) else found

    gradient = jax.jit(jax.value_and_grad(loss), static_argnums=1)
    keys = jax.random.split(jax.random.key(4), DRAWS)
    return {name: [gradient(nets[name], name, key) for key in keys] for name in shapes}


def flat(tree: Tree) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]).astype(np.float64)


def spreads_off(ours: Tree, theirs: list[Tree]) -> float:
    """How far an average over rlc's batches is from one over JAX's, in expected distances."""
    draws = np.stack([flat(tree) for tree in theirs])
    mean = draws.mean(0)
    variance = np.square(draws - mean).sum() / (DRAWS - 1)  # of one batch of ROWS rows
    together = variance * (1 / DRAWS + ROWS / (UPDATES * BATCH))
    return float(np.sqrt(np.square(flat(ours) - mean).sum() / together))


def compare(rlc: str, case: Case) -> Iterator[tuple[str, str, float]]:
    """Which network, what, and how far off in spreads."""
    with tempfile.TemporaryDirectory() as folder:
        tensors, losses = rlc_run(rlc, case, pathlib.Path(folder))
    moments = networks(tensors, "optimizer.{}.", ".first")
    for name, found in batches(case, networks(tensors)).items():
        yield name, "loss", spreads_off(losses[name], [loss for loss, _ in found])
        ours = jax.tree.map(lambda m: m / (1 - BETA**UPDATES), moments[name])
        yield name, "gradient", spreads_off(ours, [gradient for _, gradient in found])


def main() -> None:
    rlc, *names = sys.argv[1:]
    good = True
    for case in [CASES[n] for n in names] or [c for c in CASES.values() if c.family != "ppo"]:
        for name, what, off in compare(rlc, case):
            near = off <= LIMIT[what]
            good = good and near
            print(
                f"{case.name:12} {name:7} {what:9} {off:.2f}{'' if near else '  TOO FAR'}",
                flush=True,
            )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
