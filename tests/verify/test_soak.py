"""The promises of benchmarks/soak.py, on fewer checks."""

import array
import collections
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from jaxlrm.verify.verdict import Verdict

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "benchmarks" / "soak.py"
VALID, INVALID = Verdict.VALID, Verdict.INVALID


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "soak", module)  # dataclasses look there
        spec.loader.exec_module(module)
        yield module


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_bombs_and_kills_lose_nothing():
    # A process of its own: it kills all children that it has.
    done = subprocess.run(
        [
            sys.executable,
            str(PROGRAM),
            "--checks=700",
            "--deadline=0.1",
            "--kill_every=0.1",
            "--kill_zygote=0.4",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,  # a busy machine takes its time
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| not answered | 0 | 0 |" in done.stdout
    assert "| zygotes killed | 0 | 0 |" not in done.stdout
    assert "TIMEOUT" in done.stdout


def test_checks_are_all_different(soak):
    checks = [soak.check(number, seed=3) for number in range(2000)]
    assert len({check[:2] for check in checks}) == 2000
    assert 60 < sum(check.bomb for check in checks) < 140
    counts = collections.Counter(c.truth for c in checks if not c.bomb)
    assert min(counts[VALID], counts[INVALID]) > 800
    assert checks == [soak.check(number, seed=3) for number in range(2000)]


@pytest.mark.parametrize("wrong", [0, 1, 8])
def test_the_truth_of_checks_is_known(soak, wrong):
    for rule in soak.ORDINARY:
        for number in (10, 77, 99_999):
            function, *arguments = rule(number, wrong)
            verdict = function(*arguments)
            assert verdict is (INVALID if wrong else VALID), arguments


def answers_of(soak, ordinary, bombs=(), **counts):
    return soak.Answers(
        array.array("d"),
        ordinary=collections.Counter(ordinary),
        bombs=collections.Counter(bombs),
        **counts,
    )


def test_what_was_kept(soak):
    ordinary = {
        (VALID, VALID): 1000,
        (INVALID, INVALID): 1000,
        (VALID, Verdict.TIMEOUT): 2,
        (INVALID, Verdict.ERROR): 2,
    }
    bombs = {(INVALID, INVALID): 1, (INVALID, Verdict.TIMEOUT): 9}
    answers = answers_of(soak, ordinary, bombs)
    flat = {"zygote": soak.Growth(2e7, 2.1e7, 9e7, 1e6)}
    assert soak.broken(answers, 4, flat) == []


@pytest.mark.parametrize(
    ("ordinary", "bombs", "counts", "message"),
    [
        ({(VALID, INVALID): 1}, {}, {}, "VALID"),
        ({(VALID, Verdict.UNKNOWN): 1}, {}, {}, "UNKNOWN"),
        ({(VALID, None): 1}, {}, {}, "None"),
        ({(VALID, Verdict.TIMEOUT): 9}, {}, {}, "9 .* TIMEOUT"),
        ({(VALID, Verdict.ERROR): 3}, {}, {}, "3 .* ERROR, 4 kills"),
        ({}, {(INVALID, VALID): 1}, {}, "1 bombs"),
        ({}, {}, {"lost": 1}, "1 checks were not answered"),
        ({}, {}, {"repeated": 1}, "1 answers came twice"),
        ({}, {}, {"failures": ["RuntimeError()"]}, "RuntimeError"),
    ],
)
def test_what_was_broken(soak, ordinary, bombs, counts, message):
    answers = answers_of(soak, ordinary, bombs, **counts)
    (failure,) = soak.broken(answers, 4, {})
    assert re.search(message, failure)


def test_growth_is_seen(soak):
    times = [0.25 * n for n in range(40)]
    sizes = [3e7 + 1e6 * n for n in range(40)]
    growth = soak.growth(times, sizes)
    assert growth.slope == pytest.approx(35e6)
    assert growth.most == 3e7 + 39e6
    answers = answers_of(soak, {})
    (failure,) = soak.broken(answers, 0, {"parent": growth})
    assert "memory of the parent" in failure
    with pytest.raises(ValueError, match="3 samples"):
        soak.growth(times[:3], sizes[:3])
