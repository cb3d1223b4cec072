"""The scripted engine: a rule or a file speaks, deterministically."""

from collections import Counter
from pathlib import Path

import pytest

from mmupt import sampling
from mmupt.errors import UserError
from mmupt.prompts import answer_prompt, direct_prompt
from mmupt.sampling import SamplingParams
from mmupt.types import ImageRef, Problem

QUESTIONS = [answer_prompt(Problem(id=f"q{i}", question=f"How many dots are in row {i}?")) for i in range(50)]


def write(folder: Path, *lines: str) -> str:
    script = folder / "script.jsonl"
    script.write_text("\n".join(lines) + "\n")
    return str(script)


def test_the_rule_keeps_its_shares_and_a_group_agrees_on_the_right_answer():
    groups = sampling.open("scripted", "rule", right=0.6, wrong=0.3).sample(QUESTIONS, SamplingParams(n=40))
    said = [Counter(rollout.text for rollout in group).most_common(1)[0] for group in groups]
    boxed = sum("boxed" in rollout.text for group in groups for rollout in group)
    assert 0.55 < sum(count for _, count in said) / 2000 < 0.65
    assert 0.87 < boxed / 2000 < 0.93


def test_the_same_request_gives_the_same_rollouts_whatever_else_is_asked():
    sampler, params = sampling.open("scripted", "rule"), SamplingParams(n=4, seed=3)
    whole = sampler.sample(QUESTIONS, params)
    assert sampler.sample(QUESTIONS[20:30], params) == whole[20:30]
    assert sampler.sample(QUESTIONS, SamplingParams(n=4, seed=4)) != whole


def test_greedy_says_the_most_common_kind_every_time():
    groups = sampling.open("scripted", "rule").sample(QUESTIONS, SamplingParams(n=5, temperature=0))
    assert all(len({rollout.text for rollout in group}) == 1 and "boxed" in group[0].text for group in groups)


def test_a_multiple_choice_question_is_answered_with_one_of_its_letters():
    asked = answer_prompt(Problem(id="c", question="Which?", choices=("red", "blue", "green")))
    (group,) = sampling.open("scripted", "rule", right=0.5, wrong=0.5).sample([asked], SamplingParams(n=60))
    assert {rollout.text.split("{")[1][0] for rollout in group} == {"A", "B", "C"}


def test_a_prompt_for_a_question_gets_questions():
    prompt = direct_prompt("picture", ImageRef(data=b"not decoded here"))
    (group,) = sampling.open("scripted", "rule").sample([prompt], SamplingParams(n=8))
    assert all(rollout.text.endswith("?") for rollout in group) and len({rollout.text for rollout in group}) > 4


def test_the_first_row_that_matches_speaks_and_the_list_begins_again(tmp_path):
    script = write(
        tmp_path,
        '{"match": "q7", "completions": ["by id"]}',
        '{"match": "row 8?", "completions": ["one", "two"]}',
        "",
        '{"match": "", "completions": ["anything"]}',
    )
    groups = sampling.open("scripted", script).sample(QUESTIONS[6:9], SamplingParams(n=3))
    assert [[rollout.text for rollout in group] for group in groups] == [
        ["anything"] * 3,
        ["by id"] * 3,
        ["one", "two", "one"],
    ]


def test_a_completion_that_is_too_long_is_cut_and_says_so(tmp_path):
    script = write(tmp_path, '{"match": "", "completions": ["one two three four", "one two three"]}')
    ((long, short),) = sampling.open("scripted", script).sample(QUESTIONS[:1], SamplingParams(n=2, max_tokens=3))
    assert (long.text, long.finish_reason, len(long.token_ids)) == ("one two three", "length", 3)
    assert (short.text, short.finish_reason, len(short.token_ids)) == ("one two three", "stop", 3)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1: this is no JSON"),
        ('{"match": "x"}', "line 1: a row needs match and at least one completion"),
        ('{"match": "x", "completions": []}', "line 1: a row needs"),
        ('["x"]', "line 1: a row needs"),
    ],
)
def test_a_bad_script_is_told_with_its_line(tmp_path, line: str, told: str):
    with pytest.raises(UserError, match=told):
        sampling.open("scripted", write(tmp_path, line))


def test_a_prompt_that_no_row_matches_is_named(tmp_path):
    script = write(tmp_path, '{"match": "nothing like it", "completions": ["?"]}')
    with pytest.raises(UserError, match="no row matches prompt q0"):
        sampling.open("scripted", script).sample(QUESTIONS, SamplingParams(n=1))


def test_a_missing_script_is_told():
    with pytest.raises(UserError, match="no such script"):
        sampling.open("scripted", "missing.jsonl")
