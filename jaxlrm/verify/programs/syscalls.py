"""What a program may ask of the Linux kernel, as a seccomp filter.

An allow-list: whatever is not in it fails with EPERM, which Python raises as
`PermissionError`, so that a library that merely probes goes on. What only an
attack asks for kills the process. A filter sees numbers, no memory, so no call
that takes a path is allowed: programs import from memory (see archive.py).

Numbers: Linux `asm/unistd_64.h` and `asm-generic/unistd.h`. Filter:
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import errno
import resource
import struct
import termios

# Name, number on x86-64, number on aarch64 (- where it does not exist).
_ALLOWED = """
    read 0 63                   write 1 64              close 3 57
    fstat 5 80                  poll 7 -                lseek 8 62
    mmap 9 222                  mprotect 10 226         munmap 11 215
    brk 12 214                  rt_sigaction 13 134     rt_sigprocmask 14 135
    rt_sigreturn 15 139         pread64 17 67           readv 19 65
    writev 20 66                select 23 -             sched_yield 24 124
    mremap 25 216               madvise 28 233          dup 32 23
    dup2 33 -                   dup3 292 24             nanosleep 35 101
    clock_nanosleep 230 115     getpid 39 172           getppid 110 173
    gettid 186 178              uname 63 160            getcwd 79 17
    gettimeofday 96 169         getrlimit 97 163        getrusage 98 165
    sysinfo 99 179              times 100 153           getuid 102 174
    geteuid 107 175             getgid 104 176          getegid 108 177
    sigaltstack 131 132         futex 202 98
    sched_getaffinity 204 123
    getcpu 309 168              clock_gettime 228 113   clock_getres 229 114
    getgroups 115 158           getresuid 118 148       getresgid 120 150
    time 201 -                  restart_syscall 219 128 exit 60 93
    exit_group 231 94           getrandom 318 278       rseq 334 293
    pselect6 270 72             ppoll 271 73            membarrier 324 283
"""
_FATAL = """
    ptrace 101 117              process_vm_readv 310 270
    process_vm_writev 311 271   process_madvise 440 440
    pidfd_open 434 434          pidfd_getfd 438 438
    pidfd_send_signal 424 424   kcmp 312 272
    io_uring_setup 425 425      io_uring_enter 426 426
    io_uring_register 427 427   bpf 321 280
    keyctl 250 219              add_key 248 217
    request_key 249 218         unshare 272 97
    setns 308 268               mount 165 40
    umount2 166 39              pivot_root 155 41
    chroot 161 51               fsopen 430 430
    fsconfig 431 431            fsmount 432 432
    fspick 433 433              move_mount 429 429
    open_tree 428 428           mount_setattr 442 442
    perf_event_open 298 241     userfaultfd 323 282
    kexec_load 246 104          kexec_file_load 320 294
    init_module 175 105         finit_module 313 273
    delete_module 176 106       reboot 169 142
    open_by_handle_at 304 265   name_to_handle_at 303 264
    personality 135 92          iopl 172 -
    ioperm 173 -                swapon 167 224
    swapoff 168 225             acct 163 89
    memfd_create 319 279        memfd_secret 447 447
"""
# Allowed for these values of one argument only.
_IOCTL, _FCNTL, _PRLIMIT = (16, 29), (72, 25), (302, 261)
_IOCTL_COMMANDS = (
    termios.TCGETS if hasattr(termios, "TCGETS") else 0x5401,
    0x5413,  # TIOCGWINSZ
    0x5450,  # FIONCLEX
    0x5451,  # FIOCLEX
)
# Not F_SETOWN, F_SETSIG and leases, by which the kernel sends signals, nor
# locks, seals and pipe sizes.
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030)  # DUPFD, [GS]ETFD, [GS]ETFL, ..CLOEXEC

# Machine: AUDIT_ARCH of <linux/audit.h>, column in the tables above.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32 = 0x40000000  # numbers of the x32 interface, under the same AUDIT_ARCH

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_FAIL = 0x00050000


def supported(machine: str) -> bool:
    """Is there a table for this `os.uname().machine`?"""
    return machine in _MACHINES


def numbers(table: str, machine: str) -> dict[str, int]:
    """The system calls of a table that the machine has.

    Raises:
        KeyError: no table for this machine.
    """
    column = _MACHINES[machine][1]
    words = table.split()
    rows = zip(*(words[place::3] for place in range(3)), strict=True)
    return {
        name: int(number[column])
        for name, *number in rows
        if number[column] != "-"
    }


def program(machine: str) -> bytes:
    """The filter: classic BPF, 8 bytes an instruction.

    Raises:
        KeyError: no table for this machine.
    """
    audit, column = _MACHINES[machine]
    code = [
        _one(_LOAD, _ARCH),
        _one(_EQUAL, audit, 1, 0),
        _one(_RETURN, _KILL),
        _one(_LOAD, _NUMBER),
        _one(_AT_LEAST, _X32, 0, 1),
        _one(_RETURN, _KILL),
    ]
    for number in numbers(_ALLOWED, machine).values():
        code += [_one(_EQUAL, number, 0, 1), _one(_RETURN, _ALLOW)]
    for number in numbers(_FATAL, machine).values():
        code += [_one(_EQUAL, number, 0, 1), _one(_RETURN, _KILL)]
    code += _only(_IOCTL[column], 1, _IOCTL_COMMANDS)
    code += _only(_FCNTL[column], 1, _FCNTL_COMMANDS)
    code += _limits(_PRLIMIT[column])
    code.append(_one(_RETURN, _FAIL | errno.EPERM))
    return b"".join(code)


def _one(operation: int, operand: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, yes, no, operand)


def _only(number: int, argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allows a call whose 32-bit argument is one of the values."""
    body = [_one(_LOAD, _ARGUMENTS + 8 * argument)]
    for value in values:
        body += [_one(_EQUAL, value, 0, 1), _one(_RETURN, _ALLOW)]
    body.append(_one(_RETURN, _FAIL | errno.EPERM))
    return [_one(_EQUAL, number, 0, len(body)), *body]


def _limits(number: int) -> list[bytes]:
    """Allows prlimit64 of the process itself, except to set RLIMIT_CPU.

    With that a process could end by SIGKILL, which is taken for somebody
    else's doing. None can raise its own hard limits.
    """
    failure = _one(_RETURN, _FAIL | errno.EPERM)
    body = [
        _one(_LOAD, _ARGUMENTS),  # the process
        _one(_EQUAL, 0, 0, 6),
        _one(_LOAD, _ARGUMENTS + 8),  # the resource
        _one(_EQUAL, resource.RLIMIT_CPU, 0, 5),
        _one(_LOAD, _ARGUMENTS + 16),  # where the new limits are, in two halves
        _one(_EQUAL, 0, 0, 2),
        _one(_LOAD, _ARGUMENTS + 20),
        _one(_EQUAL, 0, 1, 0),
        failure,
        _one(_RETURN, _ALLOW),
    ]
    return [_one(_EQUAL, number, 0, len(body)), *body]
