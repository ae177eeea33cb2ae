"""The loop: slots, queue, keys, and what the host is shown."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.config import STRATEGIES, SearchConfig
from jaxlrm.engine.binding import Prompts
from jaxlrm.search import base, lockstep, loop, strategies
from jaxlrm.search import tree as tree_lib
from jaxlrm.testing import (
    answer,
    compile_scripts,
    cut,
    run_scripts,
    scripted_model,
    step,
    text,
    verdicts_of,
)
from jaxlrm.verify.verdict import Verdict

BEAM = strategies.build(
    SearchConfig(
        strategy="beam",
        branches=4,
        width=2,
        step_tokens=4,
        chain_tokens=40,
        rounds=5,
    )
)
MAJORITY = strategies.build(
    SearchConfig(strategy="majority", branches=4, chain_tokens=4)
)


def chain(length: int, word: str):
    """A script that takes this many rounds, whatever is drawn."""
    script = (answer(f"{word}!", 0.9, verdict=Verdict.VALID),)
    for depth in reversed(range(length - 1)):
        script = (step(f"{word}{depth}", 0.5, *script),)
    return script


def bushy(word: str):
    """A script where much is left to the draw."""
    ends = [answer(f"{word}{i}", i / 10) for i in range(3)]
    inner = [
        step(f"{word}s", 0.3, *ends),
        cut(f"{word}c", 0.6, *ends),
        step(f"{word}t", 0.6, step(f"{word}u", 0.2), *ends),
        step(f"{word}x", 0.9, verdict=Verdict.INVALID),
    ]
    return tuple(step(f"{word}{c}", 0.5, *inner) for c in "ABCDEFGH")


SCRIPTS = [bushy("a"), chain(2, "b"), bushy("c"), chain(4, "d"), bushy("e")]
KEYS = [jax.random.key(n) for n in range(len(SCRIPTS))]


@functools.cache
def alone(number: int, strategy=BEAM) -> str:
    found = run_scripts(
        strategy, [SCRIPTS[number]], keys=[KEYS[number]], sampled=True
    )
    return found.trees[0]


@given(
    order=st.permutations(range(len(SCRIPTS))),
    slots=st.sampled_from([1, 2, 7]),
)
@settings(max_examples=8)
def test_a_tree_does_not_depend_on_what_is_beside_it(order, slots):
    found = run_scripts(
        BEAM,
        [SCRIPTS[i] for i in order],
        keys=[KEYS[i] for i in order],
        slots=slots,
        sampled=True,
    )
    assert found.trees == [alone(i) for i in order]


def test_whole_chains_do_not_depend_on_what_is_beside_them():
    scripts = [[answer(w + c) for c in "abcdefgh"] for w in "xyz"]
    keys = KEYS[:3]
    together = run_scripts(MAJORITY, scripts, keys=keys, slots=2, sampled=True)
    for number, tree in enumerate(together.trees):
        one = run_scripts(
            MAJORITY, [scripts[number]], keys=[keys[number]], sampled=True
        )
        assert one.trees == [tree]


def test_a_seed_gives_the_same_again_and_another_seed_another():
    first, second, third = (
        run_scripts(BEAM, SCRIPTS, slots=2, seed=seed, sampled=True).trees
        for seed in (1, 1, 2)
    )
    assert first == second
    assert [a != b for a, b in zip(first, third, strict=True)] == [
        True,
        False,  # nothing is left to the draw
        True,
        False,
        True,
    ]


def test_equal_problems_with_unequal_keys_differ():
    found = run_scripts(
        BEAM, [SCRIPTS[0]] * 2, keys=KEYS[:2], slots=2, sampled=True
    )
    assert found.trees[0] != found.trees[1]


def test_slots_are_refilled_from_the_queue_in_order():
    lengths = [3, 1, 1, 2, 1]
    scripts = [chain(n, "abcde"[i]) for i, n in enumerate(lengths)]
    found = run_scripts(BEAM, scripts, slots=2)
    # A problem of n steps has n rounds and a last one that finds it finished.
    assert [r.problems.tolist() for r in found.rounds] == [
        [0, 1],
        [0, 1],
        [0, 2],
        [0, 2],
        [3, 4],
        [3, 4],
        [3, -1],
    ]
    assert [r.finished.tolist() for r in found.rounds] == [
        [False, False],
        [False, True],
        [False, False],
        [True, True],
        [False, False],
        [False, True],
        [True, True],
    ]
    for number, tree in enumerate(found.trees):
        assert tree.count("END") == 1
        assert len(tree.splitlines()) == lengths[number]


def test_a_prompt_is_read_alone_and_once():
    model = scripted_model(2, BEAM.branches)
    state = jax.jit(functools.partial(lockstep.initial, model, BEAM, 2))()
    scripts = [chain(n, word) for n, word in zip((3, 1, 1), "abc", strict=True)]
    silence, verify = base.no_reply(2, BEAM.branches), verdicts_of(scripts)
    read = []

    def stack(rows):
        read.append(list(rows))
        return Prompts(np.array([rows], np.int32), np.ones(1, np.int32))

    rounds = loop.run(
        lockstep.compile_rounds(model, BEAM),
        compile_scripts(scripts, BEAM.step_tokens),
        [state],
        [(number, KEYS[number], BEAM.limits) for number in range(3)],
        stack,
        lambda seen: silence._replace(verdict=verify(seen)),
    )
    assert sum(1 for _ in rounds) > 3
    assert read == [[0], [1], [2]]


def test_slots_that_devices_share_are_filled_together():
    """One of each device at a time."""
    options = {"keys": KEYS, "sampled": True, "slots": 4}
    one = run_scripts(BEAM, SCRIPTS, **options)
    two = run_scripts(BEAM, SCRIPTS, shares=2, **options)
    assert two.trees == one.trees == [alone(n) for n in range(len(SCRIPTS))]


def test_idle_rows_are_never_shown_as_alive():
    scripts = [chain(n, "abc"[i]) for i, n in enumerate([4, 1, 2])]
    asked = []

    def verify(seen):
        idle = seen.finished | (seen.problems < 0)
        assert (seen.twigs.leaf[idle] == -1).all()
        assert (seen.twigs.leaf[~idle] >= 0).any(1).all()
        asked.append(int((seen.twigs.leaf >= 0).sum()))
        return verdicts_of(scripts)(seen)

    run_scripts(BEAM, scripts, slots=5, verify=verify)
    # Four branches for each problem that is under way.
    assert asked == [12, 8, 4, 4, 0]


def test_what_the_host_is_shown():
    """Nodes name what became of the twigs of the round before."""
    script = (step("a", 0.2), step("b", 0.9, answer("c", 0.7)), step("d", 0.4))
    found = run_scripts(BEAM, [script])
    first, second, *_ = found.rounds
    assert first.twigs.node.tolist() == [[-1] * 4]
    assert second.twigs.node.tolist() == [[-1, 1, 2, -1]]
    assert second.twigs.leaf.tolist() == [[1, 1, 2, 2]]
    assert second.twigs.key is None
    assert isinstance(second.twigs.tokens, np.ndarray)


def test_a_refilled_slot_forgets_the_twigs_of_the_problem_before():
    found = run_scripts(BEAM, [chain(2, "a"), bushy("b")], slots=1)
    starts = [r for r in found.rounds if r.problems[0] == 1][:1]
    assert starts[0].twigs.node.tolist() == [[-1] * 4]
    assert starts[0].twigs.leaf.tolist() == [[0] * 4]


def test_no_problems_no_rounds():
    programs = lockstep.compile_rounds(scripted_model(2, 4), BEAM)
    state = jax.jit(
        functools.partial(lockstep.initial, scripted_model(2, 4), BEAM, 2)
    )()

    def never(*_):
        raise AssertionError

    assert not list(loop.run(programs, None, [state], [], never, never))


def test_room_is_made_before_every_round():
    model = scripted_model(1, BEAM.branches)
    rooms = []

    def make_room(before, after):
        rooms.append((int(before.tree.size[0]), int(after.tree.size[0])))
        return after

    state = jax.jit(functools.partial(lockstep.initial, model, BEAM, 1))()
    silence = base.no_reply(1, BEAM.branches)
    verify = verdicts_of([chain(3, "a")])
    rounds = loop.run(
        lockstep.compile_rounds(model, BEAM),
        compile_scripts([chain(3, "a")], BEAM.step_tokens),
        [state],
        [(0, KEYS[0], BEAM.limits)],
        lambda rows: Prompts(np.array([rows], np.int32), np.ones(1, np.int32)),
        lambda seen: silence._replace(verdict=verify(seen)),
        make_room,
    )
    count = sum(1 for _ in rounds)
    assert count == 4
    # Before and after the last round's steps are kept.
    assert rooms == [(1, 1), (1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize("slots", [1, 3])
def test_a_failing_verifier_ends_the_loop(slots):
    def verify(seen):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        run_scripts(BEAM, [chain(2, "a")], slots=slots, verify=verify)


# --- Rows that are in the middle of a step ----------------------------------


@pytest.mark.parametrize("name", sorted({*STRATEGIES} - {"greedy"}))
def test_steps_in_chunks_grow_the_same_trees(name):
    """Two tokens a round, where steps have up to four."""
    strategy = strategies.build(
        SearchConfig(
            strategy=name,
            branches=4,
            width=2,
            step_tokens=4,
            chain_tokens=40,
            rounds=5,
        )
    )
    options = {"keys": KEYS, "sampled": True, "slots": 2}
    whole = run_scripts(strategy, SCRIPTS, **options)
    parts = run_scripts(strategy, SCRIPTS, chunk=2, **options)
    assert len(parts.rounds) > len(whole.rounds)
    if strategy.waits:
        assert parts.trees == whole.trees
    else:  # nodes are numbered as their rows end
        for one, other in zip(parts.trees, whole.trees, strict=True):
            assert paths(one) == paths(other)


def paths(outline: str) -> list[tuple[str, ...]]:
    """The texts of each node's chain, without numbers and merged rows."""
    found, chain = [], []
    for line in outline.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        words = [w for w in line.split()[1:] if not w.startswith("x")]
        chain = [*chain[:depth], " ".join(words)]
        found.append(tuple(chain))
    return sorted(set(found))


