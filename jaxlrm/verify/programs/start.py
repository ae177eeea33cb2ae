"""How the sandbox starts a zygote."""

from __future__ import annotations

import pathlib
import socket
import subprocess
from typing import Any

from jaxlrm.verify.workers.start import start_interpreter

# What the command line shows: a program can read it, so it says nothing. The
# rest comes over the socket, which is the standard input.
TITLE = "# model-written programs run here"
_LENGTH = 16_384  # of the rest, with the spaces behind it
_LOADER = f"""{TITLE}
import socket
channel = socket.socket(fileno=0)
rest = channel.recv({_LENGTH}, socket.MSG_WAITALL)
channel.detach()
exec(rest)
"""
# No package is imported by its __init__: the zygote has as little as it can.
_BARE = (
    "jaxlrm",
    "jaxlrm.verify",
    "jaxlrm.verify.programs",
    "jaxlrm.verify.workers",
)
# A child returns from `serve` and leaves no variable behind.
_PROGRAM = """
import sys, types
for name, folder in {packages!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from jaxlrm.verify.programs import program, zygote
serve = program.serve
del rest, channel, socket, sys, types, name, folder, program
globals().update(main=zygote.serve())
del zygote
serve(main)
"""


def start_zygote(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, dict[str, Any]]:
    """A zygote with its modules imported, its socket, and what it found.

    Raises:
        RuntimeError: it did not start.
    """
    root = pathlib.Path(__file__).parents[3]
    packages = [(name, str(root.joinpath(*name.split(".")))) for name in _BARE]
    return start_interpreter(
        "a sandbox",
        ["-s", "-P", "-c", _LOADER],
        settings,
        {"PYTHONHASHSEED": "0"},
        refused=lambda error: RuntimeError(f"the sandbox: {error}"),
        cwd="/",
        before=_PROGRAM.format(packages=packages).encode().ljust(_LENGTH),
    )
