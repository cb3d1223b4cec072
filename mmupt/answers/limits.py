"""The bounds of the answers room. Model output is data: whatever it holds, reading it costs bounded time and memory."""

RESPONSE = 200_000
"""Characters at the end of a response that are searched for an answer; what stands before is dropped."""
ANSWER = 1_000
"""Characters of an extracted answer; a longer one is no final answer and abstains."""
EXPRESSION = 400
"""Characters of an expression that is evaluated here; a longer one is compared as text."""
LATEX = 300
"""Characters of LaTeX that are shown to math-verify, the last resort."""
DEPTH = 30
"""Nested groups in an expression."""
BITS = 2_000
"""Size of an exact numerator or denominator; beyond it arithmetic goes on in floating point."""
ITEMS = 64
"""Members of a list, set or tuple."""
CACHE = 16_384
"""Answers whose reading is remembered."""
TEXT = 20_000
"""Characters of an answer that are compared at all."""
