"""Encoded picture in, RGB picture out; whatever cannot be a picture is a SampleError.

CMYK, 16-bit, palette, transparent and animated pictures become plain 8-bit RGB: transparency is laid on white
(diagrams are drawn in black), an animation gives its first frame, a camera's orientation is applied. A picture that
declares more than MAX_PICTURE pixels is refused from its header, before any pixel is decoded.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from mmupt.errors import SampleError
from mmupt.problems.problem_set import image_bytes
from mmupt.types import ImageRef

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PICTURE = 64_000_000
"""Pixels. Beyond any camera or scan that a vision model is shown, below what would hurt the machine (192 MB as RGB)."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
"""Formats that are decoded without another program; EPS, for one, would start an interpreter."""
PATCH = 28
"""Qwen2.5-VL sees cells of 28x28 pixels: a patch of 14, merged two by two."""
MAX_ASPECT = 200
"""Longest side over shortest side that qwen-vl-utils accepts."""


def decode(ref: ImageRef, *, min_pixels: int | None = None, max_pixels: int | None = None) -> Image:
    """The picture in RGB; resized by qwen-vl-utils' rule when a limit is given."""
    image = _rgb(_content(ref))
    if min_pixels is None and max_pixels is None:
        return image
    size = smart_size(image.width, image.height, min_pixels or 1, max_pixels or MAX_PICTURE)
    return image if size == image.size else image.resize(size)


def picture_size(ref: ImageRef) -> tuple[int, int]:
    """Width and height as the file's header tells them; no pixel is decoded."""
    from PIL import Image

    data = _content(ref)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            size = image.size
    except Exception as error:  # as in _rgb
        raise SampleError(f"the picture cannot be decoded ({_first_words(error)})") from error
    _refuse_size(*size)
    return size


def smart_size(width: int, height: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Width and height as multiples of 28 within the limits, the aspect kept (qwen-vl-utils' smart_resize)."""
    fitted_height = max(PATCH, round(height / PATCH) * PATCH)
    fitted_width = max(PATCH, round(width / PATCH) * PATCH)
    if fitted_height * fitted_width > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        fitted_height = max(PATCH, math.floor(height / shrink / PATCH) * PATCH)
        fitted_width = max(PATCH, math.floor(width / shrink / PATCH) * PATCH)
    elif fitted_height * fitted_width < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        fitted_height = math.ceil(height * grow / PATCH) * PATCH
        fitted_width = math.ceil(width * grow / PATCH) * PATCH
    return fitted_width, fitted_height


def _content(ref: ImageRef) -> bytes:
    data = image_bytes(ref)
    if not data:
        raise SampleError("the picture is empty (0 bytes)")
    return data


def _rgb(data: bytes) -> Image:
    import warnings

    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own limit is lower than the one that Pillow warns about
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _refuse_size(image.width, image.height)
                image.seek(0)
                return ImageOps.exif_transpose(_flatten(image))
        except SampleError:
            raise
        except Image.DecompressionBombError as error:
            raise SampleError("the picture declares too many pixels") from error
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, EOFError, ... on broken files
            raise SampleError(f"the picture cannot be decoded ({_first_words(error)})") from error


def _refuse_size(width: int, height: int) -> None:
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise SampleError(f"a picture of {width}x{height} is too long and thin (more than {MAX_ASPECT}:1)")
    if width * height > MAX_PICTURE:
        raise SampleError(f"the picture declares {width}x{height} pixels, more than {MAX_PICTURE:,}")


def _flatten(image: Image) -> Image:
    """8-bit RGB without transparency."""
    from PIL import Image as Pillow

    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip all but the darkest 256 levels
        eight_bit = image.convert("I").point(lambda value: value * (1 / 257) + 0.5)
        return eight_bit.convert("L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Pillow.new("RGBA", layer.size, (255, 255, 255, 255))
        return Pillow.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _first_words(error: Exception) -> str:
    words = str(error).split("<_io")[0].split()
    return " ".join(words[:8]) or type(error).__name__
