"""Twelve questions with picture, answers and votes: of evaluations side by side, or of a training's last steps."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from mmupt.prompts import question_text
from mmupt.reporting.blocks import Answers, Mark, Question, Questions, Tally
from mmupt.reporting.groups import group
from mmupt.reporting.pictures import of_benchmark, of_training, thumbnails
from mmupt.reporting.runs import Row, Run, Scored, rows
from mmupt.types import JsonValue, Problem
from mmupt.voting import vote

SHOWN = 12
_MARKS: Mapping[str, Mark] = {"correct": "right", "wrong": "wrong", "abstained": "none"}


def evaluated_questions(evaluations: Sequence[Scored]) -> Questions | None:
    """The same questions as every evaluation at the highest temperature answered them."""
    if not evaluations:
        return None
    hottest = max(evaluations, key=lambda each: each.temperature or 0.0)
    shown = [each.first for each in group(evaluations) if each.first.comparable(hottest)]
    known = of_benchmark(hottest)
    asked = {str(row["id"]): row for row in hottest.questions}
    common = [id for id in asked if all(id in each.samples_of for each in shown)]
    cards = [evaluated_question(id, asked[id], _pictures(known.get(id)), shown) for id in _spread(common, asked)]
    return Questions(f"Twelve questions and their answers at {hottest.heat}", tuple(cards))


def trained_questions(run: Run) -> Questions:
    """Groups of the last steps, with the votes that rewarded them."""
    groups: dict[str, list[Row]] = {}
    for row in rows(run, "rollouts.jsonl"):
        key = str(row["problem"])
        if groups.get(key) and groups[key][0]["step"] != row["step"]:
            groups[key] = []
        groups.setdefault(key, []).append(row)
    last = sorted(groups, key=lambda key: (-int(str(groups[key][0]["step"])), _mark(key)))[:SHOWN]
    known = of_training(run)
    cards = tuple(_trained(id, groups[id], known.get(id)) for id in last)
    return Questions(f"{run.label}: twelve groups of the last steps", cards)


def _spread(ids: Sequence[str], asked: Mapping[str, Row]) -> list[str]:
    """Some of the ids, the same ones in every run, in turns from every kind of question."""
    kinds: dict[str, list[str]] = {}
    for id in sorted(ids, key=_mark):
        meta = asked[id]["meta"]
        kinds.setdefault(str(meta.get("skill")) if isinstance(meta, dict) else "", []).append(id)
    turns = [(turn, kind, id) for kind, members in sorted(kinds.items()) for turn, id in enumerate(members)]
    return [id for _, _, id in sorted(turns)[:SHOWN]]


def _mark(id: str) -> str:
    return sha256(id.encode()).hexdigest()


def evaluated_question(id: str, asked: Row, pictures: tuple[bytes, ...], shown: Sequence[Scored]) -> Question:
    """One question as these evaluations answered it."""
    choices = tuple(map(str, asked["choices"])) if isinstance(asked["choices"], list) else ()
    answers = tuple(_answers(each.label, each.samples_of[id], choices) for each in shown)
    text = question_text(str(asked["question"]), choices)
    return Question(id, pictures, text, _text(asked["gold"]), "", answers)


def _pictures(problem: Problem | None) -> tuple[bytes, ...]:
    return thumbnails(problem) if problem else ()


def _answers(label: str, samples: Sequence[Row], choices: Sequence[str]) -> Answers:
    ballot = vote([_text(row["extracted"]) for row in samples], choices=choices)
    tallies = [
        Tally(
            _text(samples[ballot.classes.index(number)]["extracted"]),
            count,
            _MARKS[str(samples[ballot.classes.index(number)]["verdict"])],
            number == ballot.winner,
        )
        for number, count in enumerate(ballot.counts)
    ]
    return Answers(label, _sorted(tallies, ballot.abstentions), str(samples[0]["response"]))


def _trained(id: str, group: Sequence[Row], problem: Problem | None) -> Question:
    label = _text(group[0]["label"])
    counts: dict[str, int] = {}
    voted: set[str] = set()
    for row in group:
        if (answer := _text(row["answer"])) is not None:
            counts[answer] = counts.get(answer, 0) + 1
            if label is not None and row["reward"] == 1:
                voted.add(answer)
    tallies = [Tally(answer, count, "unknown", answer in voted) for answer, count in counts.items()]
    answers = Answers("answers", _sorted(tallies, sum(row["answer"] is None for row in group)), str(group[0]["text"]))
    text = question_text(problem.question, problem.choices) if problem else ""
    note = f"step {group[0]['step']}, vote: {'nobody wins' if label is None else label}"
    return Question(id, _pictures(problem), text, None, note, (answers,))


def _sorted(tallies: Sequence[Tally], silent: int) -> tuple[Tally, ...]:
    ordered = sorted(tallies, key=lambda each: (-each.count, str(each.answer)))
    return (*ordered, *([Tally(None, silent, "none", False)] if silent else []))


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
