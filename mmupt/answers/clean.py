"""One spelling for everything that is written in many ways: full-width forms, unicode maths, LaTeX dress, markdown.

`tidy` is what extraction uses: it takes the delimiters off and leaves the answer as it was written. `clean` is what
reading uses: it goes on to a small common notation (`\\frac`, `\\sqrt`, `*`, `/`, `^`, `°`, `\\{`), in which the number
grammar, the expression reader and the text comparison work. Both are idempotent on their own output and never raise.
"""

import re
import unicodedata

_WRAPPER_NAMES = (
    "text textbf textit textrm textsf texttt mathrm mathbf mathit mathsf boldsymbol bm operatorname mbox emph"
)
WRAPPERS = "|".join([*_WRAPPER_NAMES.split(), "underline"])
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
INVISIBLE = re.compile(r"[\x01-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
BROKEN = re.compile(r"[\x00\ud800-\udfff]")
"""Characters that no written answer holds: one that does is no answer."""

_SYMBOLS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "⁄": "/",
    "∕": "/", "√": r"\sqrt ", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "∪": r"\cup ", "∩": r"\cap ", "∠": r"\angle ", "△": r"\triangle ", "º": "°", "˚": "°", "掳": "°", "。": ".",
    "、": ",",
    "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"',
    "∶": ":", "∈": r"\in ", "∅": r"\emptyset ", "％": "%", "￥": "¥", "±": r"\pm ",
}  # fmt: skip
_SYMBOL = re.compile("|".join(map(re.escape, _SYMBOLS)))
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_RAISED = re.compile("[⁰¹²³⁴-⁹⁺⁻]+")

_WRAPPED = re.compile(rf"\\(?:{WRAPPERS})\s*\{{([^{{}}\\]*)\}}")
_WRAPPED_WHOLE = re.compile(rf"\\(?:{WRAPPERS})\s*\{{((?:[^{{}}]|\\[{{}}])*)\}}")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))

_SWALLOWED = re.compile(r"\x08(?=oxed|eta|inom|egin|ar\b)|\x0c(?=rac)|\t(?=ext|imes|an|heta|frac)|\r(?=ight|angle|m\b)")
_DOUBLED = re.compile(r"\\{2,}(?=[A-Za-z])")

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\\(?:left|right|middle)(?=[^a-zA-Z])\s*\.?(?=[^\d]|$)", ""),
        (r"\\(?:text)?color\s*\{\w+\}", ""),
        (
            r"\\(?:[bB]igg?[lrm]?|[lL]arge|LARGE|[hH]uge|small|tiny|normalsize|displaystyle|textstyle|limits|rm|bf|it|hline|centering)(?![a-zA-Z])",
            " ",
        ),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\(?:cdot|times|ast)(?![a-zA-Z])", "*"),
        (r"\\div(?![a-zA-Z])", "/"),
        (r"\\(?:leq|leqslant|le)(?![a-zA-Z])", r"\\le "),
        (r"\\(?:geq|geqslant|ge)(?![a-zA-Z])", r"\\ge "),
        (r"\\(?:neq|ne)(?![a-zA-Z])", r"\\ne "),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"\\colon(?![a-zA-Z])", ":"),
        (r"\\(?:lbrace)(?![a-zA-Z])", r"\\{"),
        (r"\\(?:rbrace)(?![a-zA-Z])", r"\\}"),
        (r"\\(?:[lr]?vert)(?![a-zA-Z])", "|"),
        (r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z])|\{\s*°\s*\})|\\(?:degree|circ)(?![a-zA-Z])", "°"),
        (r"\\(?:euro|pounds)(?![a-zA-Z])|[€£¥]|\\\$", ""),
        (r"\\%", "%"),
        (r"\{\s*:\s*\}", ":"),
        (r"°\s+(?=[CF](?![A-Za-z]))", "°"),
        (r"(?<=\d)\s*\{,\}\s*(?=\d{3}(?!\d))", ","),
        (r"(?<=\d)\{,\}(?=\d)", "."),
        (r"(?<=\d)\\!,\\!(?=\d)|(?<=\d),\\!(?=\d)|(?<=\d)\\!,(?=\d)", ","),
        (r"(?<=\d)(?:\\[,;:! ]|~|[\u2009\u202f\u00a0])(?=\d{3}(?!\d))", ""),
        (r"\\(?:[,;:!> ]|quad|qquad|enspace|thinspace)(?![a-zA-Z])|~|\\\s", " "),
    )
)


def tidy(text: str) -> str:
    """The answer without delimiters, wrappers and stray punctuation around it.

    Inside, nothing but control characters goes.
    """
    text = INVISIBLE.sub("", _SWALLOWED.sub(_restored, text)).strip()
    for _ in range(64):
        before, text = text, _unwrapped(text)
        if text == before:
            break
    return text


def clean(text: str) -> str:
    """The tidy answer in the common notation."""
    text = tidy(text if text.isascii() else _plain_characters(text))
    for _ in range(8):
        before, text = text, _rewritten(text)
        if text == before:
            break
    return text


def _rewritten(text: str) -> str:
    if not text.isascii() or any(character in text for character in "\\{$~"):
        text = _plain_latex(text)
    return tidy(" ".join(text.split()))


def _restored(found: re.Match[str]) -> str:
    """`\\frac` for a form feed and "rac": the backslash and its letter were read as an escape."""
    return {"\x08": r"\b", "\x0c": r"\f", "\t": r"\t", "\r": r"\r"}[found[0]]


def _unwrapped(text: str) -> str:
    text = text.strip().rstrip(";,").strip()
    if text.endswith("\\") and not text.endswith("\\\\"):
        text = text[:-1]  # what is left of a space command such as `\,`
    if text.endswith(".") and not text.endswith((r"\right.", "..")):
        text = text[:-1]
    for left, right in _DELIMITERS:
        if text.startswith(left) and text.endswith(right) and len(text) >= len(left) + len(right):
            inner = text[len(left) : len(text) - len(right)]
            if left not in inner and right not in inner:
                return inner
    whole = _WRAPPED_WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _plain_latex(text: str) -> str:
    text = text.replace(r"\\", " ; ") if r"\begin{" in text else _DOUBLED.sub(r"\\", text)
    text = text.replace("$", "") if text.count("$") > 1 else text.removeprefix("$")
    for _ in range(4):
        before, text = text, _WRAPPED.sub(r" \1 ", text)
        if text == before:
            break
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    return text


def _plain_characters(text: str) -> str:
    text = _VULGAR.sub(lambda found: f" {unicodedata.normalize('NFKC', found[0])}", text)
    text = _RAISED.sub(lambda found: f"^{{{found[0].translate(SUPERSCRIPTS)}}}", text)
    text = _SYMBOL.sub(lambda found: _SYMBOLS[found[0]], text)
    return _SYMBOL.sub(lambda found: _SYMBOLS[found[0]], unicodedata.normalize("NFKC", text))
