"""Every recipe that is shipped can be run: its keys are known, its stages refer to stages above them."""

from pathlib import Path

import pytest

from mmupt import shipped
from mmupt.config import load
from mmupt.config.run import RunConfig
from mmupt.stages.pipeline import plan
from tests.house.command import mmupt
from tests.house.source import ROOT


def recipes() -> list[Path]:
    return sorted((ROOT / "pipelines").glob("*.toml"))


def test_the_shipped_pipelines_are_those_of_the_folder():
    assert list(shipped.pipelines().values()) == recipes() != []


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.stem)
def test_a_shipped_pipeline_parses_down_to_each_stage(recipe, tmp_path):
    stages = plan(load(RunConfig, recipe, [f"out={tmp_path}/run"]))
    assert len(stages) >= 2
    assert {stage.use for stage in stages} <= {"synthesize", "audit", "train", "merge", "eval"}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.stem)
def test_a_dry_run_of_a_shipped_pipeline_writes_nothing(recipe, tmp_path):
    done = mmupt("run", str(recipe), "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
