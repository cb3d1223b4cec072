"""The answers of one group -> the group's vote, over classes of equal answers and never over strings.

An answer that is None, or that holds nothing once it is cleaned, abstains: it never votes and never wins.
"""

from mmupt.voting.ballot import Tie, vote

__all__ = ["Tie", "vote"]
