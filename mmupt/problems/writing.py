"""Problems -> a folder that `load` reads again: problems.jsonl and images/<sha256>.png.

Every picture is written once, as RGB PNG under the digest of its bytes; problems.jsonl is written last and in one step,
so that a folder that has it is whole.
"""

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

from mmupt.problems.folder import PROBLEMS
from mmupt.problems.pictures import decode
from mmupt.problems.problem_set import image_bytes
from mmupt.rundir import write_atomic
from mmupt.types import ImageRef, JsonValue, Problem

PNG_RGB_8 = (b"\x89PNG\r\n\x1a\n", b"\x08\x02")
"""A PNG's first bytes, and its bit depth and colour type when it is 8-bit RGB (bytes 24 and 25)."""


def write(folder: Path, problems: Iterable[Problem]) -> None:
    """Write the set; what is there under the same names is replaced."""
    listed = list(problems)
    names = {ref: _write_image(folder / "images", ref) for problem in listed for ref in problem.images}
    lines = [json.dumps(_row(problem, names), ensure_ascii=False) + "\n" for problem in listed]
    write_atomic(folder / PROBLEMS, "".join(lines))


def _row(problem: Problem, names: dict[ImageRef, str]) -> dict[str, JsonValue]:
    row: dict[str, JsonValue] = {
        "id": problem.id,
        "question": problem.question,
        "images": [f"images/{names[ref]}" for ref in problem.images],
        "choices": list(problem.choices),
        "answer": problem.answer,
        "answer_type": problem.answer_type,
        "precision": problem.precision,
        "unit": problem.unit,
        "shown": problem.shown,
        "meta": dict(problem.meta),
    }
    return {name: value for name, value in row.items() if value not in (None, [], {})}


def _write_image(folder: Path, ref: ImageRef) -> str:
    data = as_png(ref)
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.png"
    if not (folder / name).is_file():
        write_atomic(folder / name, data)
    return name


def as_png(ref: ImageRef) -> bytes:
    """The picture as RGB PNG; one that is so already keeps its bytes."""
    data = image_bytes(ref)
    if data.startswith(PNG_RGB_8[0]) and data[24:26] == PNG_RGB_8[1] and b"eXIf" not in data and b"tRNS" not in data:
        return data
    buffer = io.BytesIO()
    decode(ref).save(buffer, format="PNG")
    return buffer.getvalue()
