"""The command line, one file a command. A command parses, calls its stage, and nothing else."""

from mmupt.cli.main import main

__all__ = ["main"]
