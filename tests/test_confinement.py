"""Nothing that a model wrote is parsed in the process of the engine."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil

import pytest

from jaxlrm import extend, verify
from jaxlrm.config import SearchConfig
from jaxlrm.evaluate import run
from jaxlrm.evaluate.datasets import Example
from tests import bigrams, formulas
from tests.bigrams import END

# What parses, by the package or module that holds it.
PARSERS = (
    "jaxlrm.verify.judging",
    "jaxlrm.verify.answers.grading",
    "jaxlrm.verify.steps.deduction",
    "jaxlrm.verify.answers.equivalence",
    "jaxlrm.verify.answers.exact",
    "jaxlrm.verify.answers.extract",
    "jaxlrm.verify.answers.lines",
    "jaxlrm.verify.answers.comparison",
    "jaxlrm.verify.answers.normal",
    "jaxlrm.verify.steps",
    "jaxlrm.verify.answers.syntax",
)
# These name a rule, and make lines of a text: they parse nothing.
HARMLESS = {("jaxlrm.verify.judging", "lines_of")}
EXTENSIONS = (formulas.__name__,)
KNOWN = "What is 2 + 3?"
UNKNOWN = "How many are left?"
FOLLOW = {
    "?": ["4 + 1\n", "5", "5.0"],
    "4 + 1\n": ["5", "\\boxed{5}"],
    "5": [END],
    "5.0": [END],
    "\\boxed{5}": [END],
}
CONFIG = SearchConfig(branches=8, width=2, rounds=4, step_tokens=8)


def modules_of(name):
    module = importlib.import_module(name)
    yield module
    for found in pkgutil.walk_packages(
        getattr(module, "__path__", []), f"{name}."
    ):
        yield importlib.import_module(found.name)


@pytest.fixture
def poisoned(monkeypatch):
    """Every function that parses raises; what problems state is known."""
    readings = {
        text: extend.recognise(text, EXTENSIONS) for text in (KNOWN, UNKNOWN)
    }
    assert readings[KNOWN] and not readings[UNKNOWN]
    monkeypatch.setattr(extend, "recognise", lambda text, _: readings[text])
    used = []

    def poison(module, name, function):
        def raises(*_, **__):
            used.append(f"{module.__name__}.{name}")
            raise AssertionError(f"{used[-1]} ran in the engine's process")

        raises.__module__ = function.__module__
        raises.__qualname__ = function.__qualname__
        monkeypatch.setattr(module, name, raises)

    for package in PARSERS:
        for module in modules_of(package):
            for name, value in list(vars(module).items()):
                if (
                    inspect.isfunction(value)
                    and value.__module__.startswith(PARSERS)
                    and (value.__module__, name) not in HARMLESS
                ):
                    poison(module, name, value)
    for name in ("extract_answer", "is_equivalent", "grade", "check_step"):
        poison(verify, name, getattr(verify, name))
    yield
    assert not used


@pytest.fixture(scope="module")
def engine():
    with bigrams.engine(FOLLOW, extensions=EXTENSIONS) as made:
        made.solve([KNOWN], CONFIG, verifiers="symbolic")  # starts the workers
        yield made


@pytest.mark.parametrize("strategy", ["beam", "majority"])
@pytest.mark.parametrize("verifiers", ["none", "symbolic"])
def test_solve(engine, poisoned, strategy, verifiers):
    found = engine.solve(
        [KNOWN, UNKNOWN], CONFIG, strategy=strategy, verifiers=verifiers
    )
    assert [float(solution.answer) for solution in found] == [5, 5]
    proven = verifiers == "symbolic"
    assert [solution.solved for solution in found] == [proven, False]


@pytest.mark.parametrize("verifiers", ["none", "symbolic"])
def test_evaluate(engine, poisoned, verifiers, tmp_path):
    examples = [
        Example("a", KNOWN, "5", "sums"),
        Example("b", UNKNOWN, "10/2"),
    ]
    config = dataclasses.replace(
        CONFIG, strategy="majority", verifiers=verifiers
    )
    summary = run.evaluate(engine, examples, config, tmp_path)
    assert summary["correct"] == 2


def test_grade(engine, poisoned):
    answers = [
        (UNKNOWN, None, "1/2", "0.5"),
        (UNKNOWN, None, None, "0.5"),
        (KNOWN, "sums", "5", "5"),
        (KNOWN, "sums", "4 + 1", "5"),
    ]
    assert engine.grade(answers) == [True, False, True, False]
