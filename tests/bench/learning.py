"""A whole label-free run against stock trl: `python -m tests.bench.learning [--steps 20] [--seeds 0]`.

The same model, questions, group size, rate and vote. trl's GRPOTrainer makes its rollouts with transformers'
`generate`, and has mmupt's own vote as its reward function; mmupt trains once with its fast layout and once with the
layout that repeats the prompt for each completion, as the public code does. Each run is a process of its own, one
after the other. Time is counted from the first step's beginning, in all and without the rollouts, whose speed is not
what is compared. The curves (mean reward of the first and the last five steps) and the accuracy on development
questions afterwards tell whether all three learn the same.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from tests.bench.machine import describe

GROUP, PROBLEMS, TOKENS, RATE = 16, 16, 64, 1e-4
PEERS = ("mmupt", "mmupt-repeated", "trl")
Result = TypeVar("Result")


@dataclass
class Run:
    """What one process tells: seconds, and the mean reward of each step."""

    total: float
    rollouts: float
    rewards: list[float]

    @property
    def others(self) -> float:
        return self.total - self.rollouts


class Stopwatch:
    """Seconds spent inside the functions that it is put around."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Result]) -> Callable[..., Result]:
        def timed(*arguments: object, **named: object) -> Result:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--questions", type=int, default=200, help="development questions to score afterwards")
    parser.add_argument("--peer", choices=PEERS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.peer:
        run = train_trl if chosen.peer == "trl" else train_mmupt
        print(json.dumps(asdict(run(chosen.peer, chosen.out, chosen.steps, chosen.seeds[0]))))
        return
    print(f"{describe()}; {chosen.steps} steps of {PROBLEMS} x {GROUP} rollouts of at most {TOKENS} tokens")
    print(f"{'run':16s} {'seed':>4s} {'seconds':>8s} {'rollouts':>8s} {'others':>8s} {'reward':>14s} {'accuracy':>8s}")
    for seed in chosen.seeds:
        compare(chosen.steps, seed, chosen.questions)


def compare(steps: int, seed: int, questions: int) -> None:
    """One row a run, and the ratios."""
    runs: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as folder:
        for peer in PEERS:
            out = Path(folder) / peer
            runs[peer] = run = child(peer, out, steps, seed)
            accuracy = score(trained_model(peer, out, steps), Path(folder) / f"{peer}-scores", questions)
            curve = f"{mean(run.rewards[:5]):.3f} -> {mean(run.rewards[-5:]):.3f}"
            times = f"{run.total:8.1f} {run.rollouts:8.1f} {run.others:8.1f}"
            print(f"{peer:16s} {seed:4d} {times} {curve:>14s} {100 * accuracy:7.1f}%", flush=True)
    ours, trl = runs["mmupt"], runs["trl"]
    shares = f"{ours.total / trl.total:.2f} of trl's time, {ours.others / trl.others:.2f} without the rollouts"
    print(f"seed {seed}: mmupt takes {shares}")


def child(peer: str, out: Path, steps: int, seed: int) -> Run:
    words = ["--peer", peer, "--out", str(out), "--steps", str(steps), "--seeds", str(seed)]
    done = subprocess.run([sys.executable, "-m", __spec__.name, *words], stdout=subprocess.PIPE, check=True, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def trained_model(peer: str, out: Path, steps: int) -> Path:
    return out / "model" if peer == "trl" else out / "checkpoints" / f"step-{steps}"


def score(model: Path, out: Path, questions: int) -> float:
    """Accuracy on development questions, four samples each at T = 0.7."""
    sets = ["split=dev", "rollout.temperature=0.7", "rollout.top_p=1.0", f"rollout.max_tokens={TOKENS}"]
    words = ["--model", str(model), "--out", str(out), "--samples", "4", "--limit", str(questions)]
    command = [sys.executable, "-m", "mmupt", "eval", *words, *(word for each in sets for word in ("--set", each))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return float(json.loads((out / "results.json").read_bytes())["scores"]["accuracy"])


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def train_mmupt(peer: str, out: Path, steps: int, seed: int) -> Run:
    from mmupt import config
    from mmupt.config.train import TrainConfig
    from mmupt.stages.train import train
    from mmupt.training import trainer

    watch = Stopwatch()
    trainer.roll_out = watch.around(trainer.roll_out)
    layout = "repeated" if peer == "mmupt-repeated" else "shared_prefix"
    values = {
        "out": str(out),
        "seed": seed,
        "steps": steps,
        "deepspeed": "none",
        "group_size": GROUP,
        "problems_per_step": PROBLEMS,
        "updates_per_step": 1,
        "freeze_vision": True,
        "rollout": {"temperature": 1.0, "top_p": 1.0, "max_tokens": TOKENS},
        "update": {"learning_rate": RATE, "kl_coefficient": 0.0, "micro_batch_size": GROUP, "layout": layout},
        "save": {"every": steps},
    }
    train(config.parse(TrainConfig, values, ()))
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    times = [json.loads(line)["seconds"] for line in (out / "timings.jsonl").read_text().splitlines()]
    return Run(sum(times), watch.seconds, [row["reward"] for row in rows])


def train_trl(peer: str, out: Path, steps: int, seed: int) -> Run:
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from mmupt import problems
    from mmupt.problems import decode
    from mmupt.problems.tiny import model_dir
    from mmupt.prompts import answer_prompt
    from mmupt.sampling import loading
    from mmupt.training.policy import freeze_vision

    torch.set_num_threads(1)
    watch = Stopwatch()
    asked = problems.load("tiny:train").problems
    rows = [
        {"prompt": list(prompt.messages), "image": decode(prompt.images[0]), "choices": list(problem.choices)}
        for problem, prompt in ((problem, answer_prompt(problem)) for problem in asked)
    ]
    arguments = GRPOConfig(
        output_dir=str(out),
        use_cpu=True,
        bf16=False,
        report_to="none",
        seed=seed,
        max_steps=steps,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        per_device_train_batch_size=GROUP,
        gradient_accumulation_steps=PROBLEMS,
        num_generations=GROUP,
        max_completion_length=TOKENS,
        mask_truncated_completions=False,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        loss_type="bnpo",
        scale_rewards="group",
        epsilon=0.2,
        epsilon_high=0.3,
        delta=3.0,
        beta=0.0,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        weight_decay=0.01,
        max_grad_norm=1.0,
        gradient_checkpointing=False,
    )
    model = loading.load_model(str(model_dir()), dtype="float32", device="cpu")
    freeze_vision(model)
    processor = loading.load_processor(str(model_dir()))
    processor.tokenizer.padding_side = "left"  # or trl's token types stand beside the wrong tokens
    trainer = GRPOTrainer(model, agreement, arguments, Dataset.from_list(rows), processing_class=processor)
    trainer._generate = watch.around(trainer._generate)
    began = time.perf_counter()
    trainer.train()
    total = time.perf_counter() - began
    trainer.model.save_pretrained(out / "model")
    processor.save_pretrained(out / "model")
    rewards = [row["reward"] for row in trainer.state.log_history if "reward" in row]
    return Run(total, watch.seconds, rewards)


def agreement(completions: list[list[dict[str, str]]], choices: list[list[str]], **_: object) -> list[float]:
    """trl's reward function: 1 for each completion that agrees with its group's vote."""
    from mmupt.answers import extract
    from mmupt.voting import vote

    rewards: list[float] = []
    for start in range(0, len(completions), GROUP):
        options = choices[start]
        texts = [message[0]["content"] for message in completions[start : start + GROUP]]
        found = vote([extract(text, choices=options) for text in texts], choices=options)
        rewards += [float(found.winner is not None and number == found.winner) for number in found.classes]
    return rewards


if __name__ == "__main__":
    main()
