"""The outer shape of an answer: brackets, separators, labels. Pure text work, linear in the answer's length."""

import re

OPENING, CLOSING = "([{", ")]}"
_ROWS = re.compile(
    r"(?:\\?\{)?\s*\\begin\{(?:array|cases|aligned)\}(?:\s*\{[lcr| ]*\})?(.*?)\\end\{\w+\}\s*(?:\\?\})?", re.DOTALL
)
_JOINTS = re.compile(r"\s+(?:and|or|和|或)\s+", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:m\s*)?(?:\\(?:angle|triangle|overline|vec|hat|Delta)\b\s*)?\{?\s*"
    r"(?:\\[a-zA-Z]+|[A-Za-z][A-Za-z ]{0,40}|[\u4e00-\u9fff]{1,10})(?:_\{?\w{1,12}\}?)?\s*(?:\([a-zA-Z]\))?'?\s*\}?"
)


def split_top(text: str, separator: str) -> list[str]:
    """`text` split at the single-character separators that stand outside all brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        if character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        elif depth == 0 and character in separator:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def bracketed(text: str) -> tuple[str, str, str] | None:
    """(opening, inside, closing) when one pair of brackets, of any kind, spans the text.

    `\\{` and a bare `{` are one kind.
    """
    for opening, closing in ((r"\{", r"\}"), (r"\langle", r"\rangle"), ("{", "}")):
        if text.startswith(opening) and text.endswith(closing):
            inside = text[len(opening) : len(text) - len(closing)]
            kind = ("<", ">") if "angle" in opening else ("{", "}")
            return (kind[0], inside.strip(), kind[1]) if _balanced(inside) else None
    if len(text) < 2 or text[0] not in "([" or text[-1] not in ")]":
        return None
    return (text[0], text[1:-1].strip(), text[-1]) if _balanced(text[1:-1]) else None


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in OPENING) - (character in CLOSING)
        if depth < 0:
            return False
    return depth == 0


def items(text: str) -> list[str]:
    """The members of a list: separated by commas, semicolons, "and" or "or" outside brackets."""
    return [item for item in split_top(_JOINTS.sub(", ", text), ",;") if item]


def rows_as_list(text: str) -> str:
    """A system of rows (array, cases) as a list of its rows; any other text as it is."""
    found = _ROWS.fullmatch(text)
    return "; ".join(row.strip() for row in re.split(r"\\\\|;", found[1].replace("&", ""))) if found else text


def label(text: str) -> str | None:
    """The name on one side of an equation, in a common spelling, when that side is a name and no expression."""
    if not _LABEL.fullmatch(text):
        return None
    return re.sub(r"[\s{}\\]", "", text)
