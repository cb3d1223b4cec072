"""Training sets and generic readers: a name, file or folder in, a ProblemSet out.

A row's columns: question (or problem), and where there are any id, images (or image), choices (or options), answer,
answer_type, precision, unit; every other column becomes meta. A catalogue entry may name columns of its own.

Strict about the set (a row without a question, an id used twice, no rows: UserError), patient with its pictures (a
broken one is skipped, counted and named). Nobody downstream sees a gold answer unless `load(..., answers=True)` asked.
"""

from mmupt.problems.loading import load, names, read_file
from mmupt.problems.pictures import decode
from mmupt.problems.problem_set import ProblemSet, Skip, digest, without_answers
from mmupt.problems.writing import write

__all__ = ["ProblemSet", "Skip", "decode", "digest", "load", "names", "read_file", "without_answers", "write"]
