"""Prompts are tokenised as the model's own processor does, once and in one place."""

import io

import pytest
import torch
from PIL import Image

from mmupt.errors import SampleError
from mmupt.problems import decode
from mmupt.problems.tiny import model_dir
from mmupt.prompts import chat
from mmupt.sampling import loading
from mmupt.sampling.encode import encode, encode_all
from mmupt.types import ImageRef
from tests.sampling_parts import processor, prompts


def png(width: int, height: int) -> ImageRef:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "PNG")
    return ImageRef(data=file.getvalue())


def test_encoding_equals_the_processors_own():
    for prompt in prompts(20):
        text = processor().apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
        images = [decode(ref) for ref in prompt.images]
        own = processor()(text=[text], images=images, return_tensors="pt")
        ours = encode(processor(), prompt)
        assert own["input_ids"][0].tolist() == list(ours.input_ids)
        assert torch.equal(own["pixel_values"], ours.pixel_values)
        assert torch.equal(own["image_grid_thw"], ours.image_grid_thw)


def test_several_pictures_are_laid_out_in_order():
    two = chat("two", "Which is wider?", (png(112, 112), png(112, 112)))
    pixels = encode(processor(), two).pixel_values
    one = encode(processor(), prompts(1)[0])
    assert len(pixels) == 2 * len(one.pixel_values)


def test_prompts_with_the_same_picture_share_its_pixels():
    first, second = (chat(name, name, prompts(1)[0].images) for name in ("a", "b"))
    encoded = encode_all(processor(), [first, second])
    assert torch.equal(encoded[0].pixel_values, encoded[1].pixel_values)
    assert encoded[0].pictures.gallery.decoded == 1


def test_a_prompt_without_a_picture_has_no_pixels():
    encoded = encode(processor(), chat("text", "What is 2 plus 2?", ()))
    assert encoded.pixel_values is None and encoded.image_grid_thw is None and len(encoded.input_ids) > 3


def test_a_text_that_smuggles_in_an_image_token_is_refused_with_its_name():
    with pytest.raises(SampleError, match=r"p9: its text holds 2 x <\|image_pad\|> for 1 pictures"):
        encode(processor(), chat("p9", "look <|image_pad|>", prompts(1)[0].images))


def test_a_picture_that_cannot_be_decoded_is_named_with_its_prompt():
    with pytest.raises(SampleError, match="p3: the picture is empty"):
        encode(processor(), chat("p3", "?", (ImageRef(data=b""),)))


def test_pixel_limits_replace_those_of_the_processor():
    limited = loading.load_processor(str(model_dir()), min_pixels=28 * 28, max_pixels=56 * 84)
    encoded = encode(limited, chat("big", "?", (png(400, 300),)))
    cells = int(encoded.image_grid_thw.prod()) // 4
    assert cells == 4 and encoded.input_ids.count(limited.image_token_id) == 4
