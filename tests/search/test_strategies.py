"""Golden trees: what each strategy keeps of a script, written out by hand."""

from __future__ import annotations

import functools
import inspect
import math

import numpy as np
import pytest

from jaxlrm.config import STEPWISE, STRATEGIES, WHOLE, SearchConfig
from jaxlrm.search import strategies
from jaxlrm.testing import answer, cut, run_scripts, step
from jaxlrm.verify.verdict import Verdict

INVALID, UNKNOWN, VALID = Verdict.INVALID, Verdict.UNKNOWN, Verdict.VALID


@functools.cache  # a strategy compiled once serves all tests
def build(strategy: str, **changes) -> strategies.Strategy:
    sizes = {
        "branches": 4,
        "width": 2,
        "step_tokens": 4,
        "chain_tokens": 40,
        "rounds": 6,
    }
    return strategies.build(
        SearchConfig(strategy=strategy, **{**sizes, **changes})
    )


def grown(strategy: strategies.Strategy, *script) -> str:
    return run_scripts(strategy, [script]).trees[0]


def tree_of(text: str) -> str:
    return inspect.cleandoc(text)


def live_branches(found, problem: int = 0) -> list[int]:
    """Branches in use in each round, the last (empty) one left out."""
    return [
        int((r.twigs.leaf[r.problems == problem] >= 0).sum())
        for r in found.rounds
        if not r.finished[r.problems == problem].all()
    ]


def extended(found) -> list[int]:
    """The latest node that each round extends, of one problem."""
    leaves = [int(r.twigs.leaf[0].max()) for r in found.rounds]
    return [leaf for leaf in leaves if leaf >= 0]


# --- From outside -----------------------------------------------------------


def boom(config):
    """A strategy's function that fails."""
    raise KeyError("boom")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:boom", "failed: .*No module named 'nowhere'"),
        ("math:boom", "failed: .*has no attribute 'boom'"),
        ("tests.search.test_strategies:boom", "failed: KeyError: 'boom'"),
        ("builtins:repr", "returned .*; it must return a jaxlrm.search"),
    ],
)
def test_a_strategy_from_outside_that_fails(name, message):
    with pytest.raises(ValueError, match=f"strategy '{name}' {message}"):
        build(name)


# --- One round of whole chains ----------------------------------------------

CHAINS = (
    answer("x=1", 0.3),
    answer("x=2", 0.9, verdict=INVALID),
    cut("x=10", 0.8),
    answer("x=1", 0.3),
)


@pytest.mark.parametrize("name", ["majority", "best_of_n", "weighted"])
def test_whole_chains(name):
    found = run_scripts(build(name), [CHAINS])
    assert found.trees == [
        tree_of("""
            1 x=1 END 0.3 x2
            2 x=10 .. 0.8
        """)
    ]
    assert live_branches(found) == [4]


def test_whole_chains_that_ended_early_leave_their_tokens_to_others():
    """A chain of five tokens, its end included, is taken to have ten before."""
    script = (
        answer("x=17", 0.3),
        answer("x=2", 0.9, verdict=INVALID),
        answer("x=3", 0.8),
        answer("x=17", 0.3),
        answer("x=4", 0.3),
    )
    limited = build("majority", tokens=25)
    found = run_scripts(limited, [script])
    assert live_branches(found) == [2, 3]
    assert found.trees == [
        tree_of("""
            1 x=17 END 0.3
            2 x=3 END 0.8
            3 x=17 END 0.3
            4 x=4 END 0.3
        """)
    ]
    assert grown(build("greedy", tokens=25), *script) == "1 x=17 END 0.3"


def test_whole_chains_are_not_started_without_end():
    wrong = [answer("x=2", 0.9, verdict=INVALID)] * 40
    found = run_scripts(build("majority", tokens=300), [wrong])
    assert live_branches(found) == [4] * 8


