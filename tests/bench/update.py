"""The update step against stock trl 1.16: `python -m tests.bench.update [--device cuda] [--out FOLDER]`.

One step is loss, backward, clipping and AdamW over one group, from rollouts that are already made: the same model, the
same tokens and the same picture for both, one group in one pass for both. Times alternate in one process, and the best
of each counts. Peaks are of a process that does nothing else: on the CPU its largest resident size less that behind its
imports, on CUDA the allocator's peak; with model, gradients and optimiser, and, beside it, above what these take.

On the CPU a small Qwen2.5-VL in float32; on CUDA Qwen2.5-VL-3B by its configuration with random weights in bfloat16,
with gradient checkpointing on both sides, at the paper's shape.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from mmupt.config.train import UpdateConfig
from mmupt.training import block_attention, shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.update import TrainGroup, Updater
from tests.bench.models import TEXT_TOKENS, qwen_3b, random_group, small
from tests.bench.parts import measured, options
from tests.bench.table import write_table
from tests.trl_peer import TEMPERATURE, trl_inputs, trl_trainer

RATE = 1e-6
REPEATS = 5


@dataclass(frozen=True)
class Shape:
    """One group: a picture of `cells` image tokens beside the text of the prompt, G completions of R tokens."""

    cells: tuple[int, int]
    completions: int
    tokens: int

    @property
    def prompt(self) -> int:
        return self.cells[0] * self.cells[1] + TEXT_TOKENS

    @property
    def bound(self) -> float:
        """Tokens through the language model without sharing over those with: G (P + R) / (P + G R)."""
        apart = self.completions * (self.prompt + self.tokens)
        return apart / (self.prompt + self.completions * self.tokens)


SHAPES = {
    "cpu": {"short": Shape((16, 16), 10, 64), "paper, scaled": Shape((16, 21), 10, 76)},
    "cuda": {"paper": Shape((38, 42), 10, 300)},
}
"""300 tokens before 64; 380 before 76, five to one; 1,640 before 300."""


def main() -> None:
    chosen = options(__doc__)
    if chosen.part:
        print(json.dumps(_part(chosen.device, *json.loads(chosen.part))))
        return
    rows = []
    for name, shape in SHAPES[chosen.device.partition(":")[0]].items():
        rows.append(_row(name, shape, chosen.device))
    write_table(chosen.out / "update", "update step", rows, chosen.device)


def _row(name: str, shape: Shape, device: str) -> dict[str, str | float]:
    size = [shape.cells, shape.completions, shape.tokens]
    timed = measured("update", device, ["time", *size])
    ours, peer = (measured("update", device, [which, *size]) for which in ("ours", "trl"))
    ratio = timed["trl"] / timed["ours"]
    return {
        "shape": f"{name}: {shape.prompt} + {shape.completions} x {shape.tokens}",
        "mmupt s": timed["ours"],
        "trl s": timed["trl"],
        "times faster": ratio,
        "token bound": shape.bound,
        "mmupt peak MiB": ours["peak"],
        "trl peak MiB": peer["peak"],
        "share of trl's": ours["peak"] / peer["peak"],
        "mmupt step MiB": ours["step"],
        "trl step MiB": peer["step"],
    }


def _part(device: str, what: str, cells: tuple[int, int], completions: int, tokens: int) -> dict[str, float]:
    torch.set_num_threads(1)
    shape = Shape(tuple(cells), completions, tokens)
    build = {"ours": _ours, "trl": _trl}
    with tempfile.TemporaryDirectory() as scratch:
        if what == "time":
            steps = {name: one(shape, device, Path(scratch)) for name, one in build.items()}
            return _times(steps, device)
        before = _peak(device)
        step = build[what](shape, device, Path(scratch))
        resident = _resident(device)
        step()
        step()  # the optimiser's state is there from the first step on
        peak = _peak(device)
        return {"peak": peak - before, "step": peak - max(before, resident)}


def _ours(shape: Shape, device: str, scratch: Path) -> Callable[[], object]:
    model = _model(device)
    checkpointed = device.startswith("cuda")
    settings = UpdateConfig(kl_coefficient=0.0, gradient_checkpointing=checkpointed, micro_batch_size=shape.completions)
    if checkpointed:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        block_attention.install(model)  # as training does on CUDA
    model.train()
    off = partial(torch.autocast, "cpu", enabled=False)
    updater = Updater(
        PlainEngine(model, settings), Ranks(0, 1), shared_prefix.score, settings, TEMPERATURE, shape.tokens, off
    )
    group = TrainGroup(_group(model, shape), _advantages(shape), None)
    return lambda: updater([group], RATE)


def _trl(shape: Shape, device: str, scratch: Path) -> Callable[[], object]:
    cuda = device.startswith("cuda")
    settings = {"gradient_checkpointing": cuda, "bf16": cuda, "use_cpu": not cuda}
    trainer = trl_trainer(_model(device), scratch, rows=shape.completions, batches=1, **settings)
    trainer.create_optimizer()
    model = trainer.model
    inputs = trl_inputs(_group(model, shape), _advantages(shape), model.config.image_token_id, device=device)

    def step() -> None:
        trainer.accelerator.backward(trainer.compute_loss(model, inputs))
        trainer.accelerator.clip_grad_norm_(model.parameters(), 1.0)
        trainer.optimizer.step()
        model.zero_grad()

    return step


def _model(device: str) -> torch.nn.Module:
    return qwen_3b(device) if device.startswith("cuda") else small()


def _group(model: torch.nn.Module, shape: Shape) -> shared_prefix.EncodedGroup:
    return random_group(model, cells=shape.cells, completions=shape.completions, tokens=shape.tokens)


def _advantages(shape: Shape) -> tuple[float, ...]:
    return tuple((-1.0) ** index for index in range(shape.completions))


def _times(steps: dict[str, Callable[[], object]], device: str) -> dict[str, float]:
    best = dict.fromkeys(steps, float("inf"))
    for repeat in range(REPEATS + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if repeat:
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def _peak(device: str) -> float:
    """MiB that this process has held at most."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _resident(device: str) -> float:
    """MiB that this process holds now."""
    if device.startswith("cuda"):
        return torch.cuda.memory_allocated() / 2**20
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
