"""What a configuration leaves open, and what several may differ in."""

from __future__ import annotations

import dataclasses

import pytest

from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import defaults
from jaxlrm.search import strategies

pytestmark = pytest.mark.usefixtures("compile_quickly")

PROBLEMS = [
    "What is 1 + 2?",
    "Solve 2*x = 10 for x.",
    "What is 7 - 5 + 3 * 2 - 8 + 1?",
    "Is it?",
]
BEAM = SearchConfig(
    strategy="beam",
    branches=4,
    width=2,
    chain_tokens=40,
    step_tokens=8,
    rounds=4,
    verifiers="learned",
    temperature=1.0,
)
MAJORITY = dataclasses.replace(BEAM, strategy="majority", chain_tokens=12)
CHANGES = [
    {},
    {"temperature": 0.5, "tokens": 60, "seed": 3},
    {"top_k": 5, "rounds": 3, "step_tokens": 6},
    {"min_p": 0.2, "chain_tokens": 20, "top_p": 0.9},
]


@pytest.mark.parametrize("config", [BEAM, MAJORITY], ids=lambda c: c.strategy)
def test_each_problem_is_searched_by_its_own_configuration(config):
    configs = [dataclasses.replace(config, **change) for change in CHANGES]
    with testing.engine() as engine:
        together = engine.solve(PROBLEMS, configs)
        alone = [
            engine.solve([problem], own)[0]
            for problem, own in zip(PROBLEMS, configs, strict=True)
        ]
        same = engine.solve(PROBLEMS, config)
    for one, other in zip(together, alone, strict=True):
        plain = [
            [dataclasses.replace(t, score=0.5, logp=0.0) for t in s.thoughts]
            for s in (one, other)
        ]
        assert plain[0] == plain[1]
        assert one.tokens == other.tokens and one.answer == other.answer
    assert [s.tokens for s in together] != [s.tokens for s in same]
    assert together[1].tokens["generator"] <= 60


def test_changes_are_made_to_each_configuration():
    with testing.engine() as engine:
        configs = [MAJORITY, dataclasses.replace(MAJORITY, seed=5)]
        found = engine.solve(PROBLEMS[:2], configs, branches=1)
    assert [len(s.thoughts) for s in found] == [1, 1]


def test_one_configuration_for_each_problem():
    with testing.engine() as engine:
        with pytest.raises(ValueError, match="config has 1 entries for 2 prob"):
            engine.solve(PROBLEMS[:2], [BEAM])
        assert engine.solve([], []) == []


@pytest.mark.parametrize(
    ("one", "change", "message"),
    [
        (BEAM, {"branches": 8}, "branches is 4 for one problem and 8 for an"),
        (BEAM, {"strategy": "rebase"}, "strategy is 'beam' .* and 'rebase' f"),
        (BEAM, {"verifiers": "none"}, "verifiers is 'learned' .* and 'none' "),
        (BEAM, {"seconds": 2.0}, "seconds is 0.0 for one problem and 2.0 for"),
        (MAJORITY, {"temperature": 0.0}, "temperature is 1.0 .* and 0.0 for"),
        (
            dataclasses.replace(BEAM, strategy="other:make"),
            {"rounds": 5},
            "rounds is 4 for one problem and 5 for another; .* differ in seed$",
        ),
    ],
)
def test_what_configurations_must_have_in_common(one, change, message):
    with pytest.raises(ValueError, match=message):
        defaults.together([one, one, dataclasses.replace(one, **change)])


def test_one_configuration_has_room_for_all():
    found = defaults.together(
        [dataclasses.replace(BEAM, **change) for change in CHANGES]
    )
    assert found == BEAM
    longer = dataclasses.replace(BEAM, chain_tokens=50, seed=1, temperature=0.0)
    assert defaults.together([BEAM, longer]).chain_tokens == 50


@pytest.mark.parametrize(
    "branches, problems",
    [(1, 16), (8, 8), (16, 4), (64, 1), (256, 1), (512, 1)],
)
def test_a_batch_that_nobody_sets_fills_a_cpu(branches, problems):
    strategy = strategies.build(
        SearchConfig(strategy="sequential", branches=branches, chain_tokens=8)
    )
    assert defaults.batch(strategy, 100) == problems


@pytest.mark.parametrize(
    "branches, problems, slots, rows",
    [
        (16, 1, 4, 16),
        (16, 40, 8, 8),
        (16, 100, 16, 4),
        (16, 1000, 32, 2),
        (8, 8, 8, 8),
        (1, 8, 32, 1),
        (256, 40, 8, 8),
        (256, 1, 1, 64),
    ],
)
def test_whole_chains_of_a_few_or_many_problems_fill_a_cpu(
    branches, problems, slots, rows
):
    strategy = strategies.build(
        SearchConfig(strategy="majority", branches=branches, chain_tokens=8)
    )
    assert defaults.batch(strategy, problems) == slots
    assert defaults.rows(strategy, slots) == rows
