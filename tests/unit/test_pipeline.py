"""What a pipeline may say, what is refused before anything starts, and what counts as done."""

import json
from pathlib import Path

import pytest

from mmupt.config import load, parse
from mmupt.config.evaluate import EvaluateConfig
from mmupt.config.run import RunConfig
from mmupt.config.toml import dumps
from mmupt.errors import UserError
from mmupt.stages.evaluate import evaluate
from mmupt.stages.pipeline import plan
from mmupt.stages.run import run, states

SCRIPTED = {"engine": "scripted", "max_tokens": 32}


def pipeline(out: Path, **stages: dict[str, object]) -> RunConfig:
    return RunConfig(name="test", out=str(out), stages=stages)


def evaluation(**changes: object) -> dict[str, object]:
    return {"use": "eval", "model": "rule", "limit": 8, "rollout": SCRIPTED, **changes}


def test_references_become_folders_and_needs(tmp_path: Path):
    write = {"use": "synthesize", "data": "tiny:train", "label": "own questions"}
    learn = {"use": "train", "with": {"data": "${write}", "deepspeed": "none"}, "steps": 2}
    merge = {"use": "merge", "checkpoint": "${learn}/checkpoints/step-2"}
    first, second, third = plan(pipeline(tmp_path, write=write, learn=learn, model=merge))
    assert (first.label, first.needs, second.needs, third.needs) == ("own questions", (), ("write",), ("learn",))
    assert second.settings["data"] == str(tmp_path / "write") and second.settings["out"] == str(tmp_path / "learn")
    assert second.settings["steps"] == 2 and second.label == "learn"
    assert third.settings["checkpoint"] == f"{tmp_path}/learn/checkpoints/step-2"


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"a": {"label": "x"}}, "stages.a: does not say what it uses"),
        ({"a": {"use": "trian"}}, "did you mean 'train'|train"),
        ({"a": evaluation(limits=3)}, r"stages.a: unknown key 'limits'; did you mean 'limit'"),
        ({"a": evaluation(rollout={"temprature": 1})}, "rollout.temprature.*rollout.temperature"),
        ({"a": evaluation(model="${b}"), "b": evaluation()}, r"refers to \$\{b\}, which is no stage above it"),
        ({"bench": evaluation(), "a": evaluation(model="${bnech}")}, r"\$\{bnech\}, which is no stage.*bench"),
        ({"a": evaluation(out="x")}, "out is set by the pipeline"),
        ({"recipes": evaluation()}, "cannot name a stage"),
        ({"../a": evaluation()}, "cannot name a stage"),
        ({"a": {"use": "train", "deepspeed": "none", "ranks": 2}}, r"stages\.a: .*plain torch trains in one process"),
        ({"a": evaluation(samples=0)}, "stages.a: .*samples = 0"),
        ({"a": {"use": "merge"}}, "stages.a: .*'checkpoint' is missing"),
    ],
)
def test_a_wrong_pipeline_is_refused_in_one_line(stages: dict[str, dict[str, object]], words: str, tmp_path: Path):
    with pytest.raises(UserError, match=words) as told:
        plan(pipeline(tmp_path / "out", **stages))
    assert "\n" not in str(told.value) and not (tmp_path / "out").exists()


def test_a_pipeline_without_stages_is_refused():
    with pytest.raises(UserError, match="no stages"):
        parse(RunConfig, {"name": "empty", "stages": {}})


def test_settings_are_changed_from_the_command_line(tmp_path: Path):
    recipe = tmp_path / "p.toml"
    recipe.write_text('name = "p"\n[stages.base]\nuse = "eval"\nmodel = "tiny"\nwith.samples = 2\n')
    config = load(RunConfig, recipe, ["stages.base.limit=5", "stages.base.with.samples=3", f"out={tmp_path}/o"])
    (stage,) = plan(config)
    assert isinstance(stage.config, EvaluateConfig) and (stage.config.limit, stage.config.samples) == (5, 3)


def test_a_model_that_is_not_there_is_told_before_the_first_stage(tmp_path: Path):
    with pytest.raises(UserError, match=r"stages.late: model nowhere: no such model"):
        plan(pipeline(tmp_path, base=evaluation(), late={"use": "train", "model": "nowhere"}))


@pytest.mark.parametrize("name", ["./models/mine", "runs/old/model", "../mine", "~/no/such/model"])
def test_a_folder_that_is_not_there_is_no_hub_model(name: str, tmp_path: Path):
    with pytest.raises(UserError, match=r"stages.base: model .*: no such model"):
        plan(pipeline(tmp_path, base=evaluation(model=name, rollout={})))


def test_a_hub_model_is_planned_with_without_asking_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a plan went online"))
    (stage,) = plan(pipeline(tmp_path, learn={"use": "train", "model": "Qwen/Qwen2.5-VL-7B-Instruct"}))
    assert stage.settings["model"] == "Qwen/Qwen2.5-VL-7B-Instruct"


def test_a_stage_is_done_when_its_folder_says_so_and_its_settings_are_the_same(tmp_path: Path):
    config = pipeline(tmp_path, base=evaluation())
    (stage,) = plan(config)
    assert states([stage]) == {"base": False}
    assert isinstance(stage.config, EvaluateConfig)
    evaluate(stage.config)
    assert states([stage]) == {"base": True}
    with pytest.raises(UserError, match=r"stages.base: the settings .* have changed .*limit: 8 -> 9"):
        plan(pipeline(tmp_path, base=evaluation(limit=9)))


def test_what_was_made_from_an_output_that_is_gone_is_refused(tmp_path: Path):
    write = {"use": "synthesize", "model": "rule", "count": 4, "rollout": SCRIPTED}
    again = {"use": "synthesize", "model": "rule", "data": "${write}", "rollout": SCRIPTED}
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "done.json").write_text("{}")
    with pytest.raises(UserError, match=r"stages.again: is done, but write, from which it was made, is not"):
        plan(pipeline(tmp_path, write=write, again=again))


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    done = run(pipeline(tmp_path / "out", base=evaluation()), dry_run=True)
    assert done == {"stages": {"base": "to do"}} and not (tmp_path / "out").exists()
    assert "to do" in capsys.readouterr().out


def test_an_audit_is_a_stage_and_stands_in_the_report(tmp_path: Path):
    asked = {"use": "audit", "label": "can it vote?", "model": "rule", "limit": 6, "samples": 4, "rollout": SCRIPTED}
    run(pipeline(tmp_path, audit=asked))
    told = json.loads((tmp_path / "audit/survey.json").read_text())
    assert f"| can it vote? | {told['verdict']} | 6 |" in (tmp_path / "report.md").read_text()


def test_toml_reads_back_as_it_was_written(tmp_path: Path):
    settings = {
        "model": 'a "b" \\ c\nü \x7f',
        "limit": 3,
        "on": True,
        "rate": 1.5e-4,
        "names": ["x", "y"],
        "rows": [{"a": 1}, {"b": "c"}],
        "inner": {"temperature": 0.7, "deeper": {"odd key": 1}},
    }
    file = tmp_path / "x.toml"
    file.write_text(dumps({**settings, "nothing": None}), encoding="utf-8")
    import tomllib

    assert tomllib.loads(file.read_text(encoding="utf-8")) == json.loads(json.dumps(settings))
