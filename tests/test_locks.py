"""Locks of folders and files, between processes and threads."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from jaxlrm import locks

ROOT = pathlib.Path(__file__).parents[1]


def hold(folder, *, then="import time; time.sleep(60)"):
    script = (
        f"from jaxlrm import locks\nwith locks.lock({str(folder)!r}):\n"
        f"    print('held', flush=True); {then}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_lock_keeps_others_out_and_a_killed_holder_leaves_it(tmp_path):
    process = hold(tmp_path)
    try:
        with pytest.raises(BlockingIOError) as error:
            with locks.lock(tmp_path):
                pass
        assert f"by process {process.pid} on " in str(error.value)
        assert "choose another folder" in str(error.value)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with locks.lock(tmp_path):
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"):
            with locks.lock(tmp_path):
                pass
    assert not list(tmp_path.iterdir())


def test_one_of_many_holds_the_lock(tmp_path):
    inside, most, refused = 0, 0, 0

    def work():
        nonlocal inside, most, refused
        for _ in range(200):
            try:
                with locks.lock(tmp_path):
                    inside += 1
                    most = max(most, inside)
                    inside -= 1
            except BlockingIOError:
                refused += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)
    assert not list(tmp_path.iterdir())


def test_what_is_in_a_lock_file_steers_no_terminal(tmp_path):
    process = hold(tmp_path)
    try:
        (tmp_path / ".lock").write_bytes(b"12 \x1b[2J\xff")
        with pytest.raises(BlockingIOError) as error:
            with locks.lock(tmp_path):
                pass
        assert str(error.value).isprintable()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_file_has_one_writer(tmp_path):
    with open(tmp_path / "a", "a") as first, open(tmp_path / "a", "a") as other:
        locks.lock_file(first)
        with pytest.raises(
            BlockingIOError, match="a is being written to by an"
        ):
            locks.lock_file(other)
        first.close()
        locks.lock_file(other)
