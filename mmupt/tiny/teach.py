"""Supervised fine-tuning of the small model: perception, descriptions, worked answers, answers of mixed quality.

Teaching answers from the start stalls, because the model learns to guess from the wording alone. A throw-away linear
head therefore first teaches the vision tower to name what each cell holds. Pictures are encoded once and shared by the
lessons about them.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

from mmupt.tiny.corpus import Lesson, Pool

IGNORED = -100


@dataclass(frozen=True)
class Phase:
    """One phase of teaching: how many optimiser steps, and the learning rate from its start to its end (linear)."""

    name: str
    steps: int
    start: float
    end: float


def patches(pixels: Tensor, processor: Qwen2_5_VLProcessor) -> Tensor:
    """uint8 pictures (n, 3, 112, 112) -> the patches (n * 64, 1176) that the image processor makes of them."""
    settings = processor.image_processor
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (settings.image_mean, settings.image_std))
    n = pixels.shape[0]
    grid = ((pixels.float() / 255 - mean) / std).view(n, 3, 4, 2, 14, 4, 2, 14)
    # n, colour, row, row in merge, y, column, column in merge, x -> n, row, column, row in merge, column in merge, ...
    grid = grid.permute(0, 2, 5, 3, 6, 1, 4, 7)
    frames = grid.unsqueeze(6).expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)  # a still picture is two equal frames
    return frames.reshape(n * 64, 1176)


class Teacher:
    """The model under teaching, its pictures, and one AdamW optimiser for all phases."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor, pool: Pool) -> None:
        self.model, self.processor, self.pool = model, processor, pool
        self.pixels = torch.from_numpy(pool.pixels)
        self.prefix = self.template_ids("<|im_start|>user\n<|vision_start|>") + [model.config.image_token_id] * 16
        self.prefix += self.template_ids("<|vision_end|>")
        self.turn = self.template_ids("<|im_end|>\n<|im_start|>assistant\n")
        self.end = self.template_ids("<|im_end|>")
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)

    def template_ids(self, text: str) -> list[int]:
        return self.processor.tokenizer(text, add_special_tokens=False).input_ids

    def features(self, pictures: Sequence[int]) -> Tensor:
        """Image features (pictures, 16, width), each picture encoded once."""
        chosen = self.pixels[list(pictures)]
        grid = torch.tensor([[1, 8, 8]]).expand(len(pictures), 3)
        flat = self.model.model.visual(patches(chosen, self.processor), grid_thw=grid).pooler_output
        return flat.view(len(pictures), 16, -1)

    def encode(self, lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
        """Token ids and next-token targets, both (lessons, length), padded on the right; prompts are no targets."""
        prompts = self.processor.tokenizer([x.prompt for x in lessons], add_special_tokens=False).input_ids
        completions = self.processor.tokenizer([x.completion for x in lessons], add_special_tokens=False).input_ids
        ids, targets = [], []
        for prompt, completion in zip(prompts, completions, strict=True):
            asked, said = self.prefix + prompt + self.turn, completion + self.end
            ids.append(torch.tensor(asked + said))
            targets.append(torch.tensor([IGNORED] * (len(asked) - 1) + said + [IGNORED]))
        pad = torch.nn.utils.rnn.pad_sequence
        pad_id = self.processor.tokenizer.pad_token_id
        return pad(ids, True, pad_id), pad(targets, True, IGNORED)

    def loss(self, lessons: Sequence[Lesson], features: Tensor, rows: Tensor) -> Tensor:
        """Summed cross-entropy; lesson i is about the picture whose features are `features[rows[i]]`."""
        ids, targets = self.encode(lessons)
        embedded = self.model.model.get_input_embeddings()(ids)
        start = len(self.template_ids("<|im_start|>user\n<|vision_start|>"))
        embedded = torch.cat([embedded[:, :start], features[rows], embedded[:, start + 16 :]], dim=1)
        hidden = self.model.model.language_model(
            inputs_embeds=embedded, position_ids=positions(start, ids.shape[1]).expand(3, ids.shape[0], -1),
            use_cache=False,
        ).last_hidden_state  # fmt: skip
        wanted = targets != IGNORED
        return functional.cross_entropy(self.model.lm_head(hidden[wanted]), targets[wanted], reduction="sum")

    def lesson_step(self, lessons: list[Lesson], shards: int) -> Tensor:
        """Mean loss over the target tokens of a batch; shards of similar length save padding."""
        pictures = list(dict.fromkeys(x.picture for x in lessons))
        row_of = {picture: row for row, picture in enumerate(pictures)}
        features = self.features(pictures)
        by_length = sorted(lessons, key=lambda x: len(x.prompt) + len(x.completion))
        size = math.ceil(len(lessons) / shards)
        total = torch.zeros(())
        for begin in range(0, len(by_length), size):
            part = by_length[begin : begin + size]
            total = total + self.loss(part, features, torch.tensor([row_of[x.picture] for x in part]))
        tokens = sum(len(self.template_ids(x.completion)) + 1 for x in lessons)
        return total / tokens

    def run(self, phase: Phase, losses: Iterator[Callable[[], Tensor]], report: Callable[[str], None]) -> None:
        """Take the phase's optimiser steps, one loss each."""
        smooth = 0.0
        for step in range(phase.steps):
            for group in self.optimizer.param_groups:
                group["lr"] = phase.start + (phase.end - phase.start) * step / phase.steps
            loss = next(losses)()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            smooth = loss.item() if step == 0 else 0.95 * smooth + 0.05 * loss.item()
            if step % 50 == 49 or step == phase.steps - 1:
                report(f"{phase.name}: step {step + 1}/{phase.steps}, loss {smooth:.3f}")


def positions(start: int, length: int) -> Tensor:
    """M-RoPE positions (3, 1, length) of a prompt that begins with `start` tokens and one picture of 4 x 4 tokens."""
    image = torch.arange(16)
    grid = torch.stack([torch.zeros(16, dtype=torch.long), image // 4, image % 4]) + start
    before = torch.arange(start).expand(3, -1)
    after = torch.arange(start + 4, length - 12).expand(3, -1)
    return torch.cat([before, grid, after], dim=1).unsqueeze(1)


class CellNaming:
    """The throw-away task: name what each of the sixteen cells holds, from its image token alone."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        names = sorted({name for scene in teacher.pool.scenes for name in scene.cells()})
        number = {name: i for i, name in enumerate(names)}
        self.targets = torch.tensor([[number[name] for name in scene.cells()] for scene in teacher.pool.scenes])
        width = teacher.model.config.text_config.hidden_size
        self.head = nn.Linear(width, len(names))
        teacher.optimizer.add_param_group({"params": list(self.head.parameters())})

    def losses(self, pictures: int, rng: random.Random) -> Iterator[Callable[[], Tensor]]:
        while True:
            chosen = rng.sample(range(len(self.targets)), pictures)
            yield lambda chosen=chosen: functional.cross_entropy(  # type: ignore[misc]
                self.head(self.teacher.features(chosen)).flatten(0, 1), self.targets[chosen].flatten()
            )

    @torch.no_grad()
    def accuracy(self, pictures: Sequence[int]) -> float:
        """Share of cells named right."""
        guess = self.head(self.teacher.features(pictures)).argmax(-1)
        return (guess == self.targets[list(pictures)]).float().mean().item()
