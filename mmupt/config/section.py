"""The base of every settings struct."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from mmupt.types import JsonValue


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one stage or of one part of it. Its `__post_init__` may raise `UserError`.

    msgspec hands all but `kw_only` down: a section with a required field after an optional one says it again.
    """

    free: ClassVar[frozenset[str]] = frozenset({"out"})
    """Keys that say where a run is kept, shown or worked on, and with how much memory, not what it computes: they may
    change when it is resumed."""

    def may_change(self) -> frozenset[str]:
        """Dotted keys that are free, of this section and of those within it."""
        within = {name: part for name in self.__struct_fields__ if isinstance(part := getattr(self, name), Section)}
        return self.free | {f"{name}.{key}" for name, part in within.items() for key in part.may_change()}

    @classmethod
    def implied(cls, settings: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """What the given settings stand for (a preset's name): laid over the defaults and beneath what is given."""
        return {}
