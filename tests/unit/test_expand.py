"""A pipeline's short forms are written out before anything else looks at it."""

import pytest

from mmupt.errors import UserError
from mmupt.stages.expand import expand


def test_defaults_lie_under_the_stages_of_their_use_table_by_table():
    stages = {"a": {"use": "train", "update": {"learning_rate": 1.0}}, "b": {"use": "eval"}}
    written = expand(stages, {"train": {"steps": 5, "update": {"weight_decay": 0.5, "learning_rate": 2.0}}})
    assert written["a"] == {"use": "train", "steps": 5, "update": {"weight_decay": 0.5, "learning_rate": 1.0}}
    assert written["b"] == {"use": "eval"}


def test_a_stage_over_seeds_becomes_one_stage_a_seed_and_refers_to_its_own():
    stages = {
        "base": {"use": "eval"},
        "vote": {"use": "train", "seeds": [0, 2], "label": "vote"},
        "merged": {"use": "merge", "seeds": [0, 2], "checkpoint": "${vote}"},
    }
    written = expand(stages, {})
    assert list(written) == ["base", "vote-0", "vote-2", "merged-0", "merged-2"]
    assert written["vote-2"] == {"use": "train", "label": "vote, seed 2", "seed": 2}
    assert written["merged-2"]["checkpoint"] == "${vote-2}" and "seed" not in written["merged-2"]


def test_a_single_stage_must_name_the_seed_of_what_it_refers_to():
    stages = {"vote": {"use": "train", "seeds": [0, 1]}, "merged": {"use": "merge", "checkpoint": "${vote}"}}
    with pytest.raises(UserError, match=r"seeds = \[0, 1\]"):
        expand(stages, {})
    stages["merged"]["checkpoint"] = "${vote-1}"
    assert expand(stages, {})["merged"]["checkpoint"] == "${vote-1}"


def test_seeds_that_are_no_whole_numbers_are_refused():
    with pytest.raises(UserError, match="whole numbers"):
        expand({"a": {"use": "train", "seeds": ["x"]}}, {})