@pytest.mark.parametrize(
    ("aggregate", "score", "rest"), [("min", 0.25, 0.5), ("product", 0.2, 0.25)]
)
def test_best_of_n_scores_the_steps_of_its_chains(aggregate, score, rest):
    """Even of one with a refuted step: whole chains are not vetoed."""
    script = (
        step("a", 0.25, answer("x=1", 0.8)),
        step("b", 0.5, answer("x=2", 0.5), verdict=INVALID),
    )
    strategy = build("best_of_n", branches=2, aggregate=aggregate)
    assert (strategy.vote, strategy.whole) == ("best", False)
    assert grown(strategy, *script) == tree_of(f"""
        1 a 0.25
          3 x=1 END {score}
        2 b 0.5 INVALID
          4 x=2 END {rest}
    """)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_chains_without_chance_are_one(name):
    assert build(name, temperature=0.0).branches == 1


@pytest.mark.parametrize("name", STRATEGIES)
def test_any_strategy_takes_any_vote(name):
    for vote in ("count", "sum", "best"):
        assert build(name, vote=vote).vote == vote


def test_greedy_takes_one_branch():
    strategy = build("greedy")
    assert (strategy.limits.temperature, strategy.branches) == (0, 1)
    found = run_scripts(strategy, [CHAINS])
    assert found.trees == ["1 x=1 END 0.3"]
    assert live_branches(found) == [1]


def test_whole_chains_that_are_all_refuted_leave_the_root():
    wrong = answer("x=2", 0.9, verdict=INVALID)
    assert grown(build("majority"), wrong) == ""


@pytest.mark.parametrize(
    ("name", "vote", "greedy", "whole"),
    [
        ("greedy", "count", True, True),
        ("majority", "count", False, True),
        ("best_of_n", "best", False, True),
        ("weighted", "sum", False, True),
        ("beam", "sum", False, False),
    ],
)
def test_records(name, vote, greedy, whole):
    strategy = build(name)
    assert strategy.vote == vote
    assert (strategy.limits.temperature == 0, strategy.whole) == (greedy, whole)
    assert strategy.step_tokens == (40 if whole else 4)


def test_every_strategy_has_a_record():
    for name in STRATEGIES:
        record = build(name)
        assert record.branches == (1 if name == "greedy" else 4)
        assert record.whole == (name in WHOLE)


# --- Beam -------------------------------------------------------------------


def test_beam():
    """Scores rank, verdicts veto, duplicates merge, ties go to the first."""
    script = (
        step(
            "a",
            0.6,
            step("a1", 0.2),
            step(
                "a2",
                0.8,
                answer("a3", 0.9),
                step("a4", 0.1),
            ),
        ),
        step(
            "b",
            0.9,
            step("b1", 0.8, verdict=INVALID),
            step(
                "b2",
                0.7,
                step("b3", 0.5),
                cut(
                    "b4",
                    0.6,
                    answer("b5", 0.4),
                    answer("b6", 0.4),
                    answer("b5", 0.4),
                    answer("b7", 0.4),
                ),
            ),
        ),
        step("a", 0.6, step("z")),
        step("c", 0.3),
    )
    found = run_scripts(build("beam"), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.6 x2
              4 a2 0.8
                5 a3 END 0.9
            2 b 0.9
              3 b2 0.7
                6 b4 .. 0.7
                  7 b5 END 0.4 x2
                  8 b6 END 0.4
        """)
    ]
    assert live_branches(found) == [4, 4, 4, 4]


def test_beam_gives_all_branches_to_the_leaves_that_are_left():
    script = (
        step("a", 0.5, step("a1"), step("a2"), step("a3"), step("a4", 0.9)),
        *[step(word, verdict=INVALID) for word in "bcd"],
    )
    found = run_scripts(build("beam", rounds=2), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.5
              2 a1 0.5
              3 a4 0.9
        """)
    ]
    assert live_branches(found) == [4, 4]
    assert found.rounds[1].twigs.leaf.tolist() == [[1, 1, 1, 1]]


