"""B @ A in fp32 with the very bits of torch.mm, mostly without torch: its import takes longer than a gigabyte of sums.

On x86-64 torch.mm is one call of `sgemm_` (BLAS's standard name) in a library that torch carries. That is called here.
"""

import ctypes
import os
import platform
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import numpy as np

from mmupt.merging.numbers import TYPES, Numbers

_FP32 = TYPES["float32"]


def product(high: Numbers, low: Numbers) -> Numbers:
    """Factors of shapes (rows, rank) and (rank, columns), fp32 and contiguous -> (rows, columns). On one thread."""
    vector = 1 in (len(high), low.shape[1])  # which torch.mm gives to BLAS in another way
    return _by_torch(high, low) if vector else _multiplier()(high, low)


def get_ready() -> None:
    """Load the library in the background, which takes as long as half a gigabyte of sums."""
    Thread(target=_multiplier).start()


@cache
def _multiplier() -> Callable[[Numbers, Numbers], Numbers]:
    spec = find_spec("torch")
    assert spec is not None and spec.origin is not None
    try:
        if platform.machine() == "x86_64":
            return _Blas(_opened(Path(spec.origin).with_name("lib") / "libtorch_cpu.so"))
    except (OSError, AttributeError):  # a build of torch that lays out or names things otherwise
        pass
    return _by_torch


def _opened(path: Path) -> ctypes.CDLL:
    ctypes.CDLL(None).dlopen(bytes(path), os.RTLD_NOW)  # other threads go on, which ctypes itself would not let them
    return ctypes.CDLL(str(path))


class _Blas:
    """The BLAS of one library, which uses OpenMP."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._sgemm, self._threads = library.sgemm_, library.omp_get_max_threads
        self._set_threads = library.omp_set_num_threads

    def __call__(self, high: Numbers, low: Numbers) -> Numbers:
        """BLAS counts by columns, and sees each matrix transposed: out.T = low.T @ high.T."""
        out = np.empty((len(high), low.shape[1]), _FP32)
        # Integers of 64 bits are right for a BLAS that reads 32 of them, too: the low ones come first.
        rows, columns, rank = (ctypes.byref(ctypes.c_int64(size)) for size in (*out.shape, len(low)))
        one, nothing = (ctypes.byref(ctypes.c_float(factor)) for factor in (1, 0))
        a, b, c = (ctypes.c_void_p(each.ctypes.data) for each in (low, high, out))
        threads = self._threads()
        self._set_threads(1)  # the other cores check and write, and would wait for idle threads
        try:
            self._sgemm(b"n", b"n", columns, rows, rank, one, a, columns, b, rank, nothing, c, columns)
        finally:
            self._set_threads(threads)
        return out


def _by_torch(high: Numbers, low: Numbers) -> Numbers:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        product: Numbers = torch.mm(torch.from_numpy(high), torch.from_numpy(low)).numpy()
    finally:
        torch.set_num_threads(threads)
    return product
