"""Measures rlc and its peers in turn and prints the lines of JSON that summary.py makes a page of.

Peers are started once for a case and wait between rounds, so that what alternates is measuring alone.
Everybody is pinned to the same cores.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator

from cases import CASES, Case

HERE = pathlib.Path(__file__).resolve().parent


class Peer:
    """A process that measures when it is asked to."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
        self.command = command
        self.read()

    def read(self) -> list[dict]:
        """Lines up to an empty one."""
        lines = []
        while (line := self.process.stdout.readline()) not in ("\n", ""):
            lines.append(json.loads(line))
        if line == "":
            raise ChildProcessError(f"ended early, run by hand: {shlex.join(self.command)}")
        return lines

    def measure(self) -> list[dict]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def pinned(threads: int) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    return ["taskset", "-c", ",".join(map(str, cores))]


def rlc(given: argparse.Namespace, case: Case, threads: int) -> dict:
    command = [*given.under, *pinned(threads), given.rlc, "bench", *case.spec, "--json"]
    command += ["--threads", str(threads), "--seconds", str(given.seconds)]
    environment = os.environ | {"RLC_CACHE": "off"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\n{done.stderr}")
    return json.loads(done.stdout) | {"name": "rlc", "variant": "", "case": case.name}


def peers(given: argparse.Namespace, case: Case, threads: int, mflop: float) -> Iterator[Peer]:
    arguments = ["--case", case.name, "--threads", str(threads), "--mflop", str(mflop)]
    arguments += ["--seconds", str(given.seconds), "--wait"]
    for script, environment in (
        (f"jax_{case.family}.py", {}),
        (f"torch_{case.family}.py", {}),
        ("openblas_gemm.py", {}),
        ("openblas_gemm.py", {"OPENBLAS_CORETYPE": "SkylakeX"}),
    ):
        print(f"  starting {script}", file=sys.stderr)
        command = [*given.under, sys.executable, str(HERE / script), *arguments]
        yield Peer(command, environment)


def case_rounds(given: argparse.Namespace, case: Case, threads: int) -> Iterator[dict]:
    print(f"{case.name}, threads: {threads}", file=sys.stderr)
    mflop = rlc(given, case, threads)["minimal_mflop"]
    started = list(peers(given, case, threads, mflop))
    for number in range(1, given.rounds + 1):
        print(f"  round {number} of {given.rounds}", file=sys.stderr)
        lines = [rlc(given, case, threads)]
        for peer in started:
            lines += peer.measure()
        for line in lines:
            yield line | {"round": number, "load": os.getloadavg()[0]}
    for peer in started:
        peer.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rlc", required=True, help="the compiler's binary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--under", type=shlex.split, default=[], help="a command to run under")
    given = parser.parse_args()
    for threads in given.threads:
        for name in given.cases:
            for line in case_rounds(given, CASES[name], threads):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
