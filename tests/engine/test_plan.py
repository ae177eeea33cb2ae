"""What a search asks of its caches is what it then stores."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import plan
from jaxlrm.search import strategies

pytestmark = pytest.mark.usefixtures("compile_quickly")

PROBLEMS = ["What is 1 + 2?", "Solve 2*x = 10 for x.", "What is 7 - 5?"]
CONFIG = SearchConfig(
    strategy="beam",
    branches=8,
    width=2,
    chain_tokens=72,
    step_tokens=12,
    rounds=6,
    verifiers="learned",
    batch=2,
)


@pytest.fixture(scope="module")
def tiny():
    with testing.engine() as loaded:
        yield loaded


@pytest.fixture
def watched(monkeypatch):
    """`(asked, stored, slots)` of every round, as it is about to begin."""
    rounds = []
    make_room = plan.make_room

    def watch(strategy, config, rooms, before, state):
        state = make_room(strategy, config, rooms, before, state)
        owner = state.cache.generator.owner
        stored = int((owner >= 0).sum(1).max())
        asked = plan.needed(state.tree, state.twigs, owner)
        asked = tuple(map(int, asked))
        rounds.append((asked, stored, plan.of(state.cache.generator)))
        return state

    monkeypatch.setattr(plan, "make_room", watch)
    return rounds


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strategy": "dvts"},
        {"strategy": "rebase"},
        {"strategy": "mcts"},
        {"strategy": "sequential"},
        {"verifiers": "both"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "beam",
)
def test_needed_is_what_the_next_round_stores(tiny, watched, changes):
    config = dataclasses.replace(CONFIG, **changes)
    # One problem at a time: nobody takes its slot before its last round.
    tiny.solve(PROBLEMS[:1], config)
    assert len(watched) > 3
    strategy = strategies.build(
        plan.compiled_for(config, strategies.build(config))
    )
    largest = plan.largest(config, strategy)
    for (asked, _, (trunk, stem)), (_, stored, _) in zip(
        watched, watched[1:], strict=False
    ):
        assert stored == asked[0] <= trunk
        if stem:
            assert asked[1] <= stem
    most = max(asked for asked, _, _ in watched)
    assert 0 < most[0] <= largest[0]
    assert max(asked[1] for asked, _, _ in watched) <= largest[1]


def test_a_cache_grows_when_it_must_and_no_more(tiny, watched, monkeypatch):
    monkeypatch.setattr(plan, "_SLOTS", 4)
    monkeypatch.setattr(plan, "_STEM", 8)
    monkeypatch.setattr(plan, "_STEPS", 1)
    monkeypatch.setattr(plan, "prefers_stem", lambda *_, **__: True)
    tiny.solve(PROBLEMS, CONFIG)
    trunks = [trunk for _, _, (trunk, _) in watched]
    stems = [stem for _, _, (_, stem) in watched]
    assert trunks == sorted(trunks) and trunks[0] < trunks[-1]
    for before, ((trunk, stem), _, slots) in zip(
        [watched[0][2], *(slots for _, _, slots in watched)],
        watched,
        strict=False,
    ):
        assert slots[0] == before[0] or trunk > before[0]
        assert slots[1] == before[1] or stem > before[1]
    # All are of the table, and none is for more than a chain.
    assert {plan.bucket(size) for size in stems} == {*stems}
    assert max(stems) <= plan.bucket(CONFIG.chain_tokens)


def test_a_limited_trunk_does_not_grow_over_its_limit(tiny, watched):
    config = dataclasses.replace(CONFIG, step_tokens=24, trunk=64)
    tiny.solve(PROBLEMS, config)
    assert {trunk for _, _, (trunk, _) in watched} == {64}
    assert max(asked[0] for asked, _, _ in watched) > 64
    assert max(stored for _, stored, _ in watched) <= 64


def test_whole_chains_need_no_trunk(tiny):
    config = dataclasses.replace(CONFIG, strategy="majority")
    (solution,) = tiny.solve(PROBLEMS[:1], config)
    assert solution.cache["peak_slots"] == 0
    assert np.isfinite(solution.confidence)
