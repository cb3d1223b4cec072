"""A control: the answer of one completion, drawn at random, is the label. It shows what is gained without the vote."""

from hashlib import sha256

from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """A draw that hits an abstaining completion gives no label and does not train."""
    classes = group.vote.classes
    drawn = draw(group) if classes else 0
    label = group.answers_G[drawn].text if classes and classes[drawn] is not None else None
    if label is None:
        return GroupRewards((0.0,) * len(classes), None, group.vote, trains=False)
    return GroupRewards(tuple(float(number == classes[drawn]) for number in classes), label, group.vote, trains=True)


def draw(group: Group) -> int:
    """The drawn completion: a function of seed, step and problem alone."""
    digest = sha256(f"{group.seed}:{group.step}:{group.problem_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % len(group.vote.classes)
