"""The sandbox is attacked; see sandbox_attacks.py for the programs."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from jaxlrm.verify.programs import Sandbox, Status
from tests.verify.programs import sandbox_attacks as attacks

pytestmark = pytest.mark.slow

DEADLINE = 2.0
GRACE = 2.0  # seconds: the machine may be busy
# Nothing of what an attack changed may be left for this.
NEXT = """
import builtins, fractions, math, sys
import sympy
assert 'tabnanny' not in sys.modules
import tabnanny
assert callable(tabnanny.check)
assert math.sqrt(9) == 3 and fractions.Fraction(1, 2) * 2 == 1
assert sys.getrecursionlimit() == 1000
print(sympy.sqrt(16), sum([40, 2]), 'keep' in vars(sys))
"""


class World:
    """What the attacks are after, outside of the sandbox."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / "writable"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        (self.folder / "module.py").write_text("print('BREACH')\n")
        self.secret = folder / "secret"
        self.secret.write_text("CANARY")
        self.secret.chmod(0o666)
        self.unix = folder / "unix"
        self.connections = 0
        self.signals = []
        self._servers = [
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_UNIX),
        ]
        self._servers[1].bind(str(self.unix))
        self._servers[1].listen()
        for server in self._servers:
            threading.Thread(
                target=self._accept, args=(server,), daemon=True
            ).start()
        self._state = self.state()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                self.connections += 1
                connection.close()

    def state(self) -> tuple:
        return (
            sorted(os.listdir(self.folder)),
            self.secret.read_text(),
            self.secret.stat().st_mtime_ns,
            self.secret.stat().st_mode,
            self.connections,
            len(self.signals),
        )

    def is_unchanged(self) -> bool:
        return self.state() == self._state

    def renew(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "module.py":
                path.unlink() if not path.is_dir() else path.rmdir()
        self._state = self.state()

    def fill_in(self, program: str) -> str:
        for name, value in {
            "{secret}": self.secret,
            "{folder}": self.folder,
            "{unix}": self.unix,
            "{port}": self._servers[0].getsockname()[1],
            "{pid}": os.getpid(),
        }.items():
            program = program.replace(name, str(value))
        return program

    def close(self) -> None:
        for server in self._servers:
            server.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    for path in (folder, *folder.parents):
        # The sandbox's user would be kept out by these modes alone.
        with contextlib.suppress(OSError):
            path.chmod(path.stat().st_mode | 0o111)
    world = World(folder)
    handlers = {
        number: signal.signal(number, lambda *what: world.signals.append(what))
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGIO)
    }
    os.environ["CANARY"] = "sings"
    yield world
    del os.environ["CANARY"]
    for number, handler in handlers.items():
        signal.signal(number, handler)
    world.close()


@pytest.fixture(scope="module")
def sandbox(world):
    try:
        if "\nSeccomp:" not in pathlib.Path("/proc/self/status").read_text():
            pytest.skip("this kernel has no seccomp: no program runs here")
    except FileNotFoundError:
        pytest.skip("this is not Linux: no program runs here")
    sys.path.append(f"{world.folder}/caller")
    with Sandbox(workers=4, deadline=DEADLINE) as sandbox:
        yield sandbox
    sys.path.pop()


def attack(sandbox, world, program):
    """The run of an attack, after which all must be as before."""
    start = time.monotonic()
    run = sandbox.run(world.fill_in(program))
    assert time.monotonic() - start < DEADLINE + GRACE
    assert_held(run, world)
    assert_usable(sandbox.run(NEXT))
    return run


def assert_held(run, world):
    assert world.is_unchanged()
    assert "BREACH" not in run.stdout
    assert len(run.stdout) <= 65536 and len(run.stderr) <= 65536
    assert (run.error == "") == (run.status is Status.OK)
    assert run.seconds < DEADLINE + GRACE


def assert_usable(after):
    assert (after.stdout, after.status) == ("4 42 False\n", Status.OK)


