"""Label-free GRPO: whole groups in, a better policy out.

One step of training is: data order -> rollouts of whole groups -> votes and rewards -> one or more updates -> logs ->
maybe a checkpoint. `groups`, `order` and `checkpoint` are plain Python; the files that need torch import it at their
top.
"""