def test_beam_gives_a_step_places_by_the_branches_that_wrote_it():
    """Of 4 places, 5 of 8 branches want 3: one is left, for the next best."""
    script = (
        *[step("a", 0.7, step("a1"))] * 5,
        step("b", 0.6, step("b1")),
        *[step("c", 0.4, step("c1"))] * 2,
    )
    found = run_scripts(build("beam", branches=8, rounds=2), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.7 x5
              3 a1 0.5 x6
            2 b 0.6
              4 b1 0.5 x2
        """)
    ]
    assert found.rounds[1].twigs.leaf.tolist() == [[1, 1, 1, 1, 1, 1, 2, 2]]


def test_beam_ties_go_to_what_more_branches_wrote():
    script = [step("a"), step("b"), step("b"), step("c")]
    assert grown(build("beam", rounds=1), *script) == tree_of("""
        1 a 0.5
        2 b 0.5 x2
    """)


def test_beam_ties_go_to_a_valid_step():
    script = [step("a"), step("b"), step("b"), step("c", 0.5, verdict=VALID)]
    strategy = build("beam", rounds=1, width=4, verifiers="symbolic")
    found = run_scripts(strategy, [script])
    assert found.trees == [tree_of("1 c 0.5 VALID")]


@pytest.mark.parametrize("score, kept", [(0.6, "1 b 0.5 x2"), (0.7, "1 a 0.7")])
def test_beam_weighs_the_odds_of_a_step_by_those_who_wrote_it(score, kept):
    script = [step("a", score), step("b"), step("b"), step("c", 0.2)]
    assert grown(build("beam", rounds=1, width=4), *script) == tree_of(kept)


def test_beam_ties_go_to_the_lower_branch():
    script = [step(word) for word in "abcd"]
    assert grown(build("beam", rounds=1), *script) == tree_of("""
        1 a 0.5
        2 b 0.5
    """)


def test_beam_ends_with_a_proven_answer():
    script = (
        answer("a", 0.9),
        answer("b", 0.8, verdict=VALID),
        step("c", 0.95),
    )
    found = run_scripts(build("beam", branches=8), [script])
    assert found.trees == [
        tree_of("""
            1 a END 0.9 x3
            2 b END 0.8 x3 VALID
            3 c 0.95 x2
        """)
    ]
    assert live_branches(found) == [8]


def test_beam_keeps_a_proven_answer_that_scores_low():
    script = (
        step("a", 0.9),
        step("b", 0.8),
        step("c", 0.7),
        answer("d", 0.1, verdict=VALID),
    )
    found = run_scripts(build("beam"), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.9
            2 d END 0.1 VALID
        """)
    ]


def test_beam_goes_on_after_a_valid_step():
    script = (step("a", 0.5, answer("b"), verdict=VALID),)
    assert grown(build("beam"), *script).startswith("1 a 0.5 x4 VALID\n  2 b")


def test_beam_ends_with_as_many_answers_as_beams():
    script = (
        answer("a", 0.9),
        step("b", 0.8, step("b1", 0.5, answer("c", 0.5), step("d", 0.9))),
    )
    found = run_scripts(build("beam", rounds=9), [script])
    assert found.trees == [
        tree_of("""
            1 a END 0.9 x2
            2 b 0.8 x2
              3 b1 0.5 x4
                4 c END 0.5 x2
                5 d 0.9 x2
        """)
    ]
    assert live_branches(found) == [4, 4, 4]


def test_beam_ends_when_its_rounds_are_spent():
    found = run_scripts(build("beam", rounds=3), [[step("a")]])
    assert found.trees == [
        tree_of("""
            1 a 0.5 x4
              2 a 0.5 x4
                3 a 0.5 x4
        """)
    ]


def test_beam_goes_back_when_no_further_token_fits():
    # Two characters and a newline: three steps write the 9 tokens of a chain.
    # Nodes 2, 1 and the root then have another try, and write what is there
    # already: the root may begin with it again.
    found = run_scripts(
        build("beam", chain_tokens=9, rounds=12), [[step("ab")]]
    )
    assert extended(found) == [0, 1, 2, 2, 1, 0, 4, 5, 5, 4, 4, 0]


