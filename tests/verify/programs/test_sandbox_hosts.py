"""Hosts that lack a layer, ordinary users, and the tables of both machines."""

import errno
import json
import os
import pathlib
import struct
import subprocess
import sys

import pytest

import jaxlrm.verify.programs
from jaxlrm.verify.programs import Protection, Sandbox, syscalls

ROOT = pathlib.Path(jaxlrm.verify.programs.__file__).parents[3]
NOBODY = 65534
MACHINE = os.uname().machine
# x86-64, aarch64
NUMBERS = {
    "unshare": (272, 97),
    "landlock": (444, 444),
    "seccomp": (317, 277),
    "setresuid": (117, 147),
    "memfd_create": (319, 279),
    "pidfd_open": (434, 434),
    "close_range": (436, 436),
}
NAMESPACES = {
    "namespace: network",
    "namespace: processes",
    "namespace: ipc",
    "namespace: host name",
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or MACHINE not in ("x86_64", "aarch64"),
        reason="hosts are imitated by seccomp",
    ),
]

# Takes system calls from itself, as a container's profile does, and then works
# with a sandbox.
HOST = r"""
import ctypes, json, os, shutil, struct, sys, tempfile, warnings
folder = tempfile.mkdtemp()
os.chmod(folder, 0o777)
numbers, arguments = json.loads(sys.argv[1])
code = struct.pack("<HBBI", 0x20, 0, 0, 0)
for number in numbers:
    code += struct.pack("<HBBI", 0x15, 0, 1, number)
    code += struct.pack("<HBBI", 0x06, 0, 0, 0x50001)
code += struct.pack("<HBBI", 0x06, 0, 0, 0x7fff0000)
text = ctypes.create_string_buffer(code)
program = struct.pack("@HP", len(code) // 8, ctypes.addressof(text))
libc = ctypes.CDLL(None, use_errno=True)
zero = ctypes.c_ulong(0)
if numbers:
    if os.getuid():
        assert libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero) == 0
    assert libc.prctl(22, ctypes.c_ulong(2), program) == 0
from jaxlrm.verify.programs import Sandbox
PROGRAMS = {
    "open": "open('/etc/passwd')",
    "stat": "import os; os.stat('/')",
    "write": f"open('{folder}/breach', 'w')",
    "socket": "import socket; socket.socket()",
    "fork": "import os; os.fork()",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "kill": "import os; os.kill(os.getppid(), 0)",
    "users": "import os; os.setuid(0) if os.getuid() else os.chown('/', 0, 0)",
}
result = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        with Sandbox(workers=1, deadline=5, **arguments) as sandbox:
            result["missing"] = sorted(sandbox.protection.missing)
            result["isolated"] = sandbox.protection.isolated
            result["breaches"] = sandbox.protection.breaches
            for name, program in PROGRAMS.items():
                result[name] = sandbox.run(program).status
            run = sandbox.run(
                "import os, sympy, colorsys, resource\n"
                "x = sympy.Symbol('x')\n"
                "print(sympy.solve(x - 2, x), os.getuid(), os.getgid(),"
                " os.getgroups(), resource.getrlimit(resource.RLIMIT_FSIZE))"
            )
            result["stdout"] = run.stdout + run.error
        with Sandbox(workers=1, modules=(), **arguments) as again:
            pass
    except RuntimeError as error:
        result["refused"] = str(error)
result["wrote"] = os.listdir(folder)
shutil.rmtree(folder)
result["warnings"] = [str(one.message) for one in caught]
print(json.dumps(result))
"""