@pytest.mark.parametrize("name", attacks.PROVEN)
def test_attack_that_works_elsewhere(sandbox, world, name):
    run = attack(sandbox, world, attacks.PROVEN[name])
    assert run.status in (Status.OK, Status.ERROR, Status.DENIED)


@pytest.mark.parametrize("name", attacks.OTHERS)
def test_attack(sandbox, world, name):
    attack(sandbox, world, attacks.OTHERS[name])


@pytest.fixture(scope="module")
def bombed(sandbox, world):
    """The runs of all bombs by name, and of a program after each of them.

    Several at a time: most of them wait for the deadline.
    """
    programs = [
        text
        for bomb, _ in attacks.BOMBS.values()
        for text in (world.fill_in(bomb), NEXT)
    ]
    runs = sandbox.run_many(programs)
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return dict(zip(attacks.BOMBS, pairs, strict=True))


@pytest.mark.parametrize("name", attacks.BOMBS)
def test_bomb(bombed, world, name):
    run, after = bombed[name]
    assert run.status in attacks.BOMBS[name][1].split(), run.error
    assert_held(run, world)
    assert_usable(after)


@pytest.fixture(scope="module")
def called(sandbox):
    """The runs of all system calls, by name."""
    programs = attacks.calls()
    runs = sandbox.run_many(programs.values())
    assert_usable(sandbox.run(NEXT))
    return dict(zip(programs, runs, strict=True))


@pytest.mark.parametrize("name", attacks.calls())
def test_system_call(called, world, name):
    run = called[name]
    assert_held(run, world)
    refused = (run.status, run.stdout) == (Status.OK, "refused\n")
    assert refused or run.status is Status.DENIED


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 only")
@pytest.mark.parametrize(
    "program", [attacks.OTHER_ENTRY, attacks.OTHER_NUMBERS]
)
def test_other_ways_into_the_kernel(sandbox, world, program):
    assert attack(sandbox, world, program).status is Status.DENIED


def test_the_attacks_are_real(world):
    """Outside of the sandbox each one of `PROVEN` gets what it wants."""
    programs = {
        name: world.fill_in(program) for name, program in attacks.PROVEN.items()
    }
    # One interpreter, a fork for each program: importing takes the time.
    driver = """
import io, json, os, runpy, sys
import numpy, sympy, sqlite3, asyncio, subprocess, multiprocessing
harmless = []
for name, program in json.load(sys.stdin).items():
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(write, 1)
        os.close(read)
        os.close(write)
        try:
            exec(compile(program, name, 'exec'), {'__name__': '__main__'})
        except BaseException as error:
            print(name, repr(error), file=sys.stderr)
        sys.stdout.flush()
        os._exit(0)
    os.close(write)
    with open(read, 'rb') as file:
        output = file.read()
    os.waitpid(pid, 0)
    if b'BREACH' not in output:
        harmless.append(name)
print(json.dumps(harmless))
"""
    done = subprocess.run(
        [sys.executable, "-c", driver],
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
    )
    world.renew()
    assert json.loads(done.stdout) == [], done.stderr


def test_no_program_sees_another(sandbox, world):
    sandbox.run("x = 'CANARY OF ANOTHER'; print(x)")
    attack(sandbox, world, attacks.OTHERS["search the memory"])
    # The caller has it, so the search would find it if it were there.
    holder = "hidden = {1: 'CANARY OF ANOTHER'}\n"
    run = sandbox.run(holder + attacks.OTHERS["search the memory"])
    assert "BREACH" in run.stdout


def test_all_attacks_at_once(sandbox, world):
    programs = [world.fill_in(p) for p in attacks.PROVEN.values()]
    mixed = [
        p for pair in zip(programs[:20], [NEXT] * 20, strict=True) for p in pair
    ]
    runs = sandbox.run_many(mixed)
    assert world.is_unchanged()
    assert {run.stdout for run in runs[1::2]} == {"4 42 False\n"}
    assert not any("BREACH" in run.stdout for run in runs)


def test_there_are_enough_attacks():
    parts = (attacks.PROVEN, attacks.OTHERS, attacks.BOMBS, attacks.CALLS)
    assert sum(map(len, parts)) >= 60
