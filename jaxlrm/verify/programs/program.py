"""Runs the programs of a chain in a process that has been confined.

Nothing here is trusted by anyone: a program may change all of it, and so claim
any end of itself and of what follows it in its chain, as it may print anything.
What it cannot claim is said before it is read (`CONFINED`) or by the kernel (a
signal). There is no descriptor but for output that a program could write to:
the end of a step follows its output, marked by a secret that the step brought.

A step cannot tell whether it runs for the first time: it is sent when those
before it have ended, has the same name, descriptors and streams each time, and
the caller throws away what it writes the second time.
"""

from __future__ import annotations

import ast
import fcntl
import io
import json
import linecache
import os
import random
import select
import struct
import sys
import traceback
import types
from typing import Any

# The descriptor that steps come from, out of the way of what programs guess. It
# does not block, so that a program that reads it does not wait either.
STEPS = 31

CONFINED = b"\x01"  # the first byte on standard error, before any step is read
UNCONFINED = b"\x00"  # no step is read: a layer of isolation failed
LENGTH = struct.Struct("<I")  # of a step, which is JSON
SECRET_SIZE = 16
# How a step ended, behind its secret: one of the endings below, and the length
# of the error, which follows in UTF-8.
END = struct.Struct("<BH")
FINISHED, RAISED, OUT_OF_MEMORY, FORBIDDEN, CUT_OFF = range(5)

FILE = "program.py"  # what a program finds as its `__file__`
ERROR_CHARACTERS = 500
_TRACEBACK_LIMIT = 16_384  # characters
# The value of the last expression needs the program as a tree, for which a
# long one takes more memory than it may have.
_SHOWN_LENGTH = 100_000
# A program may give these names to something else, by which it must not swallow
# those after it.
_exit, _read_some, _write = os._exit, os.read, os.write
_compile, _evaluate, _execute, _loads = compile, eval, exec, json.loads
_TREE = ast.PyCF_ONLY_AST

# Modules that a program may miss and that a sandbox can never have.
_NEVER = ("jax", "jaxlib", "jaxlrm")
_EFFECTS = ("write", "writelines")  # methods whose value nobody asked for


