"""How a peer is run and timed, and the line it prints.

As in `rlc bench`, a group is at least GROUP_UPDATES updates and GROUP_SECONDS long, rlc's own loop of
multiply-adds runs before and after each, and what is told is the median over groups. Building and
the first call (which compiles) come before and are told apart.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import gc
import json
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable

GROUP_SECONDS = 4e-3
GROUP_UPDATES = 4
WARM_SECONDS = 0.3
PEAK_SECONDS, PEAK_SLICES = 2e-4, 3
BUILT = pathlib.Path(__file__).resolve().parents[2] / "build" / "peers"  # by setup.sh


# of malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


@dataclasses.dataclass
class Variant:
    """One way to run an update. `call` makes `updates` updates and waits for their end."""

    name: str
    call: Callable[[], object]
    updates: int


def options(description: str, cases: Iterable[str]) -> argparse.Namespace:
    names = list(cases)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--case", choices=names, default=names[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring each variant")
    parser.add_argument("--threads", type=int, default=1, help="cores it is pinned to and uses")
    parser.add_argument("--mflop", type=float, help="of an update: minimal_mflop of rlc bench")
    parser.add_argument("--variant", help="this variant alone")
    parser.add_argument("--wait", action="store_true",
                        help="measure once for every line of standard input; an empty line of output "
                             "says ready, and ends a round")  # fmt: skip
    given = parser.parse_args()
    pin(given.threads)
    keep_memory()
    return given


def pin(threads: int) -> None:
    """Keeps to the last `threads` cores there are; also what pools of threads are sized by."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def keep_memory() -> None:
    """Freed memory stays with the process, so that a big tensor does not fault its pages in anew.

    That is worth a third of an update to PyTorch and to single calls of JAX at 4,096 rows.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(M_TOP_PAD, 2**28)


class Peak:
    """FLOP/s that the machine gives to `threads` threads now, by compiler/measure/peak.c."""

    def __init__(self, threads: int) -> None:
        library = ctypes.CDLL(str(BUILT / "librlc_peak.so"))
        library.team_make.restype = ctypes.c_void_p
        library.team_make.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
        library.peak_team.restype = ctypes.c_double
        library.peak_team.argtypes = [ctypes.c_void_p, ctypes.c_double]
        error = ctypes.create_string_buffer(1024)  # RunError
        self.rate = library.peak_team
        self.team = library.team_make(threads, error)
        if not self.team:
            raise OSError(error.value.decode())

    def now(self) -> float:
        """The fastest slice: the clock is wanted, not who else had the core."""
        return max(self.rate(self.team, PEAK_SECONDS) for _ in range(PEAK_SLICES))


@dataclasses.dataclass
class Group:
    rate: float  # updates a second
    peak: float  # FLOP/s around it


def _rate(variant: Variant) -> float:
    updates = 0
    start = time.perf_counter()
    while True:
        variant.call()
        updates += variant.updates
        seconds = time.perf_counter() - start
        if seconds >= GROUP_SECONDS and updates >= GROUP_UPDATES:
            return updates / seconds


def _measure(variant: Variant, seconds: float, peak: Peak) -> list[Group]:
    gc.collect()
    gc.disable()
    end = time.perf_counter() + WARM_SECONDS
    while time.perf_counter() < end:
        variant.call()
    groups = []
    before = peak.now()
    end = time.perf_counter() + seconds
    while not groups or time.perf_counter() < end:
        rate, after = _rate(variant), peak.now()
        groups.append(Group(rate, (before + after) / 2))
        before = after
    gc.enable()
    return groups


def _line(peer: str, given: argparse.Namespace, variant: Variant, groups: list[Group]) -> dict:
    rate = statistics.median(group.rate for group in groups)
    line = {
        "name": peer,
        "variant": variant.name,
        "case": given.case,
        "threads": given.threads,
        "precision": "float32",
        "updates_per_second": rate,
        "updates_per_second_best": max(group.rate for group in groups),
        "ms": 1e3 / rate,
        "groups": len(groups),
        "peak_gflops": statistics.median(group.peak for group in groups) / 1e9,
    }
    if given.mflop:
        flops = given.mflop * 1e6
        line["gflops"] = flops * rate / 1e9
        line["share_of_peak"] = statistics.median(flops * g.rate / g.peak for g in groups)
    return line


def run(
    peer: str,
    given: argparse.Namespace,
    variants: list[Variant],
    versions: dict[str, str],
) -> None:
    """Calls each variant once, then measures them in turn and prints a JSON line for each."""
    chosen = [v for v in variants if given.variant in (None, v.name)]
    peak = Peak(given.threads)
    first = {}
    for variant in chosen:
        start = time.perf_counter()
        variant.call()
        first[variant.name] = time.perf_counter() - start
    if given.wait:
        print(flush=True)  # ready
    for _ in sys.stdin if given.wait else range(1):
        for variant in chosen:
            line = _line(peer, given, variant, _measure(variant, given.seconds, peak))
            line |= {"first_call_seconds": first[variant.name], "versions": versions}
            print(json.dumps(line), flush=True)
        if given.wait:
            print(flush=True)  # the end of a round