def test_rows_that_have_ended_wait_for_the_others():
    """A beam judges a round when all of its rows are at their end."""
    script = (step("a"), step("bbb"))
    strategy = strategies.build(
        SearchConfig(
            strategy="beam",
            branches=2,
            width=2,
            step_tokens=4,
            chain_tokens=40,
            rounds=1,
        )
    )
    found = run_scripts(strategy, [script], chunk=2)
    first, second, last = found.rounds
    assert first.twigs.kind.tolist() == [[tree_lib.WRITING] * 2]
    assert first.twigs.length.tolist() == [[2, 2]]
    assert second.twigs.kind.tolist() == [[tree_lib.STEP] * 2]
    assert second.twigs.length.tolist() == [[2, 4]]
    assert last.finished.all()


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_whole_chains_are_begun_as_rows_become_free(rows):
    script = (answer("a"), answer("bbb"), answer("c"), answer("d"))
    found = run_scripts(MAJORITY, [script], rows=rows, chunk=2)
    assert paths(found.trees[0]) == [
        (f"{words} END 0.5",) for words in ("a", "bbb", "c", "d")
    ]
    begun = [r.twigs.begun[0].tolist() for r in found.rounds]
    assert sum(begun[-1]) == 4
    # While the second chain takes two rounds its neighbours go on.
    if rows == 2:
        assert begun[:2] == [[1, 1], [2, 1]]


