"""launch.rollouts as a person runs it."""

from __future__ import annotations

import functools
import json

import pytest

from jaxlrm import tasks
from tests import fakes

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
    ],
)
def test_bad_flags_get_one_message(tmp_path, arguments, message):
    path = tmp_path / "chains.jsonl"
    result = run(f"--output={path}", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not path.exists()


def test_problems_are_those_of_the_model(tmp_path):
    path = tmp_path / "chains.jsonl"
    result = run(
        *(f"--output={path}", f"--model={fakes.SMALL}", "--next_step"),
        *("--problems=4", "--branches=2"),
    )
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = {tasks.recognise(x["problem"]).family.name for x in lines}
    assert found == {"linear", "arithmetic"}
