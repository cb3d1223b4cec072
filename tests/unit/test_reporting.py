"""Reports of scripted runs: right numbers, escaped text, no other file needed, the same bytes again."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from mmupt.config import parse
from mmupt.config.evaluate import EvaluateConfig
from mmupt.config.synthesize import SynthesizeConfig
from mmupt.errors import UserError
from mmupt.problems import load
from mmupt.problems.tiny import data_dir
from mmupt.reporting.blocks import Line, Plot, Report, Table
from mmupt.reporting.browser import browser
from mmupt.reporting.markdown import markdown, plain
from mmupt.reporting.page import html
from mmupt.reporting.responses import response_cards
from mmupt.reporting.runs import open_run, scored
from mmupt.stages.evaluate import evaluate
from mmupt.stages.report import report
from mmupt.stages.synthesize import synthesize

HOSTILE = "<script>alert('x')</script> & \\boxed{<img src=x onerror=alert(1)>}"
N = 20


def evaluated(folder: Path, name: str, answers: dict[str, str], samples: int = 1) -> Path:
    """An evaluation of N questions by a script that gives these answers; "" is the answer to all others."""
    folder.mkdir(exist_ok=True)
    script = folder / f"{name}.jsonl"
    rows = [{"match": match, "completions": [said] * samples} for match, said in answers.items()]
    script.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"model": str(script), "limit": N, "samples": samples, "out": str(folder / name)}
    evaluate(parse(EvaluateConfig, {**settings, "rollout": {"engine": "scripted", "max_tokens": 64}}))
    return folder / name


def golds(folder: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    return {row["id"]: row["gold"] for row in rows}


def test_two_evaluations_are_compared_by_the_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    before = evaluated(tmp_path, "before", {"": "nothing in a box"})
    known = golds(before)
    better = list(known)[:5]
    said = {id: f"\\boxed{{{known[id]}}}" for id in better}
    after = evaluated(tmp_path, "after", {**said, "": "nothing in a box"})
    report(before, after)
    text = (after / "comparison.md").read_text()
    assert "accuracy changes by +25.0" in text and "5 questions are answered better, 0 worse" in text
    assert all(plain(id) in text for id in better)
    told = json.loads((after / "comparison.json").read_text())
    blocks = {block.get("caption"): block for block in told["blocks"]}
    assert [row[0] for row in blocks["Better: 5"]["rows"]] == sorted(better) and blocks["Worse: 0"]["rows"] == []
    assert blocks["Better: 5"]["rows"][0][2:] == ["0.0", "100.0", "(none)", known[sorted(better)[0]]]
    assert "+25.0" in capsys.readouterr().out
    cards = blocks["Better"]["cards"]
    assert {card["id"] for card in cards} == set(better)
    said_of = {card["id"]: [answers["example"] for answers in card["answers"]] for card in cards}
    assert said_of == {id: ["nothing in a box", said[id]] for id in better}


def test_flips_of_both_directions_are_told_apart(tmp_path: Path):
    first = evaluated(tmp_path, "first", {"": "nothing"})
    known = golds(first)
    ids = list(known)
    right = {id: f"\\boxed{{{known[id]}}}" for id in ids}
    before = evaluated(tmp_path, "before", {**{id: right[id] for id in ids[:3]}, "": "nothing"})
    after = evaluated(tmp_path, "after", {**{id: right[id] for id in ids[2:4]}, "": "nothing"})
    report(before, after)
    text = (after / "comparison.md").read_text()
    assert "accuracy changes by -5.0" in text and "1 questions are answered better, 2 worse" in text
    told = json.loads((after / "comparison.json").read_text())
    tables = {block["caption"]: block["rows"] for block in told["blocks"] if block["kind"] == "table"}
    assert [row[0] for row in tables["Better: 1"]] == [ids[3]]
    assert [row[0] for row in tables["Worse: 2"]] == sorted(ids[:2])


def test_a_comparison_warns_of_what_else_has_changed(tmp_path: Path):
    before = evaluated(tmp_path, "before", {"": "\\boxed{7}"})
    after = evaluated(tmp_path, "after", {"": "\\boxed{7}"}, samples=2)
    report(before, after)
    assert "The protocols differ in samples." in (after / "comparison.md").read_text()


def test_runs_of_several_benchmarks_are_compared_by_benchmark(tmp_path: Path):
    runs = [evaluated(tmp_path / name, "inner", {"": said}) for name, said in {"a": "\\boxed{7}", "b": "no"}.items()]
    for run in runs:  # as `--bench tiny,other` lays it out
        shutil.copytree(run, run / "tiny", ignore=shutil.ignore_patterns("tiny"))
        for file in ("results.json", "samples.jsonl", "questions.jsonl"):
            (run / file).unlink()
    report(runs[0], runs[1])
    assert "Comparison: tiny" in (runs[1] / "comparison.md").read_text()


def test_what_a_model_says_is_escaped(tmp_path: Path):
    run = evaluated(tmp_path, "hostile", {"": HOSTILE}, samples=2)
    report(run)
    page = (run / "report.html").read_text()
    assert "<script" not in page and "<img src=x" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page
    assert "<img src=x" not in (run / "report.md").read_text()


def test_the_page_needs_no_other_file_and_is_the_same_again(tmp_path: Path):
    run = evaluated(tmp_path, "same", {"": "\\boxed{7}"}, samples=3)
    report(run)
    first = {name: (run / name).read_bytes() for name in ("report.html", "report.md", "report.json")}
    report(run)
    assert first == {name: (run / name).read_bytes() for name in first}
    page = first["report.html"].decode()
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page.replace("xlink:", "")) == []
    assert page.count("data:image/png;base64,") == N == page.count('class="ask ')
    assert "<script" not in page and "prefers-color-scheme:dark" in page


def test_a_synthesis_run_reports_its_filters_and_questions(tmp_path: Path):
    settings = {"out": str(tmp_path / "write"), "model": "rule", "count": 12, "rollout": {"engine": "scripted"}}
    counts = synthesize(parse(SynthesizeConfig, {**settings, "filter": {"low": 0.0, "high": 1.0}}))
    report(tmp_path / "write")
    told = json.loads((tmp_path / "write" / "report.json").read_text())
    table = next(block for block in told["blocks"] if block.get("caption") == "Filters")
    assert table["columns"][-1] == "kept" and table["rows"][0][1] == counts["written"] == 12
    assert table["rows"][0][-1] == counts["kept"]
    cards = next(block for block in told["blocks"] if block["kind"] == "questions")["cards"]
    assert len(cards) == 6 and all(card["text"].startswith("What is") for card in cards)


def test_data_that_has_gone_costs_the_pictures_only(tmp_path: Path):
    file = tmp_path / "test.parquet"
    file.write_bytes((data_dir() / "test.parquet").read_bytes())
    settings = {"model": "rule", "limit": N, "out": str(tmp_path / "run"), "data": str(file)}
    evaluate(parse(EvaluateConfig, {**settings, "rollout": {"engine": "scripted", "max_tokens": 64}}))
    file.unlink()
    report(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/png" not in page and page.count('class="ask ') == N


def test_a_run_that_is_not_finished_and_a_folder_that_is_none_are_refused(tmp_path: Path):
    run = evaluated(tmp_path, "half", {"": "\\boxed{7}"})
    (run / "done.json").unlink()
    with pytest.raises(UserError, match="this run is not finished"):
        report(run)
    with pytest.raises(UserError, match="holds no run of mmupt"):
        report(tmp_path)


def test_markdown_and_html_show_the_same_table():
    table = Table("A | B", ("x_y", "<z>"), (("a*b", 0.5), (None, 3)))
    plot = Plot("curve", "step", (Line("one", (1.0, 2.0), (0.25, 0.5)),))
    text, page = markdown(Report("T", (table, plot))), html(Report("T", (table, plot)))
    assert "| x\\_y | &lt;z&gt; |" in text and "| a\\*b | 0.5 |" in text and "|  | 3 |" in text
    assert "0.25 (at 1)" in text and "0.5 (at 2)" in text
    assert "&lt;z&gt;" in page and ">a*b<" in page and "var(--ink)" in page


def test_the_questions_that_a_pipeline_shows_come_from_every_skill(tmp_path: Path):
    evaluated(tmp_path, "skills", {"": "\\boxed{7}"})
    stage = {"name": "skills", "use": "eval", "label": "skills", "needs": []}
    (tmp_path / "pipeline.json").write_text(json.dumps({"name": "one", "stages": [stage]}))
    report(tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())
    cards = next(block for block in told["blocks"] if block["kind"] == "questions")["cards"]
    skills = {problem.id: problem.meta["skill"] for problem in load("tiny:test").problems}
    assert len({skills[card["id"]] for card in cards}) == 5


def test_seeds_of_one_row_are_pooled_and_shown_one_by_one(tmp_path: Path):
    base = evaluated(tmp_path, "base", {"": "nothing"})
    known = golds(base)
    ids = list(known)
    for seed, right in enumerate((4, 8)):
        evaluated(tmp_path, f"vote-{seed}", {**{id: f"\\boxed{{{known[id]}}}" for id in ids[:right]}, "": "nothing"})
    stages = [{"name": "base", "use": "eval", "label": "base", "needs": []}]
    stages += [{"name": f"vote-{s}", "use": "eval", "label": f"vote, seed {s}", "needs": ["train"]} for s in (0, 1)]
    (tmp_path / "pipeline.json").write_text(json.dumps({"name": "two seeds", "stages": stages}))
    report(tmp_path)
    blocks = json.loads((tmp_path / "report.json").read_text())["blocks"]
    pooled = next(block for block in blocks if block.get("caption") == "Scores with 95 % intervals")["rows"]
    seeds = next(block for block in blocks if block.get("caption") == "Each seed")["rows"]
    assert [row[0] for row in pooled] == ["base", "vote (2 seeds)"]
    assert pooled[1][4].startswith("30.0 [") and pooled[1][-1].startswith("+30.0 [")
    assert [(row[0], row[4].split()[0], row[-1].split()[0]) for row in seeds] == [
        ("vote, seed 0", "20.0", "+20.0"),
        ("vote, seed 1", "40.0", "+40.0"),
    ]


def page_rules(run: Path) -> tuple[str, set[str]]:
    page = (run / "report.html").read_text()
    return page, set(re.findall(r"#([vg]\d*-?[a-z-]*\d*):checked~\.list", page))


def test_the_page_of_an_evaluation_filters_by_verdict_and_group_without_a_script(tmp_path: Path):
    first = evaluated(tmp_path, "first", {"": "nothing"})
    id, gold = next(iter(golds(first).items()))
    run = evaluated(tmp_path, "run", {id: f"\\boxed{{{gold}}}", "": "\\boxed{nonsense}"}, samples=2)
    page, rules = page_rules(run)
    assert {"v-is-correct", "v-is-wrong"} <= rules and "v-is-abstained" not in rules and "<script" not in page
    cards = re.findall(r'<div class="ask ([^"]*)">', page)
    assert len(cards) == N and sum("is-correct" in card.split() for card in cards) == 1
    assert page.count('<details class="said is-correct"') == 2 and page.count('<details class="said is-wrong"') == 38
    groups = {name for card in cards for name in card.split() if re.fullmatch(r"g\d+", name)}
    assert groups <= rules and len(groups) == len(re.findall(r'<label for="g\d+">', page)) > 12
    assert 'for="v-is-wrong">wrong (38)<' in page and "skill" in page


def test_a_page_stays_small_and_shows_what_failed_first(tmp_path: Path):
    first = evaluated(tmp_path, "first", {"": "nothing"})
    known = golds(first)
    wrong = list(known)[3:6]
    said = dict.fromkeys(wrong, "\\boxed{nonsense}" + " x" * 9000)
    right = {id: f"\\boxed{{{gold}}}" for id, gold in known.items() if id not in wrong}
    settings = {"model": str(tmp_path / "s.jsonl"), "limit": N, "out": str(tmp_path / "run")}
    rows = [{"match": id, "completions": [text]} for id, text in {**said, **right}.items()]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    evaluate(parse(EvaluateConfig, {**settings, "rollout": {"engine": "scripted", "max_tokens": 10_000}}))
    (one,) = scored(open_run(tmp_path / "run", "run"), base=False)
    page = browser(response_cards(one, most=8))
    assert "Responses to 8 of 20 questions" in page and page.count('class="ask ') == 8
    assert all(f'<div class="id">{id}</div>' in page for id in wrong)
    assert "characters left out" in page and max(map(len, re.findall("[ x]+", page))) < 6_001


def test_a_large_picture_is_shown_small(tmp_path: Path):
    from PIL import Image

    Image.effect_noise((1600, 1200), 90).convert("RGB").save(tmp_path / "noise.png")
    row = {"id": "a", "question": "What is it?", "answer": "7", "image": "noise.png", "family": "noise"}
    (tmp_path / "bench.jsonl").write_text(json.dumps(row) + "\n")
    settings = {"model": "rule", "data": str(tmp_path / "bench.jsonl"), "out": str(tmp_path / "run")}
    evaluate(parse(EvaluateConfig, {**settings, "rollout": {"engine": "scripted", "max_tokens": 64}}))
    page = (tmp_path / "run" / "report.html").read_text()
    (kind, data) = re.findall(r'src="data:image/(\w+);base64,([^"]*)"', page)[0]
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert max(picture.size) == 384 and kind == "jpeg" and len(data) < 120_000


def test_what_a_data_set_says_is_escaped_too(tmp_path: Path):
    bad = "</style><script>alert(1)</script>"
    rows = [
        {"id": f"{bad}{n}", "question": bad, "answer": bad, "choices": [bad, "x"], "family": f"{bad}{n}"}
        for n in (1, 2)
    ]
    (tmp_path / "bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"model": "rule", "data": str(tmp_path / "bench.jsonl"), "out": str(tmp_path / "run")}
    evaluate(parse(EvaluateConfig, {**settings, "rollout": {"engine": "scripted", "max_tokens": 64}}))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script" not in page and page.count("</style>") == 2 and page.count("&lt;script&gt;") > 8
    assert "<script" not in (tmp_path / "run" / "report.md").read_text()
