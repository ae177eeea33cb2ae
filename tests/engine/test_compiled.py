"""How many programs an engine compiles, and what needs none."""

from __future__ import annotations

import contextlib
import dataclasses

import jax
import pytest

from jaxlrm import testing
from jaxlrm.config import STRATEGIES, SearchConfig
from jaxlrm.engine import compiled as compiled_lib
from jaxlrm.engine import plan
from jaxlrm.search import strategies

pytestmark = pytest.mark.usefixtures("compile_quickly")

PROBLEMS = [
    "What is 1 + 2?",
    "Solve 2*x = 10 for x.",
    "What is 7 - 5 + 3 * 2 - 8 + 1?",
]
BEAM = SearchConfig(
    strategy="beam",
    branches=4,
    width=2,
    chain_tokens=40,
    step_tokens=8,
    rounds=5,
    verifiers="learned",
    temperature=1.0,
)
MAJORITY = SearchConfig(
    strategy="majority",
    branches=8,  # as many rows with a budget of tokens as without
    chain_tokens=12,
    verifiers="learned",
    batch=3,
)


@contextlib.contextmanager
def compilations():
    """Counts all programs that JAX compiles meanwhile, of any kind."""
    found = []

    def listen(event: str, duration: float, **_) -> None:
        if event.endswith("backend_compile_duration"):
            found.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_only_another_size_compiles():
    with testing.engine() as engine:
        assert engine.programs == 0
        engine.solve(PROBLEMS, BEAM)
        # Prefill, refill, commit and write; its own head scores.
        assert engine.programs == 4

        with compilations() as compiled:
            for changes in (
                {"temperature": 0.7, "top_p": 0.9, "tokens": 90, "seed": 3},
                {"temperature": 0.0, "rounds": 6, "chain_tokens": 44},
                {"top_k": 5, "min_p": 0.1, "step_tokens": 7, "system": "Add!"},
            ):
                engine.solve(PROBLEMS, BEAM, **changes)
            engine.solve(PROBLEMS[::-1], BEAM, vote="count", seconds=60.0)
        assert not compiled
        assert engine.programs == 4

        # Prompts of the same length are read as before.
        engine.solve(PROBLEMS, MAJORITY)
        assert engine.programs == 7

        with compilations() as compiled:
            for changes in (
                {"temperature": 0.5, "chain_tokens": 10},
                {"tokens": 50, "seed": 1},
                {"strategy": "weighted"},
            ):
                engine.solve(PROBLEMS, MAJORITY, **changes)
        assert not compiled
        assert engine.programs == 7


def test_other_weights_compile_nothing():
    config, problem = dataclasses.replace(BEAM, rounds=2), PROBLEMS[:1]
    one, other = testing.learned(0), testing.learned(5)
    with testing.engine(0) as engine, testing.engine(5) as expected:
        before = engine.solve(problem, config)
        hashed = engine.identity()["model"]
        with compilations() as compiled:
            engine.update(other.params)
            (found,) = engine.solve(problem, config)
            engine.update(jax.device_put(one.params))
            again = engine.solve(problem, config)
        assert not compiled
        (wanted,) = expected.solve(problem, config)
        assert found.thoughts == wanted.thoughts != before[0].thoughts
        assert again[0].thoughts == before[0].thoughts
        assert engine.identity()["model"] == hashed
        assert engine.weights_hash == ""


def test_weights_are_copied():
    """A trainer donates its own to its next step."""
    with testing.engine(0) as engine:
        values = jax.device_put(testing.learned(1).params)
        engine.update(values)
        for leaf in jax.tree.leaves(values):
            leaf.delete()
        assert engine.solve(PROBLEMS[:1], MAJORITY)[0].thoughts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x[:-1],
            r"embedding is float32 \(127, 16\), and in this mod",
        ),
        (lambda x: x.astype("float16"), r"embedding is float16 \(128, 16\)"),
        (lambda x: None, r"embedding is missing, and .* float32 \(128, 16\)"),
    ],
)
def test_weights_of_another_model_are_refused(change, message):
    values = testing.learned(1).params
    with testing.engine(0) as engine:
        with pytest.raises(ValueError, match=message):
            engine.update(values.replace(embedding=change(values.embedding)))
        with pytest.raises(
            ValueError, match="value_head.* is float32.*missing"
        ):
            bare = testing.learned(1, value_head=False)
            engine._weights = engine._weights._replace(generator=bare.params)
            engine.update(values)


@pytest.mark.slow
def test_programs_that_are_let_go_stay_counted(monkeypatch):
    monkeypatch.setattr(compiled_lib, "_SEARCHES", 1)
    with testing.engine(num_layers=1) as engine:
        one = MAJORITY, {"branches": 1, "chain_tokens": 2}
        two = MAJORITY, {"branches": 2, "chain_tokens": 2}
        counts = []
        for config, changes in (one, two, one):
            engine.solve(PROBLEMS[:1], config, **changes)
            counts.append(engine.programs)
    assert counts == [4, 7, 10]


@pytest.mark.parametrize("size", [*range(1, 70), 1000, 1024, 1025, 30_000])
def test_a_bucket_holds_what_is_asked_for_and_not_much_more(size):
    found = plan.bucket(size)
    assert size <= found < 1.5 * size or found == size
    assert plan.bucket(found) == found
    assert plan.bucket_below(size) <= size < 2 * plan.bucket_below(size)
    assert plan.bucket(size, 64) == max(found, 64)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_search_that_is_compiled_has_room_for_the_one_asked_for(strategy):
    config = SearchConfig(
        strategy=strategy,
        branches=6,
        width=3,
        chain_tokens=90,
        step_tokens=20,
        rounds=9,
    )
    asked = strategies.build(config)
    static = plan.compiled_for(config, asked)
    compiled = strategies.build(static)
    assert compiled.branches == asked.branches
    assert compiled.groups == asked.groups
    assert compiled.whole == asked.whole
    assert compiled.nodes >= asked.nodes
    assert compiled.step_tokens >= asked.step_tokens
    assert plan.compiled_for(static, compiled) == static


def test_what_another_strategy_may_read_is_in_its_programs():
    """It may look at all of its configuration when it is made."""
    config = SearchConfig(
        strategy="tests.engine.test_compiled:make",
        chain_tokens=90,
        step_tokens=20,
    )
    asked = strategies.build(config)
    static = plan.compiled_for(config, asked)
    assert (static.chain_tokens, static.rounds) == (90, config.rounds)
    assert (
        plan.compiled_for(
            SearchConfig(**{**vars(config), "seed": 8, "system": "x"}), asked
        )
        == static
    )


def make(config: SearchConfig) -> strategies.Strategy:
    """A strategy from outside of the package."""
    inside = SearchConfig(**{**vars(config), "strategy": "beam"})
    return strategies.build(inside)
