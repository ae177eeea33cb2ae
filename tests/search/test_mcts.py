"""Monte-Carlo tree search: against mctx, on bandits, and by its invariants."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import mctx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.config import SearchConfig
from jaxlrm.engine.binding import Prompts
from jaxlrm.search import (
    base,
    lockstep,
    loop,
    select,
    strategies,
    tree,
)
from jaxlrm.testing import (
    answer,
    compile_scripts,
    run_scripts,
    scripted_model,
    step,
    verdicts_of,
)
from jaxlrm.verify.verdict import Verdict

has_live_descendant = jax.jit(jax.vmap(tree.has_live_descendant))
descend = jax.jit(jax.vmap(lambda tree: select.descend(tree, jnp.ones(4), 2)))

ACTIONS = 3
DEPTH = 5
NAMES = "abcdefghijklmnopqrstuvwxyz"


def build(**changes) -> strategies.Strategy:
    values = {
        "strategy": "mcts",
        "branches": ACTIONS,
        "width": ACTIONS,
        "step_tokens": 8,
        "chain_tokens": 999,
        "rounds": 40,
    }
    return strategies.build(SearchConfig(**(values | changes)))


# --- Against mctx -------------------------------------------------------------


def scores(seed: int) -> np.ndarray:
    """Score of each node of the full tree, numbered as a heap."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 0.95, sum(ACTIONS**d for d in range(DEPTH + 2)))


def script(table: np.ndarray, node: int = 0, depth: int = 0):
    """The children of a node as steps that the fake model writes."""
    if depth > DEPTH:
        return ()
    return tuple(
        step(
            NAMES[depth] + NAMES[action],
            float(table[child]),
            *script(table, child, depth + 1),
        )
        for action in range(ACTIONS)
        for child in [ACTIONS * node + 1 + action]
    )


