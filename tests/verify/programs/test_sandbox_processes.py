"""No process is left behind, and none that is lost is missed."""

import contextlib
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

import jaxlrm.verify.programs
from jaxlrm.verify.programs import Sandbox, Status
from jaxlrm.verify.programs.start import TITLE

ROOT = pathlib.Path(jaxlrm.verify.programs.__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="reads /proc for the processes"
    ),
]


def family(pid: int) -> set[int]:
    """The processes that descend from one and belong to a sandbox."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1]
                parents[int(entry.name)] = int(fields.split()[1])
    found, level = set(), {pid}
    while level:
        level = {child for child in parents if parents[child] in level}
        found |= level
    return alive(found)


def alive(pids: set[int]) -> set[int]:
    """Of these, the ones that still are a sandbox's processes."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            # A zombie's is empty.
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            if TITLE.encode() in line:
                found.add(pid)
    return found


def sandbox_processes() -> set[int]:
    return family(os.getpid())


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_close_ends_all_processes():
    before = sandbox_processes()
    sandbox = Sandbox(workers=2, modules=(), unsafe=True)
    started = sandbox_processes() - before
    assert started
    runner = threading.Thread(
        target=lambda: pytest.raises(
            RuntimeError, sandbox.run, "while True: pass"
        )
    )
    runner.start()
    time.sleep(0.2)
    sandbox.close()
    sandbox.close()
    runner.join(5)
    assert not runner.is_alive()
    wait_for(lambda: not alive(started))
    with pytest.raises(RuntimeError, match="closed"):
        sandbox.run("print(1)")


# Where tests run in the background, SIGINT is ignored and so inherited.
PARENT = """
import os, signal, sys, time
from jaxlrm.verify.programs import Sandbox
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sandbox = Sandbox(workers=2, modules=(), deadline=60, unsafe=True)
    if "fork" in sys.argv and not os.fork():
        time.sleep(60)  # holds the sockets open
    print("ready", flush=True)
    sandbox.run("while True: pass")
"""


def start_parent(*arguments) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)  # until the program runs
    return process


@pytest.mark.parametrize("arguments", [(), ("fork",)])
def test_the_parents_death_ends_all_processes(arguments):
    process = start_parent(*arguments)
    started = family(process.pid)
    assert len(started) >= 3
    process.kill()
    process.wait()
    # Also where one that the parent has forked holds the sockets open.
    wait_for(lambda: not alive(started))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.stderr.close()


def test_an_interrupt_ends_all_processes():
    process = start_parent()
    started = family(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=10)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert process.returncode in (-signal.SIGINT, 1)
    wait_for(lambda: not alive(started))


def test_a_lost_zygote_is_replaced():
    before = sandbox_processes()
    with Sandbox(workers=2, modules=(), unsafe=True) as sandbox:
        assert sandbox.run("print(1)").stdout == "1\n"
        for pid in sandbox_processes() - before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert sandbox.run("print(2)").stdout == "2\n"
        assert sandbox.statistics.restarts == 1
        assert sandbox.run_many(["print(3)"] * 3)[2].stdout == "3\n"
    wait_for(lambda: not sandbox_processes() - before)


def test_a_zygote_lost_under_a_program_is_replaced():
    before = sandbox_processes()
    with Sandbox(workers=1, modules=(), deadline=5.0, unsafe=True) as sandbox:
        runs = []
        runner = threading.Thread(
            target=lambda: runs.append(
                sandbox.run("import time; time.sleep(0.6); print(1)")
            )
        )
        runner.start()
        time.sleep(0.2)
        for pid in sandbox_processes() - before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        runner.join()
        assert [run.stdout for run in runs] == ["1\n"]
        assert sandbox.statistics.restarts == 1


FORK = """
import os, sys
from jaxlrm.verify.programs import Sandbox
with Sandbox(workers=1, modules=(), unsafe=True) as sandbox:
    pid = os.fork()
    if not pid:
        try:
            sandbox.run("print(1)")
        except RuntimeError as error:
            os._exit(5 if "another process" in str(error) else 6)
        os._exit(7)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(status, sandbox.run("print('on')").stdout, end="")
"""


def test_a_fork_cannot_use_it():
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "5 on\n", done.stderr


def test_too_many_open_files_is_an_error_and_passes():
    with Sandbox(workers=1, modules=(), unsafe=True) as sandbox:
        sandbox.run("print(1)")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        taken = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            assert sandbox.run("print(2)").stdout == "2\n"  # one was ready
            with pytest.raises(OSError, match="Too many open files"):
                sandbox.run("print(3)")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for descriptor in taken:
                os.close(descriptor)
        assert sandbox.run("print(4)").stdout == "4\n"
        assert sandbox.statistics.restarts == 0


def test_no_program_is_lost_among_bombs_and_kills():
    before = sandbox_processes()
    generator = random.Random(0)
    programs = [
        "while True: pass" if generator.random() < 0.05 else f"print({i})"
        for i in range(120)
    ]
    stop = threading.Event()
    with Sandbox(workers=2, modules=(), deadline=0.8, unsafe=True) as sandbox:

        def kill():
            for kills in range(2):
                while sandbox.statistics.restarts < kills:
                    if stop.wait(0.05):
                        return
                if stop.wait(0.3):
                    return
                for pid in sandbox_processes() - before:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        runs = sandbox.run_many(programs)
        stop.set()
        killer.join()
        descriptors = len(os.listdir("/proc/self/fd"))
        sandbox.run_many(["print(1)"] * 8)
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 8
        assert sandbox.statistics.restarts >= 1
    for program, run in zip(programs, runs, strict=True):
        if program.startswith("while"):
            assert run.status is Status.TIMEOUT
        else:
            assert run.stdout == program[6:-1] + "\n"
    wait_for(lambda: not sandbox_processes() - before)


def working() -> set[int]:
    """Sandbox processes that are a program's and have begun on it."""
    found = set()
    for pid in sandbox_processes():
        with contextlib.suppress(OSError):
            entry = pathlib.Path(f"/proc/{pid}")
            limits = (entry / "limits").read_text()
            # Only a program's process is limited to the default memory.
            confined = re.search(rf"Max address space +{512 * 2**20} ", limits)
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            ticks = int(fields[11]) + int(fields[12])
            if confined and ticks >= 0.1 * os.sysconf("SC_CLK_TCK"):
                found.add(pid)
    return found


def test_a_program_killed_from_outside_runs_again_once():
    program = "import time\nwhile time.process_time() < 1: pass\nprint(1)"
    with Sandbox(workers=1, modules=(), deadline=20, unsafe=True) as sandbox:
        for kills, status in ((1, Status.OK), (2, Status.KILLED)):
            runs = []
            runner = threading.Thread(
                target=lambda runs=runs: runs.append(sandbox.run(program))
            )
            runner.start()
            for _ in range(kills):
                wait_for(working)
                (pid,) = working()
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda pid=pid: pid not in sandbox_processes())
            runner.join()
            assert runs[0].status is status
            assert sandbox.statistics.restarts == 0
