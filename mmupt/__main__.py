"""`python -m mmupt`: the command line, as the launchers of distributed training start it."""

from mmupt.cli import main

if __name__ == "__main__":
    main()
