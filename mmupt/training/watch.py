"""The collapse guard beside a run: it keeps the observations, warns once, and says whether to go on.

Every rank holds the same observations and so comes to the same verdict. On an alarm the first rank writes
collapse.json, which names the signal and the last good checkpoint.
"""

import json
from pathlib import Path

from mmupt import console
from mmupt.config.guard import GuardConfig
from mmupt.disk import write_atomic
from mmupt.training import checkpoint
from mmupt.training.guard import Reading, first_alarm, last_good, readings
from mmupt.training.observation import Observation
from mmupt.types import JsonValue

FILE = "collapse.json"


class Watch:
    """The guard of one run."""

    def __init__(self, settings: GuardConfig, folder: Path, observations: list[Observation], *, first: bool) -> None:
        self._settings, self._folder, self._first = settings, folder, first
        self._observations = observations

    def collapsed(self, observation: Observation) -> bool:
        """Take in one step; True when the run must end here."""
        known = self.alarm()
        self._observations.append(observation)
        alarm = self.alarm()
        if alarm is None:
            return False
        if known is None and self._first:
            tell(self._folder, alarm, self.good())
        return self._settings.on_collapse != "ignore"

    def alarm(self) -> Reading | None:
        return first_alarm(readings(self._observations, self._settings))

    def good(self) -> int | None:
        """Step of the last good checkpoint on disk."""
        saved = checkpoint.saved_steps(self._folder / "checkpoints")
        return last_good(readings(self._observations, self._settings), saved)


def tell(folder: Path, alarm: Reading, good: int | None) -> None:
    """Warn, and write collapse.json."""
    assert alarm.alarm is not None
    console.warn(f"step {alarm.step}: {sentence(alarm)}")
    told: dict[str, JsonValue] = {
        "step": alarm.step,
        "signal": alarm.alarm,
        "common_answer": alarm.common_answer,
        "values": dict(alarm.values),
        "strains": dict(alarm.strains),
        "last_good": None if good is None else f"checkpoints/step-{good}",
    }
    write_atomic(folder / FILE, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def sentence(alarm: Reading) -> str:
    """What went too far."""
    assert alarm.alarm is not None
    value, strain = alarm.values[alarm.alarm], alarm.strains[alarm.alarm]
    which = f", the most common answer being {alarm.common_answer}" if alarm.common_answer else ""
    return f"collapse: {alarm.alarm} is {value:.2f}, {strain:.1f} times its way to the limit{which}"
