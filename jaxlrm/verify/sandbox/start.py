"""How the sandbox starts a zygote."""

from __future__ import annotations

import pathlib
import socket
import subprocess
from typing import Any

from jaxlrm.verify import zygotes

# No package is imported by its __init__: the zygote has as little as it can.
_PROGRAM = """
import sys, types
names = "jaxlrm", "jaxlrm.verify", "jaxlrm.verify.sandbox"
for name, folder in zip(names, sys.argv[1:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from jaxlrm.verify.sandbox import zygote
zygote.serve()
"""


def start_zygote(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, dict[str, Any]]:
    """A zygote with its modules imported, its socket, and what it found.

    Raises:
        RuntimeError: it did not start.
    """
    sandbox = pathlib.Path(__file__).parent
    folders = (sandbox.parent.parent, sandbox.parent, sandbox)
    return zygotes.start(
        "a sandbox",
        ["-s", "-P", "-c", _PROGRAM, *folders],
        settings,
        {"PYTHONHASHSEED": "0"},
        refused=lambda error: RuntimeError(f"the sandbox: {error}"),
        cwd="/",
    )
