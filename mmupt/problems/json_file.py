"""A .json file: a list of objects, or one object {id: object}; picture paths are relative to the file's folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems.rows import Row


def rows(path: Path) -> Iterator[Row]:
    """Each member, as a row; the key that names it is its id where it has none of its own."""
    content = _content(path)
    if isinstance(content, list):
        named = [(f"{path.stem}-{number}", each) for number, each in enumerate(content, start=1)]
    else:
        named = list(content.items())
    for number, (name, fields) in enumerate(named, start=1):
        where = f"{path.name} row {number}"
        if not isinstance(fields, dict):
            raise UserError(f"a JSON {type(fields).__name__}, not an object", where=where, fix=_SHAPE)
        yield Row(where, name, fields, path.parent)


_SHAPE = 'write [{"id": "a", ...}, ...] or {"a": {...}, ...}'


def _content(path: Path) -> list[object] | dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"not a readable JSON file ({str(error)[:80]})", where=str(path), fix=_SHAPE) from error
    if not isinstance(content, list | dict):
        raise UserError(f"a JSON {type(content).__name__}", where=str(path), fix=_SHAPE)
    return content
