"""A checkpoint, of `mmupt train` or of another tool, in; one Hugging Face model folder out.

find -> recognise -> open as `Weights` (planned from metadata, read in pieces) -> check against the model class ->
stream into safetensors -> verify -> rename. `recognise`, `find`, `card`, `hub` and `published` are plain Python, the
other files need torch. Nothing is unpickled but tensors and plain containers, and no output folder exists until it is
whole.
"""
