"""vLLM's traps (docs/traps.md), on a real engine: prompts that are not the trainer's, threads and start on a CPU."""

import os
from collections.abc import Iterator

import pytest
import torch
from vllm.v1.engine.core_client import InprocClient

from mmupt import sampling
from mmupt.errors import MmuptError
from mmupt.problems.tiny import model_dir
from mmupt.sampling import SamplingParams, loading
from mmupt.sampling.encode import encode
from mmupt.sampling.vllm_engine import VllmSampler
from tests.sampling_parts import processor, prompts

ON_CPU = not torch.cuda.is_available()
SMALL = {"min_pixels": 28 * 28, "max_pixels": 56 * 56}
"""The embedded model's pictures are larger."""
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
ONE = SamplingParams(n=1, temperature=0, max_tokens=4)


@pytest.fixture(scope="module")
def engine() -> Iterator[VllmSampler]:
    """An engine in an environment that says nothing of threads, with smaller pictures than the model would take."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as environment:
        for name in SETTINGS:
            environment.setenv(name, "")  # so that it is put back at the end, whatever was there
            environment.delenv(name)
        opened = sampling.open("vllm", "tiny", max_model_len=512, **SMALL)
        assert isinstance(opened, VllmSampler)
        yield opened
        opened.close()
    torch.set_num_threads(threads)


def test_on_a_cpu_it_starts_in_seconds_and_runs_on_one_thread(engine: VllmSampler) -> None:
    assert ({name: os.environ.get(name) for name in SETTINGS} == SETTINGS) is ON_CPU
    core = engine._engine.llm_engine
    assert isinstance(core.engine_core, InprocClient) is ON_CPU
    assert core.model_config.enforce_eager is ON_CPU
    assert core.model_config.multimodal_config.skip_mm_profiling is ON_CPU


def test_a_prompt_is_as_long_as_the_trainers_in_the_size_of_picture_that_is_asked_for(engine: VllmSampler) -> None:
    limited = loading.load_processor(str(model_dir()), **SMALL)
    wanted = [len(encode(limited, prompt).input_ids) for prompt in prompts(6)]
    assert [group[0].prompt_tokens for group in engine.sample(prompts(6), ONE)] == wanted
    assert wanted < [len(encode(processor(), prompt).input_ids) for prompt in prompts(6)]


def test_a_prompt_of_another_length_than_the_trainers_stops_the_run_with_both_lengths(engine: VllmSampler) -> None:
    limited, engine._processor = engine._processor, processor()
    lengths = [len(encode(each, prompts(1)[0]).input_ids) for each in (limited, processor())]
    told = rf"vLLM's prompt has {lengths[0]} tokens and the processor's {lengths[1]}"
    with pytest.raises(MmuptError, match=told):
        engine.sample(prompts(1), ONE)
    engine._processor = limited
