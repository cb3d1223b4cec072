"""A checkpoint of `mmupt train` in, one Hugging Face model folder out.

find -> recognise -> open as `Weights` (tensor by tensor, memory-mapped) -> check against the model class -> stream
into safetensors -> verify -> rename. `recognise`, `find` and `card` are plain Python, the other files need torch.
Nothing is unpickled but tensors and plain containers, and no output folder exists until it is whole.
"""
