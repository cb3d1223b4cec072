"""Numbers without torch: rounded, compared and looked through as torch does it, bit for bit.

But for one: torch rounds float64 to float16 by way of float32, so twice; here it is rounded once.
"""

import numpy as np
import pytest
import torch

from mmupt.merging.numbers import TYPES, bits, cast, equal, finite, identical

FLOATS = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
WRITTEN = ["float32", "float16", "bfloat16"]


def values(name: str) -> torch.Tensor:
    """All numbers of a small type; of a large one many of every size, ties and the edges of the smaller types."""
    dtype = getattr(torch, name)
    if dtype.itemsize <= 2:
        every = torch.arange(2 ** (8 * dtype.itemsize))
        numbers = every.to(torch.uint8 if dtype.itemsize == 1 else torch.uint16).view(dtype)
        return numbers[numbers.float().isfinite()]
    draws = torch.Generator().manual_seed(1)
    integers = torch.int32 if dtype.itemsize == 4 else torch.int64
    limits = torch.iinfo(integers)
    spread = torch.randint(limits.min, limits.max, (200_000,), generator=draws, dtype=integers).view(dtype)
    ties = (1 + torch.arange(-300, 300, dtype=torch.float64) * 2.0**-12).to(dtype)
    edges = torch.tensor([0.0, -0.0, 65504, 65519.99, 65520, 3.3895e38, 2.0**-25, 2.0**-24, 1e-45], dtype=dtype)
    numbers = torch.cat([spread, ties, edges, 65504 * ties, 2.0**-14 * ties])
    return numbers[numbers.isfinite()]


def as_numpy(numbers: torch.Tensor, name: str) -> np.ndarray:
    return numbers.view(torch.uint8).numpy().view(TYPES[name])


@pytest.mark.parametrize("into", WRITTEN)
@pytest.mark.parametrize("name", FLOATS)
def test_numbers_are_rounded_as_torch_rounds_them(name: str, into: str):
    numbers = values(name)
    wanted = as_numpy(numbers.to(getattr(torch, into)), into)
    found = cast(as_numpy(numbers, name), TYPES[into])
    assert len(numbers) > 200
    assert np.array_equal(bits(found), bits(wanted))


def test_a_double_is_rounded_once():
    above = np.array([1 + 2.0**-11 + 2.0**-40])
    assert cast(above, TYPES["float16"])[0] == 1 + 2.0**-10
    assert torch.from_numpy(above).half()[0] == 1.0


@pytest.mark.parametrize("name", [*WRITTEN, "float64"])
def test_one_nan_or_infinity_is_seen_and_the_largest_numbers_are_none(name: str):
    dtype = getattr(torch, name)
    largest = torch.tensor([torch.finfo(dtype).max, -torch.finfo(dtype).max, 0, -0.0, 1], dtype=dtype).repeat(50)
    assert finite(as_numpy(largest, name)) and finite(as_numpy(largest[:0], name))
    for odd in (float("nan"), -float("nan"), float("inf"), -float("inf")):
        for place in (0, 101, 249):
            numbers = largest.clone()
            numbers[place] = odd
            assert not finite(as_numpy(numbers, name))


def test_equal_numbers_may_have_other_types_and_identical_ones_may_not():
    single = np.array([1.5, -2.0, np.nan], np.float32)
    short = single.astype(TYPES["bfloat16"])
    assert equal(single, short) and not identical(single, short)
    assert equal(single, single.copy()) and identical(single, single.copy())
    assert not equal(single, np.array([1.5, -2.0, 3.0], np.float32))
    assert equal(np.array([0.0]), np.array([-0.0])) and not identical(np.array([0.0]), np.array([-0.0]))