def test_a_refilled_slot_leaves_the_others_as_they_are():
    model = scripted_model(2, BEAM.branches)
    state = jax.jit(functools.partial(lockstep.initial, model, BEAM, 2))()
    prompts = Prompts(np.zeros((2, 1), np.int32), np.ones(2, np.int32))
    limits = BEAM.limits.spread(2)
    keys = jax.random.split(jax.random.key(0), 2)

    def fill(state, *mask):
        return lockstep.refill(
            model, state, (), prompts, keys, limits, np.array(mask)
        )

    one = fill(state, True, False)
    assert one.tree.size.tolist() == [1, 0]
    assert fill(one, False, True).tree.size.tolist() == [1, 1]
    assert one.tree.live[0, 0] and not one.tree.live[1].any()


# --- One program, several lanes ---------------------------------------------


@pytest.mark.parametrize("slots", [2, 5])
def test_a_fused_search_grows_the_same_trees(slots):
    options = {"keys": KEYS, "sampled": True, "slots": slots}
    stepped = run_scripts(BEAM, SCRIPTS, **options)
    fused = run_scripts(BEAM, SCRIPTS, fused=True, **options)
    assert fused.trees == stepped.trees


@pytest.mark.parametrize("name", sorted({*STRATEGIES} - {"beam"}))
def test_every_strategy_grows_the_same_trees_fused(name):
    config = SearchConfig(
        strategy=name,
        branches=1 if name == "greedy" else 4,
        step_tokens=4,
        chain_tokens=40,
        rounds=5,
    )
    strategy = strategies.build(config)
    options = {"keys": KEYS, "sampled": True, "slots": 2}
    stepped = run_scripts(strategy, SCRIPTS, **options)
    assert all(stepped.trees)
    fused = run_scripts(strategy, SCRIPTS, fused=True, **options)
    assert fused.trees == stepped.trees


def test_lanes_grow_the_same_trees():
    options = {"keys": KEYS, "sampled": True, "slots": 2}
    one = run_scripts(BEAM, SCRIPTS, **options)
    two = run_scripts(BEAM, SCRIPTS, lanes=2, **options)
    assert two.trees == one.trees
    assert {r.first for r in two.rounds} == {0, 2}


