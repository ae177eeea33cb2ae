"""A plan's bytes are those that are allocated; what does not fit is refused."""

from __future__ import annotations

import dataclasses
import gc
import re

import jax
import jax.numpy as jnp
import pytest

import jaxlrm
from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import engine as engine_lib
from jaxlrm.engine import footprint, layout, memory, plan
from jaxlrm.models import sharding

pytestmark = pytest.mark.usefixtures("compile_quickly")

PROBLEMS = ["What is 1 + 2?", "Solve 2*x = 10 for x.", "What is 7 - 5?"]
CONFIG = SearchConfig(
    strategy="beam",
    branches=8,
    width=2,
    chain_tokens=192,
    step_tokens=24,
    rounds=8,
    verifiers="learned",
    temperature=1.0,
    batch=2,
)
SHAPE = {"hidden_size": 64, "head_dim": 16, "intermediate_size": 128}


def live() -> int:
    """Bytes of all arrays that there are."""
    gc.collect()
    return sum(array.nbytes for array in jax.live_arrays())


@pytest.fixture(scope="module")
def tiny():
    """An engine of two models, and the bytes there were without it."""
    before = live()
    generator, reward = (testing.learned(n, **SHAPE) for n in (0, 1))
    rewards = [engine_lib.Own(), reward]
    with jaxlrm.Engine(generator, testing.text(), rewards=rewards) as engine:
        yield engine, before


def watched(engine, problems, config):
    """The plan of a solve, its solutions, and the live bytes of each round."""
    plans, seen = [], []
    solutions = engine.solve(
        problems,
        config,
        planned=plans.append,
        progress=lambda _: seen.append(live()),
    )
    (found,) = plans
    return found, solutions, seen


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strategy": "majority", "verifiers": "none"},
    ],
    ids=["beam", "whole"],
)
def test_planned_bytes_are_allocated(tiny, changes):
    engine, before = tiny
    config = dataclasses.replace(CONFIG, **changes)
    found, _, seen = watched(engine, PROBLEMS, config)
    assert found.held == pytest.approx(seen[0] - before, rel=0.05)
    assert max(seen) - before <= found.largest
    again = engine.plan(config, problems=len(PROBLEMS), prompt=60)
    assert dataclasses.replace(again, available=found.available) == found


def test_a_shipped_model_takes_what_is_planned():
    before = live()
    with jaxlrm.load("mini") as engine:
        found, _, seen = watched(
            engine, ["Solve 3*x + 4 = 19 for x."], SearchConfig(branches=8)
        )
    assert found.held == pytest.approx(seen[0] - before, rel=0.02)
    text = str(found)
    assert text.startswith("memory: ") and "copy 15 MB" in text
    assert "1 x 8 rows" in text


GROWING = dataclasses.replace(CONFIG, strategy="mcts", rounds=4)


def test_growth_is_planned(tiny, monkeypatch):
    engine, before = tiny
    monkeypatch.setattr(plan, "_STEPS", 1)
    found, _, seen = watched(engine, PROBLEMS[:1], GROWING)
    assert found.held < max(seen) - before <= found.largest


def short_of(monkeypatch, bytes_: int) -> None:
    monkeypatch.setattr(memory, "available", lambda *_: bytes_)


def test_a_trunk_that_cannot_grow_drops_what_finds_no_room(tiny, monkeypatch):
    engine, before = tiny
    monkeypatch.setattr(plan, "_STEPS", 1)
    wanted = engine.plan(GROWING, prompt=60)
    has = (3 * wanted.total + wanted.largest) // 4
    short_of(monkeypatch, has)
    found, (solution,), seen = watched(engine, PROBLEMS[:1], GROWING)
    assert found.fits and found.largest <= has < wanted.largest
    assert max(seen) - before <= has
    assert f"kept to {found.limit:,} slots" in str(found)
    assert 0 < found.limit
    assert solution.cache["peak_slots"] <= found.limit


def test_rows_attend_to_the_trunk_where_stems_do_not_fit(tiny, monkeypatch):
    engine, _ = tiny
    monkeypatch.setattr(plan, "prefers_stem", lambda *_, **__: True)
    monkeypatch.setattr(footprint, "temporaries", lambda *_: 0)
    wanted = engine.plan(CONFIG, prompt=60)
    assert wanted.stem
    short_of(monkeypatch, wanted.largest - 1)
    found = engine.plan(CONFIG, prompt=60)
    assert found.fits and (found.stem, found.limit) == (0, 0)


@pytest.mark.parametrize(
    "changes", [{}, {"strategy": "majority"}, {"execution": "fused"}]
)
def test_what_does_not_fit_is_refused_with_what_does(
    tiny, monkeypatch, changes
):
    engine, _ = tiny
    config = dataclasses.replace(CONFIG, **changes)
    wanted = engine.plan(config, problems=2, prompt=60)
    has = wanted.weights + wanted.copy + wanted.rewards
    has += (wanted.total - has) * 2 // 3
    short_of(monkeypatch, has)
    assert not engine.plan(config, problems=2, prompt=60).fits
    with pytest.raises(ValueError, match="the search needs .* and has ") as no:
        engine.solve(PROBLEMS[:2], config)
    remedies = re.findall(r"(\w+)=(\d+)", str(no.value))
    assert {name for name, _ in remedies} >= {"branches", "batch"}
    for name, value in remedies:
        changes = {name: int(value)}
        if name == "chain_tokens":
            changes["step_tokens"] = min(24, int(value))
        found = engine.plan(config, problems=2, prompt=60, **changes)
        assert found.fits and found.largest <= has


def test_nothing_smaller_fits(tiny, monkeypatch):
    short_of(monkeypatch, 1000)
    with pytest.raises(ValueError, match="take a smaller model"):
        tiny[0].solve(PROBLEMS, CONFIG)


def test_devices_that_are_not_there_are_planned_for_alike():
    """Each has its share of the problems, and of the heads."""
    config = testing.model_config(**SHAPE)
    mesh = sharding.make_mesh(4, 2)

    def planned(mesh):
        models = layout.Models(config, (), jnp.dtype("bfloat16"), mesh, "tpu")
        asked = dataclasses.replace(CONFIG, verifiers="none", batch=8)
        search = layout.arrange(models, asked, problems=8, prompt=60)
        return memory.plan(models, search, None)

    there, abstract = planned(mesh), planned(mesh.abstract_mesh)
    alone = planned(sharding.make_mesh(1, 1).abstract_mesh)
    assert there == abstract
    assert 8 * there.cache == alone.cache and there.devices == 8
    assert there.weights < alone.weights < 2 * there.weights + 2**16
