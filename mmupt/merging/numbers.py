"""The types of numbers that weights have, as numpy's, and what is asked of them. ml_dtypes has those that numpy lacks.

torch takes a second to import, in which two gigabytes are copied: merging does without it.
"""

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

TYPES = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "int64": np.dtype(np.int64),
    "int32": np.dtype(np.int32),
    "int16": np.dtype(np.int16),
    "int8": np.dtype(np.int8),
    "uint8": np.dtype(np.uint8),
    "uint16": np.dtype(np.uint16),
    "uint32": np.dtype(np.uint32),
    "uint64": np.dtype(np.uint64),
    "bool": np.dtype(np.bool_),
}
"""By their names in torch."""
CODES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
"""Types of weights, from their names in safetensors to those in torch."""
_INTEGERS = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def cast(numbers: Numbers, dtype: np.dtype[np.generic]) -> Numbers:
    """The same numbers rounded once to nearest, ties to even; too large ones become infinite. No copy without need."""
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers.astype(dtype, copy=False)


def finite(numbers: Numbers) -> bool:
    """Whether none of these is NaN or infinite; float16, bfloat16, float32 or float64."""
    if numbers.dtype == np.float32:
        return bool(np.isfinite(numbers).all())
    infinity = bits(np.array([np.inf], numbers.dtype))[0]
    # Without their sign, finite numbers have smaller bits than infinity, and NaN has larger ones. ml_dtypes asks ten
    # times as slowly.
    return not numbers.size or bool(
        (bits(numbers) & infinity.dtype.type(2 ** (8 * infinity.itemsize - 1) - 1)).max() < infinity
    )


def identical(left: Numbers, right: Numbers) -> bool:
    """Whether both have the same type, shape and bits."""
    return left.dtype == right.dtype and left.shape == right.shape and np.array_equal(bits(left), bits(right))


def equal(left: Numbers, right: Numbers) -> bool:
    """Whether both are the same numbers, of whatever floating types; NaN equals NaN."""
    return identical(left, right) or np.array_equal(
        cast(left, TYPES["float64"]), cast(right, TYPES["float64"]), equal_nan=True
    )


def bits(numbers: Numbers) -> Numbers:
    """The same bytes as unsigned integers."""
    return numbers.view(_INTEGERS[numbers.itemsize])
