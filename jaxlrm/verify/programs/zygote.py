"""The process that interpreters are forked from.

It is started anew, with no environment and no descriptor but its socket, holds
no text of the caller's, and never reads a program: each child gets its own
pipes from the caller. A child confines itself before it reads anything. The
zygote kills it at its deadline and reports how it ended, as `waitpid` says.

    caller --socket--> zygote --fork--> child, waiting, confined
      |  \\----- steps, output, errors (pipes) -----/
      \\------- start, kill; how it ended (socket) - zygote

A child leaves all functions of the zygote before it runs a program, so that
their variables are gone and no frame leads to them.
"""

from __future__ import annotations

import dataclasses
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import types
import warnings
from collections.abc import Collection
from typing import Any

from jaxlrm.verify.programs import archive, confine, program, standins
from jaxlrm.verify.workers.messages import receive_json, send_json

# From the caller, on a child's socket: the time (monotonic) and the seconds
# from then until it is killed.
START = struct.Struct("<dd")
KILL = b"kill"
# To the caller: wait status, was it overdue?, seconds, processor seconds,
# largest resident memory in bytes.
REPORT = struct.Struct("<i?ddQ")
# To the zygote: a byte with a child's four descriptors.
DESCRIPTORS = 4


def serve() -> types.ModuleType:
    """The program of the zygote; its standard input is the socket.

    Returns:
        In a child only, which is confined then: the module to give to
        `program.serve`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    caller = _watch(os.getppid())
    refused = confine.enter_namespaces()
    if "processes" not in refused:
        _move_in(caller)
    channel = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    settings = receive_json(channel)
    try:
        absent = _preload(settings)
        _warm_up()
    except Exception as error:
        send_json(channel, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    confinement = confine.Confinement(settings["memory"], settings["cpu"])
    missing, breaches = _probe(confinement)
    outside = {f"namespace: {name}": why for name, why in refused.items()}
    send_json(
        channel,
        {
            "missing": missing | outside,
            "breaches": breaches,
            "absent": absent,
        },
    )
    os.dup2(null, 2)  # until here a failure can be seen
    os.close(null)
    del settings
    _forget()
    zygote = os.getpid()
    supervisor = _Supervisor(channel, caller, zygote)
    received = supervisor.run()
    if received is None:
        os._exit(0)
    return _become_child(confinement, missing.keys(), zygote, received)


def _watch(caller: int) -> int | None:
    """A descriptor that is readable once the caller has ended.

    The end of the socket says so too, unless the caller has forked: then a
    stranger holds the other end.
    """
    try:
        return os.pidfd_open(caller)
    except (AttributeError, OSError):
        return None


def _move_in(caller: int | None) -> None:
    """Continues as the first process of the new namespace.

    With it the kernel ends all processes in there. The process outside waits,
    and its own end takes the first one along.
    """
    pid = os.fork()
    if not pid:
        confine.die_with_parent(0)  # a parent out there has no number here
        return
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    if caller is not None:
        os.close(caller)
    os.waitpid(pid, 0)
    os._exit(0)


def _preload(settings: dict[str, Any]) -> list[str]:
    """Imports what programs may want; returns the modules that are absent.

    Raises:
        ImportError: a module brings JAX, which must not be forked.
    """
    # The caller's places come last: this interpreter's own are preferred.
    sys.path.extend(settings["path"])
    archive.import_extensions()
    absent = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in settings["modules"]:
            try:
                importlib.import_module(module)
            except ImportError:
                absent.append(module)
                continue
            if module in settings["whole"]:
                archive.import_extensions_of(module)
    if "jax" in sys.modules:
        raise ImportError("a module imports jax, which must not be forked")
    standard = sys.stdlib_module_names
    tops = {name.partition(".")[0] for name in sys.modules} - standard
    packages = [
        name
        for name in sorted(tops - {"__main__", "jaxlrm"})
        if hasattr(sys.modules.get(name), "__path__")
    ]
    archive.install(packages, standins.PATCHES)
    standins.install()
    return absent


def _warm_up() -> None:
    """Fills the caches of sympy and numpy, and what they import late."""
    if "sympy" in sys.modules:
        import sympy

        x, y = sympy.symbols("x y")
        sympy.solve(x**2 - 3 * x + 2, x)
        sympy.solve([x + y - 3, x - y - 1], [x, y])
        sympy.simplify((x**2 - 1) / (x - 1) + sympy.sin(x) ** 2)
        sympy.factor(x**3 - 1)
        sympy.expand((x + y) ** 3)
        sympy.integrate(x * sympy.exp(x), x)
        sympy.diff(sympy.log(x) / x, x)
        sympy.limit(sympy.sin(x) / x, x, 0)
        sympy.Matrix([[1, 2], [3, 4]]).inv()
        sympy.Rational(22, 7) + sympy.sqrt(8).evalf()
        sympy.factorint(360)
        sympy.latex(sympy.sympify("x**2/2"))
    if "numpy" in sys.modules:
        import numpy

        numpy.random.seed(0)
        numpy.linalg.solve(numpy.eye(2) + 1.0, numpy.ones(2))
        str(numpy.arange(3) / 2)


def _forget() -> None:
    """Leaves nothing for a program to find, and little for forks to copy."""
    os.environ.clear()
    sys.argv = [""]
    sys.orig_argv = [""]
    for name in list(sys.modules):
        if name.partition(".")[0] == "jaxlrm":
            del sys.modules[name]
    sys.setrecursionlimit(1000)  # a module may have raised it
    os.chdir("/")
    os.umask(0o077)
    try:
        # Where memory is short, the kernel takes these processes first.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    gc.collect()
    confine.trim_memory()
    gc.freeze()


def _probe(confinement: confine.Confinement) -> tuple[dict[str, str], list]:
    """Confines a child and lets it try to break out.

    Returns:
        Why not, for each layer that does not hold; what the child could do.
    """
    zygote = os.getpid()
    theirs, ours = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            missing = confinement.apply(zygote)
            result = json.dumps([missing, confine.breaches()]).encode()
            os.write(ours, result)
        finally:
            os._exit(0)
    os.close(ours)
    with open(theirs, "rb") as file:
        result = file.read()
    _, status = os.waitpid(pid, 0)
    if not result:
        why = f"the trial of the sandbox ended with wait status {status}"
        return {"seccomp": why}, [why]
    return tuple(json.loads(result))


@dataclasses.dataclass
class _Child:
    pid: int
    channel: socket.socket
    started: float = 0.0
    deadline: float | None = None
    overdue: bool = False


class _Supervisor:
    """Forks children on request, kills them in time, reports their end."""

    def __init__(self, channel: socket.socket, caller: int | None, zygote: int):
        self.channel = channel
        self.caller = caller
        self.zygote = zygote
        self.parent = os.getppid()
        self.children: dict[int, _Child] = {}  # by pid
        self.channels: dict[int, _Child] = {}  # by descriptor
        self.ended, wake = os.pipe()
        os.set_blocking(self.ended, False)
        os.set_blocking(wake, False)
        # A handler, even an idle one, makes a child's end write to the pipe.
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        self.poll = select.poll()
        for descriptor in (channel.fileno(), self.ended, caller):
            if descriptor is not None:
                self.poll.register(descriptor, select.POLLIN)

    def run(self) -> list[int] | None:
        """Works until the caller is gone.

        Returns:
            In a child, its descriptors; in the zygote, None.
        """
        try:
            while os.getppid() == self.parent:
                ready = {fd for fd, _ in self.poll.poll(self.patience())}
                if self.caller in ready:
                    return None
                if self.ended in ready:
                    os.read(self.ended, 4096)
                    self.reap()
                for descriptor in ready & self.channels.keys():
                    self.listen(self.channels[descriptor])
                self.enforce()
                if self.channel.fileno() in ready:
                    message, received, _, _ = socket.recv_fds(
                        self.channel, 1, DESCRIPTORS
                    )
                    if not message:
                        return None
                    if self.spawn(received):
                        return received
            return None
        finally:
            if os.getpid() == self.zygote:
                for pid in self.children:
                    os.kill(pid, signal.SIGKILL)
                for pid in self.children:
                    os.waitpid(pid, 0)

    def patience(self) -> int:
        """Milliseconds until a deadline may pass; at most a second."""
        now = time.monotonic()
        wait = 1.0
        for child in self.children.values():
            if child.deadline is not None and not child.overdue:
                wait = min(wait, child.deadline - now)
        return max(0, int(wait * 1000) + 1)

    def spawn(self, received: list[int]) -> bool:
        """Forks a child that gets these descriptors; True in the child."""
        try:
            pid = os.fork() if len(received) == DESCRIPTORS else -1
        except OSError:
            pid = -1  # the caller sees the socket close
        if not pid:
            self.leave()
            return True
        *pipes, number = received
        for descriptor in pipes:
            os.close(descriptor)
        channel = socket.socket(fileno=number)
        if pid < 0:
            channel.close()
            return False
        child = _Child(pid, channel)
        self.children[pid] = self.channels[number] = child
        self.poll.register(number, select.POLLIN)
        return False

    def leave(self) -> None:
        """Closes the sockets of the zygote, in a child.

        Later, as the objects go, they would close descriptors of others.
        """
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for child in self.children.values():
            child.channel.close()
        self.children.clear()
        self.channels.clear()
        self.channel.close()

    def listen(self, child: _Child) -> None:
        """The caller starts a child's clock, or wants it dead."""
        try:
            message = child.channel.recv(START.size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if child.deadline is None and len(message) == START.size:
            child.started, limit = START.unpack(message)
            child.deadline = child.started + limit
            return
        os.kill(child.pid, signal.SIGKILL)  # not reaped, so the pid is its own
        if not message:  # nobody waits
            self.poll.unregister(child.channel)
            del self.channels[child.channel.fileno()]

    def enforce(self) -> None:
        """Kills what is over its deadline."""
        now = time.monotonic()
        for child in self.children.values():
            if child.deadline is None or child.overdue:
                continue
            if now >= child.deadline:
                child.overdue = True
                os.kill(child.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Collects the children that have ended."""
        while self.children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            child = self.children[pid]
            if child.deadline is None:  # it may have begun since the poll
                self.listen(child)
            del self.children[pid]
            self.report(child, status, usage)
            number = child.channel.fileno()
            if self.channels.pop(number, None):
                self.poll.unregister(number)
            child.channel.close()

    def report(
        self, child: _Child, status: int, usage: resource.struct_rusage
    ) -> None:
        """Tells the caller how a child has ended."""
        seconds = 0.0
        if child.deadline is not None:
            seconds = time.monotonic() - child.started
        unit = 1024 if confine.LINUX else 1
        report = REPORT.pack(
            status,
            child.overdue,
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * unit,
        )
        try:
            child.channel.send(report)
        except OSError:
            pass  # nobody waits


def _ignore(*_) -> None:
    pass


def _become_child(
    confinement: confine.Confinement,
    missing: Collection[str],
    zygote: int,
    received: list[int],
) -> types.ModuleType:
    """Confines this process; returns the module that programs run in.

    Args:
        confinement: what to apply.
        missing: the layers that the caller knows to be absent.
        zygote: pid of the parent.
        received: pipes for steps, output and errors, in this order, and a
            socket that is not for this process.
    """
    try:
        targets = (program.STEPS, 1, 2)
        free = max(targets) + 1
        sources = [
            fcntl.fcntl(descriptor, fcntl.F_DUPFD, free)
            for descriptor in received[: len(targets)]
        ]
        for source, target in zip(sources, targets, strict=True):
            os.dup2(source, target)
        os.closerange(3, program.STEPS)
        os.closerange(free, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        os.set_blocking(program.STEPS, False)
        main = program.prepare()
        # What the caller was told, and nothing less, or no program at all.
        if confinement.apply(zygote).keys() <= set(missing):
            return main
        os.write(2, program.UNCONFINED)
    except BaseException:
        pass  # the caller sees that nothing was said
    os._exit(1)
