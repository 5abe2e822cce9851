#!/usr/bin/env python3
"""Records what Gymnasium's classic tasks do, for tests/declared_env_test.c to compare with.

Usage: python3 record_declared.py > declared.txt      (needs gymnasium; VERSIONS.txt names which)

Lines: "env ID", then episodes: "start STATE..", and for each step "step ACTION REWARD FLAGS" (1 terminated,
2 truncated); "obs OBS.." follows every tenth step and the last one of an episode. The first episode of a task
ends by its limit where the task can be kept from ending earlier, the others as they do.
"""
import gymnasium
import numpy as np


def balance(obs, rng):
    return int(obs[2] + 0.5 * obs[3] + 0.05 * obs[0] + 0.15 * obs[1] > 0)


def anything(count):
    return lambda obs, rng: int(rng.integers(count))


def pump(obs, rng):  # the torque follows the rate of its joint
    return 2 if obs[5] > 0 else 0


def weak(obs, rng):
    return np.float32(rng.uniform(-1.5, 1.5))


def strong(obs, rng):
    return np.float32(1.25 if obs[1] >= 0 else -1.25)


def torque(obs, rng):
    return np.float32(rng.uniform(-3, 3))


TASKS = [("CartPole-v1", [balance, anything(2), anything(2), anything(2)]),
         ("MountainCarContinuous-v0", [weak, strong]),
         ("Acrobot-v1", [anything(3), pump]),
         ("Pendulum-v1", [torque, torque])]


def text(values):
    return " ".join(repr(float(v)) for v in np.ravel(values))


for name, policies in TASKS:
    env = gymnasium.make(name)
    rng = np.random.default_rng(7)
    continuous = env.action_space.shape != ()
    print("env", name)
    obs, _ = env.reset(seed=20)
    for policy in policies:
        print("start", text(env.unwrapped.state))
        ended, count = False, 0
        while not ended:
            action = policy(obs, rng)
            obs, reward, terminated, truncated, _ = env.step(np.array([action]) if continuous else action)
            ended = terminated or truncated
            count += 1
            print("step", text(action), text(reward), int(terminated) + 2 * int(truncated))
            if ended or count % 10 == 0:
                print("obs", text(obs))
        obs, _ = env.reset()
