"""Rollouts against transformers' own `generate`: `python -m tests.bench.rollout [--vllm] [--problems 64]`.

The same prompts with pictures, n = 8, T = 1, top-p 0.99, in turns; the best of some runs counts. `generate` is given
all rollouts in one batch, and repeats picture and prompt for each of them. Tokens that were kept are counted:
end-of-turn included, padding behind it not.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from mmupt import sampling
from mmupt.problems import decode
from mmupt.sampling import SamplingParams, loading
from mmupt.sampling.encode import chat_text
from mmupt.sampling.models import resolve_model
from tests.bench.table import Row, write_table
from tests.sampling_parts import prompts

PARAMS = SamplingParams(n=8, temperature=1.0, top_p=0.99, max_tokens=64)
REPEATS = 3
PEER = "transformers generate"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--model", default="tiny")
    asked.add_argument("--problems", type=int, default=64)
    asked.add_argument("--vllm", action="store_true", help="also mmupt's vllm engine")
    asked.add_argument("--device", default=loading.default_device())
    asked.add_argument("--out", type=Path, default=Path("runs/bench"))
    chosen = asked.parse_args()
    with ExitStack() as engines:
        runs = {PEER: generation(chosen.model, chosen.problems, chosen.device)}
        for name in ["transformers", *["vllm"] * chosen.vllm]:
            engine = sampling.open(name, chosen.model)
            engines.callback(engine.close)
            runs[f"mmupt, {name} engine"] = partial(kept, engine, chosen.problems)
        speeds = tokens_per_second(runs)
    rows: list[Row] = [
        {"rollouts by": name, "tokens/s": speed, f"times {PEER}": speed / speeds[PEER]}
        for name, speed in speeds.items()
    ]
    write_table(chosen.out / "rollout", f"rollouts of {chosen.problems} prompts x {PARAMS.n}", rows, chosen.device)


def tokens_per_second(runs: dict[str, Callable[[], int]]) -> dict[str, float]:
    best = dict.fromkeys(runs, 0.0)
    for repeat in range(REPEATS + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            tokens = run()
            if repeat:  # the first one warms up
                best[name] = max(best[name], tokens / (time.perf_counter() - began))
    return best


def kept(sampler: sampling.Sampler, problems: int) -> int:
    groups = sampler.sample(prompts(problems), PARAMS)
    return sum(len(rollout.token_ids) for group in groups for rollout in group)


def generation(name: str, problems: int, device: str) -> Callable[[], int]:
    """All rollouts by `generate`."""
    folder = resolve_model(name)
    dtype = "float32" if device == "cpu" else "bfloat16"
    model, processor = loading.load_model(folder, dtype=dtype, device=device), loading.load_processor(folder)

    def run() -> int:
        texts = [chat_text(processor, prompt) for prompt in prompts(problems)]
        images = [decode(prompt.images[0]) for prompt in prompts(problems)]
        inputs = processor(text=texts, images=images, padding=True, padding_side="left", return_tensors="pt")
        made = model.generate(
            **inputs.to(device),
            do_sample=True,
            temperature=PARAMS.temperature,
            top_p=PARAMS.top_p,
            top_k=0,
            num_return_sequences=PARAMS.n,
            max_new_tokens=PARAMS.max_tokens,
        )
        written = made[:, inputs["input_ids"].shape[1] :]
        ends = (written == processor.tokenizer.eos_token_id).int()
        return int((ends.cumsum(1) - ends == 0).sum())

    return run


if __name__ == "__main__":
    main()
