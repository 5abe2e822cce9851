"""python3 make_pendulum.py ROWS FILE: transitions of Pendulum-v1 for cql.yaml and iql.yaml, without dependencies.

Episodes of a swing-up controller of which 10, 30, 60 or 100 % of the actions are replaced by uniform ones.
"""
import json
import math
import random
import struct
import sys


def wrap(x):
    return (x + math.pi) % (2 * math.pi) - math.pi


def controller(angle, speed):
    if math.cos(angle) > 0.85:
        return -12 * wrap(angle) - 3 * speed
    energy = speed * speed / 6 + 5 * (math.cos(angle) - 1)  # less that of standing
    return 2 * math.copysign(1, -energy * speed) if abs(energy) > 0.1 else 0


def collect(rows):
    columns = {name: [] for name in ("obs", "action", "reward", "next_obs", "terminated", "truncated")}
    while len(columns["reward"]) < rows:
        angle, speed = random.uniform(-math.pi, math.pi), random.uniform(-1, 1)
        noise = random.choice([0.1, 0.3, 0.6, 1.0])
        for step in range(200):
            columns["obs"] += (math.cos(angle), math.sin(angle), speed)
            u = random.uniform(-2, 2) if random.random() < noise else controller(angle, speed)
            u = max(-2, min(2, u))
            columns["reward"].append(-(wrap(angle) ** 2 + 0.1 * speed * speed + 0.001 * u * u))
            speed = max(-8, min(8, speed + (15 * math.sin(angle) + 3 * u) * 0.05))
            angle += speed * 0.05
            columns["action"].append(u)
            columns["next_obs"] += (math.cos(angle), math.sin(angle), speed)
            columns["terminated"].append(0)
            columns["truncated"].append(step == 199)
    return columns


def write(path, columns):
    rows = len(columns["reward"])
    header, data = {}, b""
    for name, values in columns.items():
        raw = struct.pack("<%df" % len(values), *values)
        width = len(values) // rows
        shape = [rows, width] if name in ("obs", "action", "next_obs") else [rows]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


random.seed(0)
write(sys.argv[2], collect(int(sys.argv[1])))
