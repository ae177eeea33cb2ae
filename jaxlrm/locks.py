"""Locks, so that one process at a time writes into a folder or a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
import warnings
from collections.abc import Iterator
from typing import IO, BinaryIO

from jaxlrm.files import naming, visible

_LOCK = ".lock"  # the file inside a folder that is locked
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


@contextlib.contextmanager
def lock(folder: str | os.PathLike) -> Iterator[None]:
    """Keeps other processes from writing into `folder` for as long.

    The system lets go of the lock when the process ends, however it does. Where
    the file system has no locks a warning says so.

    Raises:
        BlockingIOError: another holds it; names the process and the remedy.
        OSError: the folder cannot be written.
    """
    path = pathlib.Path(folder) / _LOCK
    file = _locked(path)
    try:
        with naming(path):
            os.truncate(file.fileno(), 0)
            os.write(
                file.fileno(), f"{os.getpid()} {socket.gethostname()}".encode()
            )
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # before it is let go; see `_locked`
        file.close()


def lock_file(file: IO) -> None:
    """Keeps other processes from locking `file`, until it is closed.

    Raises:
        BlockingIOError: another has done so.
    """
    name = visible(str(file.name), lines=False)
    try:
        _flock(file, name)
    except BlockingIOError:
        raise BlockingIOError(
            f"{name} is being written to by another process; wait until it "
            "ends, stop it, or choose another file"
        ) from None


def _flock(file: IO, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(
            f"{name}: this file system has no locks; let one program at a "
            "time write there",
            stacklevel=4,
        )


def _locked(path: pathlib.Path) -> BinaryIO:
    while True:
        file = open(path, "a+b", buffering=0)
        try:
            with naming(path):
                _flock(file, visible(str(path), lines=False))
            # The holder before may have deleted the file opened here.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                    return file
        except BlockingIOError:
            with file:
                raise _held(path, file) from None
        except OSError:
            file.close()
            raise
        file.close()


def _held(path: pathlib.Path, file: BinaryIO) -> BlockingIOError:
    file.seek(0)
    words = file.read(400).decode("utf-8", "replace").split()
    who = "another process"
    if len(words) == 2 and words[0].isascii() and words[0].isdigit():
        who = f"process {words[0]} on {visible(words[1], lines=False)}"
    folder = visible(str(path.parent), lines=False)
    return BlockingIOError(
        f"{folder} is being written to by {who}; wait until it ends, stop it, "
        "or choose another folder"
    )
