"""Levenshtein distance between two texts, in one pass over the longer one.

The column of the dynamic programme is kept as two bit vectors of its differences (Myers 1999, in Hyyrö's form of 2003),
so that a long response against a short choice costs a few integer operations a character.
"""


def edit_distance(one: str, other: str) -> int:
    """The fewest insertions, deletions and substitutions of characters that turn one text into the other."""
    short, long = sorted((one, other), key=len)
    if not short:
        return len(long)
    places: dict[str, int] = {}
    for at, character in enumerate(short):
        places[character] = places.get(character, 0) | 1 << at
    every, last = (1 << len(short)) - 1, 1 << len(short) - 1
    rises, falls, distance = every, 0, len(short)
    for character in long:
        equal = places.get(character, 0)
        level = (((equal & rises) + rises) ^ rises) | equal | falls
        right_rises = falls | (~(level | rises) & every)
        right_falls = rises & level
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = (right_rises << 1 | 1) & every
        rises = (right_falls << 1 & every) | (~(level | right_rises) & every)
        falls = right_rises & level
    return distance