def test_a_step_must_fit_into_a_chain():
    with pytest.raises(ValueError, match="step_tokens 4 is over chain_tokens"):
        build("beam", chain_tokens=3)
    assert build("majority", chain_tokens=3).step_tokens == 3


def test_beam_tries_again_until_its_rounds_are_spent():
    script = (step("a", 0.5, step("b", 0.9, verdict=INVALID)),)
    found = run_scripts(build("beam", rounds=90), [script])
    # Eight tries of `a`, then the problem, which writes it again.
    again = [[0, *[n] * 8] for n in range(1, 11)]
    assert extended(found) == sum(again, [])
    assert set(found.trees[0].split("\n")) == {
        f"{n} a 0.5 x4" for n in range(1, 11)
    }


@pytest.mark.parametrize("name", ["beam", "rebase", "mcts"])
@pytest.mark.parametrize("verdict", [UNKNOWN, Verdict.TIMEOUT, Verdict.ERROR])
def test_only_what_is_refuted_is_dropped(name, verdict):
    """Whatever is said of the steps beside it."""
    found = grown(
        build(name, branches=4, width=2, rounds=1),
        *[step("w", 0.9, verdict=INVALID)] * 2,
        step("a", verdict=VALID),
        step("?", 0.9, verdict=verdict),
    )
    assert {"a", "?"} <= set(found) and "w" not in found


def test_beam_goes_back_to_the_latest_step_with_fewest_tries():
    """And finds below it what it had not written before."""
    wrong = step("w", 0.9, verdict=INVALID)
    script = (
        step(
            "a",
            0.9,
            *[step("b", 0.5, wrong)] * 4,
            step("c", 0.4, answer("d", 0.8, verdict=VALID)),
        ),
    )
    found = run_scripts(build("beam", branches=4, rounds=40), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.9 x4
              2 b 0.5 x4
              3 c 0.4
                4 d END 0.8 x4 VALID
        """)
    ]
    # Eight rounds at `b`, then `a` once more, and not the root.
    assert extended(found) == [0, 1, *[2] * 8, 1, 3]


def test_a_beam_without_second_tries_ends_where_nothing_is_sound():
    """The beam of the literature."""
    wrong = step("w", 0.9, verdict=INVALID)
    script = (step("a", 0.9, wrong), step("b", 0.5, wrong))
    found = run_scripts(build("beam", retry=False), [script])
    assert extended(found) == [0, 2]
    # Nor does it go back when no further token fits.
    strategy = build("beam", chain_tokens=9, rounds=12, retry=False)
    found = run_scripts(strategy, [[step("ab")]])
    assert extended(found) == [0, 1, 2]


@pytest.mark.parametrize("name", ["dvts", "rebase", "mcts"])
def test_without_second_tries_a_first_step_is_tried_once(name):
    script = [step("w", 0.9, verdict=INVALID)]
    found = run_scripts(build(name, retry=False), [script])
    assert live_branches(found) == [4]


def test_beam_begins_again_with_other_steps():
    wrong = step("w", 0.9, verdict=INVALID)
    script = (
        step("a", 0.9, wrong),
        step("b", 0.5, step("c", 0.7, wrong)),
        step("d", 0.4, answer("e", 0.8, verdict=VALID)),
    )
    found = run_scripts(build("beam", width=4, rounds=40), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.9 x2
            2 b 0.5 x2
              3 c 0.7 x4
            4 d 0.4 x2
              5 e END 0.8 x4 VALID
        """)
    ]


@pytest.mark.parametrize(
    ("verifiers", "found"),
    [("both", "1 a END 0.9\n2 b END 0.5"), ("learned", "1 a END 0.9")],
)
def test_beam_goes_on_after_an_answer_only_where_one_may_be_proven(
    verifiers, found
):
    wrong = [step("w", 0.1, verdict=INVALID)] * 3
    script = (answer("a", 0.9), *wrong, answer("b", 0.5), *wrong)
    strategy = build("beam", rounds=9, verifiers=verifiers)
    assert grown(strategy, *script) == found


