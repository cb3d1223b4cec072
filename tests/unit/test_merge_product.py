"""The product of LoRA's factors has the bits of torch's, which peft merges with."""

import subprocess
import sys

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mmupt.merging.product import product

SIZES = st.integers(1, 300)


def factors(rows: int, columns: int, rank: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(rows, rank, generator=draws), torch.randn(rank, columns, generator=draws)


@given(SIZES, SIZES, st.integers(1, 130), st.integers(0, 2**31))
@example(1, 1, 12, 0)
@example(1, 300, 12, 0)
@example(300, 1, 12, 0)
def test_the_product_is_that_of_torch_in_every_bit(rows: int, columns: int, rank: int, seed: int):
    high, low = factors(rows, columns, rank, seed)
    assert torch.equal(torch.from_numpy(product(high.numpy(), low.numpy())), high @ low)


def test_it_leaves_the_number_of_threads_as_it_was():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        product(np.ones((64, 8), np.float32), np.ones((8, 64), np.float32))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_another_machine_gets_the_same_by_torch():
    code = (
        "import platform, sys\nplatform.machine = lambda: 'aarch64'\nimport numpy as np\n"
        "from mmupt.merging.product import product\n"
        "found = product(np.full((2, 3), 2, np.float32), np.full((3, 2), 5, np.float32))\n"
        "print(found.tolist(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[[30.0, 30.0], [30.0, 30.0]] True"
