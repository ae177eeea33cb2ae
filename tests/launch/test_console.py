"""Ctrl-C, wherever it comes."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# Modules that catch everything as they are imported are not rare.
STUBBORN = """
import sys, time

print("importing", file=sys.stderr, flush=True)
try:
    time.sleep(60)
except BaseException:
    pass
"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("solve", ["--problem=p"]),
        ("evaluate", ["--dataset=tasks:gcd", "--output={}/o", "--limit=1"]),
        ("calibrate", ["--model={}", "--rollouts={}/r"]),
        ("rollouts", ["--output={}/o"]),
        ("train", ["--config=configs/mini.py:xs", "--output={}/o"]),
    ],
)
def test_ctrl_c_ends_a_program_that_imports(tmp_path, name, arguments):
    (tmp_path / "jax.py").write_text(STUBBORN)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", f"launch.{name}"),
            *(argument.format(tmp_path) for argument in arguments),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 130


def run(script: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_ctrl_c_that_was_ignored_before_stays_so():
    """As in the background of a script, which ignores it for its children."""
    seen = run(
        """
        import signal

        from launch import console

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with console.interruptible():
            signal.raise_signal(signal.SIGINT)
        print("went on")
        """
    )
    assert seen == "went on\n"


def test_ctrl_c_in_a_callback_of_the_garbage_collector_comes_again():
    seen = run(
        """
        import gc, signal, time

        from launch import console

        def once(*_):
            gc.callbacks.remove(once)
            signal.raise_signal(signal.SIGINT)

        console.repeat_lost_interrupts()
        gc.callbacks.append(once)
        try:
            gc.collect()
            time.sleep(30)
            print("slept")
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert seen == "interrupted\n"
