#!/usr/bin/env python3
"""Writes tests/golden/rliable.json: what rliable, scipy and statsmodels say of made-up scores.

usage: rliable_golden.py > tests/golden/rliable.json

tests/stats_golden_test.c compares compiler/study with it. Runs in a virtual environment, a minute or two:
  python3 -m venv build/venv-rliable
  build/venv-rliable/bin/pip install -r tests/oracles/rliable_requirements.txt

`cases`: scores [task][run], the draws of SHORT resamples, and of each statistic its values with
two intervals: [low, high] from these draws, [far low, far high] from LONG resamples of its own.
rliable is called as it is; what it draws is recorded on the way. Each step of a curve is a case.
A draw is a digit 0-9a-z; they stand [resample][sample][run][task].

`pairs`: differences by task and the p-value of scipy's permutation test with random signs.
`holm`: p-values and what statsmodels makes of them.
"""
import importlib.metadata
import json
import sys

import numpy as np
import rliable.library as library
import rliable.metrics as metrics
from scipy.stats import permutation_test
from statsmodels.stats.multitest import multipletests

LEVEL, SHORT, LONG, SEED, SIGNS = 0.95, 100, 20000, 5, 1000000
TAUS = [-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 9.0]
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Recorded:
    """Draws as numpy does, and keeps them."""

    def __init__(self, seed):
        np.random.seed(seed)
        self.choice, self.draws = np.random.choice, []

    def __call__(self, *args, **kwargs):
        drawn = self.choice(*args, **kwargs)
        self.draws.append("".join(DIGITS[i] for i in np.ravel(drawn)))
        return drawn

    def __enter__(self):
        np.random.choice = self
        return self

    def __exit__(self, *_):
        np.random.choice = self.choice


def interval(scores, function, resamples, seed):
    with Recorded(seed) as recorded:
        value, bounds = library.get_interval_estimates({"x": scores}, function, reps=resamples,
                                                       confidence_interval_size=LEVEL)
    return np.ravel(value["x"]), bounds["x"], "".join(recorded.draws)


def result(statistic, scores, function):
    """Of scores as rliable takes them."""
    value, near, draws = interval(scores, function, SHORT, SEED)
    _, far, _ = interval(scores, function, LONG, SEED + 1)
    numbers = {"value": value, "low": near[0], "high": near[1], "far_low": far[0], "far_high": far[1]}
    return {"statistic": statistic} | {name: [float(f"{x:.12g}") for x in of]
                                       for name, of in numbers.items()}, draws


def aggregates():
    yield "iqm", lambda x: np.array([metrics.aggregate_iqm(x)])
    yield "mean", lambda x: np.array([metrics.aggregate_mean(x)])
    yield "median", lambda x: np.array([metrics.aggregate_median(x)])
    yield "optimality_gap", lambda x: np.array([metrics.aggregate_optimality_gap(x)])


def profiles():
    yield "profile", lambda x: library.score_distributions(x, TAUS)


def improvement():
    yield "improvement", lambda x, y: np.array([metrics.probability_of_improvement(x, y)])


def case(name, x, y, statistics):
    """x, y: [run][task]"""
    results = [result(statistic, x if y is None else [x, y], function)
               for statistic, function in statistics]
    (draws,) = {draws for _, draws in results}
    y = x[:0] if y is None else y
    return {"name": name, "tasks": x.shape[1], "x_runs": x.shape[0],
            "y_runs": y.shape[0], "x": np.ravel(x.T).tolist(),
            "y": np.ravel(y.T).tolist(), "draws": draws,
            "results": [numbers for numbers, _ in results]}


def cases():
    rng = np.random.default_rng(7)

    def curves(runs, tasks, steps, digits=4):
        return np.round(rng.lognormal(-0.5 + 0.1 * np.arange(tasks)[:, None], 0.7,
                                      (runs, tasks, steps)), digits)

    def scores(runs, tasks, digits=4):
        return curves(runs, tasks, 1, digits)[..., 0]

    both = [*aggregates(), *profiles()]
    yield case("six tasks", scores(10, 6) - 0.2, None, both)
    yield case("an odd number of runs", scores(7, 3), None, both)
    yield case("one task", scores(5, 1), None, both)
    yield case("two runs", scores(2, 4), None, both)
    yield case("ties", scores(6, 3, digits=0), None, both)
    rising = np.sort(curves(6, 2, 5), axis=2)
    for step in range(5):
        yield case(f"step {step + 1} of a curve", rising[..., step], None, aggregates())
    yield case("more of x", scores(8, 3), scores(5, 3) + 0.3, improvement())
    yield case("ties of x and y", scores(4, 3, digits=0), scores(9, 3, digits=0), improvement())
    same = scores(5, 2)
    yield case("x is y", same, same.copy(), improvement())


def pair(name, differences):
    terms = np.concatenate([d / len(d) for d in differences])
    exact = len(terms) <= 20
    test = permutation_test((terms,), np.sum, permutation_type="samples", batch=4096,
                            n_resamples=np.inf if exact else SIGNS, rng=np.random.default_rng(SEED))
    return {"name": name, "pairs": [len(d) for d in differences],
            "differences": [float(x) for d in differences for x in d],
            "value": float(np.sum(terms) / len(differences)), "p": float(test.pvalue), "exact": exact}


def pairs():
    rng = np.random.default_rng(11)

    def some(shift, *runs, digits=3):
        return [np.round(rng.normal(shift, 1, n), digits) for n in runs]

    yield pair("one task", some(0.8, 10))
    yield pair("less", some(-0.5, 9))
    yield pair("three tasks", some(0.7, 4, 4, 4))
    yield pair("unequal tasks", some(0.4, 2, 5, 3))
    yield pair("twenty pairs", some(0.6, 5, 5, 5, 5))
    yield pair("whole numbers", some(0.7, 8, 4, digits=0))
    yield pair("all of a sign", [np.array([1.0, 2.0, 0.5, 3.0, 0.25])])
    yield pair("a sum of zero", [np.array([1.0, -2.0, 1.0])])
    yield pair("many pairs", some(0.25, 10, 10, 10, 10, 10, 10))


def holm(p):
    return {"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()}


versions = {name: importlib.metadata.version(name)
            for name in ["rliable", "arch", "numpy", "scipy", "statsmodels"]}
facts = {"versions": versions, "level": LEVEL, "short": SHORT, "long": LONG, "seed": SEED,
         "signs": SIGNS, "taus": TAUS, "cases": list(cases()), "pairs": list(pairs()),
         "holm": [holm([0.01, 0.04, 0.03, 0.005]), holm([0.5]), holm([0.9, 0.5, 0.4]),
                  holm([0.02, 0.02, 0.02]), holm([0.0001, 0.2, 0.011, 0.03, 0.0499, 1.0])]}
json.dump(facts, sys.stdout, indent=None)
print()
