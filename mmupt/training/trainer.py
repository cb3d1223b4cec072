"""One step of training: problems -> rollouts -> votes -> updates. No files, no loop: `loop` calls it and keeps its
outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from transformers import ProcessorMixin

from mmupt.config.train import TrainConfig
from mmupt.rewards import Certainty, needs_certainty
from mmupt.sampling.encode import Encoded, encode_all
from mmupt.sampling.pixels import Gallery
from mmupt.training.data import TrainingSet, prompt_of
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.groups import BatchShape
from mmupt.training.order import step_indices
from mmupt.training.records import GroupRecord
from mmupt.training.rollouts import check_prompts, roll_out
from mmupt.training.schedule import learning_rate
from mmupt.training.scores import EncodedGroup
from mmupt.training.scoring import score_group
from mmupt.training.signals import Metrics, update_signals, vote_signals
from mmupt.training.sources import Source
from mmupt.training.update import TrainGroup, Updater, UpdateResult
from mmupt.types import Problem, Rollout


@dataclass(frozen=True)
class StepOutcome:
    """One finished step, the same on every rank."""

    records: tuple[GroupRecord, ...]
    """All groups of all ranks, in training order."""
    metrics: Metrics


@dataclass(frozen=True)
class Trainer:
    """Everything that a step needs. All ranks call `step` together."""

    config: TrainConfig
    data: TrainingSet
    shape: BatchShape
    total_steps: int
    ranks: Ranks
    engine: Engine
    source: Source
    updater: Updater
    processor: ProcessorMixin

    def step(self, step: int) -> StepOutcome:
        """Step 0, 1, ...; a pure function of the weights, the optimiser and the step's number."""
        positions = self.shape.all_positions(self.ranks.rank)
        order = step_indices(self.config.seed, len(self.data.problems), step, self.config.problems_per_step)
        asked = [prompt_of(self.data.problems[index], self.config) for index in order]
        gallery = Gallery(self.processor)
        everything = encode_all(self.processor, asked, gallery)
        problems = [self.data.problems[order[position]] for position in positions]
        prompts = [asked[position] for position in positions]
        encoded = [everything[position] for position in positions]
        rollouts = roll_out(self.source, self.config, step, prompts, gallery)
        check_prompts(prompts, encoded, rollouts)
        whole = self._gathered(positions, self._scored(problems, rollouts, encoded, step))
        groups = [self._train_group(prompt, record) for prompt, record in zip(everything, whole, strict=True)]
        results = self._update(groups, step)
        rate = self._rate(step, self.config.updates_per_step - 1)
        return StepOutcome(whole, vote_signals(whole) | update_signals(results, rate))

    def _gathered(self, positions: Sequence[int], records: Sequence[GroupRecord]) -> tuple[GroupRecord, ...]:
        """The groups of all ranks in training order: texts, tokens and rewards, never pictures."""
        everyone = self.ranks.gather(dict(zip(positions, records, strict=True)))
        found = {position: record for part in everyone for position, record in part.items()}
        return tuple(found[position] for position in sorted(found))

    def _scored(
        self, problems: Sequence[Problem], rollouts: Sequence[Sequence[Rollout]], encoded: Sequence[Encoded], step: int
    ) -> list[GroupRecord]:
        certainties: Sequence[Sequence[Certainty] | None] = [None] * len(problems)
        if needs_certainty(self.config.estimator):
            groups = [self._group(prompt, group) for prompt, group in zip(encoded, rollouts, strict=True)]
            certainties = self.updater.certainties(groups)
        return [
            score_group(problem, group, self.config, step, sure)
            for problem, group, sure in zip(problems, rollouts, certainties, strict=True)
        ]

    def _train_group(self, prompt: Encoded, record: GroupRecord) -> TrainGroup:
        """The completions of a group that are trained on, of which there may be fewer than voted."""
        rollouts = record.rollouts_G[: len(record.advantages_G)]
        group = self._group(prompt, rollouts)
        sampled = tuple(value for rollout in rollouts for value in rollout.logprobs)
        feels_kl = record.trains or self.config.vote.kl_without_winner
        known = sampled if len(sampled) == group.tokens else None
        return TrainGroup(group, record.advantages_G, known, feels_kl=feels_kl)

    def _group(self, prompt: Encoded, rollouts: Sequence[Rollout]) -> EncodedGroup:
        ids = torch.tensor(prompt.input_ids)
        return EncodedGroup(ids, prompt.pictures, tuple(rollout.token_ids for rollout in rollouts))

    def _update(self, groups: Sequence[TrainGroup], step: int) -> list[UpdateResult]:
        size = self.shape.problems_per_update
        parts = [list(groups[start : start + size]) for start in range(0, len(groups), size)]
        # From the second update on the weights have moved away from those that sampled.
        later = [_with_old(part, self.updater.old_logps(part)) for part in parts[1:]]
        return [self.updater(part, self._rate(step, update)) for update, part in enumerate([parts[0], *later])]

    def _rate(self, step: int, update: int) -> float:
        per_step = self.config.updates_per_step
        return learning_rate(self.config.update, step * per_step + update, self.total_steps * per_step)


def _with_old(groups: Sequence[TrainGroup], old: Sequence[torch.Tensor | None]) -> list[TrainGroup]:
    return [replace(group, old_N=logps, sampled_N=None) for group, logps in zip(groups, old, strict=True)]
