"""The nearest known name to a mistyped one, for error messages. Knows nothing but strings."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `word`, or None when none looks like it."""
    from difflib import get_close_matches

    options = {option.lower(): option for option in known}
    found = get_close_matches(word.lower(), list(options), n=1, cutoff=0.5)
    return options[found[0]] if found else None


def way_out(word: str, known: Iterable[str]) -> str:
    """The half sentence that ends an error about an unknown name: the nearest name, else all of them."""
    names = sorted(known)
    best = nearest(word, names)
    if best is not None:
        return f"did you mean {best!r}?"
    return f"known: {', '.join(names)}" if names else "nothing is known here"
