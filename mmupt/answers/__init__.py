"""What a response says, and whether it is right: extraction, the key of an answer, choices, the verdict.

Strings in, frozen dataclasses out. Nothing here imports sympy, evaluates text as code, raises on a response, or takes
unbounded time; LaTeX that needs math-verify goes to a worker process.
"""

from mmupt.answers.canonical import canonical_key, equal
from mmupt.answers.extract import extract
from mmupt.answers.grade import grade, grade_answer

__all__ = ["canonical_key", "equal", "extract", "grade", "grade_answer"]