def on_host(lacking=(), user=None, **arguments):
    """What a sandbox does on a host without some system calls."""
    column = ("x86_64", "aarch64").index(MACHINE)
    numbers = [NUMBERS[name][column] for name in lacking]
    other = {}
    if user is not None:
        other = {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run(
        [sys.executable, "-c", HOST, json.dumps([numbers, arguments])],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        **other,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def can_run_as(user: int) -> bool:
    if os.getuid() != 0:
        return False
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import numpy, sympy"],
            user=user,
            group=user,
            extra_groups=[],
            cwd="/",
            capture_output=True,
        )
    except OSError:
        return False
    return done.returncode == 0 and os.access(ROOT, os.R_OK)


USERS = [
    pytest.param(None, id="this-user"),
    pytest.param(
        NOBODY,
        id="nobody",
        marks=pytest.mark.skipif(
            not can_run_as(NOBODY),
            reason="only root becomes another user, who must reach Python",
        ),
    ),
]


def assert_confined(result):
    for name in ("open", "stat", "write", "socket", "fork", "exec", "kill"):
        assert result[name] == "denied", name
    assert result["users"] == "denied"
    assert result["stdout"].startswith("[2] ")
    assert result["stdout"].endswith("(0, 0)\n")
    assert result["isolated"] and result["breaches"] == []
    assert result["wrote"] == []


@pytest.mark.parametrize("user", USERS)
def test_this_host(user):
    result = on_host(user=user, require=True)
    assert_confined(result)
    uid = result["stdout"].split()[1]
    if user is None and os.getuid() == 0:
        assert 58_000 <= int(uid) < 59_000 and "[]" in result["stdout"]
    else:
        assert uid != "0"


@pytest.mark.parametrize("user", USERS)
def test_container_without_namespaces(user):
    result = on_host(["unshare"], user, require=True)
    assert_confined(result)
    assert set(result["missing"]) >= NAMESPACES
    # Said once, though two sandboxes were made.
    (warning,) = result["warnings"]
    assert "namespace: network (Operation not permitted)" in warning


@pytest.mark.parametrize("user", USERS)
def test_host_without_landlock_and_namespaces(user):
    result = on_host(["unshare", "landlock"], user)
    assert_confined(result)
    assert {"landlock"} | NAMESPACES <= set(result["missing"])
    refused = on_host(["landlock"], user, require=True)["refused"]
    assert "required, and this host lacks: landlock (Operation" in refused


def test_host_with_few_conveniences():
    lacking = ["unshare", "memfd_create", "pidfd_open", "close_range"]
    assert_confined(on_host(lacking, require=True))


@pytest.mark.skipif(os.getuid() != 0, reason="only root changes users")
def test_root_that_cannot_change_users():
    result = on_host(["unshare", "setresuid"])
    assert_confined(result)
    assert "user" in result["missing"]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("arguments", [{}, {"require": True}])
def test_host_that_cannot_isolate_is_refused(user, arguments):
    result = on_host(["unshare", "landlock", "seccomp"], user, **arguments)
    reason = "this host lacks" if arguments else "cannot isolate model-written"
    assert reason in result["refused"]
    assert "seccomp (Operation not permitted)" in result["refused"]
    assert "stdout" not in result


def test_host_that_cannot_isolate_runs_programs_when_told():
    result = on_host(["unshare", "landlock", "seccomp"], unsafe=True)
    assert "refused" not in result
    assert not result["isolated"] and "opens a socket" in result["breaches"]
    assert result["stdout"].startswith("[2] ")
    assert result["wrote"] == ["breach"]  # so the test above could fail


def test_protection_in_words():
    with Sandbox(workers=1, modules=(), unsafe=True) as sandbox:
        text = str(sandbox.protection)
        assert set(sandbox.protection.layers) | set(
            sandbox.protection.missing
        ) == set(Protection.LAYERS)
    for word in ("isolated:", "layers:", "not covered: faults of the kernel"):
        assert word in text


def test_isolation_is_what_was_tried():
    assert Protection({}).isolated
    assert Protection({"landlock": "no"}).isolated
    assert not Protection({"landlock": "no"}).complete
    assert Protection({"namespace: ipc": "no"}).complete
    assert not Protection({"seccomp": "no"}).isolated
    assert not Protection({"limits": "no"}).isolated
    breached = Protection({}, ("opens a socket",))
    assert not breached.isolated
    assert "a program opens a socket" in str(breached)


# --- The filter, executed by a small interpreter ----------------------------

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(machine, number, *arguments, audit=None):
    """What the filter returns for a system call."""
    arguments = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, audit or AUDIT[machine], 0, *arguments)
    code = syscalls.program(machine)
    place, value = 0, 0
    while True:
        operation, yes, no, operand = struct.unpack_from("<HBBI", code, place)
        place += 8
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x15:
            place += 8 * (yes if value == operand else no)
        elif operation == 0x35:
            place += 8 * (yes if value >= operand else no)
        else:
            assert operation == 0x06
            return operand


