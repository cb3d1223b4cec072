"""Problems and their pictures for the cards of a report; data that has gone costs the pictures, not the report."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

from mmupt import benchmarks, problems
from mmupt.errors import MmuptError
from mmupt.problems.problem_set import image_bytes
from mmupt.problems.writing import PNG_RGB_8
from mmupt.reporting.runs import Run, Scored, mapping
from mmupt.types import ImageRef, JsonValue, Problem

SIDE = 384
"""Longest side in pixels of a picture in a report."""
SMALL = 12_000
"""Bytes up to which a PNG is shown as it is."""


class Budget:
    """Pictures for one page, until they would make it too large to open."""

    def __init__(self, left: int = 5_000_000) -> None:
        self.left = left

    def pictures(self, problem: Problem | None) -> tuple[bytes, ...]:
        """The problem's pictures, or none once the bytes are spent."""
        if problem is None or self.left <= 0:
            return ()
        files = thumbnails(problem)
        self.left -= sum(map(len, files))
        return files


def thumbnails(problem: Problem) -> tuple[bytes, ...]:
    """The problem's pictures, small, as PNG or JPEG; one that cannot be read is left out."""
    files = []
    for ref in problem.images:
        try:
            files.append(_thumbnail(ref))
        except MmuptError:
            continue
    return tuple(files)


def of_benchmark(one: Scored) -> Mapping[str, Problem]:
    """The benchmark's problems by id, or nothing when they cannot be loaded here."""
    split = mapping(one.results["provenance"])["split"]
    data = _data(one.run.config)
    try:
        found = benchmarks.find(str(one.results["benchmark"])).load(str(split), data, pictures=False)
        return {each.id: each for each in found.problems}
    except MmuptError:
        return {}


def of_training(run: Run) -> Mapping[str, Problem]:
    """The training problems by id, or nothing when they cannot be loaded here."""
    try:
        return {each.id: each for each in problems.load(str(run.config["data"])).problems}
    except MmuptError:
        return {}


def _data(config: Mapping[str, JsonValue]) -> str | None:
    """Where the problems were read from: a run that judges another one's responses read them where that one did."""
    while isinstance(before := config.get("rescore"), str):
        file = Path(before) / "config.json"
        if not file.is_file():
            return None
        config = json.loads(file.read_bytes())["config"]
    data = config.get("data")
    return data if isinstance(data, str) else None


def _thumbnail(ref: ImageRef) -> bytes:
    data = image_bytes(ref)
    if data.startswith(PNG_RGB_8[0]) and len(data) <= SMALL:
        problems.decode(ref)  # what cannot be decoded is not shown
        return data
    picture = problems.decode(ref)
    picture.thumbnail((SIDE, SIDE))
    drawing, photograph = io.BytesIO(), io.BytesIO()
    picture.quantize(32).save(drawing, format="PNG", optimize=True)
    picture.save(photograph, format="JPEG", quality=75)
    return min(drawing.getvalue(), photograph.getvalue(), key=len)
