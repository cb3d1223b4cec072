"""Which problems are trained on: prompts over the limit are left out by their processed length, and told of."""

from pathlib import Path

import pytest

from mmupt import problems, prompts
from mmupt.errors import SampleError
from mmupt.sampling.encode import encode, prompt_tokens
from mmupt.training import data
from mmupt.types import ImageRef, Prompt
from tests.training_parts import processor, settings


def test_a_prompt_is_measured_as_it_will_be_encoded() -> None:
    asked = [prompts.answer_prompt(problem) for problem in problems.load("tiny:train").problems[:20]]
    assert [prompt_tokens(processor(), one) for one in asked] == [
        len(encode(processor(), one).input_ids) for one in asked
    ]


def test_prompts_over_the_limit_are_left_out_with_their_length(tmp_path: Path) -> None:
    run = settings(tmp_path / "run")
    lengths = {
        problem.id: prompt_tokens(processor(), data.prompt_of(problem, run))
        for problem in problems.load("tiny:train").problems[:24]
    }
    limit = sorted(lengths.values())[12]
    found = data.load(settings(tmp_path / "run", f"max_prompt_tokens={limit}"), processor(), answers=False)
    assert {problem.id for problem in found.problems} == {name for name, length in lengths.items() if length <= limit}
    assert {skip.id: skip.reason for skip in found.skipped} == {
        name: f"its prompt has {length} tokens, more than max_prompt_tokens = {limit}"
        for name, length in lengths.items()
        if length > limit
    }
    assert found.skipped


def test_a_picture_without_a_readable_header_is_a_bad_sample() -> None:
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "How many?"}]}
    with pytest.raises(SampleError, match="cannot be decoded"):
        prompt_tokens(processor(), Prompt("p", (question,), (ImageRef(data=b"no picture"),)))
