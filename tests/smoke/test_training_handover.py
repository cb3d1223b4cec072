"""Two ranks that hold parts of the weights hand them to engines whole; real gloo, real DeepSpeed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import mmupt.training.engine_deepspeed
from mmupt.config.train import LoraConfig, UpdateConfig
from mmupt.training import distributed
from mmupt.training.engine_deepspeed import DeepSpeedEngine
from mmupt.training.handover import handed_over
from mmupt.training.policy import with_lora
from mmupt.training.whole_weights import whole_weights
from tests.forked_ranks import on_ranks
from tests.training_parts import untrained

assert mmupt.training.engine_deepspeed  # imported here once, so that forked ranks need not


@pytest.mark.parametrize("adapters", [False, True], ids=["all weights", "adapters"])
def test_parted_weights_reach_every_rank_whole_and_are_gone_afterwards(tmp_path: Path, adapters: bool) -> None:
    def work(rank: int) -> None:
        ranks = distributed.start(torch.device("cpu"), deepspeed=True)
        policy = untrained()
        if adapters:
            policy = with_lora(policy, LoraConfig(rank=4), vision=False, seed=0)
            torch.manual_seed(1)
            for name, parameter in policy.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.02)
        wanted = {name: value.clone() for name, value in whole_weights(policy)}
        engine = DeepSpeedEngine(policy, UpdateConfig(), ranks, 3, sampled_here=False)
        assert all(parameter.numel() == 0 for parameter in engine.model.parameters())
        with handed_over(engine, ranks, torch.float32, once=True, root=str(tmp_path)) as folder:
            found = {name: value for file in folder.iterdir() for name, value in load_file(file).items()}
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)

    assert on_ranks(2, work)
    assert list(tmp_path.iterdir()) == []
