"""The base of every settings struct."""

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one stage or of one part of it. Its `__post_init__` may raise `UserError`."""

    free: ClassVar[frozenset[str]] = frozenset({"out"})
    """Dotted keys that say where a run is kept or shown, not what it computes: they may change when it is resumed."""
