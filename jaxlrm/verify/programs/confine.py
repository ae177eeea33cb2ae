"""Takes every power from the process that calls it, for ever.

Layers, outermost first: namespaces (once, for the zygote), an unused user,
limits of resources, no capabilities, Landlock without a single exception, and
a seccomp allow-list. Each is applied where the host has it; the caller hears
which held. Only `ctypes` is needed. Layout of the structures: the manual pages
of landlock(7), capset(2), seccomp(2) and prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable

from jaxlrm.verify.programs import syscalls

LINUX = sys.platform == "linux"
_MACHINE = os.uname().machine
_LIBC = ctypes.CDLL(None, use_errno=True)

# prctl(2)
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_NO_NEW_PRIVS = 1, 4, 38
# System call numbers are those of both machines where one is given.
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_SECCOMP = {"x86_64": 317, "aarch64": 277}.get(_MACHINE)
_CAPSET = {"x86_64": 126, "aarch64": 91}.get(_MACHINE)
_CAPABILITY_VERSION = 0x20080522
# unshare(2)
_NEW_USER = 0x10000000
_NAMESPACES = {
    "network": 0x40000000,
    "processes": 0x20000000,
    "ipc": 0x08000000,
    "host name": 0x04000000,
}
# Between the system's users and those that hosts hand out dynamically.
_USERS = range(58_000, 59_000)


def die_with_parent(parent: int) -> None:
    """Asks for SIGKILL when the parent ends; `parent` is its pid.

    Changing users withdraws the wish, so it comes after that.
    """
    if LINUX:
        _call(_LIBC.prctl, _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def enter_namespaces() -> dict[str, str]:
    """Leaves the host's network, processes, IPC and name, where it can.

    Of the process namespace only the children become members. Root enters
    without a namespace of users: in one, it could not change users.

    Returns:
        Why not, for each that was refused.
    """
    if not LINUX:
        return {name: "this system has none" for name in _NAMESPACES}
    refused = {}
    if os.geteuid() != 0:
        everything = _NEW_USER
        for flag in _NAMESPACES.values():
            everything |= flag
        try:
            _call(_LIBC.unshare, everything)
        except OSError as error:
            refused = dict.fromkeys(_NAMESPACES, error.strerror)
    else:
        for name, flag in _NAMESPACES.items():
            try:
                _call(_LIBC.unshare, flag)
            except OSError as error:
                refused[name] = error.strerror
    if "host name" not in refused:
        with contextlib.suppress(OSError):
            socket.sethostname("sandbox")
    return refused


def trim_memory() -> None:
    """Gives free memory back, which every fork would copy the map of."""
    with contextlib.suppress(AttributeError):  # not the GNU library
        _LIBC.malloc_trim(0)


def unused_user() -> int | None:
    """A user id that nobody has, for root to become; None for others."""
    if os.geteuid() != 0:
        return None
    for user in _USERS:
        try:
            pwd.getpwuid(user)
        except KeyError:
            return user
    return None


class Confinement:
    """What `apply` will do, made ready once, before the forks."""

    def __init__(self, memory: int, cpu: int):
        """Sets the limits.

        Args:
            memory: bytes of address space, the interpreter's included.
            cpu: seconds of processor time, a backstop for the deadline.
        """
        self._memory = memory
        self._cpu = cpu
        self._user = unused_user()
        self._filter = b""
        if LINUX and syscalls.supported(_MACHINE):
            self._filter = syscalls.program(_MACHINE)
        self._steps: dict[str, Callable[[], None]] = {
            "user": self._change_user,
            "limits": self._limit,
            "capabilities": self._drop_capabilities,
            "landlock": self._restrict_files,
            "seccomp": self._filter_calls,
        }

    def apply(self, parent: int) -> dict[str, str]:
        """Confines this process; there is no way back.

        Args:
            parent: pid of the process whose end ends this one.

        Returns:
            Why not, for each layer that does not hold.
        """
        missing = {}
        for name, step in self._steps.items():
            if name == "landlock":
                die_with_parent(parent)
                if LINUX:
                    _call(_LIBC.prctl, _SET_DUMPABLE, 0, 0, 0, 0)
                    _call(_LIBC.prctl, _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            try:
                step()
            except (OSError, ValueError) as error:
                missing[name] = getattr(error, "strerror", None) or str(error)
        return missing

    def _change_user(self) -> None:
        if os.geteuid() != 0:
            return
        if self._user is None:
            raise OSError(errno.ENOENT, "every user id is taken")
        os.setgroups([])
        os.setresgid(self._user, self._user, self._user)
        os.setresuid(self._user, self._user, self._user)

    def _limit(self) -> None:
        limits = {
            "RLIMIT_CPU": self._cpu,
            "RLIMIT_AS": self._memory,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_NOFILE": 32,
            "RLIMIT_CORE": 0,
            "RLIMIT_NPROC": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_SIGPENDING": 0,
        }
        refused = []
        for name, value in limits.items():
            kind = getattr(resource, name, None)
            if kind is None:  # this system does not know it
                continue
            hard = resource.getrlimit(kind)[1]
            if hard != resource.RLIM_INFINITY:
                value = min(value, hard)
            try:
                resource.setrlimit(kind, (value, value))
            except (OSError, ValueError) as error:
                refused.append(f"{name}: {error}")
        if refused:  # after the others have been set
            raise OSError(errno.EPERM, "; ".join(refused))

    def _drop_capabilities(self) -> None:
        if not LINUX or _CAPSET is None:
            raise OSError(errno.ENOSYS, "this system has none to drop")
        header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
        _call(_LIBC.syscall, _CAPSET, header, bytes(24))

    def _restrict_files(self) -> None:
        if not LINUX:
            raise OSError(errno.ENOSYS, "this system has no Landlock")
        version = _call(_LIBC.syscall, _LANDLOCK_CREATE, None, 0, 1)
        rules = _call(_LIBC.syscall, _LANDLOCK_CREATE, *_ruleset(version), 0)
        try:
            _call(_LIBC.syscall, _LANDLOCK_RESTRICT, rules, 0)
        finally:
            os.close(rules)

    def _filter_calls(self) -> None:
        if not self._filter:
            raise OSError(
                errno.ENOSYS, f"no seccomp filter for {sys.platform} {_MACHINE}"
            )
        code = ctypes.create_string_buffer(self._filter)
        length = len(self._filter) // 8
        program = struct.pack("@HP", length, ctypes.addressof(code))
        _call(_LIBC.syscall, _SECCOMP, 1, 0, program)


def _ruleset(version: int) -> tuple[bytes, int]:
    """All rights that this version of Landlock knows, and the size."""
    files = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    fields = [(1 << files) - 1]
    if version >= 4:
        fields.append(0b11)  # bind and connect TCP
    if version >= 6:
        fields.append(0b11)  # abstract sockets and signals, to the outside
    rules = struct.pack(f"<{len(fields)}Q", *fields)
    return rules, len(rules)


def _call(function: Callable[..., int], *arguments) -> int:
    """A C function that says -1 and errno; OSError then."""
    plain = [
        ctypes.c_long(value) if isinstance(value, int) else value
        for value in arguments
    ]
    result = function(*plain)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def breaches() -> list[str]:
    """Tries what a confined process must not do; what succeeded."""
    found = []
    for name, attempt in {
        "reads a file": lambda: os.close(os.open("/", os.O_RDONLY)),
        "looks at a file": lambda: os.stat("/"),
        "opens a socket": lambda: socket.socket().close(),
        "starts a process": _fork,
        "sends a signal": lambda: os.kill(os.getppid(), 0),
    }.items():
        try:
            attempt()
        except OSError:
            continue
        found.append(name)
    return found


def _fork() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
