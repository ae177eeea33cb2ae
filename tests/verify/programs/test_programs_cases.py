"""Programs as models write them, and attacks on the state of a chain."""

from __future__ import annotations

import importlib.util
import json
import pathlib

import pytest

from jaxlrm.verify.programs import Sandbox
from jaxlrm.verify.programs.tools import Interpreter

PATH = pathlib.Path(__file__).parents[2] / "cases/programs.jsonl"
CASES = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]


def written_out(text: str | dict) -> str:
    """A text, where a case only says how often another one is repeated."""
    return text if isinstance(text, str) else text["text"] * text["times"]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1, deadline=2.0) as sandbox:
        yield sandbox


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(sandbox, case):
    """A list is a chain, of which the last step is looked at."""
    if case["id"].startswith("scipy") and not importlib.util.find_spec("scipy"):
        pytest.skip("scipy is not installed")
    steps = case["input"]
    if isinstance(steps, str):
        run = sandbox.run(steps, stdin=written_out(case.get("stdin", "")))
    else:
        session = sandbox.session()
        for step in steps:
            run = session.run(written_out(step))
    for name, value in case["expected"].items():
        if name == "ends":
            assert run.stdout.endswith(value) and run.left_out > 0
        else:
            assert getattr(run, name) == value, (run.status, run.error)


def test_the_same_by_tools(sandbox):
    """Chains of the cases, as the tool for chains runs them."""
    chains = [case for case in CASES if not isinstance(case["input"], str)]
    assert len(chains) >= 10
    with Interpreter(deadline=2.0) as interpreter:
        texts = [[written_out(step) for step in c["input"]] for c in chains]
        outputs = interpreter.outputs([(tuple(t[:-1]), t[-1]) for t in texts])
    for case, output in zip(chains, outputs, strict=True):
        expected = case["expected"]
        if expected["status"] == "ok":
            assert output == f"```output\n{expected['stdout'].strip()}\n```"
        else:
            assert "Error: " in output
