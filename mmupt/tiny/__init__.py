"""The embedded default: a small world of pictures and questions, and a small real Qwen2.5-VL taught it imperfectly.

`python -m mmupt.tiny.build` remakes both from a seed. Nothing else in mmupt depends on this room: the model and its
data are ordinary folders and files that the other rooms read by path.
"""
