"""A .jsonl file: one JSON object a line; picture paths are relative to the file's folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems.rows import Row
from mmupt.types import JsonValue

FORM = 'each line must be one JSON object such as {"id": "a", "question": "..."}'


def rows(path: Path) -> Iterator[Row]:
    """Each line that is not blank, as a row."""
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            where = f"{path.name} row {number}"
            yield Row(where, f"{path.stem}-{number}", json_object(line, where, FORM), path.parent)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read ({error})", where=str(path), fix="give a readable UTF-8 file") from error


def json_object(line: str | bytes, where: str, fix: str) -> dict[str, JsonValue]:
    """A line as the JSON object that it must be; `fix` tells the user what a line looks like."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON ({str(error)[:80]})", where=where, fix=fix) from error
    if not isinstance(value, dict):
        raise UserError(f"a JSON {type(value).__name__}, not an object", where=where, fix=fix)
    return value
