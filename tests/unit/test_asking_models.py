"""How `mmupt eval` asks a model: named protocols, and responses that are kept as they come."""

import json
from pathlib import Path

import pytest

from mmupt.config import parse, to_dict
from mmupt.config.evaluate import EvaluateConfig, EvaluateRollout
from mmupt.config.protocols import PROTOCOLS, changed
from mmupt.errors import UserError
from mmupt.prompts import ANSWER_FORMAT
from mmupt.stages.evaluate import evaluate

FILES = ("samples.jsonl", "questions.jsonl", "results.json", "report.md", "report.html")


def made(**settings: object) -> EvaluateConfig:
    return parse(EvaluateConfig, {"out": "run", **settings})


def bytes_of(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


def test_the_default_protocol_is_the_one_that_mm_upt_states():
    config = made(bench="mathvista")
    rollout = config.rollout
    assert config.protocol == "mm-upt" and config.system == "You are a helpful assistant."
    assert (rollout.temperature, rollout.max_tokens) == (0.2, 16384)
    assert (rollout.min_pixels, rollout.max_pixels) == (224 * 224, 1280 * 28 * 28)
    assert changed("mm-upt", to_dict(config)) == [] and made(bench="tiny,mathvista").protocol == "mm-upt"


def test_a_config_made_in_python_is_the_default_protocol_too():
    assert to_dict(EvaluateConfig(out="run", bench="mathvista")) == to_dict(made(bench="mathvista"))
    assert EvaluateRollout() == made(bench="mathvista").rollout


def test_the_embedded_benchmark_has_a_protocol_of_its_own():
    for config in (made(), made(bench="tiny")):
        assert (config.protocol, config.system) == ("tiny", None)
        assert (config.rollout.max_tokens, config.rollout.min_pixels) == (64, None)
    assert made(bench="tiny", protocol="mm-upt").rollout.max_tokens == 16384


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_a_given_setting_changes_the_protocol_and_is_told(name: str):
    config = made(bench="mathvista", protocol=name, rollout={"top_p": 0.5}, system="Be brief.")
    assert (config.protocol, config.rollout.top_p, config.system) == (name, 0.5, "Be brief.")
    assert changed(name, to_dict(config)) == ["rollout.top_p", "system"]
    kept = PROTOCOLS[name]["rollout"]
    assert isinstance(kept, dict) and config.rollout.max_tokens == kept["max_tokens"]


def test_null_takes_a_pixel_limit_away():
    config = parse(EvaluateConfig, {"out": "run", "bench": "mathvista"}, ["rollout.min_pixels=null"])
    assert config.rollout.min_pixels is None and config.rollout.max_pixels == 1280 * 28 * 28


def test_an_unknown_protocol_is_refused_by_name():
    with pytest.raises(UserError, match=r"there is no protocol 'gredy'; did you mean 'greedy'\?"):
        made(protocol="gredy")


def test_the_system_turn_reaches_the_model_and_the_results_hold_every_value(tmp_path: Path):
    script = tmp_path / "script.jsonl"
    rows = [{"match": "You are a helpful assistant.", "completions": ["\\boxed{1}"]}]
    script.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"model": str(script), "limit": 3, "protocol": "greedy", "rollout": {"engine": "scripted"}}
    evaluate(made(**settings, out=str(tmp_path / "run")))
    protocol = json.loads((tmp_path / "run" / "results.json").read_text())["protocol"]
    assert protocol == {
        "name": "greedy",
        "changed": [],
        "system": "You are a helpful assistant.",
        "suffix": ANSWER_FORMAT,
        "samples": 1,
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": 16384,
        "min_pixels": 50176,
        "max_pixels": 1003520,
        "seed": 0,
        "limit": 3,
        "ids": None,
    }
    with pytest.raises(UserError, match="no row matches"):
        evaluate(made(**settings, system=None, out=str(tmp_path / "without")))


SCRIPTED = {"model": "rule", "samples": 2, "limit": 30, "rollout": {"engine": "scripted", "temperature": 1.0}}


@pytest.mark.parametrize("kept", [[], [5], [40, 41, 7, 8, 9], list(range(59, -1, -1))])
def test_a_stream_that_was_killed_anywhere_ends_with_the_same_bytes(kept: list[int], tmp_path: Path):
    evaluate(made(**SCRIPTED, out=str(tmp_path / "run")))
    run = tmp_path / "run"
    whole = bytes_of(run)
    lines = whole["samples.jsonl"].splitlines(keepends=True)
    (run / "samples.jsonl").write_bytes(b"".join(lines[at] for at in kept) + b'{"id":"test-00')
    for name in ("done.json", "results.json"):
        (run / name).unlink()
    evaluate(made(**SCRIPTED, out=str(tmp_path / "run")))
    assert bytes_of(run) == whole


def test_what_a_failing_stream_has_given_is_kept_and_the_rest_comes_in_between(tmp_path: Path):
    evaluate(made(**SCRIPTED, out=str(tmp_path / "ids")))
    ids = [json.loads(line)["id"] for line in (tmp_path / "ids" / "questions.jsonl").read_text().splitlines()]
    script, samples = tmp_path / "script.jsonl", tmp_path / "run" / "samples.jsonl"
    said = [json.dumps({"match": id, "completions": ["word " * (30 - at) + "\\boxed{1}"]}) for at, id in enumerate(ids)]
    settings = {**SCRIPTED, "model": str(script), "out": str(tmp_path / "run")}
    script.write_text("\n".join(said[:20]))
    with pytest.raises(UserError, match="no row matches"):
        evaluate(made(**settings))
    kept = [json.loads(line)["id"] for line in samples.read_text().splitlines()]
    assert kept[::2] == [*ids[7::-1], *ids[15:7:-1]], "of every eight the short ones first; the third eight failed"
    script.write_text("\n".join(said))
    evaluate(made(**settings))
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert [(row["id"], row["index"]) for row in rows] == [(id, index) for id in ids for index in (0, 1)]


def test_an_engine_that_does_not_stream_is_asked_in_whole_chunks_again(tmp_path: Path):
    settings = {"limit": 10, "chunk_size": 4, "rollout": {"engine": "transformers", "temperature": 0.0}}
    run = tmp_path / "run"
    evaluate(made(**settings, out=str(run)))
    whole = bytes_of(run)
    lines = whole["samples.jsonl"].splitlines(keepends=True)
    (run / "samples.jsonl").write_bytes(b"".join(lines[:6]) + lines[6][:30])
    for name in ("done.json", "results.json"):
        (run / name).unlink()
    evaluate(made(**settings, out=str(run)))
    assert bytes_of(run) == whole