def visits_of_mctx(table: np.ndarray, simulations: int) -> np.ndarray:
    values = jnp.asarray(table, jnp.float32)

    def child(node, action):
        return jnp.minimum(ACTIONS * node + 1 + action, len(table) - 1)

    def recurrent(params, key, action, node):
        node = child(node, action)
        output = mctx.RecurrentFnOutput(
            reward=jnp.zeros(node.shape),
            discount=jnp.ones(node.shape),
            prior_logits=jnp.zeros((*node.shape, ACTIONS)),
            value=values[node],
        )
        return output, node

    def own_score_first(tree, index):
        """The same transform as ours: a child's own score until visited."""
        node = tree.embeddings[index]
        unvisited = values[child(node, jnp.arange(ACTIONS))]
        return jnp.where(
            tree.children_visits[index] > 0, tree.qvalues(index), unvisited
        )

    root = mctx.RootFnOutput(
        prior_logits=jnp.zeros((1, ACTIONS)),
        value=jnp.zeros(1),
        embedding=jnp.zeros(1, jnp.int32),
    )
    output = mctx.muzero_policy(
        None,
        jax.random.key(0),
        root,
        recurrent,
        num_simulations=simulations,
        qtransform=own_score_first,
        dirichlet_fraction=0.0,
    )
    return np.asarray(output.search_tree.children_visits[0, 0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_visits_are_those_of_mctx(seed):
    table = scores(seed)
    simulations = 30
    found = final_tree(build(rounds=simulations + 1), script(table))
    of_root = np.flatnonzero(np.asarray(found.parent[0]) == 0)
    ours = np.asarray(found.visits[0])[of_root]
    assert len(ours) == ACTIONS
    assert ours.tolist() == visits_of_mctx(table, simulations).tolist()
    assert ours.sum() == simulations


def trees_of(strategy: strategies.Strategy, lines) -> Iterator[tree.Tree]:
    """The tree after each round, as the leaves of the next were selected."""
    model = scripted_model(1, strategy.branches)
    start = functools.partial(lockstep.initial, model, strategy, 1)
    queue = [(0, jax.random.key(0), strategy.limits)]
    silence = base.no_reply(1, strategy.branches)
    verify = verdicts_of([lines])

    def stack(rows):
        return Prompts(np.array(rows, np.int32)[:, None], np.ones(1, np.int32))

    def ask(seen):
        return silence._replace(verdict=verify(seen))

    rounds = loop.run(
        lockstep.compile_rounds(model, strategy),
        compile_scripts([lines], strategy.step_tokens),
        [jax.jit(start)()],
        queue,
        stack,
        ask,
    )
    for _, lane in rounds:
        yield jax.tree.map(np.asarray, lane.state.tree.replace(key=None))


def final_tree(strategy: strategies.Strategy, lines) -> tree.Tree:
    """The tree when the rounds are spent, with its statistics."""
    *_, last = trees_of(strategy, lines)
    return last


# --- Rules --------------------------------------------------------------------


def test_puct_by_hand():
    found = select.puct(
        jnp.array([0.5, 0.2]), jnp.array([3.0, 0.0]), jnp.array([0.6, 0.4]), 4.0
    )
    c = 1.25 + np.log((4 + 19652 + 1) / 19652)
    expected = [0.5 + c * 0.6 * 2 / 4, 0.2 + c * 0.4 * 2 / 1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# --- Behaviour ----------------------------------------------------------------


def test_a_bandit_finds_the_better_arm():
    """Two arms that can be pulled for ever: most pulls go to the better one."""
    lines = (
        step("a", 0.2, step("x", 0.2)),
        step("b", 0.8, step("y", 0.8)),
    )
    found = final_tree(
        build(branches=2, width=2, rounds=30, step_tokens=4), lines
    )
    first = np.flatnonzero(found.parent[0] == 0)
    bad, good = found.visits[0][first]
    assert good > 2 * bad
    assert bad >= 1


def test_parallel_walks_spread_out():
    """Two walks a round: a virtual loss keeps them off one leaf."""
    lines = (step("a", 0.6, step("x")), step("b", 0.5, step("y")))
    found = run_scripts(
        build(branches=4, width=2, rounds=2, step_tokens=4), [lines]
    )
    leaves = found.rounds[1].twigs.leaf[0].tolist()
    assert leaves == [1, 1, 2, 2]


def test_a_leaf_without_a_sound_child_is_tried_again_then_let_go():
    wrong = step("w", 0.9, verdict=Verdict.INVALID)
    lines = (step("a", 0.9, wrong),)
    found = run_scripts(
        build(branches=2, width=2, rounds=30, step_tokens=4), [lines]
    )
    tried = [r.twigs.leaf[0].tolist() for r in found.rounds]
    assert tried == [[0, 0], *[[1, 1]] * 8, [-1, -1]]


def test_a_proven_answer_ends_the_search():
    lines = (
        step("a", 0.9, step("x")),
        step("b", 0.1, answer("y", 0.1, verdict=Verdict.VALID)),
    )
    found = run_scripts(
        build(branches=4, width=2, rounds=30, step_tokens=4), [lines]
    )
    assert "y END 0.1 x2 VALID" in found.trees[0]
    assert len(found.rounds) < 5


def test_a_finished_chain_counts_as_a_visit():
    lines = (answer("a", 0.7), step("b", 0.5, step("x", 0.5)))
    found = final_tree(
        build(branches=2, width=2, rounds=3, step_tokens=4), lines
    )
    ended = int(np.flatnonzero(found.kind[0] == tree.ANSWER)[0])
    assert found.visits[0][ended] == 1
    assert found.value[0][ended] == pytest.approx(0.7)


def withering(rng: np.random.Generator, name: str = "", depth: int = 0):
    """Steps of which many are wrong, or ends, so that whole subtrees die."""
    if depth == 4:
        return ()
    found = []
    for letter in NAMES[: rng.integers(1, 4)]:
        score, kind = rng.uniform(0.1, 0.9), rng.integers(4)
        text = name + letter
        if kind == 0:
            found.append(answer(text, score))
        elif kind == 1:
            found.append(step(text, score, verdict=Verdict.INVALID))
        else:
            found.append(step(text, score, *withering(rng, text, depth + 1)))
    return tuple(found)


def test_walks_end_at_live_leaves():
    """Whole subtrees have died beside them."""
    died = 0
    strategy = build(branches=4, width=2, rounds=12)
    for seed in range(12):
        lines = withering(np.random.default_rng(seed))
        for found in trees_of(strategy, lines):
            alive = np.asarray(has_live_descendant(found))[0]
            if not found.live.any():
                continue  # it has ended: nobody walks down any more
            leaves = descend(found)[0]
            assert found.live[0][leaves].all() and (leaves >= 0).all()
            used = np.arange(len(alive)) < found.size[0]
            inner = np.isin(np.arange(len(alive)), found.parent[0])
            died += int((used & inner & ~alive).sum())
    assert died > 10


def simulations_ended(before: tree.Tree, after: tree.Tree) -> np.ndarray:
    """`[N]`, visits that ended at a node: all but those of its children."""
    own = after.visits[0] - before.visits[0]
    parent = after.parent[0][: after.size[0]]
    below = np.zeros_like(own)
    np.add.at(below, parent[1:], own[1 : after.size[0]])
    return own - below


@given(seed=st.integers(0, 2**20))
@settings(max_examples=10)
def test_visits_add_up(seed):
    """A round's walks each end at one node, and so does every answer."""
    strategy = build(branches=4, width=2, rounds=8)
    lines = withering(np.random.default_rng(seed))
    trees = list(trees_of(strategy, lines)) if lines else []
    walks = 2
    for before, after in itertools.pairwise(trees):
        ended = simulations_ended(before, after)
        assert (ended >= 0).all()
        answers = (after.kind[0] == tree.ANSWER).sum()
        answers -= (before.kind[0] == tree.ANSWER).sum()
        assert ended.sum() == walks + answers
        used = np.arange(len(ended)) < after.size[0]
        worth = after.value[0] / np.maximum(after.visits[0], 1)
        best = after.score[0][used].max()
        assert (worth[used] >= 0).all() and (worth <= best + 1e-5).all()


def test_a_refuted_answer_counts_as_a_visit_worth_nothing():
    """It ends at the step before it, since it is no node."""
    wrong = answer("w", 0.9, verdict=Verdict.INVALID)
    lines = (step("a", 0.6, wrong, step("x", 0.5)),)
    found = final_tree(
        build(branches=2, width=2, rounds=2, step_tokens=4), lines
    )
    assert found.visits[0][:2].tolist() == [3, 2]
    assert found.value[0][1] == pytest.approx(0.6)


def test_backup_of_means():
    """A root with two children, the first with one; four walks ended."""
    forked = tree.empty(5, 1).replace(
        parent=jnp.array([-1, 0, 1, 0, -1]), depth=jnp.array([0, 1, 2, 1, 0])
    )
    nodes = jnp.array([2, 3, -1, 2])
    found = tree.backup(forked, nodes, jnp.array([0.5, 1.0, 9.0, 0.25]))
    assert found.visits.tolist() == [3, 2, 2, 1, 0]
    np.testing.assert_allclose(found.value, [1.75, 0.75, 0.75, 1.0, 0])
