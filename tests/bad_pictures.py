"""Pictures that a data set may hold, good, odd and bad, written into a folder."""

import io
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

SIDE = (56, 56)
ODD = {
    "anim.gif": (254, 0, 0),
    "cmyk.jpg": (0, 0, 254),
    "deep.png": (156, 156, 156),
    "palette.png": (7, 8, 9),
}
"""Pictures of other kinds, and their colour as RGB (jpeg and gif may miss it by a little)."""
BAD = ("bomb.png", "broken.png", "zero.png")


def write_pictures(folder: Path) -> Path:
    """Four good pictures, the odd and the bad ones."""
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", SIDE, (40 * number, 9, 9)).save(folder / f"good{number}.png")
    red, green = Image.new("RGB", SIDE, (255, 0, 0)), Image.new("RGB", SIDE, (0, 255, 0))
    red.save(folder / "anim.gif", save_all=True, append_images=[green])
    Image.new("CMYK", SIDE, (255, 255, 0, 0)).save(folder / "cmyk.jpg", quality=100)
    Image.new("I;16", SIDE, 40_000).save(folder / "deep.png")
    palette = Image.new("P", SIDE, 1)
    palette.putpalette([1, 2, 3, 7, 8, 9])
    palette.save(folder / "palette.png")
    (folder / "broken.png").write_bytes((folder / "good0.png").read_bytes()[:60])
    (folder / "zero.png").write_bytes(b"")
    (folder / "bomb.png").write_bytes(_bomb(50_000))
    return folder


def write_rows(file: Path, rows: Sequence[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def _bomb(side: int) -> bytes:
    """A small PNG file that declares a picture of 7.5 GB."""
    made = io.BytesIO(b"")
    made.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")):
        made.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return made.getvalue()
