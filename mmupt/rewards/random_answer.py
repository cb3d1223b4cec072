"""A control: one of the group's different answers, drawn evenly, is the label. It is the vote without its counts.

`random_sample` draws an answer as often as it was given. Its expected reward is the answer's share of the vote, so it
is a noisy vote rather than none; here every answer has the same chance, however many completions gave it.
"""

from mmupt.rewards.group import Group, GroupRewards, drawn_number

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """A group in which all abstain has nothing to draw from and does not train."""
    classes, answers = group.vote.classes, len(group.vote.counts)
    if not answers:
        return GroupRewards((0.0,) * len(classes), None, group.vote, trains=False)
    label = drawn_number(group) % answers
    text = group.answers_G[classes.index(label)].text
    return GroupRewards(tuple(float(number == label) for number in classes), text, group.vote, trains=True)
