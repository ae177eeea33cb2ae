"""One line on stderr that says where a solve stands."""

from __future__ import annotations

import os
import sys

from jaxlrm.solution import Progress


class LiveLine:
    """A line that is rewritten in place; silent where stderr is no terminal.

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

    def __exit__(self, *error) -> None:
        self.clear()


def describe(progress: Progress) -> str:
    """The text about a running solve."""
    parts = [f"round {progress.round}"]
    if progress.problems > 1:
        parts.append(f"{progress.finished}/{progress.problems} finished")
    parts.append(f"{progress.branches} branches")
    parts.append(f"{progress.tokens:,} tokens")
    if progress.seconds > 0:
        parts.append(f"{progress.tokens / progress.seconds:,.0f}/s")
    if progress.best_score is not None:
        parts.append(f"best score {progress.best_score:.2f}")
    return " · ".join(parts)


def _width() -> int:
    try:
        # Of stderr: stdout may be a file.
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
