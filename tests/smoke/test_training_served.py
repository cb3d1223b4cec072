"""Training that samples from a real vLLM server, in a process that knows nothing of the trainer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from mmupt.sampling import background
from mmupt.sampling.server import Address, RefusedError, Server
from mmupt.stages.train import train
from tests.training_parts import guesser, settings

PATIENCE = 240.0
QUICKLY = ("--enforce-eager", "--skip-mm-profiling", "--no-enable-chunked-prefill", "--dtype", "float32")
LIMITS = ("--max-model-len", "1024", "--max-num-batched-tokens", "8192", "--max-num-seqs", "32")
MOVING = ("update.kl_coefficient=0.05", "update.learning_rate=1e-3", "rollout.top_p=0.9", "steps=3")


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "policy"]
    extension = ["--worker-extension-cls", "mmupt.sampling.vllm_worker.TakesWeights"]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(guesser())]
    small = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    told = tmp_path_factory.mktemp("server") / "log"
    with told.open("wb") as log:
        server = subprocess.Popen(
            [*command, *place, *extension, *QUICKLY, *LIMITS],
            env={**os.environ, **small, "VLLM_SERVER_DEV_MODE": "1", "TORCH_COMPILE_DISABLE": "1"},
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}", server, told)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()  # killed, it would leave its shared memory behind
        try:
            server.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def wait_for(url: str, server: "subprocess.Popen[bytes]", told: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(told.read_text()[-3000:])


def test_a_server_samples_from_the_weights_of_each_step(base_url: str, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    where = ("rollout.engine=vllm", f"rollout.base_url={base_url}", f"rollout.weights_folder={shared}")
    train(settings(tmp_path / "run", *MOVING, *where))
    metrics = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    # The trainer has gone far from the weights that the server was started with, and the server with it.
    assert [row["kl"] > 0.01 for row in metrics] == [False, True, True]
    assert max(row["sampler_gap"] for row in metrics) < 1e-4
    assert list(shared.iterdir()) == []


def test_a_server_that_finds_no_weights_says_so(base_url: str, tmp_path: Path) -> None:
    told: list[str] = []

    async def ask(emit: background.Emit[None]) -> None:
        async with Server(Address(base_url)) as server:
            with pytest.raises(RefusedError) as refused:
                await server.command("collective_rpc", {"method": "take_weights", "args": [str(tmp_path / "nowhere")]})
            told.append(str(refused.value))

    assert list(background.stream(ask)) == []
    assert "there are no weights in" in told[0]
