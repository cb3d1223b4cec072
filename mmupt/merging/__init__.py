"""A checkpoint, of `mmupt train` or of another tool, in; one Hugging Face model folder out.

find -> recognise -> open as `Weights` (planned from metadata, read in pieces) -> check against the model class ->
stream into safetensors -> verify -> rename. Bytes go through numpy: torch is imported for adapters and comparisons
alone, and transformers is asked in a process of its own, once for each model. Nothing is unpickled but tensors and
plain containers, and no output folder exists until it is whole.
"""
