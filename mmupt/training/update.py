"""One gradient step from scored groups: packs through the model, loss, backward, step.

Every rank is given all groups of the update in training order, and runs those that the plan (`balance`) makes its own:
the loss's weights come from the whole update, and no rank has to ask another. All run the same number of packs, because
ZeRO's ranks gather weights and reduce gradients together. Groups that cannot change the gradient (advantages all zero,
no KL term) are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from mmupt.config.train import UpdateConfig
from mmupt.rewards import Certainty
from mmupt.training import balance
from mmupt.training.aggregation import token_weights
from mmupt.training.certainty import certainties_of
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.grpo import Clip, grpo_loss
from mmupt.training.packing import packs_of
from mmupt.training.policy import Reference
from mmupt.training.scores import EncodedGroup, TokenScores


class Layout(Protocol):
    """How groups go through the model."""

    def __call__(
        self, model: nn.Module, groups: Sequence[EncodedGroup], temperature: float, *, statistics: bool = True
    ) -> TokenScores:
        """Scores of all completion tokens; `statistics` False: their log-probs alone."""


@dataclass(frozen=True)
class TrainGroup:
    """One group with what its rewards gave it."""

    encoded: EncodedGroup
    advantages_G: tuple[float, ...]
    sampled_N: tuple[float, ...] | None
    """The sampler's log-prob of each token, completion after completion; None where it gave none, and where the weights
    have moved since."""
    old_N: Tensor | None = None
    """Log-probs under the weights that sampled; None: they are the current weights."""
    feels_kl: bool = True
    """Whether the KL term holds for it."""

    @property
    def idle(self) -> bool:
        """Whether the policy term is zero whatever the weights are."""
        return not any(self.advantages_G)


@dataclass(frozen=True)
class Sums:
    """Sums over the tokens that ran, of one rank or of all."""

    tokens: int = 0
    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    clipped: int = 0
    sampler_gap: float = 0.0
    """Sum of |sampler's - trainer's log-prob| over `compared` tokens."""
    compared: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class UpdateResult:
    """What one update did, over all ranks."""

    sums: Sums
    grad_norm: float
    trained: int
    """Groups that ran."""
    skipped: int
    """Groups that were left out."""


@dataclass(frozen=True)
class Updater:
    """Updates the policy behind `engine`. All ranks call its methods together."""

    engine: Engine
    ranks: Ranks
    layout: Layout
    settings: UpdateConfig
    temperature: float
    """Temperature of the rollouts: the policy that is trained is the one that sampled."""
    max_tokens: int
    autocast: Callable[[], torch.autocast]
    reference: Reference | None = None
    clip: Clip = field(default_factory=Clip)

    def __call__(self, groups: Sequence[TrainGroup], learning_rate: float) -> UpdateResult:
        """One step on all groups of the update, in training order."""
        weights, kept = self._weights(groups), self._kept(groups)
        packs, sums = self._packs(groups, kept), Sums()
        for number, members in enumerate(packs, start=1):
            weights_C = [weight for index in members for weight in weights[index]]
            pack = [groups[index] for index in members] or [_least(groups)]
            loss, added = self._run(pack, weights_C or None)
            self.engine.backward(loss, last=number == len(packs))
            sums = sums + added
        norm = self.engine.step(learning_rate)
        return UpdateResult(sum(self.ranks.gather(sums), Sums()), norm, len(kept), len(groups) - len(kept))

    @torch.no_grad()
    def old_logps(self, groups: Sequence[TrainGroup]) -> list[Tensor | None]:
        """Log-probs under the current weights for the groups of an update to come; None for those that will not run
        here, and for idle ones, whose ratio is multiplied by zero."""
        found: list[Tensor | None] = [None] * len(groups)
        if all(group.idle for group in groups):
            return found
        for members in self._packs(groups, self._kept(groups), with_policy_term=True):
            pack = [groups[index].encoded for index in members] or [_least(groups).encoded]
            with self.autocast():
                logps_N = self._logps(self.engine.model, pack)
            parts = torch.split(logps_N, [group.tokens for group in pack])
            for index, part in zip(members, parts, strict=False):
                found[index] = part
        return found

    @torch.no_grad()
    def certainties(self, groups: Sequence[EncodedGroup]) -> list[tuple[Certainty, ...]]:
        """How sure the current weights are of each completion of each of this rank's groups."""
        found: dict[int, tuple[Certainty, ...]] = {}
        packs = packs_of(groups, self.settings.pack_tokens)
        for members in balance.even(packs, max(self.ranks.gather(len(packs)))):
            pack = [groups[index] for index in members] or [groups[0]]
            with self.autocast():
                scores = self.layout(self.engine.model, pack, self.temperature)
            found |= zip(members, certainties_of(scores, pack), strict=False)
        return [found[index] for index in range(len(groups))]

    def _run(self, pack: Sequence[TrainGroup], weights_C: list[float] | None) -> tuple[Tensor, Sums]:
        """The loss of one pack; `weights_C` None: with weight zero, and nothing to count."""
        groups = [group.encoded for group in pack]
        with self.autocast():
            ref_N = self._reference_logps(groups)
            scores = self.layout(self.engine.model, groups, self.temperature, statistics=weights_C is not None)
        lengths = [len(completion) for group in groups for completion in group.completions_G_T]
        each = torch.tensor(lengths, device=scores.logps_N.device)
        advantages = scores.logps_N.new_tensor([value for group in pack for value in group.advantages_G])
        weights = scores.logps_N.new_tensor(weights_C or [0.0] * len(lengths))
        terms = grpo_loss(
            scores.logps_N,
            advantages.repeat_interleave(each),
            weights.repeat_interleave(each),
            clip=self.clip,
            old_N=_old(pack, scores.logps_N),
            ref_N=ref_N,
            kl_coefficient=self.settings.kl_coefficient,
        )
        seen = scores.statistics
        if seen is None:
            return terms.loss, Sums()
        gap, compared = _sampler_gap(pack, seen.plain_logps_N)
        counts = (len(scores.logps_N), float(terms.loss.detach()), float(terms.kl_sum), float(seen.entropies_N.sum()))
        return terms.loss, Sums(*counts, int(terms.clipped), gap, compared)

    def _reference_logps(self, groups: Sequence[EncodedGroup]) -> Tensor | None:
        if self.reference is None:
            return None
        with self.reference.model(self.engine.model) as model:
            return self._logps(model, groups).detach()

    def _logps(self, model: nn.Module, groups: Sequence[EncodedGroup]) -> Tensor:
        return self.layout(model, groups, self.temperature, statistics=False).logps_N

    def _weights(self, groups: Sequence[TrainGroup]) -> list[list[float]]:
        """For each group of the update the token weight of each of its completions."""
        lengths = [len(one) for group in groups for one in group.encoded.completions_G_T]
        settings = self.settings
        flat = iter(token_weights(lengths, settings.loss_type, settings.micro_batch_size, self.max_tokens))
        return [[next(flat) for _ in group.encoded.completions_G_T] for group in groups]

    def _kept(self, groups: Sequence[TrainGroup]) -> list[int]:
        """Indices of the groups that change the gradient."""
        pulled = bool(self.settings.kl_coefficient)
        return [index for index, group in enumerate(groups) if not group.idle or (pulled and group.feels_kl)]

    def _packs(
        self, groups: Sequence[TrainGroup], kept: Sequence[int], *, with_policy_term: bool = False
    ) -> list[list[int]]:
        """Indices of the kept groups that this rank runs, pack by pack; see `balance.plan`. `with_policy_term`: leave
        out those that run for their KL term alone."""
        only = [at for at, index in enumerate(kept) if not groups[index].idle] if with_policy_term else None
        encoded = [groups[index].encoded for index in kept]
        plan = balance.plan(encoded, self.ranks.size, self.settings.pack_tokens, only)
        return [[kept[index] for index in pack] for pack in plan[self.ranks.rank]]


def _least(groups: Sequence[TrainGroup]) -> TrainGroup:
    """What runs where a rank has nothing left: the shortest prompt with its pictures, and one token behind it."""
    shortest = min(groups, key=lambda group: len(group.encoded.prompt_ids))
    token = next((one[:1] for one in shortest.encoded.completions_G_T if one), (0,))
    return TrainGroup(replace(shortest.encoded, completions_G_T=(token,)), (0.0,), None)


def _old(pack: Sequence[TrainGroup], logps_N: Tensor) -> Tensor | None:
    """Log-probs that the ratio is taken to; a group without any is taken to its own."""
    if all(group.old_N is None for group in pack):
        return None
    own = torch.split(logps_N.detach(), [group.encoded.tokens for group in pack])
    return torch.cat([now if group.old_N is None else group.old_N for group, now in zip(pack, own, strict=True)])


def _sampler_gap(pack: Sequence[TrainGroup], plain_N: Tensor) -> tuple[float, int]:
    sampled = [group.sampled_N for group in pack]
    if any(each is None for each in sampled):
        return 0.0, 0
    flat = plain_N.new_tensor([value for each in sampled if each is not None for value in each])
    return float((flat - plain_N).abs().sum()), len(flat)
