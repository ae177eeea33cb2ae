"""docs/extend.md: what it says can be done from outside is done here."""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest

from jaxlrm import extend
from jaxlrm.config import SearchConfig
from jaxlrm.text import END
from jaxlrm.verify import steps
from jaxlrm.verify.verdict import Verdict
from tests import bigrams

pytest.importorskip("jaxlrm.families")

ROOT = pathlib.Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$",
    (ROOT / "docs" / "extend.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)
MODULES = {
    code.split()[1]: code
    for kind, code in BLOCKS
    if kind == "python" and code.startswith("# ")
}
# Programs, each with the block after it: what it prints.
PROGRAMS = [
    (code, BLOCKS[number + 1])
    for number, (kind, code) in enumerate(BLOCKS)
    if kind == "python" and not code.startswith("# ")
]
COMMANDS = [code for kind, code in BLOCKS if kind == "sh"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the modules of the document."""
    path = tmp_path_factory.mktemp("outside")
    for name, code in MODULES.items():
        (path / name).write_text(code)
    return path


def start(command, folder, **options) -> subprocess.CompletedProcess:
    places = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def run(command, folder, **options) -> str:
    result = start(command, folder, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_document_has_what_it_announces():
    assert list(MODULES) == ["lengths.py", "best_first.py", "parity.py"]
    assert len(PROGRAMS) == 3 and len(COMMANDS) == 1
    assert all(kind == "text" for _, (kind, _) in PROGRAMS)


@pytest.mark.slow
def test_programs_print_what_the_document_says(folder):
    mark = "=== next"
    program = f"\nprint({mark!r})\n".join(code for code, _ in PROGRAMS)
    (folder / "programs.py").write_text(program)
    printed = run([sys.executable, "programs.py"], folder)
    expected = [text for _, (_, text) in PROGRAMS]
    assert printed.split(f"{mark}\n") == expected


@pytest.mark.slow
def test_commands_run(folder):
    for command in COMMANDS:
        command = command.replace("python ", f"{sys.executable} ", 1)
        printed = run(command, folder, shell=True)
        assert "x = 5" in printed


@pytest.mark.parametrize("name", MODULES)
def test_code_is_as_the_package_is_written(folder, name):
    for check in (["format", "--check"], ["check"]):
        run(
            [
                *(sys.executable, "-m", "ruff", *check, name),
                *("--config", str(ROOT / "pyproject.toml")),
            ],
            folder,
        )


# --- A family that is registered --------------------------------------------


@pytest.fixture
def parity(folder, monkeypatch):
    """Imported afresh, into a registry that is then forgotten."""
    monkeypatch.setattr(extend, "_FAMILIES", dict(extend._FAMILIES))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "parity", raising=False)
    return "parity"


PROBLEM = "Is 3 + 5 + 8 even or odd?"
CHAIN = {"?": ["8 + 8\n"], "8 + 8\n": ["16\n"], "even": [END], "odd": [END]}


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["stepped", "fused"])
def test_a_registered_family_is_solved(parity, execution):
    """Its rule holds in the workers, and its answers are voted on."""
    follow = {**CHAIN, "16\n": ["even", "odd"]}
    with bigrams.engine(follow, extensions=[parity]) as engine:
        assert engine.task_of(PROBLEM) == "parity"
        (found,) = engine.solve(
            [PROBLEM],
            SearchConfig(
                branches=8,
                width=2,
                step_tokens=8,
                chain_tokens=64,
                execution=execution,
            ),
        )
    assert found.best_trace == ["8 + 8", "16", "even"]
    assert (found.answer, found.verdict) == ("even", Verdict.VALID)
    assert found.solved and found.confidence == 1.0
    verdicts = {t.text: t.verdict for t in found.thoughts}
    # A word of a model that was not trained on the family: no proof, no veto.
    assert verdicts["odd"] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("program", "flags"),
    [
        ("evaluate", ["--dataset=tasks:parity", "--limit=3", "--output=out"]),
        ("evaluate", ["--dataset=problems.jsonl", "--output=out_of_file"]),
        ("solve", ["--problems=problems.jsonl"]),
    ],
)
def test_a_dataset_of_the_family_is_read(folder, program, flags):
    problem = {"problem": PROBLEM, "answer": "even", "task": "parity"}
    (folder / "problems.jsonl").write_text(json.dumps(problem))
    command = [sys.executable, "-m", "tests.fakes", program, *flags]
    result = start([*command, "--extensions=parity"], folder)
    assert result.returncode == 0, result.stderr


def test_worked_chains_of_the_family_are_valid(parity):
    __import__(parity)
    family = extend.get("parity")
    for level in extend.LEVELS:
        problem = family.sample(random.Random(level), level)
        statement = extend.recognise(problem.text).statement
        found = steps.check_solution(statement, problem.steps)
        assert found is Verdict.VALID
        answer = steps.chain_answer(statement, problem.steps)
        assert family.accepts(statement, answer, problem.answer)
        wrong = (*problem.steps[:-2], "1", problem.steps[-1])
        assert steps.check_chain(statement, wrong[:-1]) is not Verdict.VALID


def test_names_that_are_taken(parity):
    module = __import__(parity)
    for family in (module.Parity(), extend.get("linear")):
        with pytest.raises(
            ValueError, match=f"'{family.name}' already; choose"
        ):
            extend.register(family)


def test_what_is_no_family_or_rule():
    class Half:
        name = "half"

        def reads(self, statement):
            return False

    with pytest.raises(TypeError, match="no 'dead_ends'; a family has"):
        extend.register(Half())
    Half.dead_ends = False
    Half.sample = Half.statement = Half.accepts = None
    with pytest.raises(TypeError, match="'half' has no function 'check'"):
        extend.register(Half(), Half())
    assert "half" not in extend.names()


def test_an_extension_that_is_not_there():
    with pytest.raises(ImportError, match="nowhere"):
        bigrams.engine(CHAIN, extensions=["nowhere"])