@pytest.mark.parametrize("name", ["beam", "dvts", "rebase"])
def test_another_try_may_find_a_sound_step(name):
    wrong = step("w", 0.9, verdict=INVALID)
    script = (step("a", 0.5, *[wrong] * 8, answer("b", 0.8)),)
    found = run_scripts(build(name, branches=4, rounds=20), [script])
    assert "b END" in found.trees[0]
    # All of the first two tries were wrong, and nothing else was extended.
    assert live_branches(found)[1:3] == [4, 4]


@pytest.mark.parametrize("branches", [4, 16])
@pytest.mark.parametrize("name", ["dvts", "rebase", "mcts"])
def test_a_first_step_is_tried_in_as_many_rounds_however_many_branches(
    name, branches
):
    script = [step("w", 0.9, verdict=INVALID)]
    found = run_scripts(build(name, branches=branches, rounds=12), [script])
    assert live_branches(found) == [branches] * strategies.TRIES


@pytest.mark.parametrize("verdict", [Verdict.TIMEOUT, Verdict.ERROR])
@pytest.mark.parametrize("name", ["beam", "majority"])
def test_only_invalid_speaks_against_a_step(name, verdict):
    script = (answer("a", 0.9, verdict=verdict), answer("b", 0.8))
    assert grown(build(name), *script) == tree_of(f"""
        1 a END 0.9 x2 {verdict.name}
        2 b END 0.8 x2
    """)


def test_beam_never_outgrows_its_nodes():
    """Every round keeps as many as it may, none is dropped for space."""
    script = [step(word, 0.5) for word in "abcd"]
    strategy = build("beam", rounds=5)
    found = run_scripts(strategy, [script])
    kept = [int((r.twigs.node >= 0).sum()) for r in found.rounds]
    assert kept == [0, 2, 2, 2, 2, 2]
    latest = max(int(r.twigs.node.max()) for r in found.rounds)
    assert latest == strategy.nodes - 1


def test_beam_with_a_width_of_one_keeps_every_branch():
    script = [step(word, 0.5) for word in "abcd"]
    found = run_scripts(build("beam", width=1, rounds=2), [script])
    leaves = [r.twigs.leaf.tolist() for r in found.rounds[:2]]
    assert leaves == [[[0, 0, 0, 0]], [[1, 2, 3, 4]]]
    np.testing.assert_array_equal(found.rounds[2].twigs.node, [[5, 6, 7, 8]])


# --- DVTS -------------------------------------------------------------------


def test_dvts():
    """Two subtrees of two branches; equal steps in both are not merged."""
    script = (
        step("a", 0.6, step("a1", 0.2), step("a2", 0.1)),
        step("b", 0.7, step("b1", 0.2), step("b2", 0.8, answer("b3", 0.4))),
        step("b", 0.7, step("b1", 0.2), step("b2", 0.8, answer("b3", 0.4))),
        step("c", 0.9, verdict=INVALID),
    )
    found = run_scripts(build("dvts", rounds=3), [script])
    assert found.trees == [
        tree_of("""
            1 b 0.7
              3 b2 0.8
                5 b3 END 0.4 x2
            2 b 0.7
              4 b2 0.8
                6 b3 END 0.4 x2
        """)
    ]
    assert found.rounds[1].twigs.leaf.tolist() == [[1, 1, 2, 2]]


def test_dvts_returns_all_answers_of_a_last_step():
    script = (
        answer("a", 0.6),
        answer("b", 0.9),
        step("c", 0.8, answer("c1", 0.3)),
        answer("d", 0.7),
    )
    found = run_scripts(build("dvts", rounds=4), [script])
    assert found.trees == [
        tree_of("""
            1 a END 0.6
            2 b END 0.9
            3 c 0.8
              4 c1 END 0.3 x2
        """)
    ]
    # The rows of a subtree that has ended are idle.
    assert found.rounds[1].twigs.leaf.tolist() == [[-1, -1, 3, 3]]


