"""Questions that the model writes itself: how they are asked for, read and filtered. What the model writes is data.

A mode is a file with `sources` and `prompt`: `direct` and `in_context`.
"""