# From the kernel's headers, written out once more.
EXPECTED = {
    "x86_64": {
        ALLOW: {"read": 0, "mmap": 9, "futex": 202, "exit_group": 231},
        REFUSE: {
            "open": 2,
            "stat": 4,
            "socket": 41,
            "clone": 56,
            "execve": 59,
            "kill": 62,
            "tgkill": 234,
            "openat": 257,
            "newfstatat": 262,
            "execveat": 322,
            "clone3": 435,
            "unknown": 1000,
        },
        KILL: {"ptrace": 101, "bpf": 321, "unshare": 272, "memfd": 319},
    },
    "aarch64": {
        ALLOW: {"read": 63, "mmap": 222, "futex": 98, "exit_group": 94},
        REFUSE: {
            "openat": 56,
            "newfstatat": 79,
            "socket": 198,
            "clone": 220,
            "execve": 221,
            "kill": 129,
            "tgkill": 131,
            "execveat": 281,
            "clone3": 435,
            "unknown": 1000,
        },
        KILL: {"ptrace": 117, "bpf": 280, "unshare": 97, "memfd": 279},
    },
}


@pytest.mark.parametrize("machine", EXPECTED)
def test_filter(machine):
    for verdict, calls in EXPECTED[machine].items():
        for name, number in calls.items():
            assert decide(machine, number) == verdict, name
    for other in set(AUDIT.values()) - {AUDIT[machine]}:
        assert decide(machine, 63, audit=other) == KILL
    assert decide(machine, 0x40000000 | 39) == KILL


@pytest.mark.parametrize(
    "machine, ioctl, fcntl, prlimit",
    [("x86_64", 16, 72, 302), ("aarch64", 29, 25, 261)],
)
def test_filter_of_arguments(machine, ioctl, fcntl, prlimit):
    assert decide(machine, ioctl, 1, 0x5401) == ALLOW
    assert decide(machine, ioctl, 1, 0x5412) == REFUSE  # TIOCSTI
    assert decide(machine, fcntl, 1, 3) == ALLOW
    assert decide(machine, fcntl, 1, 8) == REFUSE  # F_SETOWN
    assert decide(machine, prlimit, 0, 7) == ALLOW
    assert decide(machine, prlimit, 1, 7) == REFUSE  # another process
    assert decide(machine, prlimit, 0, 3, 1 << 12) == ALLOW  # RLIMIT_STACK
    assert decide(machine, prlimit, 0, 0, 0) == ALLOW  # asks for RLIMIT_CPU
    for address in (1 << 12, 1 << 40, (1 << 40) + 8):
        assert decide(machine, prlimit, 0, 0, address) == REFUSE  # sets it


def test_few_calls_are_allowed():
    for machine in AUDIT:
        allowed = [n for n in range(1024) if decide(machine, n) == ALLOW]
        assert 40 < len(allowed) < 64


def test_no_table_for_other_machines():
    assert not syscalls.supported("riscv64")
    with pytest.raises(KeyError):
        syscalls.program("riscv64")


def test_no_program_runs_without_a_layer_that_held_at_the_start():
    """A child compares its own layers with what the caller was told."""
    program = (
        "import os, sys\n"
        "from jaxlrm.verify.programs import confine, zygote\n"
        "class Failing(confine.Confinement):\n"
        "    def apply(self, parent):\n"
        "        return {'landlock': '', 'seccomp': ''}\n"
        "missing = sys.argv[1].split()\n"
        "errors = int(sys.argv[2])\n"
        "null = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]\n"
        "failing = Failing(2**30, 9)\n"
        "received = [*null[:2], errors, null[2]]\n"
        "zygote._become_child(failing, missing, os.getppid(), received)\n"
        "os._exit(7)\n"
    )
    for missing, said, status in (
        ("landlock", b"\0", 1),
        ("landlock seccomp", b"", 7),  # it would have gone on to a program
    ):
        theirs, ours = os.pipe()
        done = subprocess.run(
            [sys.executable, "-c", program, missing, str(ours)],
            env={"PYTHONPATH": str(ROOT)},
            pass_fds=[ours],
        )
        os.close(ours)
        assert done.returncode == status
        with open(theirs, "rb") as pipe:
            assert pipe.read() == said
