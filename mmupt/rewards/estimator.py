"""Estimators by name, and the one way to call them: a gold answer reaches only an estimator that declares its need."""

from mmupt import registry
from mmupt.errors import UserError
from mmupt.rewards.group import Gold, Group, GroupRewards

PACKAGE = "mmupt.rewards"
DEFINES = "NEEDS_GOLD"


def names() -> list[str]:
    """The estimators that exist."""
    return registry.names(PACKAGE, DEFINES)


def needs_gold(name: str) -> bool:
    """Whether the estimator uses gold answers."""
    return bool(registry.load(PACKAGE, name, DEFINES).NEEDS_GOLD)


def needs_certainty(name: str) -> bool:
    """Whether the estimator uses how sure the policy was of each completion, which costs one more forward pass."""
    return bool(getattr(registry.load(PACKAGE, name, DEFINES), "NEEDS_CERTAINTY", False))


def reward(name: str, group: Group, gold: Gold | None = None) -> GroupRewards:
    """The rewards of one group by the estimator called `name`.

    Giving a gold to an estimator that does not use golds is a programming error (ValueError), so that no label can leak
    unseen; a missing one where it is needed is the user's (the data has no answers).
    """
    module = registry.load(PACKAGE, name, DEFINES)
    if needs_certainty(name) and group.certainties_G is None:
        raise ValueError(f"the estimator {name} was not told how certain the completions are")
    if not module.NEEDS_GOLD:
        if gold is not None:
            raise ValueError(f"the estimator {name} must not see a gold answer")
        label_free: GroupRewards = module.rewards(group)
        return label_free
    if gold is None:
        fix = "use data with answers, or an estimator without labels such as majority"
        raise UserError(f"the estimator {name} needs gold answers", where=f"problem {group.problem_id}", fix=fix)
    supervised: GroupRewards = module.rewards(group, gold)
    return supervised
