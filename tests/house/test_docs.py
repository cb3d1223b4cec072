"""Tables in the docs that repeat the code are made from it: `python -m tests.house.test_docs` writes them anew."""

import re

from mmupt.config.protocols import PROTOCOLS
from tests.house.source import ROOT

PAGE = ROOT / "docs" / "evaluation.md"
COLUMNS = ("temperature", "top_p", "max_tokens", "min_pixels", "max_pixels")


def table() -> str:
    lines = [f"| protocol | system turn | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, settings in PROTOCOLS.items():
        rollout = settings["rollout"]
        assert isinstance(rollout, dict)
        cells = [settings["system"], *(rollout[column] for column in COLUMNS)]
        lines.append(f"| `{name}` | {' | '.join(map(shown, cells))} |")
    return "\n".join(lines)


def shown(value: object) -> str:
    return "the model's own" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def written(page: str) -> str:
    mark = re.compile(r"(?<=<!-- protocols -->\n).*?(?=\n<!-- /protocols -->)", re.DOTALL)
    return mark.sub(lambda _: table(), page)


def test_the_table_of_protocols_is_that_of_the_code():
    assert written(PAGE.read_text()) == PAGE.read_text()


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
