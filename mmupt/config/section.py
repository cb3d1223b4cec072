"""The base of every settings struct."""

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one stage or of one part of it. Its `__post_init__` may raise `UserError`.

    msgspec hands all but `kw_only` down: a section with a required field after an optional one says it again.
    """

    free: ClassVar[frozenset[str]] = frozenset({"out"})
    """Dotted keys that say where a run is kept or shown, not what it computes: they may change when it is resumed."""
