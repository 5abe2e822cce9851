"""Draws the curves that `bench/learn.sh --curves` wrote: evaluation returns and entropy, mean over seeds.

    python bench/plot_learning.py FOLDER OUT.svg NAME [NAME ...]

NAME is a run's name without its seed. Needs matplotlib.
"""
import csv
import glob
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

folder, out, names = sys.argv[1], sys.argv[2], sys.argv[3:]


def mean(name, kind, column):
    """Steps and the mean over seeds of a column, as far as every seed has it."""
    runs = []
    for path in sorted(glob.glob(f"{folder}/{name}_s*.{kind}.csv")):
        with open(path) as file:
            runs.append([(float(r[0]), float(r[column])) for r in list(csv.reader(file))[1:] if r[column]])
    length = min(len(run) for run in runs)
    return len(runs), [runs[0][i][0] for i in range(length)], [sum(r[i][1] for r in runs) / len(runs) for i in range(length)]


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
for name in names:
    seeds, steps, values = mean(name, "evaluations", 1)
    left.plot(steps, values, label=f"{name} ({seeds} seed{'s' if seeds > 1 else ''})")
    _, steps, values = mean(name, "training", 2)
    right.plot(steps, values)
left.set_title("evaluation return, mean action")
right.set_title("entropy of the policy on the batch")
for axis in (left, right):
    axis.set_xlabel("environment steps")
    axis.grid(alpha=0.3)
left.legend(fontsize=8)
figure.tight_layout()
figure.savefig(out)
