"""Makes a page of what rounds.py printed: one table for each case and number of threads."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable

from cases import CASES

Line = dict
# A baseline that is bound by its products and stays below this share of the measured peak is a fault of the bench. The bar was
# 100 of 257 GFLOP/s where it was set; a machine's own peak makes it one number for all.
LEAST_SHARE = 0.39
KEPT = (
    "name", "variant", "case", "threads", "round", "updates_per_second", "updates_per_second_best",
    "gflops", "peak_gflops", "share_of_peak", "minimal_mflop", "executed_mflop", "groups",
    "compile_seconds", "first_call_seconds", "load",
)  # fmt: skip


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def spread(values: Iterable[float]) -> str:
    """The median, with the least and the most."""
    values = list(values)
    least, middle, most = (number(f(values)) for f in (min, statistics.median, max))
    return middle if least == most else f"{middle} [{least}-{most}]"


def grouped(lines: Iterable[Line], key: Callable[[Line], object]) -> dict:
    groups: dict = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return groups


def contender(line: Line) -> str:
    return f"{line['name']} {line['variant']}".strip()


def ratios(ours: list[Line], theirs: list[Line]) -> list[float]:
    """How much faster rlc is, round by round."""
    rate = {line["round"]: line["updates_per_second"] for line in ours}
    return [rate[line["round"]] / line["updates_per_second"] for line in theirs]


def table(lines: list[Line]) -> Iterable[str]:
    by = grouped(lines, contender)
    yield "| | ms | updates/s | best group, /s | GFLOP/s | share of peak | first call, s | rlc is faster by |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, own in by.items():
        of = lambda key, own=own: spread(line[key] for line in own)
        seconds = [line.get("first_call_seconds", line.get("compile_seconds")) for line in own]
        cells = [
            name,
            spread(1e3 / line["updates_per_second"] for line in own),
            of("updates_per_second"),
            number(max(line["updates_per_second_best"] for line in own)),
            of("gflops"),
            of("share_of_peak"),
            spread(seconds),
            "" if name == "rlc" else spread(ratios(by["rlc"], own)),
        ]
        yield f"| {' | '.join(cells)} |"


def fastest(lines: list[Line]) -> dict[str, list[Line]]:
    """Of each peer the variant with the highest median rate, and rlc."""
    rate = lambda own: statistics.median(line["updates_per_second"] for line in own)
    best: dict[str, list[Line]] = {}
    for own in grouped(lines, contender).values():
        peer = own[0]["name"]
        if peer not in best or rate(own) > rate(best[peer]):
            best[peer] = own
    return best


def overview(groups: dict) -> Iterable[str]:
    yield "| case | threads | rlc, ms | share | jax | torch eager | torch compile | OpenBLAS, products alone |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for (threads, case), lines in groups.items():
        by, best = grouped(lines, contender), fastest(lines)
        ours = by["rlc"]
        others = [best["jax"], by["torch eager"], by["torch compile"], best["openblas_gemm"]]
        cells = [
            " ".join(CASES[case].spec),
            str(threads),
            spread(1e3 / line["updates_per_second"] for line in ours),
            number(statistics.median(line["share_of_peak"] for line in ours)),
            *(spread(ratios(ours, own)) for own in others),
        ]
        yield f"| {' | '.join(cells)} |"


def below(groups: dict) -> Iterable[str]:
    """Baselines bound by products, on one thread, that stay below LEAST_SHARE."""
    for (threads, case), lines in groups.items():
        if threads > 1 or CASES[case].hidden < 256:
            continue
        for peer, own in fastest(lines).items():
            share = statistics.median(line["share_of_peak"] for line in own)
            if share < LEAST_SHARE:
                yield f"{peer} on {case}: {share:.2f}"


def versions(lines: Iterable[Line]) -> str:
    found = {}
    for line in lines:
        found |= {k: v for k, v in line.get("versions", {}).items() if k != "mflop"}
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def raw(line: Line) -> str:
    rounded = lambda v: float(f"{v:.5g}") if isinstance(v, float) else v
    return json.dumps({key: rounded(line[key]) for key in KEPT if key in line})


def main() -> None:
    lines = [json.loads(text) for text in sys.stdin]
    groups = grouped(lines, lambda line: (line["threads"], line["case"]))
    print(f"- versions: {versions(lines)}; all in float32")
    print(f"- load average during the rounds: {spread(line['load'] for line in lines)}")
    least = "; ".join(below(groups)) or "none"
    print(f"- baselines of 256x256 below {LEAST_SHARE} of one core's peak: {least}")
    print("\n## How many times faster rlc is\n")
    print(
        "Of JAX and OpenBLAS the faster variant. Medians of the rounds' ratios, with the least and the most.\n"
    )
    print("\n".join(overview(groups)))
    for (threads, case), own in groups.items():
        print(f"\n## {' '.join(CASES[case].spec)}, threads: {threads}\n")
        print("\n".join(table(own)))
    print("\n## Raw\n\n```json")
    print("\n".join(raw(line) for line in lines))
    print("```")


if __name__ == "__main__":
    main()
