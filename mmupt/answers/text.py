"""Plain words: the common spelling in which they are compared, and how they are told from LaTeX."""

import re

_COMMAND = re.compile(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_]{3,}|[\u3040-\u9fff]")
_JOINT = re.compile(r"\s+and\s+")
_ARTICLE = re.compile(r"(?:the|an|a)\s+(?=\S{2})")


def fold(text: str) -> str:
    """The spelling in which texts are compared.

    Lower-case, one space, no quotes, no leading article; without spaces where digits or LaTeX occur.
    """
    folded = _JOINT.sub(", ", " ".join(text.casefold().split()))
    folded = re.sub(r"[\"'`*]", "", folded).strip(" .,;:!?")
    folded = _ARTICLE.sub("", folded, count=1) if _ARTICLE.match(folded) else folded
    if re.search(r"[\d\\]", folded):
        return folded.replace(" ", "")
    folded = re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", " ", folded)
    return re.sub(r"\s*([,;:/])\s*", r"\1 ", folded)


def looks_like_latex(text: str) -> bool:
    """Whether a text that could not be read is mathematics: commands or operators, and no words between them."""
    rest = _COMMAND.sub(" ", text)
    return (
        _WORD.search(rest) is None
        and any(map(str.isalnum, text))
        and ("\\" in text or re.search(r"[\^_=<>]", text) is not None)
    )
