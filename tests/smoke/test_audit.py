"""`mmupt audit` on the embedded model: the verdict comes before the training, and from no label."""

import json
from pathlib import Path

import pytest

from mmupt import config
from mmupt.config.audit import AuditConfig
from mmupt.errors import UserError
from mmupt.stages.audit import audit
from tests.kills import fingerprint

ROLLOUT = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 64}


def settings(out: Path, *sets: str) -> AuditConfig:
    return config.parse(AuditConfig, {"out": str(out), "limit": 64, "samples": 16, "rollout": ROLLOUT}, sets)


def test_the_verdict_separates_what_it_can_vote_on_from_what_it_cannot(tmp_path: Path) -> None:
    easy = audit(settings(tmp_path / "easy", "data=tiny:train"))
    hard = audit(settings(tmp_path / "hard", "data=tiny:hard_train"))
    assert (easy["can_vote"], hard["can_vote"]) == (True, False)
    assert "a favourite answer wins" in str(hard["verdict"]) and hard["common_label"] == "number:20"
    assert "vote_accuracy" not in easy
    assert sum(easy["share_histogram"]) == easy["questions"] == 64  # type: ignore[arg-type]
    assert {"done.json", "samples.jsonl", "survey.json", "audit.md", "audit.html", "audit.json"} <= {
        path.name for path in (tmp_path / "hard").iterdir()
    }
    page = json.loads((tmp_path / "hard/audit.json").read_text())
    assert page["blocks"][0]["text"] == hard["verdict"]
    counts = [row[1] for row in page["blocks"][2]["rows"]]
    assert counts == hard["share_histogram"]


def test_labels_are_read_on_request_and_change_nothing_else(tmp_path: Path) -> None:
    few = ("limit=16", "samples=4")
    blind, seeing = (
        audit(settings(tmp_path / name, *few, *more)) for name, more in (("a", ()), ("b", ("labels=true",)))
    )
    assert 0 < float(str(seeing.pop("sample_accuracy"))) < 1
    assert 0 < float(str(seeing.pop("vote_accuracy"))) < 1
    assert seeing == blind
    assert fingerprint(tmp_path / "a")["samples.jsonl"] == fingerprint(tmp_path / "b")["samples.jsonl"]


def test_a_killed_audit_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    few = settings(tmp_path / "run", "limit=12", "samples=4", "chunk_size=4")
    audit(few)
    whole = fingerprint(tmp_path / "run")
    (tmp_path / "run/done.json").unlink()
    lines = (tmp_path / "run/samples.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "run/samples.jsonl").write_text("".join(lines[:18]))
    audit(few)
    assert fingerprint(tmp_path / "run") == whole
    assert json.loads((tmp_path / "run/survey.json").read_text())["completions"] == 48


def test_data_without_answers_has_none_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"id": "1", "question": "How many?"}\n')
    with pytest.raises(UserError, match="no gold answer"):
        audit(settings(tmp_path / "run", f"data={tmp_path / 'data.jsonl'}", "labels=true"))
    assert not (tmp_path / "run").exists()
