"""The core without its extension: no family, and nothing misses them."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Of each room of the core; the search, its host's side and its grading whole.
PARTS = (
    "tests/engine/test_host.py",
    "tests/evaluate/test_drawn.py",
    "tests/launch/test_search_flags.py",
    "tests/models/test_params.py",
    "tests/engine/test_voting.py",
    "tests/test_confinement.py",
    "tests/text/test_delimiters.py",
    "tests/train/test_losses.py",
    "tests/verify/test_judging.py",
    "tests/verify/steps/test_chains.py",
)
# Every module, and an answer.
PROGRAM = """
import importlib, pkgutil

import jaxlrm
from jaxlrm import extend
from tests import bigrams

for module in pkgutil.walk_packages(jaxlrm.__path__, "jaxlrm."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not extend.names()
follow = {"?": ["4\\n"], "4\\n": ["5"], "5": [bigrams.END]}
with bigrams.engine(follow) as engine:
    (found,) = engine.solve(["What is 2 + 3?"], branches=4, width=2)
assert (found.answer, found.solved) == ("5", False), found
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project without the families and the tests of them."""
    path = tmp_path_factory.mktemp("without")
    ignore = shutil.ignore_patterns("families", "weights", "__pycache__")
    for name in ("jaxlrm", "launch", "tests"):
        shutil.copytree(ROOT / name, path / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", path)
    return path


def run(copy, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
    return result.stdout


def test_every_module_is_imported_and_a_problem_solved(copy):
    run(copy, "-c", PROGRAM)


@pytest.mark.slow
def test_the_tests_of_the_core_pass(copy):
    run(copy, "-m", "pytest", "--numprocesses=0", "-x", *PARTS)
