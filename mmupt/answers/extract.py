"""A response -> its final answer, or an abstention with the reason.

The order: what follows the last </think> (an unclosed one abstains); a filled `<Answer>: <<..>>` with no box in or
after it; the last non-empty box (boxes joined by a comma, "and" or "or" are one answer); the last <answer>; a phrase
that declares an answer; a response that is nothing but an answer; else none. A last box that is cut off abstains,
whatever came before it: the model was changing its mind. A truncated response abstains always.
"""

import re
from collections.abc import Sequence

from mmupt.answers.boxes import Box, boxes
from mmupt.answers.choices import letter_of
from mmupt.answers.clean import BROKEN, INVISIBLE, tidy
from mmupt.answers.limits import ANSWER, RESPONSE
from mmupt.answers.phrases import bare, phrase
from mmupt.answers.template import slot
from mmupt.types import Answer

_PLACEHOLDER = re.compile(
    r"\.{2,}|…|\\[lc]?dots|\?+|_+|\\square|\\_+|□"
    r"|(?:insert |put )?(?:your |the |my )?(?:final )?(?:answer|result|number|letter|option|choice)(?: here)?",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"[\s$]*(?:[,;]|(?:,\s*)?(?:\\text\s*\{\s*)?(?:and|or|和|或)(?:\s*\})?|\\quad|、)[\s$]*", re.IGNORECASE
)


def extract(text: str, *, truncated: bool = False, choices: Sequence[str] = ()) -> Answer:
    """The final answer of a response. With choices, an answer that names one of them is that choice's letter."""
    if truncated:
        return Answer(None, "truncated")
    text = _after_thinking(text)
    if "<think>" in text:
        return Answer(None, "unfinished-thinking")
    found = _pointed(text) or _boxed(text) or _tagged(text) or _said(text, choices)
    if found.text is None:
        return found
    if len(found.text) > ANSWER:
        return Answer(None, "too-long")
    if BROKEN.search(found.text):
        return Answer(None, "broken-characters")
    return Answer(letter_of(found.text, choices) or found.text, found.reason) if choices else found


def _after_thinking(text: str) -> str:
    end = text.rfind("</think>")
    rest = text if end < 0 else text[end + len("</think>") :]
    if len(rest) > RESPONSE:
        return ("<think>" if "<think>" in rest else "") + rest[-RESPONSE:]
    return rest


def _pointed(text: str) -> Answer | None:
    found = slot(text)
    if found is None or not _filled(found.content) or boxes(text[found.start :]):
        return None
    return Answer(tidy(found.content), "template")


def _boxed(text: str) -> Answer | None:
    found = boxes(text)
    if not found:
        return None
    if found[-1].content is None:
        return Answer(None, "truncated-box")
    filled = [box for box in found if box.content is not None and _filled(box.content)]
    if filled:
        return Answer(_joined(text, filled), "box")
    return None if all(box.echo or box.content is None for box in found) else Answer(None, "empty-box")


def _filled(content: str) -> bool:
    answer = tidy(content)
    return bool(answer) and len(content) < 50 * ANSWER and not _PLACEHOLDER.fullmatch(answer)


def _joined(text: str, filled: list[Box]) -> str:
    """The last box, with those directly before it that a comma, "and" or "or" joins to it."""
    parts = [filled[-1]]
    for box in reversed(filled[:-1]):
        if len(parts) > 16 or parts[-1].start - box.end > 40 or not _JOINED.fullmatch(text[box.end : parts[-1].start]):
            break
        parts.append(box)
    return ", ".join(dict.fromkeys(tidy(box.content or "") for box in reversed(parts)))


def _tagged(text: str) -> Answer | None:
    end, start = text.rfind("</answer>"), text.rfind("<answer>")
    if start > end:
        return Answer(None, "truncated-tag")
    if end < 0:
        return None
    start = text.rfind("<answer>", 0, end)
    answer = tidy(text[start + len("<answer>") : end][: 2 * ANSWER]) if start >= 0 else ""
    if not answer or _PLACEHOLDER.fullmatch(answer):
        return Answer(None, "empty-tag")
    return Answer(answer, "tag")


def _said(text: str, choices: Sequence[str]) -> Answer:
    text = INVISIBLE.sub("", text)
    said, alone = phrase(text, choices), bare(text, choices)
    if said is not None:
        return Answer(said, "phrase")
    return Answer(None, "no-answer") if alone is None else Answer(alone, "bare")
