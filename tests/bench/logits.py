"""Log-probs, entropies and their gradient over a large vocabulary: `python -m tests.bench.logits [--device cuda]`.

Qwen2.5-VL's 151,936 tokens on states of 256 numbers: mmupt, which makes logits for some tokens at a time and again for
the gradient, stock trl 1.16's fused head, which makes them for some of the vocabulary at a time, and plain torch, which
makes all of them. Peaks are of a process each, above what it holds before the pass, with the head's gradient (148 MiB);
the largest difference of log-probs and of the states' gradient from plain torch's stands beside them.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from trl.kernels.chunked_logprob import ChunkedLogProbFunction
from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE

from mmupt.training.scores import token_scores
from tests.bench.parts import measured, options
from tests.bench.table import write_table

VOCABULARY, WIDTH, TEMPERATURE = 151_936, 256, 0.7
TOKENS = (600, 2400)


def main() -> None:
    chosen = options(__doc__)
    if chosen.part:
        print(json.dumps(_part(chosen.device, *json.loads(chosen.part))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        rows = [_row(tokens, chosen.device, Path(scratch)) for tokens in TOKENS]
    write_table(chosen.out / "logits", f"log-probs over {VOCABULARY:,} tokens", rows, chosen.device)


def _row(tokens: int, device: str, scratch: Path) -> dict[str, str | float]:
    run = {which: measured("logits", device, [which, tokens, str(scratch / which)]) for which in LOGPS}
    made = {which: torch.load(scratch / which, weights_only=True) for which in LOGPS}
    wanted = made["torch"]

    def apart(which: str) -> float:
        return max(float((made[which][name] - wanted[name]).norm() / wanted[name].norm()) for name in wanted)

    return {
        "tokens": tokens,
        **{f"{which} peak MiB": run[which]["peak"] for which in run},
        **{f"{which} s": run[which]["seconds"] for which in run},
        **{f"{which} differs by": apart(which) for which in run if which != "torch"},
    }


def _part(device: str, which: str, tokens: int, out: str) -> dict[str, float]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    head = nn.Linear(WIDTH, VOCABULARY, bias=False, device=device)
    states = torch.randn(tokens, WIDTH, device=device, requires_grad=True)
    targets = torch.randint(VOCABULARY, (tokens,), device=device)
    before, began = _held(device), time.perf_counter()
    logps = LOGPS[which](head, states, targets)
    (logps * torch.linspace(-1, 1, tokens, device=device)).sum().backward()
    peak, seconds = _peak(device) - before, time.perf_counter() - began
    assert states.grad is not None
    torch.save({"logps": logps.detach().cpu(), "gradient": states.grad.cpu()}, out)
    return {"peak": peak, "seconds": seconds}


def _ours(head: nn.Linear, states: Tensor, targets: Tensor) -> Tensor:
    return token_scores(head, states, targets, TEMPERATURE, VOCABULARY).logps_N


def _trl(head: nn.Linear, states: Tensor, targets: Tensor) -> Tensor:
    chunk, wanted = _CHUNKED_LOGPROB_CHUNK_SIZE, ("entropy", "mean_logits")
    made = ChunkedLogProbFunction.apply(states, head.weight, None, targets, TEMPERATURE, chunk, None, 1.0, wanted)
    logps: Tensor = made[0]
    return logps


def _torch(head: nn.Linear, states: Tensor, targets: Tensor) -> Tensor:
    logits = head(states) / TEMPERATURE
    with torch.no_grad():
        torch.distributions.Categorical(logits=logits).entropy()
    return torch.log_softmax(logits, dim=-1).gather(-1, targets[:, None]).squeeze(-1)


LOGPS: dict[str, Callable[[nn.Linear, Tensor, Tensor], Tensor]] = {"mmupt": _ours, "trl": _trl, "torch": _torch}


def _held(device: str) -> float:
    """MiB held now."""
    if device.startswith("cuda"):
        return torch.cuda.memory_allocated() / 2**20
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _peak(device: str) -> float:
    """MiB held at most."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
