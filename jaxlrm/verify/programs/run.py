"""What a run of a program is, and what protects the host from it."""

from __future__ import annotations

import dataclasses
import enum

# Without the first ones programs are not isolated. The next are a second wall
# behind them, and namespaces a third.
ESSENTIAL = ("limits", "seccomp")
SECOND = ("user", "capabilities", "landlock")

NOT_COVERED = (
    "faults of the kernel and of the processor, and timing side channels",
    "processor time and memory up to the limits, times the workers",
    "the clock, the kernel's version, the number of processors, the amount "
    "of memory, and random numbers of the system, all of which can be read",
    "the code of the Python installation, which programs import from",
    "text: what a program prints is written by the model, whatever it says",
)


class Status(enum.StrEnum):
    """How a program ended.

    Signals and deadlines are seen from outside. The rest its interpreter tells,
    which a program that goes to the length of it can make lie, about itself
    and its chain; it could as well print so. Leaving the interpreter (by
    `os._exit(0)`, say) is an ERROR, whatever the exit status.
    """

    OK = "ok"
    """It ran to its end."""
    ERROR = "error"
    """It raised an exception, or left before its end."""
    TIMEOUT = "timeout"
    """It was killed at its deadline, or for its processor time."""
    MEMORY = "memory"
    """It raised MemoryError."""
    OUTPUT = "output"
    """It was killed because it wrote too much."""
    DENIED = "denied"
    """It asked for what is forbidden: killed, or PermissionError."""
    KILLED = "killed"
    """A signal ended it: a crash, or somebody else and that twice."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a program did.

    Attributes:
        stdout: what it printed, the middle left out where that is too long
            (and a line instead that says so); of what was not UTF-8,
            replacement characters.
        status: how it ended.
        seconds: from its start to its end, earlier steps included.
        error: one line that says why `status` is not OK: the traceback's last
            line, or what happened; "" for OK.
        stderr: what it wrote to standard error, its traceback included; cut.
        cpu_seconds: processor time, its preparation included.
        memory: largest resident size in bytes, the interpreter's included.
        finished: did it come to its end, or to an exception, with its
            interpreter intact? Only then can a later step see what it did.
        left_out: bytes of `stdout` that were left out of its middle.
    """

    stdout: str
    status: Status
    seconds: float
    error: str = ""
    stderr: str = ""
    cpu_seconds: float = 0.0
    memory: int = 0
    finished: bool = False
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class Protection:
    """What stands between a program and this host, as tried at the start.

    The layers: `user` (not root), `limits` (of resources), `capabilities`
    (none), `landlock` (no file, no TCP, no signal to others), `seccomp` (only
    calls that reach nothing outside), and namespaces.

    Attributes:
        missing: layer, and why this host does not have it.
        breaches: what a program could do in a trial that it must not.
    """

    missing: dict[str, str]
    breaches: tuple[str, ...] = ()

    LAYERS = (
        "user",
        "limits",
        "capabilities",
        "landlock",
        "seccomp",
        "namespace: network",
        "namespace: processes",
        "namespace: ipc",
        "namespace: host name",
    )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that hold."""
        return tuple(name for name in self.LAYERS if name not in self.missing)

    @property
    def isolated(self) -> bool:
        """Is every program kept from all that it must not do?"""
        return not self.breaches and not set(ESSENTIAL) & set(self.missing)

    @property
    def complete(self) -> bool:
        """Do all layers hold but for namespaces, which many hosts refuse?"""
        return self.isolated and not set(SECOND) & set(self.missing)

    def __str__(self) -> str:
        """The layers, what is missing, and what no layer covers."""
        lines = [f"isolated: {'yes' if self.isolated else 'NO'}"]
        lines.append("layers: " + (", ".join(self.layers) or "none"))
        lines += [f"missing: {name} ({why})" for name, why in self._missing()]
        lines += [f"a program {breach}" for breach in self.breaches]
        lines += [f"not covered: {what}" for what in NOT_COVERED]
        return "\n".join(lines)

    def remark(self) -> str:
        """What is missing in one line; "" if nothing is."""
        parts = [f"{name} ({why})" for name, why in self._missing()]
        parts += [f"a program {breach}" for breach in self.breaches]
        return "; ".join(parts)

    def _missing(self) -> list[tuple[str, str]]:
        return sorted(self.missing.items())
