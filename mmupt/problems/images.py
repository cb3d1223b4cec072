"""A folder of pictures without questions, for direct synthesis. The id of a picture is its path within the folder."""

from collections.abc import Iterator
from pathlib import Path

from mmupt.problems.rows import Row

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})


def rows(folder: Path) -> Iterator[Row]:
    """Each picture file in or below the folder, in the order of the paths."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    for name in sorted(path.relative_to(folder).as_posix() for path in found):
        yield Row(f"{folder.name}/{name}", name, {"images": [name]}, folder)
