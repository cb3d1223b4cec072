"""Where the picture of a row is when the data set is read from files.

The authors' files name pictures relative to the folder of the repository, or of an archive that was unpacked beside
them; so a path is tried in each of these places, and the first that exists is taken.
"""

from pathlib import Path

from mmupt.problems.rows import Row


def located(row: Row, column: str, *places: str) -> object:
    """The picture in `column`, its path put right where it lies in one of `places` (relative to the row's file)."""
    value = row.fields.get(column)
    if not isinstance(value, str) or not value or (row.base / value).is_file():
        return value
    at = (Path(place) / value for place in places)
    return next((str(path) for path in at if (row.base / path).is_file()), value)
