"""Several engines side by side: real processes with the embedded model, which give what one engine gives."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmupt import config, sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.config.train import TrainConfig
from mmupt.errors import MmuptError, UserError
from mmupt.sampling import SamplingParams
from mmupt.sampling.several import Engines
from tests.sampling_parts import prompts

PARAMS = SamplingParams(n=2, temperature=1.0, top_p=0.9, max_tokens=8, seed=3)


def test_two_engines_give_for_each_chunk_what_one_gives_and_a_lost_one_is_told():
    chunks = [prompts(10)[:4], prompts(10)[4:8], prompts(10)[8:]]
    with sampling.open("transformers", "tiny") as one:
        expected = [one.sample(chunk, PARAMS) for chunk in chunks]
    two = sampling.open_configured(RolloutConfig(engine="transformers", engines=2), "tiny")
    assert isinstance(two, Engines)
    with two:
        assert dict(two.sample_chunks(chunks, PARAMS)) == dict(enumerate(expected))
        groups = two.sample(prompts(10)[:8], PARAMS)
        assert groups == expected[0] + expected[1]
        for worker in two._workers:
            worker.abandon()
        with pytest.raises(MmuptError, match="an engine's process ended by itself"):
            two.sample(prompts(2), PARAMS)


def test_what_fails_to_start_is_told_as_a_single_engine_tells_it():
    with pytest.raises(UserError, match="no-such-folder"):
        sampling.open_configured(RolloutConfig(engine="transformers", engines=2), "./no-such-folder")


def test_engines_side_by_side_are_refused_where_they_mean_nothing():
    with pytest.raises(UserError, match="scripted runs as one engine"):
        sampling.open_configured(RolloutConfig(engine="scripted", engines=2), "script.toml")
    with pytest.raises(UserError, match="training samples from its own weights"):
        config.parse(TrainConfig, {"rollout": {"engines": 2}}, ())
    with pytest.raises(UserError, match="leaves nobody to sample"):
        RolloutConfig(engines=0)


SAMPLE_FOR_LONG = """
from mmupt import sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.sampling import SamplingParams
from tests.sampling_parts import prompts
if __name__ == "__main__":
    two = sampling.open_configured(RolloutConfig(engine="transformers", engines=2), "tiny")
    print(*(worker._process.pid for worker in two._workers), flush=True)
    two.sample(prompts(10)[:2], SamplingParams(n=64, temperature=5.0, top_p=1.0, max_tokens=100_000, seed=3))
"""


def test_engines_in_the_middle_of_a_job_end_with_the_process_that_started_them(tmp_path: Path):
    (tmp_path / "long.py").write_text(SAMPLE_FOR_LONG)
    root = Path(__file__).parents[2]
    command = [sys.executable, str(tmp_path / "long.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(root)}
    ) as parent:
        assert parent.stdout is not None
        engines = [Path("/proc") / pid for pid in parent.stdout.readline().split()]
        time.sleep(0.5)  # into the job
        assert len(engines) == 2 and all(engine.exists() for engine in engines)
        parent.kill()
    until = time.monotonic() + 5
    while any(engine.exists() for engine in engines) and time.monotonic() < until:
        time.sleep(0.02)
    assert [engine for engine in engines if engine.exists()] == []
