"""Problems of one batch, each with limits of its own."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import limits, testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import binding
from jaxlrm.limits import UNLIMITED, Limits
from jaxlrm.search import base, lockstep, loop, strategies
from jaxlrm.testing import answer, cut, run_scripts, step

pytestmark = pytest.mark.usefixtures("compile_quickly")


# --- What a configuration says ------------------------------------------------


def test_what_a_configuration_leaves_open_sets_no_limit():
    found = limits.of(SearchConfig(chain_tokens=90, step_tokens=12))
    assert found == Limits(rounds=64, chain_tokens=90, step_tokens=12)
    assert found.tokens == found.think_tokens == UNLIMITED


def test_a_whole_chain_is_one_step():
    config = SearchConfig(strategy="majority", chain_tokens=90, step_tokens=12)
    assert limits.of(config, whole=True).step_tokens == 90


def test_numbers_that_no_array_holds_are_no_limit():
    found = limits.of(SearchConfig(tokens=10**12, rounds=10**12, top_k=10**12))
    assert (found.tokens, found.rounds, found.top_k) == (UNLIMITED,) * 3
    assert limits.stack([found]).tokens.dtype == np.int32


def test_arrays_have_the_same_types_whatever_the_numbers():
    """Or a program would compile for 1 and again for 1.0."""
    one, two = Limits(temperature=1, top_p=1), Limits(temperature=0.5, top_k=3)

    def types(found):
        return [(x.dtype, x.shape) for x in jax.tree.leaves(found)]

    assert types(limits.stack([one])) == types(limits.stack([two]))
    assert types(one.spread(3)) == types(limits.stack([one, two, two]))


# --- Few tokens left ----------------------------------------------------------


def test_the_first_rows_that_fit_go_on():
    active = np.array([True, False, True, True, True])
    found = limits.affordable(active, np.array([3, 9, 3, 3, 3]), np.int32(9))
    assert found.tolist() == [True, False, True, True, False]


def test_each_problem_has_its_own_tokens():
    ones = np.ones((3, 2), np.int32)
    found = limits.affordable(ones > 0, 5 * ones, np.array([10, 9, 0]))
    assert found.tolist() == [[True, True], [True, False], [True, False]]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 50)), min_size=1),
    st.integers(0, 200),
)
def test_one_row_goes_on_and_no_more_than_fit(rows, left):
    active, cost = map(np.array, zip(*rows, strict=True))
    found = np.asarray(limits.affordable(active, cost, np.int32(left)))
    assert not (found & ~active).any()
    assert found.any() == active.any()
    assert found.sum() <= 1 or cost[found].sum() <= left
    # Those left out are the last ones, and the next would be one too many.
    kept, out = np.flatnonzero(found), np.flatnonzero(active & ~found)
    if out.size:
        assert kept.max() < out.min()
        assert cost[found].sum() + cost[out[0]] > left


# --- A batch ------------------------------------------------------------------

BEAM = strategies.build(
    SearchConfig(branches=4, width=2, step_tokens=4, chain_tokens=40, rounds=9)
)
MAJORITY = strategies.build(
    SearchConfig(strategy="majority", branches=4, chain_tokens=8)
)
WORDS = tuple(
    step(word, 0.5, cut(f"{word}a"), step(f"{word}b", 0.7), answer(f"{word}c"))
    for word in ("xy", "zw", "uv")
)
CHAINS = tuple(answer(f"x={n}", 0.5) for n in range(3)) + (cut("x=10", 0.3),)


@pytest.mark.parametrize(
    ("strategy", "script", "changes"),
    [
        (
            BEAM,
            WORDS,
            [
                {},
                {"rounds": 2},
                {"tokens": 30},
                {"chain_tokens": 10},
                {"tokens": 11, "rounds": 3},
            ],
        ),
        (MAJORITY, CHAINS, [{}, {"tokens": 9}, {"tokens": 60}]),
    ],
    ids=["beam", "majority"],
)
def test_budgets_of_a_batch_are_those_of_each_alone(strategy, script, changes):
    asked = [strategy.limits.replace(**change) for change in changes]
    keys = [jax.random.key(n) for n in range(len(asked))]
    options = {"slots": 2, "sampled": True}
    together = run_scripts(
        strategy, [script] * len(asked), keys=keys, limits=asked, **options
    )
    alone = [
        run_scripts(strategy, [script], keys=[key], limits=[own], **options)
        for key, own in zip(keys, asked, strict=True)
    ]
    assert together.trees == [found.trees[0] for found in alone]
    free = run_scripts(strategy, [script] * len(asked), keys=keys, **options)
    assert together.trees[0] == free.trees[0]
    assert together.trees[1:] != free.trees[1:]


SLOTS, PROMPT = 4, 16
WRITTEN = strategies.build(
    SearchConfig(
        branches=4,
        width=2,
        step_tokens=8,
        chain_tokens=40,
        rounds=4,
        verifiers="learned",
    )
)
CHANGES = [
    {},
    {"temperature": 0.0},
    {"temperature": 0.3, "tokens": 60},
    {"top_k": 2},
    {"top_p": 0.4, "rounds": 3},
    {"min_p": 0.3, "chain_tokens": 20},
    {"temperature": 2.0, "step_tokens": 5},
    {"temperature": 1.5, "top_k": 9, "top_p": 0.8, "min_p": 0.01},
]


@functools.cache
def bound():
    """Weights, first state and programs of a search by a random model."""
    with testing.engine() as engine:
        weights = engine._weights
    sizes = binding.Sizes(
        SLOTS,
        WRITTEN.branches,
        PROMPT,
        trunk=96,
        stem=0,
        chunk=WRITTEN.step_tokens,
    )
    model = binding.Binding(
        testing.model_config(), (binding.Judge(None),), WRITTEN, sizes
    ).model()
    start = jax.jit(functools.partial(lockstep.initial, model, WRITTEN, SLOTS))
    return weights, start, lockstep.compile_rounds(model, WRITTEN)


def trees_of(problems) -> dict[int, dict[str, list]]:
    """What is kept for each of `CHANGES` that is named, searched together."""
    weights, start, programs = bound()

    def prompt(number: int) -> list[int]:
        rng = np.random.default_rng(number)
        return rng.integers(3, 100, 3 + number).tolist()

    def stack(rows) -> binding.Prompts:
        tokens = np.zeros((len(rows), PROMPT), np.int32)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return binding.Prompts(
            tokens, np.array([len(ids) for ids in rows], np.int32)
        )

    queue = [
        (prompt(n), jax.random.key(n), WRITTEN.limits.replace(**CHANGES[n]))
        for n in problems
    ]
    silence = base.no_reply(SLOTS, WRITTEN.branches)
    rounds = loop.run(
        programs,
        weights,
        [start()],
        queue,
        stack,
        lambda seen: silence,
    )
    found = {}
    for seen, lane in rounds:
        for row in np.flatnonzero(seen.finished & (seen.problems >= 0)):
            kept = lane.state.tree
            # Behind a step's end are tokens that mean nothing.
            written = jnp.arange(kept.tokens.shape[-1]) < kept.length[..., None]
            kept = kept.replace(tokens=jnp.where(written, kept.tokens, -1))
            fields = (
                "size",
                "rounds",
                "spent",
                "parent",
                "kind",
                "length",
                "tokens",
            )
            found[problems[seen.problems[row]]] = {
                name: np.asarray(getattr(kept, name))[row].tolist()
                for name in fields
            }
    return found


def test_eight_problems_with_limits_of_their_own():
    together = trees_of(range(len(CHANGES)))
    for number in range(len(CHANGES)):
        assert trees_of([number])[number] == together[number]
    # And they were heeded.
    assert together[4]["rounds"] == 3 and together[0]["rounds"] == 4
    assert together[2]["spent"] <= 60 < together[0]["spent"]
    assert max(together[0]["length"]) == 8
    assert max(together[6]["length"]) <= 5


def test_rows_that_ask_for_the_likeliest_are_greedy_beside_others():
    """Branches of one leaf write the same, and are merged."""
    found = trees_of(range(4))
    nodes = [found[n]["size"] for n in range(4)]
    assert nodes[1] <= 1 + found[1]["rounds"] < nodes[0]


def test_limits_stay_those_of_the_problem_in_the_slot():
    model = testing.scripted_model(3, WRITTEN.branches)
    state = lockstep.initial(model, WRITTEN, 3)
    new = limits.stack([Limits(tokens=n) for n in (5, 6, 7)])
    planted = lockstep.refill(
        model,
        state,
        (),
        binding.Prompts(np.zeros((3, 1), np.int32), np.ones(3, np.int32)),
        jax.random.split(jax.random.key(0), 3),
        new,
        np.array([True, False, True]),
    )
    assert planted.tree.limits.tokens.tolist() == [5, UNLIMITED, 7]
