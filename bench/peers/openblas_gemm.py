"""The matrix products of an update alone, through OpenBLAS: a floor for whatever calls a BLAS.

The products are those of exact differentiation without dead gradients: no weights' gradient of the
critics in the actor's loss, and of the critics' input only the action's columns. OPENBLAS_CORETYPE
in the environment forces its kernels (SkylakeX, Cooperlake: AVX-512; Haswell: AVX2).
"""

from __future__ import annotations

import ctypes
import os
import pathlib

import numpy as np
import scipy_openblas32

import timing
from cases import CASES, Case


class Gemm(ctypes.Structure):
    """As in openblas_gemm.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("a", "b", "c")] + [
        (name, ctypes.c_int)
        for name in ("m", "n", "k", "a_transposed", "b_transposed", "lda", "ldb", "ldc")
    ]


class Products:
    """A list of products and the matrices that they read and write, by name."""

    def __init__(self) -> None:
        self.matrices: dict[str, np.ndarray] = {}
        self.list: list[Gemm] = []
        self.rng = np.random.default_rng(1)

    def matrix(self, name: str, rows: int, columns: int) -> np.ndarray:
        if name not in self.matrices:
            drawn = self.rng.standard_normal((rows, columns), np.float32)
            self.matrices[name] = drawn / np.float32(np.sqrt(rows))
        return self.matrices[name]

    def add(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, turned: str = "") -> None:
        """c = a b; `turned` names the operands that are stored transposed. Views keep their rows."""
        k = a.shape[0] if "a" in turned else a.shape[1]
        lead = [x.strides[0] // x.itemsize for x in (a, b, c)]
        address = [x.ctypes.data for x in (a, b, c)]
        self.list.append(Gemm(*address, *c.shape, k, "a" in turned, "b" in turned, *lead))

    def mflop(self) -> float:
        return sum(2 * g.m * g.n * g.k for g in self.list) / 1e6


def sizes(case: Case, net: str) -> list[int]:
    first, last = {
        "actor": (case.obs, case.act if case.family == "ppo" else 2 * case.act),
        "critic": (case.obs + (0 if case.family == "ppo" else case.act), 1),
    }[net.rstrip("12").removeprefix("slow_")]
    return [first, case.hidden, case.hidden, last]


class Network:
    """The products of one use of a network on some rows."""

    def __init__(self, products: Products, case: Case, net: str, use: str, rows: int) -> None:
        self.products, self.use = products, use
        wide = sizes(case, net)
        pairs = list(zip(wide, wide[1:]))
        self.weights = [products.matrix(f"{net} w{i}", *pair) for i, pair in enumerate(pairs)]
        self.x = [products.matrix(f"{net} {use} x{i}", rows, n) for i, n in enumerate(wide)]
        self.dx = [products.matrix(f"{net} {use} dx{i}", rows, n) for i, n in enumerate(wide)]
        self.dw = [products.matrix(f"{net} dw{i}", *pair) for i, pair in enumerate(pairs)]

    def forward(self) -> None:
        for x, weights, y in zip(self.x, self.weights, self.x[1:]):
            self.products.add(x, weights, y)

    def backward(self, weights: bool = True, input_columns: int = 0) -> None:
        """Gradients of the weights, and of the last columns of the input."""
        for i in reversed(range(len(self.weights))):
            if weights:
                self.products.add(self.x[i], self.dx[i + 1], self.dw[i], "a")
            if i > 0:
                self.products.add(self.dx[i + 1], self.weights[i], self.dx[i], "b")
            elif input_columns:
                taken = self.weights[0][-input_columns:]
                self.products.add(self.dx[1], taken, self.dx[0][:, -input_columns:], "b")


def actor_critic(case: Case) -> Products:
    products = Products()
    network = lambda *which: Network(products, case, *which)
    tries = case.batch * case.draws
    network("actor", "next", case.batch).forward()
    for twin in "12":
        network(f"slow_critic{twin}", "next", case.batch).forward()
    for twin in "12":
        critic = network(f"critic{twin}", "fit", case.batch)
        critic.forward()
        critic.backward()
    actor = network("actor", "now", case.batch)
    actor.forward()
    for twin in "12":
        critic = network(f"critic{twin}", "tries", tries)
        critic.forward()
        critic.backward(weights=False, input_columns=case.act)
    actor.backward()
    return products


def ppo(case: Case) -> Products:
    products = Products()
    for net in ("actor", "critic"):
        network = Network(products, case, net, "fit", case.batch)
        network.forward()
        network.backward()
    return products


def blas(threads: int) -> tuple[ctypes.CDLL, str]:
    """OpenBLAS with so many threads, and which kernels it chose."""
    folder = pathlib.Path(scipy_openblas32.get_lib_dir())
    library = ctypes.CDLL(str(folder / scipy_openblas32.get_library(True)))
    library.scipy_openblas_set_num_threads(threads)
    library.scipy_openblas_get_corename.restype = ctypes.c_char_p
    return library, library.scipy_openblas_get_corename().decode()


def main() -> None:
    given = timing.options(__doc__, CASES)
    case = CASES[given.case]
    products = ppo(case) if case.family == "ppo" else actor_critic(case)
    listed = (Gemm * len(products.list))(*products.list)
    _, core = blas(given.threads)
    run = ctypes.CDLL(str(timing.BUILT / "openblas_gemm.so")).gemms_run
    forced = os.environ.get("OPENBLAS_CORETYPE")
    variant = timing.Variant(f"{forced or 'default'} ({core})", lambda: run(listed, len(listed)), 1)
    versions = {"openblas": scipy_openblas32.__version__, "mflop": round(products.mflop(), 3)}
    timing.run("openblas_gemm", given, [variant], versions)


if __name__ == "__main__":
    main()
