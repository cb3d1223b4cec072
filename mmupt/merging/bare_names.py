"""Names of weights without what other tools put before or between them: wrappers of DDP, FSDP, torch.compile."""

from collections.abc import Collection, Mapping

from mmupt.errors import UserError
from mmupt.merging.lora import PREFIX

_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_PREFIXES = ("", "model.", "module.", "model.module.", "state_dict.")


def bare_names(found: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Each key that is a weight -> its name; `known` are the names that weights may have, and tell the prefix.

    Keys without a prefix that the most others have are left out: they are no weights of the model.
    """
    inner = {key: _unwrapped(key) for key in found}
    ways = [
        {key: name.removeprefix(prefix) for key, name in inner.items() if name.startswith(prefix)}
        for prefix in _PREFIXES
    ]
    best = max(ways, key=lambda names: sum(name in known or name.startswith(PREFIX) for name in names.values()))
    return one_each(best)


def one_each(names: Mapping[str, str]) -> dict[str, str]:
    """The same names, none of which two keys may have."""
    taken: dict[str, str] = {}
    for key, name in names.items():
        if (other := taken.setdefault(name, key)) != key:
            raise UserError(f"{other} and {key} are both the weight {name}", fix="keep the one that was trained")
    return dict(names)


def _unwrapped(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.replace(wrapper, "")
    return key
