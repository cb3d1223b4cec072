"""The machine that a run stands on: what is installed and what it offers. Nothing here imports an ML library."""
