"""The ways to read several values: sets, tuples, intervals, unions, bare lists, and x ± y."""

import re
from itertools import pairwise

from mmupt.answers.limits import ITEMS
from mmupt.answers.reading import Inner, Reading, is_mathematics
from mmupt.answers.structure import bracketed, items, rows_as_list, split_top

_UNION = re.compile(r"\\cup(?![a-zA-Z])|(?<=[)\]])\s*U\s*(?=[(\[])")
_PLUS_MINUS = re.compile(r"\\pm(?![a-zA-Z])")
_POINT = re.compile(r"^[A-Z]\s*(?=\()")
UNORDERED = ("{}", "", "∪∪")


def gathered(members: list[Reading], brackets: str) -> Reading:
    """A list's reading: order counts inside ( ) and [ ], and not in a set, a union or a bare list."""
    keys = [member.key for member in members]
    shown = brackets
    if brackets in UNORDERED:
        keys, shown = sorted(set(keys)), brackets or "{}"
    return Reading(f"list:{shown[0]}{'|'.join(keys)}{shown[-1]}", "list", items=tuple(members), brackets=brackets)


def union(text: str, inner: Inner) -> Reading | None:
    """A union of intervals or sets."""
    parts = [part.strip() for part in _UNION.split(text)]
    if not 2 <= len(parts) <= ITEMS or not all(parts):
        return None
    members = [inner(part) for part in parts]
    return gathered(members, "∪∪") if all(map(is_mathematics, members)) else None


def within_brackets(text: str, inner: Inner) -> Reading | None:
    """A set, a tuple, an interval, a named point. One value in ( ) or [ ] is left to the expression reader."""
    found = bracketed(_POINT.sub("", text))
    if found is None:
        return None
    opening, inside, closing = found
    parts = items(inside) if opening == "{" else [part for part in split_top(inside, ",;") if part]
    if not 1 <= len(parts) <= ITEMS or (len(parts) == 1 and not text.startswith("\\{")):
        return None
    members = [inner(part) for part in parts]
    return None if any(member.kind == "latex" for member in members) else gathered(members, opening + closing)


def plus_or_minus(text: str, inner: Inner) -> Reading | None:
    """x ± y is the set of x + y and x - y."""
    if not _PLUS_MINUS.search(text):
        return None
    both = [inner(_PLUS_MINUS.sub(sign, text)) for sign in "+-"]
    return gathered(both, "{}") if all(map(is_mathematics, both)) else None


def bare(text: str, inner: Inner) -> Reading | None:
    """Values without brackets are a set; values assigned to different names are a tuple in the order of the names."""
    parts = items(rows_as_list(text))
    if not 2 <= len(parts) <= ITEMS:
        return None
    members = [inner(part) for part in parts]
    if not all(map(is_mathematics, members)):
        return None
    if len({(member.key, member.label) for member in members}) == 1:
        return members[0]
    by_name = sorted(members, key=lambda member: member.label or "")
    if by_name[0].label and all(a.label != b.label for a, b in pairwise(by_name)):
        return gathered(by_name, "()")
    return gathered(members, "")
