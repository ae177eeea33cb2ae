"""Programs: flags and config in, one library call, results out."""

import os
import signal
import sys

# A program, found by `python -m` or installed: until `flags.run` has its own
# ways, Ctrl-C ends it without a traceback, even out of modules that swallow it.
if (
    sys.argv[:1] == ["-m"]
    or os.path.basename(sys.argv[0] if sys.argv else "").startswith("jaxlrm-")
) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
