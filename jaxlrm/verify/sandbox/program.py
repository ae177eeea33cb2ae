"""Runs one program in a process that has been confined.

Nothing here is trusted by anyone: a program may change all of it. It decides
only what a program can decide for itself anyway, by its exit status.
"""

from __future__ import annotations

import io
import json
import linecache
import math
import os
import random
import resource
import sys
import traceback
import types

# Exit statuses, read in child.py; nobody else uses the higher ones.
FINISHED, RAISED, OUT_OF_MEMORY, FORBIDDEN, UNCONFINED = 0, 1, 112, 113, 114

# Descriptors: the job comes in on 0, which is then at its end like 1 and 2
# (of earlier steps nobody wants the output); these are the real output.
REAL_STDOUT, REAL_STDERR = 3, 4
_TRACEBACK_LIMIT = 16_384  # characters


def prepare() -> types.ModuleType:
    """Puts streams and `__main__` in place; returns the latter."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    # By the line, so that what was printed before a kill is not lost.
    sys.stdout = sys.__stdout__ = _text(1)
    sys.stderr = sys.__stderr__ = _text(2)
    main = types.ModuleType("__main__")
    main.__builtins__ = __builtins__
    sys.modules["__main__"] = main
    return main


def _text(descriptor: int) -> io.TextIOWrapper:
    return open(
        descriptor,
        "w",
        buffering=1,
        encoding="utf-8",
        errors="backslashreplace",
        closefd=False,
    )


def serve(main: types.ModuleType) -> None:
    """Reads a job from descriptor 0, runs it, and exits."""
    status = RAISED
    try:
        parts = []
        while part := os.read(0, 1 << 20):
            parts.append(part)
        job = json.loads(b"".join(parts))
        os.dup2(1, 0)
        seconds = math.ceil(job["limit"]) + 1
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if hard == resource.RLIM_INFINITY or seconds < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        random.seed(0)  # a fork seeds it from the system
        for number, code in enumerate(job["history"], 1):
            run(code, f"<step {number}>", main)
        _flush()
        os.dup2(REAL_STDOUT, 1)
        os.dup2(REAL_STDERR, 2)
        os.close(REAL_STDOUT)
        os.close(REAL_STDERR)
        status = run(job["code"], "<program>", main)
    finally:
        os._exit(status)


def run(code: str, name: str, main: types.ModuleType) -> int:
    """Executes code in a module; reports an exception on standard error."""
    # Tracebacks show the line; there is no file to find it in.
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    try:
        exec(compile(code, name, "exec", dont_inherit=True), main.__dict__)
        _flush()
        return FINISHED
    except SystemExit as error:
        if error.code in (None, 0):
            _flush()
            return FINISHED
        _report(error)
        return RAISED
    except MemoryError as error:
        error.__traceback__ = None  # its frames hold what fills the memory
        _report(error)
        return OUT_OF_MEMORY
    except PermissionError as error:
        _report(error)
        return FORBIDDEN
    except BaseException as error:
        _report(error)
        return RAISED


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except Exception:
            pass  # the program has put something else in its place


def _report(error: BaseException) -> None:
    """Writes the traceback; its last line names the exception."""
    _flush()
    try:
        # Without the frame of `run`; a SyntaxError has no other.
        frames = error.__traceback__ and error.__traceback__.tb_next
        shown = traceback.TracebackException(type(error), error, frames)
        shown.__notes__ = None  # they would come after the last line
        *lines, last = shown.format_exception_only()
        last = " ".join(last.split("\n")).strip() + "\n"
        above = "".join(shown.stack.format()) + "".join(lines)
        head = "Traceback (most recent call last):\n" if above else ""
        text = head + above[-_TRACEBACK_LIMIT:] + last[:_TRACEBACK_LIMIT]
    except BaseException:
        text = f"{type(error).__name__}\n"
    data = ("\n" + text).encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(2, data) :]
