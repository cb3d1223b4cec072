"""Every kind of picture becomes 8-bit RGB, or a SampleError."""

import io
import random
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from mmupt.errors import SampleError
from mmupt.problems.pictures import decode, smart_size
from mmupt.types import ImageRef


def encoded(image: Image.Image, kind: str, **options: object) -> ImageRef:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return ImageRef(data=buffer.getvalue())


def first_pixel(ref: ImageRef) -> tuple[int, ...]:
    image = decode(ref)
    assert image.mode == "RGB"
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


def test_cmyk_becomes_rgb() -> None:
    red, green, blue = first_pixel(encoded(Image.new("CMYK", (30, 30), (0, 255, 255, 0)), "JPEG"))
    assert red > 240 and green < 15 and blue < 15


def test_sixteen_bits_keep_their_brightness() -> None:
    levels = {0: 0, 32_768: 128, 65_535: 255}
    for level, expected in levels.items():
        assert first_pixel(encoded(Image.new("I;16", (30, 30), level), "PNG")) == (expected,) * 3


def test_transparency_is_laid_on_white() -> None:
    palette = Image.new("P", (30, 30), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert first_pixel(encoded(palette, "PNG")) == (0, 0, 0)
    assert first_pixel(encoded(palette, "PNG", transparency=0)) == (255, 255, 255)
    assert first_pixel(encoded(Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "PNG")) == (255, 255, 255)
    assert first_pixel(encoded(Image.new("LA", (30, 30), (0, 255)), "PNG")) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (30, 30), colour) for colour in ((0, 0, 255), (255, 0, 0))]
    options = {"lossless": True} if kind == "WEBP" else {}
    ref = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert first_pixel(ref) == (0, 0, 255)


def test_a_camera_orientation_is_applied() -> None:
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    assert decode(encoded(image, "JPEG", exif=exif.tobytes())).size == (20, 40)


def test_formats_that_need_another_program_are_refused() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(SampleError, match="cannot be decoded"):
        decode(ImageRef(data=postscript))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_damaged_files_are_sample_errors_and_nothing_else(kind: str) -> None:
    whole = encoded(Image.effect_noise((40, 40), 60).convert("RGB"), kind).data or b""
    chance = random.Random(kind)
    for _ in range(150):
        damaged = bytearray(whole[: chance.randrange(len(whole) // 2, len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(SampleError):
            assert decode(ImageRef(data=bytes(damaged))).mode == "RGB"


def test_a_device_or_folder_is_no_picture(tmp_path: Path) -> None:
    for path in ("/dev/zero", str(tmp_path)):
        with pytest.raises(SampleError, match="no picture at"):
            decode(ImageRef(path=path))


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((112, 112), (1, 10**9), (112, 112)),
        ((100, 40), (1, 10**9), (112, 28)),
        ((10, 10), (1, 10**9), (28, 28)),
        ((1000, 1000), (224 * 224, 1280 * 28 * 28), (980, 980)),
        ((2000, 1000), (224 * 224, 1280 * 28 * 28), (1400, 700)),
        ((112, 112), (262_144, 1_204_224), (532, 532)),
        ((42, 70), (1, 10**9), (56, 56)),
    ],
)
def test_sizes_follow_the_rule_of_qwen_vl_utils(
    size: tuple[int, int], limits: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert smart_size(*size, *limits) == expected


def test_sizes_agree_with_the_processor_of_transformers() -> None:
    rule = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl").smart_resize
    for width, height in [(37, 500), (640, 481), (1, 28), (3000, 2999), (113, 112), (1920, 1080), (56, 84)]:
        for low, high in [(3136, 12_845_056), (262_144, 1_204_224), (50_176, 1_003_520)]:
            if max(width, height) / min(width, height) <= 200:
                tall, wide = rule(height, width, factor=28, min_pixels=low, max_pixels=high)
                assert smart_size(width, height, low, high) == (wide, tall), (width, height, low, high)


def test_resizing_happens_only_when_limits_are_given() -> None:
    ref = encoded(Image.new("RGB", (100, 40)), "PNG")
    assert decode(ref).size == (100, 40)
    assert decode(ref, min_pixels=28 * 28).size == (112, 28)
    with pytest.raises(SampleError, match="too long and thin"):
        decode(encoded(Image.new("RGB", (1000, 2)), "PNG"), max_pixels=10**6)
