"""Resolved settings as plain data, as canonical JSON, as a digest, and the difference between two of them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mmupt.config.section import Section
from mmupt.types import JsonValue

ABSENT = "(absent)"


def to_dict(config: Section) -> dict[str, JsonValue]:
    """The settings as JSON values, in the order in which the struct declares them."""
    plain: dict[str, JsonValue] = msgspec.json.decode(msgspec.json.encode(config, enc_hook=_plain))
    return plain


def canonical(value: JsonValue) -> bytes:
    """One spelling for one value: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest(config: Section) -> str:
    """SHA-256 (hex) of the canonical JSON of the settings."""
    return hashlib.sha256(canonical(to_dict(config))).hexdigest()


def differences(old: JsonValue, new: JsonValue, key: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted key, old value, new value) wherever two dumps differ; values are given as JSON."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            inner = f"{key}.{name}" if key else name
            if name not in old or name not in new:
                yield inner, _shown(old.get(name), name in old), _shown(new.get(name), name in new)
            else:
                yield from differences(old[name], new[name], inner)
    elif canonical(old) != canonical(new):
        yield key, _shown(old), _shown(new)


def _shown(value: JsonValue, present: bool = True) -> str:
    return json.dumps(value, ensure_ascii=False) if present else ABSENT


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be a setting")