def test_a_host_that_fails_ends_a_fused_search():
    def verify(seen):
        raise ZeroDivisionError("of the host")

    with pytest.raises(ZeroDivisionError, match="of the host"):
        run_scripts(BEAM, SCRIPTS, fused=True, verify=verify)


# --- Doubts, and steps that are cut -----------------------------------------


def replies(strategy, script, change):
    """The trees of a search whose host also says what `change` says.

    Args:
        strategy: the search.
        script: of one problem.
        change: `(texts [B], reply) -> reply`, texts "" for idle rows.
    """
    model = scripted_model(1, strategy.branches)
    start = jax.jit(functools.partial(lockstep.initial, model, strategy, 1))
    verify = verdicts_of([script])

    def ask(seen):
        texts = [
            text().decode_step(tokens[:length]) if leaf >= 0 else ""
            for leaf, tokens, length in zip(
                seen.twigs.leaf[0],
                seen.twigs.tokens[0],
                seen.twigs.length[0],
                strict=True,
            )
        ]
        reply = base.no_reply(1, strategy.branches, strategy.output_tokens)
        return change(texts, reply._replace(verdict=verify(seen)))

    rounds = loop.run(
        lockstep.compile_rounds(model, strategy),
        compile_scripts([script], strategy.step_tokens),
        [start()],
        [(0, KEYS[0], strategy.limits)],
        lambda rows: Prompts(np.array([rows], np.int32), np.ones(1, np.int32)),
        ask,
    )
    for _, lane in rounds:
        tree = lane.state.tree
    return tree


@pytest.mark.parametrize("aggregate", ["last", "min", "product", "mean"])
def test_a_doubt_lowers_the_odds_of_its_chain_once(aggregate):
    script = (
        step("a", 0.5, step("c", 0.8, answer("e", 0.6)), step("d", 0.8)),
        step("b", 0.5),
    )
    strategy = strategies.build(
        SearchConfig(
            strategy="rebase",
            branches=2,
            step_tokens=4,
            chain_tokens=40,
            rounds=3,
            aggregate=aggregate,
        )
    )

    def outlined(doubted):
        def change(texts, reply):
            reply.doubt[0] = [bool(text) and text in doubted for text in texts]
            return reply

        found = replies(strategy, script, change)
        words = {0: ""}  # of the chain up to each node
        for n in range(1, int(found.size[0])):
            tokens = found.tokens[0, n, : found.length[0, n]]
            before = words[int(found.parent[0, n])]
            words[n] = before + text().decode_step(tokens)
        del words[0]
        scores = {words[n]: float(found.score[0, n]) for n in words}
        return scores, {words[n] for n in words if found.doubtful[0, n]}

    plain, nothing = outlined("")
    assert nothing == set() and {"a", "ac", "ace"} <= set(plain)
    for doubted in ("a", "ac", "ace"):
        scores, doubtful = outlined(doubted)
        below = {path for path in scores if path.startswith("a")}
        assert doubtful == below
        for path in scores.keys() & plain.keys():
            score = scores[path]
            odds = plain[path] / (1 - plain[path])
            expected = odds / 4 if path in below else odds
            assert score / (1 - score) == pytest.approx(expected, rel=1e-5)


def test_a_doubted_step_comes_behind_another():
    script = (step("a", 0.6), step("b", 0.5))
    strategy = strategies.build(
        SearchConfig(
            strategy="beam",
            branches=2,
            width=2,
            step_tokens=4,
            chain_tokens=40,
            rounds=1,
        )
    )

    def kept(doubted):
        def change(texts, reply):
            reply.doubt[0] = [text == doubted for text in texts]
            return reply

        found = replies(strategy, script, change)
        return text().decode_step(found.tokens[0, 1, : found.length[0, 1]])

    assert (kept("b"), kept("a")) == ("a", "b")


def test_a_step_that_is_cut_is_kept_as_far_as_it_goes():
    """An answer that is cut is a step, and equal steps are one."""
    script = (answer("abc"), cut("abd"), step("x"))
    strategy = strategies.build(
        SearchConfig(
            strategy="rebase",
            branches=3,
            step_tokens=6,
            chain_tokens=40,
            rounds=1,
            tools="python",
            output_tokens=4,
        )
    )

    def change(texts, reply):
        for branch, words in enumerate(texts):
            if words.startswith("ab"):
                reply.length[0, branch] = 2
        return reply

    found = replies(strategy, script, change)
    size = int(found.size[0])
    words = [
        text().decode(found.tokens[0, n, : found.length[0, n]])
        for n in range(1, size)
    ]
    assert words == ["ab", "x\n"]
    assert found.kind[0, 1:size].tolist() == [tree_lib.STEP] * 2
    assert found.count[0, 1:size].tolist() == [2, 1]
    assert found.end[0, 1:size].tolist() == [2, 2]