def test_a_subtree_of_dvts_begins_again_by_itself():
    """The others keep what they have found."""
    good = step("a", 0.5, step("a1", 0.5, answer("a2", 0.6)))
    wrong = step("w", 0.9, verdict=INVALID)
    script = (good, good, wrong, wrong, wrong, wrong, good)
    found = run_scripts(build("dvts", rounds=9), [script])
    leaves = [r.twigs.leaf[0].tolist() for r in found.rounds]
    assert leaves == [
        [0, 0, 0, 0],
        [1, 1, 0, 0],
        [2, 2, 0, 0],
        [-1, -1, 4, 4],
        [-1, -1, 5, 5],
        [-1, -1, -1, -1],
    ]
    assert found.trees == [
        tree_of("""
            1 a 0.5 x2
              2 a1 0.5 x2
                3 a2 END 0.6 x2
            4 a 0.5 x2
              5 a1 0.5 x2
                6 a2 END 0.6 x2
        """)
    ]
    assert found.trees[0].count("a2 END 0.6 x2") == 2


# --- REBASE -----------------------------------------------------------------


def shares(scores, budget: int, counts=(1, 1, 1, 1)) -> list[int]:
    """The paper's rounding, in plain Python."""
    pairs = zip(scores, counts, strict=False)
    weights = [count * math.exp(s / 0.2) for s, count in pairs]
    order = sorted(range(len(scores)), key=lambda i: -weights[i])
    given, left, rest = [0] * len(scores), budget, sum(weights)
    for i in order:
        given[i] = math.ceil(left * weights[i] / rest - 1e-4)
        left -= given[i]
        rest -= weights[i]
    return given


@pytest.mark.parametrize(
    "scores", [(0.9, 0.1, 0.5), (0.5, 0.5, 0.5), (0.2, 0.9, 0.8, 0.7)]
)
def test_rebase_shares_branches_by_softmax(scores):
    script = tuple(
        step(f"{name}", score, step(f"{name}1"))
        for name, score in zip("abcd", scores, strict=False)
    )
    strategy = build("rebase", branches=12, rounds=2)
    found = run_scripts(strategy, [script])
    leaves = found.rounds[1].twigs.leaf[0].tolist()
    counts = [leaves.count(node) for node in range(1, len(scores) + 1)]
    assert counts == shares(scores, 12)
    assert sum(counts) == 12


def test_rebase_weighs_a_step_by_the_branches_that_wrote_it():
    on = step("a1")
    script = (step("a", 0.5, on), step("a", 0.5, on), step("b", 0.7, on))
    strategy = build("rebase", branches=12, rounds=2)
    found = run_scripts(strategy, [script])
    assert found.trees[0].splitlines()[0] == "1 a 0.5 x8"
    leaves = found.rounds[1].twigs.leaf[0].tolist()
    counts = [leaves.count(1), leaves.count(2)]
    assert counts == shares((0.5, 0.7), 12, (8, 4)) == [5, 7]


def test_rebase_spends_on_what_has_not_finished():
    script = (answer("a", 0.6), step("b", 0.5, step("b1")))
    found = run_scripts(build("rebase", branches=8, rounds=3), [script])
    # Four of eight branches have written the answer.
    assert live_branches(found) == [8, 4, 4]


def test_rebase():
    """An answer takes the branches that wrote it, the rest go by score."""
    script = (
        step("a", 0.9, step("a1", 0.3), answer("a2", 0.8)),
        step("b", 0.7, answer("b1", 0.2)),
        answer("c", 0.6),
        step("d", 0.4, verdict=INVALID),
    )
    found = run_scripts(build("rebase", branches=8, rounds=3), [script])
    leaves = [r.twigs.leaf[0].tolist() for r in found.rounds]
    idle = [-1] * 8
    assert leaves == [
        [0] * 8,
        [1] * 5 + [2] + idle[6:],
        [4] * 3 + idle[3:],
        idle,
    ]
    assert found.trees == [
        tree_of("""
            1 a 0.9 x2
              4 a1 0.3 x3
                7 a1 0.3 x3
              5 a2 END 0.8 x2
            2 b 0.7 x2
              6 b1 END 0.2
            3 c END 0.6 x2
        """)
    ]


