"""What the peers on a card share: arguments, sizes, rounds, and the row for tools/gpu_bench.sh.

A round is many updates in the card's queue and one wait at its end; what is told is the median over
rounds. Building and first calls come before. Exit status 2: the library or a card is missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable

from cases import CASES, Case

ROUND_SECONDS = 0.05
MISSING = 2
# specs/sac.yaml, specs/remac.yaml with M=16 K=4, and specs/reppo.yaml.
SAC = CASES["sac"]
REMAC = dataclasses.replace(CASES["remac_16_8"], name="remac", tries=4)
REPPO = Case("reppo", ("specs/reppo.yaml",), "reppo", 512, "silu", 2048, 3e-4,
             draws=16, bins=151, rows=1024 * 128)  # fmt: skip
TINY = {"hidden": 16, "batch": 8, "bins": 11, "rows": 1000, "obs": 3, "act": 1}


def options(description: str | None, variants: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring each variant")
    parser.add_argument("--seeds", type=int, default=100, help="in the rows of many seeds")
    parser.add_argument("--variants", nargs="+", choices=variants, default=variants)
    parser.add_argument("--cpu", action="store_true", help="where there is no card: for tests")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes: for tests")
    given = parser.parse_args()
    if given.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.environ["JAX_PLATFORMS"] = "cpu"
    return given


def sized(case: Case, tiny: bool) -> Case:
    return dataclasses.replace(case, **TINY) if tiny else case


def missing(why: object) -> None:
    print(f"not found: {why}", file=sys.stderr)
    sys.exit(MISSING)


@dataclasses.dataclass
class Measured:
    rates: list[float]  # updates a second, round by round
    updates: int  # of a round


def measure(
    call: Callable[[], object], wait: Callable[[], object], updates: int, seconds: float
) -> Measured:
    """`call` puts `updates` updates into the queue, `wait` ends when they are done."""

    def round_run(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        wait()
        return time.perf_counter() - start

    round_run(1)  # compiled and loaded
    calls = 1
    while round_run(calls) < ROUND_SECONDS:
        calls *= 2
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while not rates or time.perf_counter() < end:
        rates.append(calls * updates / round_run(calls))
    return Measured(rates, calls * updates)


def row(system: str, case: str, measured: Measured, note: str, seeds: int = 1) -> None:
    """With many seeds, their updates count each."""
    name = case if seeds == 1 else f"{case} x{seeds} seeds"
    rounds = len(measured.rates)
    rate = statistics.median(measured.rates) * seeds
    updates = measured.updates * rounds * seeds
    print(system, name, f"{rate:.6g}", updates, rounds, "-", note, sep="\t", flush=True)
