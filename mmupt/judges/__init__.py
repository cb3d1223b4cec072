"""Judges, one file each, named as the judge: a problem and a response in, a verdict with its reason out.

`contract` says what such a file defines; `batch` judges many responses on several cores.
"""

from mmupt.judges.contract import Verdict, check, label, names, second_of, verdict_of

__all__ = ["Verdict", "check", "label", "names", "second_of", "verdict_of"]
