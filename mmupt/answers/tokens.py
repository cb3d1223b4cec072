"""Cleaned text -> the tokens of an expression.

Words are no products of letters: a run of letters that is neither a function nor short is refused.
"""

import re

_FUNCTIONS = "sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh exp ln log lg sqrt abs"
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell"
)
_SHORT_WORDS = "no on so to is it of up us we he me my by at as an am do go if in or ok"

FUNCTIONS = frozenset(_FUNCTIONS.split())
GREEK = frozenset(_GREEK.split())
COMMANDS = frozenset({"frac", "sqrt", "pi", "log", "binom"}) | FUNCTIONS | GREEK
SHORT_WORDS = frozenset(_SHORT_WORDS.split())
SPELLED = frozenset({"pi", "theta", "alpha", "beta", "gamma", "phi", "omega"})
"""Names that stand for a symbol without a backslash too."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\.\d+)|\\([A-Za-z]+)|([A-Za-z]+)|(\*\*|[-+*/^_!(){}\[\]|°]))")


class UnreadableError(ValueError):
    """The text is no expression that can be read here."""


def tokens(text: str) -> list[str]:
    """Numbers, operators, `\\command`s and single letters, in order. Raises `UnreadableError`."""
    found: list[str] = []
    end = 0
    text = text.rstrip()
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None:
            raise UnreadableError(text[end : end + 10])
        end = match.end()
        number, command, letters, operator = match.groups()
        if number is not None:
            found.append(number)
        elif command is not None:
            found.append(_command(command))
        elif letters is not None:
            found.extend(_letters(letters))
        else:
            found.append("^" if operator == "**" else operator)
    return found


def _command(name: str) -> str:
    if name not in COMMANDS:
        raise UnreadableError(f"\\{name}")
    return f"\\{name}"


def _letters(run: str) -> list[str]:
    if run in SPELLED:
        return [f"\\{run}"]
    for size in range(min(len(run), 6), 1, -1):
        if run[:size] in FUNCTIONS and len(run) - size <= 1:
            return [f"\\{run[:size]}", *run[size:]]
    if len(run) > 2 or run.lower() in SHORT_WORDS:
        raise UnreadableError(run)
    return list(run)
