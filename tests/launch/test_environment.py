"""Programs in odd surroundings: closed streams, locales, switches of JAX."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from launch import environment
from tests import fakes

ROOT = pathlib.Path(__file__).parents[2]


def shell(command, **environment):
    return subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m {command}"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        timeout=120,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path, closed):
    output = tmp_path / "o"
    result = shell(
        f"tests.fakes evaluate --dataset=tasks:gcd --limit=2 --output={output} "
        f"{closed}"
    )
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    assert json.loads((output / "summary.json").read_text())["n"] == 2
    # What is printed has gone into none of the files.
    lines = (output / "records.jsonl").read_text().splitlines()
    assert [sorted(json.loads(line))[0] for line in lines] == 2 * ["answer"]


def test_solve_with_closed_output():
    result = shell("tests.fakes solve --problem=p >&-")
    assert (result.returncode, result.stderr) == (0, b"memory: enough\n")


def test_solve_with_closed_input():
    result = shell("tests.fakes solve - <&-")
    assert result.returncode == 2
    assert result.stderr == b"stdin holds no problem\n"


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_arguments_are_utf8_in_any_locale():
    result = shell(
        "tests.fakes solve --format=json --problem='1 \N{MINUS SIGN} 2'",
        **ASCII,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["problem"] == "1 \N{MINUS SIGN} 2"


def test_arguments_that_are_no_text():
    result = subprocess.run(
        [sys.executable, "-m", "tests.fakes", "solve", b"--problem=a\xff"],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
    )
    assert result.returncode == 2
    assert result.stderr == b"--problem 1 is not UTF-8 text\n"


@pytest.mark.parametrize("text", ["a", "\N{MINUS SIGN}", "a\udcff"])
def test_as_utf8_leaves_others_alone(text):
    assert environment.as_utf8(text) == text


SOLVE = (
    f"launch.solve --model={fakes.SMALL} --format=json --branches=4 "
    "--strategy=majority --problem='Solve 2*x = 10 for x.'"
)


@pytest.fixture(scope="module")
def solved():
    return shell(SOLVE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "switches",
    [
        {"JAX_ENABLE_X64": "1"},
        {
            "JAX_NUMPY_RANK_PROMOTION": "raise",
            "JAX_NUMPY_DTYPE_PROMOTION": "strict",
            "JAX_TRANSFER_GUARD": "disallow",
        },
    ],
    ids=["64-bit", "strict"],
)
def test_switches_of_jax_change_nothing(solved, switches):
    found = shell(SOLVE, **switches)
    assert found.returncode == solved.returncode
    notices = found.stderr.decode().splitlines()
    assert notices[: len(switches)] == [
        f"{name}={value} is ignored: this program runs with JAX's default"
        for name, value in switches.items()
    ]
    votes = [json.loads(r.stdout)["votes"] for r in (solved, found)]
    assert votes[0] == votes[1]


def test_switches_at_their_defaults_are_not_mentioned(monkeypatch, capsys):
    monkeypatch.setenv("JAX_ENABLE_X64", "0")
    monkeypatch.setenv("JAX_TRANSFER_GUARD", "allow")
    environment.prepare()
    assert capsys.readouterr().err == ""
    assert os.environ["JAX_ENABLE_X64"] == "0"


@pytest.mark.parametrize("name", ["solve", "evaluate", "train"])
def test_a_platform_without_a_device(tmp_path, name):
    arguments = {
        "solve": "--problem=p",
        "evaluate": f"--dataset=tasks:gcd --output={tmp_path / 'o'}",
        "train": f"--config=configs/mini.py:xs --output={tmp_path / 'o'}",
    }
    result = shell(f"launch.{name} {arguments[name]}", JAX_PLATFORMS="nowhere")
    assert result.returncode == 2, result.stderr
    lines = result.stderr.decode().splitlines()
    assert lines[-1].startswith("JAX finds no device of JAX_PLATFORMS=nowhere")
    assert "Traceback" not in result.stderr.decode()


# Some modules swallow an interrupt that comes as they are imported.
STUBBORN = """
import sys, time

print("importing", file=sys.stderr, flush=True)
try:
    time.sleep(60)
except BaseException:
    pass
"""


@pytest.mark.parametrize("name", ["absl", "numpy", "flint", "jax"])
@pytest.mark.parametrize("program", ["solve", "evaluate"])
def test_ctrl_c_while_modules_are_imported(tmp_path, name, program):
    (tmp_path / f"{name}.py").write_text(STUBBORN)
    arguments = {
        "solve": ["--problem=p"],
        "evaluate": ["--dataset=tasks:gcd", f"--output={tmp_path / 'o'}"],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", f"launch.{program}", *arguments[program]],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 130
