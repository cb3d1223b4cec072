"""A control: the answer of one completion, drawn at random, is the label.

An answer is drawn as often as it was given, so its expected reward is its share of the vote: this is a noisy vote, and
learns as one. `random_answer` is the control that leaves the counts out.
"""

from mmupt.rewards.group import Group, GroupRewards, drawn_number

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """A draw that hits an abstaining completion gives no label and does not train."""
    classes = group.vote.classes
    drawn = drawn_number(group) % len(classes) if classes else 0
    label = group.answers_G[drawn].text if classes and classes[drawn] is not None else None
    if label is None:
        return GroupRewards((0.0,) * len(classes), None, group.vote, trains=False)
    return GroupRewards(tuple(float(number == classes[drawn]) for number in classes), label, group.vote, trains=True)
