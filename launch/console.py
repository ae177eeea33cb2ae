"""What programs say on a terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn, TextIO

from jaxlrm.files import visible

if TYPE_CHECKING:  # brings in all verifiers
    from jaxlrm.engine.solution import Progress


class LiveLine:
    """A line on stderr, rewritten in place; silent where it is no terminal.

    Usable as a context manager, which clears the line at the end.
    """

    def __init__(self):
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Writes `text` over the line, cut to the terminal's width."""
        if self._terminal:
            line = f"\r{text[: _width() - 1]}\x1b[K"
            print(line, end="", file=sys.stderr, flush=True)
            self._shown = True

    def clear(self) -> None:
        """Removes the line, so that other output may follow."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, *exception) -> None:
        self.clear()


def _width() -> int:
    try:
        # Of stderr: stdout may be a file.
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def describe(progress: Progress) -> str:
    """The text of a line about a running solve."""
    parts = [f"round {progress.round}"]
    if progress.problems > 1:
        parts.append(f"{progress.finished}/{progress.problems} finished")
    parts.append(f"{progress.branches} branches")
    parts.append(f"{progress.tokens:,} tokens")
    if progress.seconds > 0:
        parts.append(f"{progress.tokens / progress.seconds:,.0f}/s")
    parts.append(f"{progress.utilisation:.0%} busy")
    if progress.best_score is not None:
        parts.append(f"best score {progress.best_score:.2f}")
    return " · ".join(parts)


def say_verifiers(live: LiveLine, engine, config) -> None:
    """Says on stderr where `auto` leaves out learned scores."""
    if config.verifiers == "auto" and not engine.scores:
        live.clear()
        print(
            f"{engine.name or 'the model'} has no value head: steps are "
            "checked, not scored; --reward=FOLDER adds a reward model",
            file=sys.stderr,
        )


def say_plan(live: LiveLine, plan) -> None:
    """Says on stderr what a search takes of the memory."""
    live.clear()
    print(plan, file=sys.stderr, flush=True)


def message(error: Exception) -> str:
    """An error as one message for a person, its controls made visible."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename}: {error.strerror}"
    return visible(text)


def wants_colour(stream: TextIO) -> bool:
    """Is `stream` a terminal whose user has not refused colour?

    See https://no-color.org.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def write(text: str) -> None:
    """Prints on stdout at once; ends quietly if nobody reads it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        leave(141)  # as a shell reports SIGPIPE


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for the device.

    An ordinary exit while XLA still computes can crash in its threads.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C end the process at once, while there is nothing to save.

    Some modules swallow a KeyboardInterrupt that comes as they are imported.
    Where it is ignored, as in the background of a script, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: leave(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def repeat_lost_interrupts() -> None:
    """Makes a Ctrl-C come again that came where Python can raise nothing.

    As in a callback of the garbage collector; JAX has one.
    """
    before = sys.unraisablehook

    def hook(lost) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            main = threading.main_thread().ident
            again = (main, signal.SIGINT)
            threading.Timer(0.05, signal.pthread_kill, again).start()
        else:
            before(lost)

    sys.unraisablehook = hook
