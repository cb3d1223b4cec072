"""What holds for all tests: a Ctrl-C works in the background of a shell too, and the user's cache is left alone."""

import atexit
import os
import shutil
import signal
import tempfile

# A child inherits an ignored SIGINT, and then no command that the tests start could be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "MMUPT_CACHE" not in os.environ:  # else this is a worker, which shares the cache of the process that started it
    os.environ["MMUPT_CACHE"] = tempfile.mkdtemp(prefix="mmupt-cache-")
    atexit.register(shutil.rmtree, os.environ["MMUPT_CACHE"], ignore_errors=True)
