"""The memory that the machine has for this process, and bytes as words."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

# Where control groups of the two kinds say what they allow and use.
_SECOND = ("", "memory.max", "memory.current", "inactive_file")
_FIRST = (
    "memory",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)


def format_bytes(number: float) -> str:
    """`3.15 MB` for 3145728."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:  # what is over has four digits, rounded
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"


def available_memory(root: str | os.PathLike = "/") -> int | None:
    """Bytes that can still be allocated without swapping.

    The least of what the machine has free, files that it could forget among
    it, and what the control groups of the process allow, as of a container or
    a batch job. Where a system says neither, all of the machine's memory.

    Args:
        root: the file system, for tests.

    Returns:
        None if the system does not say.
    """
    root = pathlib.Path(root)
    free = _fields(root / "proc/meminfo").get("MemAvailable")
    # In kB there.
    found = [free * 1024] if free is not None else [*_whole()]
    return min([*found, *_groups(root)], default=None)


def _whole() -> Iterator[int]:
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return


def _groups(root: pathlib.Path) -> Iterator[int]:
    """What each control group has left, those around it too."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount, limit, usage, idle = _FIRST if controllers else _SECOND
        top = root / "sys/fs/cgroup" / mount
        group = top / path.strip("/")
        # A container may see its own group as the top.
        for folder in (group, *group.parents):
            most = _number(folder / limit)
            used = _number(folder / usage)
            if most is not None and used is not None:
                kept = _fields(folder / "memory.stat").get(idle, 0)
                yield max(most - used + kept, 0)
            if folder == top:
                break


def _lines(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []


def _number(path: pathlib.Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _fields(path: pathlib.Path) -> dict[str, int]:
    """Of lines `name number` or `name: number unit`."""
    words = [line.replace(":", " ").split() for line in _lines(path)]
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdigit()}
