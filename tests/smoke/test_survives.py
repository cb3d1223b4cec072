"""SIGKILL at random moments of each stage, then the same command: the files are those of an undisturbed run."""

from pathlib import Path

import pytest

from tests.kills import stages, survive

KILLS = {"synthesize": 3, "train": 4, "merge": 2, "eval": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed")


@pytest.mark.parametrize("stage", list(KILLS))
def test_a_killed_stage_ends_with_the_bytes_of_an_undisturbed_one(stage: str, folder: Path):
    hits, undisturbed, disturbed = survive(stages(folder)[stage], folder / stage, KILLS[stage], seed=7)
    assert hits == KILLS[stage]
    assert undisturbed == disturbed
    assert len(undisturbed) >= 3