def prepare() -> types.ModuleType:
    """Puts streams and `__main__` in place; returns the latter."""
    sys.argv = [FILE]
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    # By the line, so that what was printed before a kill is not lost.
    sys.stdout = sys.__stdout__ = _text(1)
    sys.stderr = sys.__stderr__ = _text(2)
    main = types.ModuleType("__main__")
    main.__builtins__ = __builtins__
    main.__file__ = FILE
    sys.modules["__main__"] = main
    random.seed(0)  # a fork seeds it from the system
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
    """Runs one step after another until no more come, and exits."""
    try:
        _write(2, CONFINED)
        while step := _next_step():
            if step["stdin"]:  # it follows on the same pipe
                flags = fcntl.fcntl(STEPS, fcntl.F_GETFL)
                fcntl.fcntl(STEPS, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
                os.dup2(STEPS, 0)
            _tell(
                bytes.fromhex(step["secret"]),
                *run(step["code"], step["number"], main, step["show"]),
            )
    finally:
        _exit(1)


def _next_step() -> dict[str, Any] | None:
    header = _read(LENGTH.size)
    return _loads(_read(*LENGTH.unpack(header))) if header else None


def _read(length: int) -> bytes:
    """So many bytes of STEPS, or none at its end."""
    poll = select.poll()
    poll.register(STEPS, select.POLLIN)
    data = bytearray()
    while len(data) < length:
        poll.poll()
        part = _read_some(STEPS, length - len(data))
        if not part:
            return b""
        data += part
    return bytes(data)


def _tell(secret: bytes, ending: int, error: str) -> None:
    """Says how a step ended."""
    try:
        fcntl.fcntl(STEPS, fcntl.F_GETFD)
    except OSError:  # the program has closed it
        ending = CUT_OFF if ending == FINISHED else ending
    text = error[:ERROR_CHARACTERS].encode("utf-8", "backslashreplace")
    # Less than what a pipe takes at once.
    data = secret + END.pack(ending, len(text)) + text
    try:
        _write(2, data)
    except OSError:
        _write(1, data)


def run(
    code: str, number: int, main: types.ModuleType, show: bool
) -> tuple[int, str]:
    """Executes code in a module; reports an exception on standard error.

    Args:
        code: Python.
        number: of the step in its chain, from 1.
        main: where its names are.
        show: display the value of the last expression, as a notebook does.

    Returns:
        How it ended, and the last line of the traceback.
    """
    name = "<program>" if number == 1 else f"<step {number}>"
    # Tracebacks show the line; there is no file to find it in.
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    try:
        body, last = _compiled(code.removeprefix("\ufeff"), name, show)
        _execute(body, main.__dict__)
        if last is not None:
            _display(_evaluate(last, main.__dict__))
        _flush()
        return FINISHED, ""
    except SystemExit as error:
        if error.code in (None, 0):
            _flush()
            return FINISHED, ""
        return RAISED, _report(error)
    except MemoryError as error:
        error.__traceback__ = None  # its frames hold what fills the memory
        return OUT_OF_MEMORY, _report(error)
    except PermissionError as error:
        return FORBIDDEN, _report(error)
    except BaseException as error:
        return RAISED, _report(error)


def _compiled(
    code: str, name: str, show: bool
) -> tuple[types.CodeType, types.CodeType | None]:
    """The program, and its last expression if its value is to be shown."""
    if show and len(code) <= _SHOWN_LENGTH:
        try:
            tree = _compile(code, name, "exec", _TREE, dont_inherit=True)
            if _is_shown(tree, code):
                last = ast.Expression(tree.body.pop().value)
                return (
                    _compile(tree, name, "exec", dont_inherit=True),
                    _compile(last, name, "eval", dont_inherit=True),
                )
        except (MemoryError, RecursionError):
            pass  # too deep for a tree
    return _compile(code, name, "exec", dont_inherit=True), None


def _is_shown(tree: ast.Module, code: str) -> bool:
    """Does a program end in an expression, for the sake of its value?"""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return False
    value = tree.body[-1].value
    called = value.func if isinstance(value, ast.Call) else None
    effect = isinstance(called, ast.Attribute) and called.attr in _EFFECTS
    return not effect and not code.rstrip().endswith(";")


def _display(value: object) -> None:
    """As the interactive interpreter; a drawing is not worth showing."""
    if not getattr(type(value), "_is_drawing", False):
        sys.displayhook(value)


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except Exception:
            pass  # the program has put something else in its place


def _report(error: BaseException) -> str:
    """Writes the traceback; returns the line that names the exception."""
    _flush()
    try:
        # Without the frame of `run`; a SyntaxError has no other.
        frames = error.__traceback__ and error.__traceback__.tb_next
        shown = traceback.TracebackException(type(error), error, frames)
        shown.__notes__ = None  # they would come after the last line
        *lines, last = shown.format_exception_only()
        last = " ".join(last.split("\n")).strip() + _remedy(error)
        above = "".join(shown.stack.format()) + "".join(lines)
        head = "Traceback (most recent call last):\n" if above else ""
        text = f"{head}{above[-_TRACEBACK_LIMIT:]}{last[:_TRACEBACK_LIMIT]}\n"
    except BaseException:
        last = type(error).__name__
        text = f"{last}\n"
    data = ("\n" + text).encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[_write(2, data) :]
    except OSError:
        pass  # the program has closed it
    return last


def _remedy(error: BaseException) -> str:
    """What to do about a module that is not there, if anything."""
    name = getattr(error, "name", None)
    if type(error) is not ModuleNotFoundError or type(name) is not str:
        return ""
    top = name.partition(".")[0]
    if top in _NEVER or top in sys.stdlib_module_names or "." in name:
        return ""
    return (
        " in the sandbox; if it is installed, "
        f"Sandbox(modules=(*MODULES, {top!r})) adds it"
    )
