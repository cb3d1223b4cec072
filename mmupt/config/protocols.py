"""Named protocols of `mmupt eval`: how a model is asked. A name stands for the settings below; a setting that is given
beside it changes that one, and the results tell which ones were changed.

`mm-upt` is the evaluation that MM-UPT's README states (arXiv 2505.22453); it names no top_p, so nothing is cut off.
The sentence that asks for a box belongs to all of them and stands in `mmupt.prompts`.
"""

from collections.abc import Iterator, Mapping

from mmupt.errors import UserError
from mmupt.suggest import way_out
from mmupt.types import JsonValue

Settings = Mapping[str, JsonValue]

SYSTEM = "You are a helpful assistant."
MIN_PIXELS = 224 * 224
MAX_PIXELS = 1280 * 28 * 28
MAX_TOKENS = 16384
_MM_UPT: dict[str, JsonValue] = {
    "temperature": 0.2,
    "top_p": 1.0,
    "max_tokens": MAX_TOKENS,
    "min_pixels": MIN_PIXELS,
    "max_pixels": MAX_PIXELS,
}

PROTOCOLS: Mapping[str, Settings] = {
    "mm-upt": {"system": SYSTEM, "rollout": _MM_UPT},
    "greedy": {"system": SYSTEM, "rollout": {**_MM_UPT, "temperature": 0.0}},
    # The embedded model: short answers, pictures as they are, and no system turn, which it was never taught.
    "tiny": {
        "system": None,
        "rollout": {"temperature": 0.2, "top_p": 1.0, "max_tokens": 64, "min_pixels": None, "max_pixels": None},
    },
}


def protocol(name: str) -> dict[str, JsonValue]:
    """A copy of the settings that a protocol stands for; an unknown name is a UserError that names the nearest."""
    if name not in PROTOCOLS:
        raise UserError(f"there is no protocol {name!r}", where="protocol", fix=way_out(name, PROTOCOLS))
    return {key: dict(value) if isinstance(value, dict) else value for key, value in PROTOCOLS[name].items()}


def changed(name: str, settings: Settings) -> list[str]:
    """Dotted keys whose value in the resolved settings is not the protocol's."""
    return sorted(_differing(protocol(name), settings, ""))


def _differing(wanted: Settings, found: Settings, prefix: str) -> Iterator[str]:
    for key, value in wanted.items():
        here = found.get(key)
        if isinstance(value, dict) and isinstance(here, dict):
            yield from _differing(value, here, f"{prefix}{key}.")
        elif here != value:
            yield f"{prefix}{key}"
