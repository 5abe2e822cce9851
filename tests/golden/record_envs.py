#!/usr/bin/env python3
"""Records what Gymnasium does, for tests/env_test.c to compare with.

Usage: python3 record_envs.py [FOLDER]      (needs gymnasium[mujoco]; versions go to VERSIONS.txt)

One file per task, little endian: the magic "RLCG", then uint32 obs_dim, act_dim, state size, steps;
then records of two uint32 (kind, value) and some doubles:
  kind 0  start  an episode begins: the state, then the first observation
  kind 1  state  the state before the next step
  kind 2  step   value holds the flags (1 terminated, 2 truncated); one double: the reward
  kind 3  obs    the observation after the step just recorded
Observations and states are kept of the first 50 steps and of every 20th later, rewards of all.
States are laid out as env_get_state has them. Actions are not stored: entry j of step k is draw
k * act_dim + j of the generator in `Actions`, scaled to the action's bounds; both sides compute it
exactly.
"""
import os
import struct
import sys

import gymnasium
import mujoco
import numpy as np

TASKS = ["Pendulum-v1", "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Swimmer-v5",
         "Reacher-v5", "InvertedPendulum-v5"]
STEPS = 1000
DENSE, EVERY = 50, 20  # states and observations: of the first steps, then now and then
START, STATE, STEP, OBS = range(4)


class Actions:
    """A linear congruential generator; its upper 24 bits make a float32 in [-1, 1) exactly."""

    def __init__(self, env):
        self.x = 1
        self.n = env.action_space.shape[0]
        self.high = np.float32(env.action_space.high[0])

    def draw(self):
        a = np.zeros(self.n, np.float32)
        for j in range(self.n):
            self.x = (self.x * 1664525 + 1013904223) % 2**32
            a[j] = self.high * (np.float32(self.x >> 8) / np.float32(2**23) - np.float32(1))
        return a


def forward(name, data):
    """The coordinate whose speed is rewarded, as last evaluated."""
    if name == "Ant-v5":
        return data.body("torso").xpos[0]
    return 0.0 if name in ("Reacher-v5", "InvertedPendulum-v5") else data.qpos[0]


def state(name, env, elapsed):
    if name == "Pendulum-v1":
        return np.array([elapsed, *env.unwrapped.state])
    d = env.unwrapped.data
    return np.concatenate([[elapsed, d.time, forward(name, d)], d.qpos, d.qvel, d.qacc_warmstart])


def put(out, kind, value, doubles):
    out.write(struct.pack("<II", kind, value) + np.asarray(doubles, "<f8").tobytes())


def record(name, path):
    env = gymnasium.make(name)
    actions = Actions(env)
    obs, _ = env.reset(seed=20)
    with open(path, "wb") as out:
        size = state(name, env, 0).size
        out.write(b"RLCG" + struct.pack("<4I", obs.size, actions.n, size, STEPS))
        elapsed, episodes = 0, 0
        for k in range(STEPS):
            if elapsed == 0:
                put(out, START, 0, np.concatenate([state(name, env, 0), obs]))
                episodes += 1
            full = k < DENSE or k % EVERY == 0
            if full:
                put(out, STATE, 0, state(name, env, elapsed))
            obs, reward, terminated, truncated, _ = env.step(actions.draw())
            put(out, STEP, int(terminated) + 2 * int(truncated), [reward])
            if full:
                put(out, OBS, 0, obs)
            elapsed += 1
            if terminated or truncated:
                obs, _ = env.reset()
                elapsed = 0
    print(f"{name}: {episodes} episodes, {os.path.getsize(path)} bytes")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for name in TASKS:
        record(name, os.path.join(folder, name + ".bin"))
    with open(os.path.join(folder, "VERSIONS.txt"), "w") as out:
        for module in (gymnasium, mujoco, np):
            out.write(f"{module.__name__} {module.__version__}\n")


main()
