"""Data order, batch shapes, learning rate: what a resumed run and any number of ranks must agree on."""

import pytest

from mmupt.config.train import UpdateConfig
from mmupt.errors import UserError
from mmupt.training.groups import BatchShape
from mmupt.training.order import step_indices, steps_per_epoch
from mmupt.training.schedule import learning_rate


def test_each_epoch_holds_every_problem_at_most_once_and_is_shuffled_anew() -> None:
    epochs = [[index for step in range(3) for index in step_indices(7, 13, 3 * epoch + step, 4)] for epoch in range(2)]
    for epoch in epochs:
        assert len(set(epoch)) == 12
        assert set(epoch) <= set(range(13))
    assert epochs[0] != epochs[1]
    assert epochs[0] != sorted(epochs[0])


def test_the_order_is_this_one_in_every_python() -> None:
    assert step_indices(0, 10, 0, 5) == (8, 4, 2, 6, 0)


def test_a_set_smaller_than_one_step_is_refused_with_the_setting_to_change() -> None:
    with pytest.raises(UserError, match=r"3 problems are fewer .*problems_per_step = 4.*set problems_per_step to 3"):
        steps_per_epoch(3, 4)


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("updates", [1, 2])
def test_every_rank_count_trains_the_same_problems_in_the_same_updates(ranks: int, updates: int) -> None:
    shape = BatchShape(8, 5, updates, ranks, 5)
    for update in range(updates):
        whole = [position for rank in range(ranks) for position in shape.positions(rank, update)]
        assert whole == list(range(update * 8 // updates, (update + 1) * 8 // updates))
    assert sorted(position for rank in range(ranks) for position in shape.all_positions(rank)) == list(range(8))


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((8, 1, 1, 1, 4), r"group_size: one rollout cannot vote; set group_size to 2"),
        ((8, 5, 3, 1, 4), r"updates_per_step = 3 does not divide problems_per_step = 8; set updates_per_step to [24]"),
        ((8, 5, 2, 3, 4), r"ranks = 3 does not divide the problems of one update .* = 4; set ranks to [24]"),
        ((8, 5, 2, 2, 3), r"update.micro_batch_size = 3 does not divide the rollouts of one update = 20"),
        ((0, 5, 1, 1, 4), r"problems_per_step"),
    ],
)
def test_a_shape_that_splits_a_group_names_the_setting(shape: tuple[int, int, int, int, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        BatchShape(*shape)


def test_the_learning_rate_follows_its_schedule() -> None:
    constant = UpdateConfig(learning_rate=1.0, warmup_steps=2)
    linear = UpdateConfig(learning_rate=1.0, schedule="linear")
    cosine = UpdateConfig(learning_rate=1.0, schedule="cosine")
    assert [learning_rate(constant, update, 10) for update in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert learning_rate(linear, 5, 10) == 0.5
    assert learning_rate(cosine, 5, 10) == pytest.approx(0.5)
