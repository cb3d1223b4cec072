"""What holds for all tests: in the background of a shell, which ignores Ctrl-C, they test the same as in front."""

import signal

# A child inherits an ignored SIGINT, and then no command that the tests start could be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
