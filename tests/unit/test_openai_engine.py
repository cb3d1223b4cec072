"""The engine `openai` against a real HTTP server with the embedded model behind it, in fair weather and in foul."""

import json
import time
from collections import deque
from functools import cache
from pathlib import Path

import pytest

from mmupt import sampling
from mmupt.errors import UserError
from mmupt.sampling import SamplingParams
from mmupt.sampling.transformers import TransformersSampler
from tests.chat_server import ChatServer, serving, unused_address
from tests.house.command import mmupt, one_line
from tests.sampling_parts import model, processor, prompts

GREEDY = SamplingParams(n=1, temperature=0, max_tokens=24)
SAMPLED = SamplingParams(n=3, temperature=1.0, top_p=0.95, max_tokens=12, seed=4)


@cache
def engine() -> TransformersSampler:
    return TransformersSampler(model(), processor())


def test_greedy_rollouts_are_those_of_the_model_behind_the_server_in_order():
    with serving(ChatServer(engine())) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        theirs = sampler.sample(prompts(12), GREEDY)
    ours = engine().sample(prompts(12), GREEDY)
    assert [group[0].problem_id for group in theirs] == [prompt.id for prompt in prompts(12)]
    assert [(g[0].text, g[0].token_ids) for g in theirs] == [(g[0].text, g[0].token_ids) for g in ours]
    assert [g[0].prompt_tokens for g in theirs] == [g[0].prompt_tokens for g in ours]
    pairs = [(a[0].logprobs, b[0].logprobs) for a, b in zip(theirs, ours, strict=True)]
    assert max(abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True)) < 1e-4


def test_a_group_is_one_request_with_its_own_seed_and_comes_back_whole():
    chat = ChatServer(engine())
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        groups, again = sampler.sample(prompts(4), SAMPLED), sampler.sample(prompts(4), SAMPLED)
    assert len(chat.bodies) == 8
    assert {body["n"] for body in chat.bodies} == {3}
    assert {body["seed"] for body in chat.bodies} == {group[0].seed for group in groups}
    assert all([rollout.index for rollout in group] == [0, 1, 2] for group in groups)
    assert [[one.text for one in group] for group in groups] == [[one.text for one in group] for group in again]
    greedy = SamplingParams(n=3, temperature=0, max_tokens=12)
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        (copies,) = sampler.sample(prompts(1), greedy)
    assert chat.bodies[-1]["n"] == 1
    assert len({one.text for one in copies}) == 1 and [one.index for one in copies] == [0, 1, 2]


def test_requests_that_fail_for_a_moment_are_asked_again_and_nothing_is_lost():
    with serving(ChatServer(engine())) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        expected = sampler.sample(prompts(6), SAMPLED)
    chat = ChatServer(engine(), faults=deque(["500", "drop", "429", "503", "drop", "500"]))
    began = time.monotonic()
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        found = sampler.sample(prompts(6), SAMPLED)
    assert [[one.text for one in group] for group in found] == [[one.text for one in group] for group in expected]
    assert [[one.seed for one in group] for group in found] == [[one.seed for one in group] for group in expected]
    assert len(chat.bodies) == 6 and not chat.faults
    assert time.monotonic() - began > 0.5


def test_after_the_last_try_the_server_s_own_words_are_told():
    chat = ChatServer(engine(), faults=deque(["503", "500", "500"]))
    gives_up = pytest.raises(UserError, match=r"does not answer \(500: not now; 2 tries\); start one")
    with (
        serving(chat) as url,
        sampling.open("openai", "tiny", base_url=url, retries=1, batch_size=1) as sampler,
        gives_up,
    ):
        sampler.sample(prompts(2), GREEDY)


def test_no_more_requests_are_under_way_than_allowed():
    chat = ChatServer(engine(), pause=0.1)
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url, batch_size=6) as sampler:
        sampler.sample(prompts(6), SAMPLED)
    assert chat.most_at_once == 2


def test_a_picture_is_resized_once_to_the_limits():
    chat = ChatServer(engine())
    limits = {"min_pixels": 200 * 200, "max_pixels": 300 * 300}
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url, **limits) as sampler:
        sampler.sample(prompts(3), GREEDY)
    assert len(chat.pictures) == 3
    assert all(200 * 200 <= width * height <= 300 * 300 for width, height in chat.pictures)
    assert all(width % 28 == 0 and height % 28 == 0 for width, height in chat.pictures)


def test_a_server_that_offers_little_gives_text_and_counts():
    chat = ChatServer(engine(), plain=True)
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        groups = sampler.sample(prompts(3), GREEDY)
    ours = engine().sample(prompts(3), GREEDY)
    assert [group[0].text for group in groups] == [group[0].text for group in ours]
    assert [group[0].token_ids for group in groups] == [(-1,) * len(group[0].token_ids) for group in ours]
    assert {group[0].logprobs for group in groups} == {()}
    assert not {"top_k", "return_token_ids"} & set(chat.bodies[0])


def test_the_key_comes_from_the_environment_and_is_told_to_nobody_else(monkeypatch: pytest.MonkeyPatch):
    with serving(ChatServer(engine(), key="open sesame")) as url:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(UserError, match="put the key into the environment variable OPENAI_API_KEY"):
            sampling.open("openai", "tiny", base_url=url)
        monkeypatch.setenv("MY_KEY", "open sesame")
        with sampling.open("openai", "tiny", base_url=url, api_key_env="MY_KEY") as sampler:
            assert len(sampler.sample(prompts(1), GREEDY)) == 1


def test_who_stops_reading_does_not_wait_for_a_server_that_hangs():
    chat = ChatServer(engine(), faults=deque(["hang"]))
    with serving(chat) as url, sampling.open("openai", "tiny", base_url=url) as sampler:
        began = time.monotonic()
        groups = sampler.stream(prompts(2), GREEDY)
        assert next(groups)[0] in (0, 1)
        groups.close()
        assert time.monotonic() - began < 5


def test_an_unknown_model_and_a_wrong_address_are_told_in_one_line():
    unknown = pytest.raises(UserError, match="the server has tiny and no model 'other'; give --model tiny")
    with serving(ChatServer(engine())) as url, unknown:
        sampling.open("openai", "other", base_url=url)
    with pytest.raises(UserError, match="'localhost:8000' is no address"):
        sampling.open("openai", "tiny", base_url="localhost:8000")


def test_eval_scores_by_a_server_as_it_does_by_the_model_itself(tmp_path: Path):
    scored = ("eval", "--bench", "tiny", "--limit", "12", "--set", "rollout.temperature=0", "--set")
    here = mmupt(*scored, "rollout.max_tokens=24", "--engine", "transformers", "--out", str(tmp_path / "here"))
    assert here.returncode == 0, here.stderr
    with serving(ChatServer(engine())) as url:
        address = ("--engine", "openai", "--set", f"rollout.base_url={url}")
        there = mmupt(*scored, "rollout.max_tokens=24", *address, "--out", str(tmp_path / "there"))
    assert there.returncode == 0, there.stderr
    assert (tmp_path / "here/samples.jsonl").read_bytes() == (tmp_path / "there/samples.jsonl").read_bytes()
    assert json.loads((tmp_path / "there/results.json").read_text())["provenance"]["engine"] == "openai"


def test_a_server_that_is_not_there_is_one_line_and_exit_code_2(tmp_path: Path):
    address = ("--engine", "openai", "--set", f"rollout.base_url={unused_address()}")
    done = mmupt("eval", "--limit", "4", *address, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "the server does not answer" in one_line(done.stderr)
    assert not (tmp_path / "run").exists()
