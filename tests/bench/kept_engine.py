"""What the rollouts of a step cost when vLLM stays up beside the trainer, against a vLLM that is started for the step:
`python -m tests.bench.kept_engine [--model tiny] [--problems 8] [--steps 3]`.

Both sample the same prompts with pictures, n = 8, from the weights of the moment: the one takes them in place, the
other is started, in a process of its own, on a copy that was saved as a model folder. Start, hand-over and sampling
count.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from transformers import PreTrainedModel, ProcessorMixin

from mmupt.config.sampling import RolloutConfig
from mmupt.config.train import UpdateConfig
from mmupt.sampling import SamplingParams, loading
from mmupt.sampling.models import resolve_model
from mmupt.training import engine_process
from mmupt.training.colocated import ColocatedVllm
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.types import Rollout
from tests.bench.table import Row, write_table
from tests.sampling_parts import prompts

PARAMS = SamplingParams(n=8, temperature=1.0, top_p=0.99, max_tokens=64)
SETTINGS = RolloutConfig(engine="vllm", max_model_len=2048)
FRESH = "a vLLM started for each step"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--model", default="tiny")
    asked.add_argument("--problems", type=int, default=8)
    asked.add_argument("--steps", type=int, default=3)
    asked.add_argument("--device", default=loading.default_device())
    asked.add_argument("--out", type=Path, default=Path("runs/bench"))
    chosen = asked.parse_args()
    folder = resolve_model(chosen.model)
    policy = loading.load_model(folder, dtype="float32", device=chosen.device)
    processor = loading.load_processor(folder)
    beside = ColocatedVllm(
        PlainEngine(policy, UpdateConfig()), Ranks(0, 1), SETTINGS, folder, torch.device(chosen.device)
    )
    seeds = list(range(chosen.problems))
    kept_first, *kept = seconds(lambda: beside.sample(prompts(chosen.problems), PARAMS, seeds), 1 + chosen.steps)
    fresh = seconds(lambda: anew(policy, processor, seeds, chosen.device), chosen.steps)
    beside.close()
    rows: list[Row] = [
        {"rollouts by": name, "s/step": each, f"part of {FRESH}": each / median(fresh)}
        for name, each in [
            (FRESH, median(fresh)),
            ("mmupt, kept beside the trainer", median(kept)),
            ("the same, its first step", kept_first),
        ]
    ]
    write_table(chosen.out / "kept_engine", f"rollouts of {chosen.problems} prompts x {PARAMS.n}", rows, chosen.device)


def seconds(work: Callable[[], object], times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def anew(policy: PreTrainedModel, processor: ProcessorMixin, seeds: Sequence[int], device: str) -> list[list[Rollout]]:
    """Save, start, sample, end."""
    with tempfile.TemporaryDirectory() as folder:
        policy.save_pretrained(folder)
        processor.save_pretrained(folder)
        dtype = "float32" if device == "cpu" else "bfloat16"
        with ProcessPoolExecutor(1, get_context("spawn"), engine_process.begin, ({},)) as process:
            process.submit(engine_process.open_engine, SETTINGS, folder, dtype).result()
            return process.submit(engine_process.sample, prompts(len(seeds)), PARAMS, seeds).result()


if __name__ == "__main__":
    main()
