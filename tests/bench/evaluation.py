"""Tokens per second of `mmupt eval` on vLLM beside a bare `LLM.generate` on the same prompts, with the embedded model:
`python -m tests.bench.evaluation [--problems 500] [--repeats 5]`.

Both begin with questions and pictures and end with text: bare vLLM applies the chat template, decodes each picture and
generates; mmupt eval does that too, and judges every response and puts it on disk. Starting the engine and loading the
questions are left out of both. Prints one JSON line, with medians.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import vllm

from mmupt import problems, sampling
from mmupt.config import parse
from mmupt.config.evaluate import EvaluateConfig
from mmupt.prompts import answer_prompt
from mmupt.rundir import JsonlLog
from mmupt.stages.asked import planned
from mmupt.stages.generating import ask


def main() -> None:
    """Measure both in turns."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--problems", type=int, default=500)
    arguments.add_argument("--repeats", type=int, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, sampling.open("vllm", "tiny") as engine:
        speeds: dict[str, list[float]] = {"bare": [], "eval": []}
        for repeat in range(chosen.repeats + 1):
            config = parse(EvaluateConfig, {"out": f"{folder}/{repeat}", "limit": chosen.problems, "bench": "tiny"})
            for name, run in {"bare": bare, "eval": evaluated}.items():
                speed = run(engine, config)
                if repeat:  # the first one warms up
                    speeds[name].append(speed)
    shares = [ours / theirs for ours, theirs in zip(speeds["eval"], speeds["bare"], strict=True)]
    told = {
        "problems": chosen.problems,
        "tokens_per_s": {name: round(median(each)) for name, each in speeds.items()},
        "eval_share_of_bare": round(median(shares), 3),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def bare(engine: Any, config: EvaluateConfig) -> float:
    """A script of a few lines with vLLM alone."""
    (plan,) = planned(config)
    llm: vllm.LLM = engine._engine
    tokenizer = llm.get_tokenizer()
    params = vllm.SamplingParams(temperature=0.2, top_p=1.0, max_tokens=64)

    def work() -> int:
        requests = []
        for problem in plan.asked:
            prompt = answer_prompt(problem)
            text = tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
            pictures = [problems.decode(ref) for ref in prompt.images]
            requests.append({"prompt": text, "multi_modal_data": {"image": pictures}})
        outputs = llm.generate(requests, params, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    return timed(llm, work)


def evaluated(engine: Any, config: EvaluateConfig) -> float:
    """What `mmupt eval` does between the start of the engine and the scores."""
    plans = planned(config)

    def work() -> int:
        ask(config, engine, plans)
        rows = JsonlLog(Path(config.out) / "samples.jsonl").read()
        return sum(tokens for row in rows if isinstance(tokens := row["tokens"], int))

    return timed(engine._engine, work)


def timed(llm: vllm.LLM, work: Callable[[], int]) -> float:
    """Tokens per second, with cold caches."""
    llm.reset_mm_cache()
    llm.reset_prefix_cache()
    start = time.perf_counter()
    tokens = work()
    return tokens / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
