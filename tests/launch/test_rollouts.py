"""launch.rollouts as a person runs it."""

from __future__ import annotations

import functools
import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from jaxlrm import extend
from tests import fakes

pytest.importorskip("jaxlrm.families")

run = functools.partial(fakes.run_launch, "rollouts")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--next_step", "--strategy=beam"], "no use for --strategy; leave"),
        (["--next_step", "--chain_tokens=8"], "no use for --chain_tokens"),
        (
            ["--corrupt", "--model=mini", "--branches=2", "--chains=1"],
            "--corrupt has no use for --model, --branches, --chains; leave",
        ),
        (["--corrupt", "--temperature=1"], "no use for --temperature"),
        (["--corrupt", "--next_step"], "two ways to make chains"),
        (["--tasks=chess"], "unknown task 'chess'"),
        (["--tasks=gcd,gcd@9"], "unknown level '9' in 'gcd@9'; levels are 1"),
        (["--model=/nowhere"], "/nowhere"),
        (["--corrupt", "--output=/nowhere/x"], "/nowhere/x: No such file"),
        (["--problems=0"], "flag --problems=0"),
        (["--branches=0"], "flag --branches=0"),
        (["--chains=-1"], "flag --chains=-1"),
        (["--temperature=-1"], "flag --temperature=-1"),
        (["--chain_tokens=-1"], "flag --chain_tokens=-1"),
        (["--seed=-1"], "flag --seed=-1"),
        (["--seed=4294967296"], "flag --seed=4294967296"),
    ],
)
def test_bad_flags_get_one_message(tmp_path, arguments, message):
    path = tmp_path / "chains.jsonl"
    result = run(f"--output={path}", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not path.exists()


@pytest.mark.slow
def test_problems_are_those_of_the_model(tmp_path):
    path = tmp_path / "chains.jsonl"
    result = run(
        *(f"--output={path}", f"--model={fakes.SMALL}", "--next_step"),
        *("--problems=4", "--branches=2"),
    )
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = {
        extend.recognise(x["problem"], ["jaxlrm.families"]).family.name
        for x in lines
    }
    assert found == {"linear", "arithmetic"}


@pytest.mark.slow
def test_ctrl_c_exits_with_130_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "chains.jsonl"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "launch.rollouts", f"--output={path}"),
            *(f"--model={fakes.SMALL}", "--branches=2", "--next_step"),
        ],
        cwd=pathlib.Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not path.exists() or b"\n" not in path.read_bytes():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    # It came before the first 2048 problems had ended.
    assert error == f"interrupted; the chains so far are in {path}\n"
    for line in path.read_text().splitlines():
        json.loads(line)
