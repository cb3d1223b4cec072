"""The ways of weights and settings to the engine that samples for a training, up to the engine itself."""

import copy
import fcntl
import os
import time
from collections import deque
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmupt.config.sampling import RolloutConfig
from mmupt.config.train import LoraConfig, UpdateConfig
from mmupt.errors import UserError
from mmupt.problems.tiny import model_dir
from mmupt.sampling import SamplingParams
from mmupt.sampling.transformers import TransformersSampler
from mmupt.training import handover
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.policy import with_lora
from mmupt.training.preflight import refuse_mistakes
from mmupt.training.served import ServedVllm
from mmupt.training.whole_weights import whole_weights, write_weights
from tests.chat_server import ChatServer, serving
from tests.sampling_parts import model, processor, prompts
from tests.training_parts import settings

ALONE = Ranks(0, 1)


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (["rollout.engine=openai"], "the weights that the server began with"),
        (["rollout.base_url=http://localhost:1/v1"], "rollout.base_url is of no use to the engine auto"),
        (["rollout.engine=vllm", "rollout.tensor_parallel_size=2"], "each rank samples on its own GPU"),
        (["rollout.engine=vllm", "rollout.base_url=http://far.example/v1"], "set rollout.weights_folder"),
        (
            ["rollout.engine=vllm", "rollout.base_url=http://localhost:1/v1", "rollout.weights_folder=/no"],
            "no such folder",
        ),
    ],
)
def test_what_could_not_sample_from_the_weights_of_the_moment_is_refused(
    tmp_path: Path, sets: list[str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        refuse_mistakes(settings(tmp_path / "run", *sets))


def test_a_server_without_vllms_commands_ends_the_run_with_the_way_to_start_it() -> None:
    policy = model()
    server = ChatServer(TransformersSampler(policy, processor()), faults=deque(["404"]))
    with serving(server) as url:
        asked = RolloutConfig(engine="vllm", base_url=url)
        source = ServedVllm(
            PlainEngine(policy, UpdateConfig()), processor(), ALONE, asked, str(model_dir()), torch.device("cpu")
        )
        with pytest.raises(UserError, match="VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --worker-extension-cls mmupt"):
            source.sample(prompts(1), SamplingParams(n=2, max_tokens=4), [1])


def test_adapters_are_added_in_to_the_bit_and_tied_weights_come_once() -> None:
    adapted = with_lora(model(), LoraConfig(rank=4), vision=True, seed=0)
    torch.manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    merged = dict(copy.deepcopy(adapted).merge_and_unload().named_parameters())
    found = {name: value.clone() for name, value in whole_weights(adapted)}
    assert found.keys() == merged.keys()
    assert all(torch.equal(found[name], merged[name]) for name in merged)
    assert "lm_head.weight" not in found


def test_large_weights_go_into_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmupt.training.whole_weights.FILE_BYTES", 1 << 20)
    policy = model()
    write_weights(whole_weights(policy), tmp_path, torch.bfloat16)
    files = [load_file(file) for file in sorted(tmp_path.iterdir())]
    assert len(files) > 2
    found = {name: value for file in files for name, value in file.items()}
    wanted = dict(policy.named_parameters())
    assert sum(map(len, files)) == len(found) and found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name].to(torch.bfloat16)) for name in wanted)


def test_weights_are_there_until_the_engines_have_read_them(tmp_path: Path) -> None:
    engine = PlainEngine(model(), UpdateConfig())
    with handover.handed_over(engine, ALONE, torch.float32, root=str(tmp_path)) as folder:
        assert folder.parent == tmp_path
        assert [file.suffix for file in folder.iterdir()] == [".safetensors"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_behind_is_removed_and_what_a_live_run_holds_stays(tmp_path: Path) -> None:
    left, held, young = (tmp_path / f"{handover.PREFIX}{name}" for name in ("left", "held", "young"))
    for folder in (left, held, young):
        folder.mkdir()
    long_ago = time.time() - 2 * handover.YOUNG
    os.utime(left, (long_ago, long_ago))
    os.utime(held, (long_ago, long_ago))
    lock = os.open(held, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with handover.handed_over(PlainEngine(model(), UpdateConfig()), ALONE, torch.float32, root=str(tmp_path)):
        assert not left.exists() and held.exists() and young.exists()
    os.close(lock)
