"""The small model's own tokenizer and processor: Qwen's classes, special tokens and chat template, own vocabulary.

A byte-level BPE, so that any text can be written; trained on the world's text, so that the world's words are single
tokens. Runs of up to three digits are single tokens, and so is each fixed instruction sentence: sequences stay short.
"""

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2_5_VLProcessor, Qwen2Tokenizer, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

from mmupt import prompts
from mmupt.tiny.scenes import SIZE

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
SENTENCES = (
    f" {prompts.ANSWER_FORMAT}", prompts.DIRECT, prompts.EXAMPLE, prompts.EXAMPLE_ANSWER, prompts.IN_CONTEXT,
    "You are a helpful assistant.", " \\boxed{", "\n(A) ", "\n(B) ", "\n(C) ", "\n(D) ",
)  # fmt: skip
WORDS = r" ?[A-Za-z]+|\d{1,3}|[^\S\n]|\n|[^\sA-Za-z\d]"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str], size: int) -> Qwen2Tokenizer:
    """Train the vocabulary (at most `size` tokens, special ones included) on the world's text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens([AddedToken(sentence, normalized=False) for sentence in SENTENCES])
    tokenizer = Qwen2Tokenizer(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None,
        extra_special_tokens=list(SPECIAL), model_max_length=4096,
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_processor(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLProcessor:
    """The real Qwen2.5-VL processor around `tokenizer`; every picture becomes about 16 image tokens."""
    limits = {"size": {"shortest_edge": SIZE * SIZE, "longest_edge": SIZE * SIZE}, "patch_size": 14, "merge_size": 2}
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**limits),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**limits),
        chat_template=CHAT_TEMPLATE,
    )
