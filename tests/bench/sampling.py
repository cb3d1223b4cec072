"""Tokens per second of the engines on the embedded model: `python -m tests.bench.sampling [MODEL] [--problems 64]
[--vllm]`.

The same prompts with pictures, n = 8, T = 1, top-p 0.99. transformers' own `generate` is given all rollouts in one
batch. Tokens that were kept are counted: end-of-turn included, padding behind it not.
"""

import argparse
import time
from collections.abc import Callable

import torch

from mmupt import sampling
from mmupt.problems import decode
from mmupt.sampling import SamplingParams, loading
from mmupt.sampling.encode import chat_text
from mmupt.sampling.models import resolve_model
from tests.sampling_parts import prompts

PARAMS = SamplingParams(n=8, temperature=1.0, top_p=0.99, max_tokens=64)
REPEATS = 3


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model", nargs="?", default="tiny")
    arguments.add_argument("--problems", type=int, default=64)
    arguments.add_argument("--vllm", action="store_true")
    chosen = arguments.parse_args()
    with sampling.open("transformers", chosen.model) as ours:
        report("mmupt, transformers engine", lambda: kept(ours, chosen.problems))
    report("transformers generate", generation(chosen.model, chosen.problems))
    if chosen.vllm:
        with sampling.open("vllm", chosen.model) as engine:
            report("mmupt, vllm engine", lambda: kept(engine, chosen.problems))


def report(name: str, run: Callable[[], int]) -> None:
    """The best of some runs, the first of which warms up."""
    best = 0.0
    for _ in range(REPEATS):
        start = time.perf_counter()
        tokens = run()
        best = max(best, tokens / (time.perf_counter() - start))
    print(f"{name:28s} {best:8,.0f} tokens/s ({tokens} tokens, {torch.get_num_threads()} threads)")


def kept(sampler: sampling.Sampler, problems: int) -> int:
    groups = sampler.sample(prompts(problems), PARAMS)
    return sum(len(rollout.token_ids) for group in groups for rollout in group)


def generation(name: str, problems: int) -> Callable[[], int]:
    """All rollouts by `generate`, which repeats picture and prompt for each of them."""
    folder = resolve_model(name)
    model, processor = loading.load_model(folder, dtype="float32", device="cpu"), loading.load_processor(folder)

    def run() -> int:
        texts = [chat_text(processor, prompt) for prompt in prompts(problems)]
        images = [decode(prompt.images[0]) for prompt in prompts(problems)]
        inputs = processor(text=texts, images=images, padding=True, padding_side="left", return_tensors="pt")
        made = model.generate(
            **inputs,
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
