#!/usr/bin/env python3
"""Reads a checkpoint with Python's safetensors and numpy, as a user would, and checks it.

usage: read_checkpoint.py RUN_DIRECTORY [--fixture]

Follows checkpoints/latest.json, verifies the checksums that NAME.json records, loads all tensors,
and prints name, type, shape and axes of each. With --fixture the directory was written by
`checkpoint_test write DIR`: every element must then have the value its number says.
Needs the PyPI packages safetensors and numpy; not part of `make test`.
"""

import json
import pathlib
import struct
import sys

import numpy
from safetensors import safe_open

POLYNOMIAL = 0x82F63B78
# Slot numbers of tests/checkpoint_fixture.h.
FIXTURE = {"actor.w": 0, "norm.mean": 1, "critic.w": 3, "critic.b": 4, "slow.critic.w": 5,
           "adam.t": 6, "adam.m.actor.w": 7, "visits": 8, "none": 10}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check(condition, message):
    if not condition:
        sys.exit(f"error: {message}")


def check_checksums(place, name):
    text = (place / f"{name}.json").read_bytes()
    facts = json.loads(text)
    body = text[: text.rindex(b',\n  "crc32c"')]
    check(f"{crc32c(body):08x}" == facts["crc32c"], "checksum of the JSON file")
    raw = (place / f"{name}.safetensors").read_bytes()
    check(len(raw) == facts["tensor_bytes"], "length of the safetensors file")
    data = 8 + struct.unpack("<Q", raw[:8])[0]
    check(data % 8 == 0, "alignment of the data")
    check(f"{crc32c(raw[:data]):08x}" == facts["tensor_header_crc32c"], "checksum of the header")
    check(f"{crc32c(raw[data:]):08x}" == facts["tensor_data_crc32c"], "checksum of the data")
    return facts


def check_fixture(name, tensor):
    number = FIXTURE[name]
    scale = 1 if tensor.dtype == numpy.int32 else 0.5
    expected = (1000 * number + numpy.arange(tensor.size)).reshape(tensor.shape) * scale
    check(numpy.array_equal(tensor, expected.astype(tensor.dtype)), f"values of {name}")


def main():
    run, fixture = pathlib.Path(sys.argv[1]), "--fixture" in sys.argv[2:]
    place = run / "checkpoints"
    name = json.loads((place / "latest.json").read_text())["checkpoint"]
    facts = check_checksums(place, name)
    with safe_open(str(place / f"{name}.safetensors"), framework="numpy") as file:
        axes = file.metadata()
        for key in sorted(file.keys()):
            tensor = file.get_tensor(key)
            labels = axes[f"axes.{key}"]
            check(len(labels.split(",")) == tensor.ndim or tensor.ndim == 0, f"axes of {key}")
            if fixture:
                check_fixture(key, tensor)
            print(f"{key:24} {tensor.dtype!s:8} {tensor.shape!s:16} [{labels}]")
        check(not fixture or set(file.keys()) == set(FIXTURE), "names of the tensors")
    print(f"{name}: step {facts['step']}, spec {facts['spec_hash']}: good")


if __name__ == "__main__":
    main()