# --- Monte-Carlo tree search --------------------------------------------------

HALF_REFUTED = (
    step("a", 0.9, step("a1", 0.3), answer("a2", 0.8, verdict=INVALID)),
    step("b", 0.5, answer("b1", 0.2), step("b2", 0.6)),
    step("d", 0.4, verdict=INVALID),
)


def test_mcts():
    """What is likely first; after its refuted ends, what scored less."""
    found = run_scripts(build("mcts", rounds=4), [HALF_REFUTED])
    leaves = [r.twigs.leaf[0].tolist() for r in found.rounds[:4]]
    assert leaves == [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 3, 3], [6, 6, 6, 6]]
    assert found.trees == [
        tree_of("""
            1 a 0.9 x2
              3 a1 0.3 x2
                6 a1 0.3 x2
                  7 a1 0.3 x4
            2 b 0.5
              4 b1 END 0.2
              5 b2 0.6
        """)
    ]


# --- Sequential -------------------------------------------------------------


def test_sequential_takes_a_wrong_step_back():
    script = (
        step(
            "a",
            0.5,
            step("x", 0.9, verdict=INVALID),
            step("y", 0.9, verdict=INVALID),
            step("b", 0.4, answer("c", 0.3)),
        ),
    )
    found = run_scripts(build("sequential", branches=1, rounds=9), [script])
    assert found.trees == [
        tree_of("""
            1 a 0.5
              2 b 0.4
                3 c END 0.3
        """)
    ]
    leaves = [r.twigs.leaf[0].tolist() for r in found.rounds]
    assert leaves == [[0], [1], [1], [1], [2], [-1]]


def test_sequential_chains_do_not_meet():
    """The second and third branch start anew; equal steps stay apart."""
    script = (
        step("a", 0.5, answer("a1", 0.6)),
        step("w", 0.9, verdict=INVALID),
        step("w", 0.9, verdict=INVALID),
        step("a", 0.5, answer("a1", 0.6)),
        step("w", 0.9, verdict=INVALID),
    )
    found = run_scripts(build("sequential", branches=3, rounds=4), [script])
    leaves = [r.twigs.leaf[0].tolist() for r in found.rounds]
    assert leaves == [[0, 0, 0], [1, 0, 0], [-1, 3, 0], [-1, -1, 5], [-1] * 3]
    assert found.trees == [
        tree_of("""
            1 a 0.5
              2 a1 END 0.6
            3 a 0.5
              4 a1 END 0.6
            5 a 0.5
              6 a1 END 0.6
        """)
    ]


def test_sequential_ends_with_its_rounds():
    script = (step("w", 0.9, verdict=INVALID),)
    found = run_scripts(build("sequential", branches=2, rounds=3), [script])
    assert live_branches(found) == [2, 2, 2]


# --- Refuted steps ------------------------------------------------------------

WRONG = [step(word, 0.9, verdict=INVALID) for word in ("a", "b", "d", "e")]


@pytest.mark.parametrize("place", ["first", "second", "answer"])
@pytest.mark.parametrize("name", STEPWISE)
def test_what_is_refuted_is_tried_again(name, place):
    """All branches are wrong at once, and right the next time."""
    right = answer("c1", 0.95, verdict=VALID)
    script = {
        "first": (*WRONG, step("c", 0.95, right, verdict=VALID)),
        "second": (
            step("r", 0.5, *WRONG, step("c", 0.95, right, verdict=VALID)),
        ),
        "answer": (
            step(
                "r",
                0.5,
                *(answer(w.text, 0.9, verdict=INVALID) for w in WRONG),
                right,
            ),
        ),
    }[place]
    strategy = build(name, rounds=16)
    found = run_scripts(strategy, [script])
    assert "c1 END 0.95" in found.trees[0]
    fused = run_scripts(strategy, [script], fused=True)
    assert fused.trees == found.trees
