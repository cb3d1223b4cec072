"""A .parquet file; pictures are structs of bytes and path, plain bytes, or paths relative to the file's folder."""

from collections.abc import Iterator
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems.rows import Row


def rows(path: Path) -> Iterator[Row]:
    """Each row of the file; read in batches, because the pictures are inside."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=256):
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(f"{path.name} row {number}", f"{path.stem}-{number}", fields, path.parent)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"not a readable parquet file ({str(error)[:80]})", where=str(path)) from error
