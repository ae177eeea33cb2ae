"""The engine on the shipped model: whole solves, and what it refuses.

What the model answers is not tested, only that it is the same thing however
it is asked.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import math
import random
import shutil
import sys
import time

import numpy as np
import pytest
import tokenizers

import jaxlrm
from jaxlrm import extend, testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import calibrate, defaults, loading, plan, tables
from jaxlrm.engine import engine as engine_lib
from jaxlrm.engine.host import Host
from jaxlrm.engine.solution import steps_of
from jaxlrm.models import hf, sharding
from jaxlrm.search import strategies
from jaxlrm.text import END, Text
from jaxlrm.train import data, grade, rollouts
from jaxlrm.verify.verdict import Verdict
from tests import bigrams, fakes

pytest.importorskip("jaxlrm.families")

# Without symbolic checks no step is vetoed: the deepest trees.
BEAM = SearchConfig(
    strategy="beam",
    branches=16,
    width=4,
    chain_tokens=128,
    step_tokens=32,
    rounds=5,
    verifiers="learned",
)
MAJORITY = dataclasses.replace(BEAM, strategy="majority")
TINY = SearchConfig(
    strategy="majority", branches=2, chain_tokens=8, verifiers="learned"
)

STEPWISE = SearchConfig(
    strategy="beam",
    branches=8,
    width=2,
    chain_tokens=64,
    step_tokens=8,
    rounds=6,
    verifiers="learned",
)


def draw(seed: int) -> list[str]:
    rng = random.Random(seed)
    names = ("linear", "arithmetic")
    return [extend.get(names[i % 2]).sample(rng).text for i in range(8)]


PROBLEMS = draw(0)


@pytest.fixture(scope="module")
def engine():
    with jaxlrm.load(fakes.SMALL) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def tiny():
    with testing.engine() as loaded:
        yield loaded


@pytest.fixture(scope="module")
def together(engine):
    """All problems side by side, by each strategy."""
    return {
        config.strategy: engine.solve(PROBLEMS, config)
        for config in (BEAM, MAJORITY)
    }


def letters(vocabulary: dict[str, int], step: str = "\n") -> Text:
    """A tokenizer that knows these tokens and drops all else."""
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=vocabulary, merges=[])
    )
    tokenizer.decoder = tokenizers.decoders.Fuse()
    tokenizer.add_special_tokens(["<eos>"])
    return Text(tokenizer, end=["<eos>"], prompt="{problem}", step=step)


def assert_same_tree(one, other, *, scores: float = 1e-5) -> None:
    assert one.problem == other.problem
    plain = [
        [
            dataclasses.replace(t, score=None, logp=None)
            for t in solution.thoughts
        ]
        for solution in (one, other)
    ]
    assert plain[0] == plain[1]
    np.testing.assert_allclose(
        [t.logp for t in one.thoughts],
        [t.logp for t in other.thoughts],
        rtol=1e-4,
        atol=1e-3,
    )
    np.testing.assert_allclose(
        [t.score for t in one.thoughts],
        [t.score for t in other.thoughts],
        rtol=0,
        atol=scores,
    )
    for name in ("answer", "verdict", "best_chain", "tokens", "tree", "note"):
        assert getattr(one, name) == getattr(other, name), name


# --- The same however it is asked -------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("config", [BEAM, MAJORITY], ids=lambda c: c.strategy)
def test_a_problem_alone_has_the_tree_it_has_in_a_batch(
    engine, together, config
):
    alone = engine.solve(PROBLEMS, config, batch=1)
    for one, expected in zip(alone, together[config.strategy], strict=True):
        assert_same_tree(one, expected)


SHORT = ["1 + 2?", "Solve 2*x = 10 for x.", "What is 7 - 5 + 3?", "4 * 4?"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "rows"), [({}, [8, 2]), ({"tokens": 700}, [8, 8])]
)
def test_whole_chains_do_not_depend_on_the_problems_beside(
    monkeypatch, changes, rows
):
    """Two rows write eight chains in chunks as eight rows do.

    A budget of tokens is spent as the rows write: there are as many always.
    """
    monkeypatch.setattr(defaults, "_ROWS", 8)
    config = dataclasses.replace(TINY, branches=8, chain_tokens=200, **changes)
    strategy = strategies.build(config)
    early = defaults.ends_early([config], strategy)
    assert [defaults.rows(strategy, n, early=early) for n in (1, 4)] == rows
    with testing.engine(num_layers=1) as engine:
        alone = engine.solve(SHORT, config, batch=1)
        beside = engine.solve(SHORT, config, batch=4)
    lengths = [len(t.tokens) for found in alone for t in found.thoughts]
    assert min(lengths) < 32 and max(lengths) > 128
    for one, other in zip(alone, beside, strict=True):
        assert_same_tree(one, other)
        assert one.votes == other.votes


@pytest.mark.slow
def test_steps_in_chunks_have_the_same_tree_alone_and_beside_others():
    config = dataclasses.replace(
        STEPWISE, branches=4, step_tokens=96, chain_tokens=200, rounds=4
    )
    with testing.engine(num_layers=1) as engine:
        alone = engine.solve(SHORT, config, batch=1)
        beside = engine.solve(SHORT, config, batch=3)
    lengths = [len(t.tokens) for found in alone for t in found.thoughts]
    assert min(lengths) < 32 and max(lengths) == 96
    for one, other in zip(alone, beside, strict=True):
        assert_same_tree(one, other)


@pytest.mark.slow
def test_slots_order_and_memory_do_not_matter(together, monkeypatch):
    """Two slots, whose rounds mix, and no paths gathered for the leaves."""
    monkeypatch.setattr(plan, "prefers_stem", lambda *_, **__: False)
    order = [5, 2, 7, 0, 3, 6, 1, 4, 5]
    with jaxlrm.load(fakes.SMALL) as other:
        found = other.solve([PROBLEMS[i] for i in order], BEAM, batch=2)
    for one, number in zip(found, order, strict=True):
        assert_same_tree(one, together["beam"][number])


@pytest.mark.slow
def test_a_longer_problem_beside_does_not_matter(engine, together):
    """It makes the prompts of all slots longer."""
    longer = "What is " + " + ".join(["1"] * 60) + "?"
    found = engine.solve([PROBLEMS[0], longer], MAJORITY)
    assert_same_tree(found[0], together["majority"][0])


@pytest.mark.slow
def test_a_seed_gives_the_same_again(engine, together):
    again = engine.solve(PROBLEMS, BEAM)
    for one, other in zip(again, together["beam"], strict=True):
        assert_same_tree(one, other, scores=0)


@pytest.mark.slow
def test_another_seed_gives_other_trees(engine, together):
    others = engine.solve(PROBLEMS, BEAM, seed=1)
    same = [
        [t.text for t in one.thoughts] == [t.text for t in other.thoughts]
        for one, other in zip(others, together["beam"], strict=True)
    ]
    assert not all(same)


@pytest.mark.slow
def test_a_beam_of_one_writes_what_greedy_decoding_writes(tiny):
    """Through commits, gathers and a trunk that grows, token by token."""
    problem = "Solve 2*x = 10 for x."
    (greedy,) = tiny.solve([problem], TINY, strategy="greedy", chain_tokens=170)
    (beam,) = tiny.solve(
        [problem],
        strategy="beam",
        branches=1,
        width=1,
        temperature=0.0,
        chain_tokens=170,
        step_tokens=18,
        rounds=99,
        verifiers="learned",
    )
    (chain,) = greedy.thoughts
    assert len(chain.tokens) > 100  # this model does not come to an end
    path = []  # until the beam goes back, since no further step would fit
    for number, thought in enumerate(beam.thoughts):
        if thought.parent != number - 1:
            break
        path.append(thought.text)
    joined = "".join(path)
    assert len(path) >= 9
    # Spaces at the ends of a step are not part of its text.
    words = "".join(chain.text.split())
    assert words.startswith("".join(joined.split()))
    assert beam.cache["peak_slots"] > 128  # so many it began with


@pytest.mark.slow
def test_a_reward_model_apart_scores_like_a_head_on_the_generator(
    engine, together
):
    """The same model as generator and as judge: two caches, one score."""
    with jaxlrm.load(fakes.SMALL, reward=fakes.SMALL) as apart:
        found = apart.solve(PROBLEMS, BEAM)
        (unscored,) = apart.solve(PROBLEMS[:1], BEAM, verifiers="none")
    assert unscored.tokens["verifier"] == 0
    for one, expected in zip(found, together["beam"], strict=True):
        tokens = expected.tokens["generator"]
        assert one.tokens == {"generator": tokens, "verifier": tokens}
        expected = dataclasses.replace(expected, tokens=one.tokens)
        assert_same_tree(one, expected, scores=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("apart", "step_tokens"), [(False, 32), (False, 6), (True, 32), (True, 6)]
)
def test_a_score_of_likelihood(tmp_path, apart, step_tokens):
    """It is that of the chain read as a whole, apart and by the generator.

    And however many times the limit of tokens cut a step of it.
    """
    folder = tmp_path / "likely"
    shutil.copytree(loading.find(fakes.SMALL), folder)
    line = calibrate.Calibration(0.5, -0.2, 0.3)
    (folder / calibrate.FILE).write_text(json.dumps(line._asdict()))
    models = {"reward": folder} if apart else {}
    with jaxlrm.load(fakes.SMALL if apart else folder, **models) as likely:
        (found,) = likely.solve(
            PROBLEMS[1:2], BEAM, rounds=12, step_tokens=step_tokens
        )
    whole = all(thought.kind != "open" for thought in found.thoughts)
    assert whole == (step_tokens == 32)
    chains, scores = [], []
    for thought in found.thoughts:
        if thought.kind == "open":
            continue
        thoughts = [thought]
        while (number := thoughts[0].parent) >= 0:
            thoughts.insert(0, found.thoughts[number])
        steps = steps_of(thoughts)
        ended = thought.kind == "answer"
        labels = [None] * (len(steps) - 1) + [1.0]
        chains.append(rollouts.Chain(tuple(steps), ended))
        scores.append((thought.score, labels))
    path = tmp_path / "chains.jsonl"
    with open(path, "w") as file:
        for chain, (_, labels) in zip(chains, scores, strict=True):
            rollouts.write(file, found.problem, chain, labels)
    config, values = hf.load(folder)
    documents = data.read_rollouts(path, Text.load(folder))
    grades = grade.grade(config, values, documents)
    expected = calibrate.sigmoid(line(grades.logits, grades.likelihoods))
    assert len(expected) > 4
    np.testing.assert_allclose([s for s, _ in scores], expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["dvts", "rebase", "mcts", "sequential"])
def test_every_stepwise_strategy_searches(engine, strategy):
    found = engine.solve(
        PROBLEMS[:3], BEAM, strategy=strategy, verifiers="both", rounds=12
    )
    again = engine.solve(
        PROBLEMS[2:3], BEAM, strategy=strategy, verifiers="both", rounds=12
    )
    assert_same_tree(again[0], found[2], scores=1e-4)
    assert any(solution.verdict is Verdict.VALID for solution in found)
    for solution in found:
        assert solution.tree["rounds"] <= 12


@pytest.mark.slow
def test_a_budget_of_tokens_is_kept(engine):
    budget = 150
    free = engine.solve(PROBLEMS[:3], BEAM)
    kept = engine.solve(PROBLEMS[:3], BEAM, tokens=budget)
    for one, other in zip(free, kept, strict=True):
        assert one.tokens["generator"] > budget
        # All branches stop together: less than one token of each is left.
        assert 0 <= budget - other.tokens["generator"] < BEAM.branches


# --- What a solve reports ---------------------------------------------------


@pytest.mark.slow
def test_solutions_hang_together(together):
    for solution in together["beam"]:
        for number, thought in enumerate(solution.thoughts):
            assert thought.parent < number
            assert 0 < thought.score < 1
            assert thought.verdict is Verdict.UNKNOWN  # nobody was asked
            if thought.parent >= 0:
                parent = solution.thoughts[thought.parent]
                assert parent.kept and parent.kind != "answer"
                assert thought.round == parent.round + 1
        rounds = {t.round for t in solution.thoughts}
        assert rounds == set(range(solution.tree["rounds"]))
        for round_number in rounds:
            wrote = [t for t in solution.thoughts if t.round == round_number]
            assert sum(t.count for t in wrote) == BEAM.branches
        spent = sum(len(t.tokens) * t.count for t in solution.thoughts)
        assert solution.tokens == {"generator": spent, "verifier": 0}
        assert 0 < solution.cache["bytes"] < solution.cache["dense"]


@pytest.mark.slow
def test_symbolic_verdicts_veto(engine):
    found = engine.solve(PROBLEMS, BEAM, verifiers="both")
    thoughts = [t for solution in found for t in solution.thoughts]
    verdicts = {t.verdict for t in thoughts}
    assert verdicts & {Verdict.VALID, Verdict.INVALID}
    for thought in thoughts:
        if thought.verdict is Verdict.INVALID:
            assert not thought.kept
    for solution in found:
        if solution.solved:
            assert solution.verdict is Verdict.VALID
            assert solution.confidence == 1.0


def test_callbacks(tiny):
    problems = [f"What is {i} + 1?" for i in range(5)]
    progress, finished = [], {}
    found = tiny.solve(
        problems,
        TINY,
        batch=2,
        progress=progress.append,
        finished=finished.__setitem__,
    )
    assert finished == dict(enumerate(found))
    assert [p.round for p in progress] == list(range(1, len(progress) + 1))
    assert progress[-1].finished == progress[-1].problems == 5
    assert progress[-1].tokens == sum(s.tokens["generator"] for s in found)


# --- Problems that cannot be solved -----------------------------------------


def test_bad_problems_beside_good_ones(tiny):
    bad = {
        "": "empty",
        " \n": "empty",
        "1 + " * 100: "has room for 248",
        "What is \ud800?": "no text",
    }
    good = ["What is 1 + 2?", "\x00 你好 <eos>"]
    alone = tiny.solve(good, TINY)
    found = tiny.solve([good[0], *bad, good[1]], TINY)
    assert_same_tree(found[0], alone[0])
    assert_same_tree(found[-1], alone[1])
    for (problem, note), solution in zip(bad.items(), found[1:-1], strict=True):
        assert solution.problem == problem
        assert note in solution.note
        assert solution.answer is None and not solution.solved
        assert solution.thoughts == ()
    for solution in found:
        json.dumps(solution.to_json())


@pytest.mark.slow
def test_a_problem_of_unknown_characters():
    text = letters({"<eos>": 0, "a": 1, "\n": 2})
    with jaxlrm.Engine(testing.learned(), text) as made:
        for problems in (["日本"], ["日本", "a"]):
            refused, *others = made.solve(problems, TINY)
            assert "knows none of its characters" in refused.note
            assert refused.thoughts == ()
            assert all(solution.thoughts for solution in others)


def test_nothing_to_search(tiny):
    assert tiny.solve([], TINY) == []
    (refused,) = tiny.solve([""], TINY)
    assert refused.answer is None


@pytest.mark.slow
def test_the_longest_problem_that_fits(tiny):
    room = tiny.solve(["1" * 300], TINY)[0].note.split("room for ")[1]
    longest = int(room.split(";")[0]) - 1  # its prompt ends with a newline
    fits, longer = tiny.solve(["1" * longest, "1" * (longest + 1)], TINY)
    assert len(fits.thoughts) == 2 and not longer.thoughts


# --- Errors -----------------------------------------------------------------


def test_one_string_is_not_a_list_of_problems(tiny):
    with pytest.raises(TypeError, match="list of problems"):
        tiny.solve("What is 1 + 2?")


@pytest.mark.parametrize("problem", [1, None, b"1"])
def test_a_problem_is_a_text(tiny, problem):
    with pytest.raises(TypeError, match=f"problem 1 is {problem!r}; give each"):
        tiny.solve(["What is 1 + 2?", problem], TINY)


@pytest.mark.slow
def test_a_likelihood_scores_whole_chains_step_by_step():
    """It was fitted to steps: that of a chain is not one of them."""
    likely = dataclasses.replace(testing.learned(), likelihood=0.5)
    with engine_lib.Engine(likely, testing.text()) as found:
        (solution,) = found.solve(
            ["What is 1 + 2?"],
            strategy="best_of_n",
            branches=2,
            rounds=3,
            verifiers="learned",
        )
    assert solution.tree["rounds"] == 3


BEGUN = ("2*x = 13 - 3", "2*x = 10")


@pytest.mark.slow
def test_chains_go_on_from_steps_that_are_there(engine):
    """The model reads them, and the maths engine judges what follows them."""
    problem = "Solve 2*x + 3 = 13 for x."
    begun, wrong, afresh = (
        engine.solve(
            [problem],
            begun=[steps],
            strategy="beam",
            branches=4,
            width=1,
            step_tokens=32,
            chain_tokens=128,
            rounds=1,
            verifiers="symbolic",
        )[0]
        for steps in (BEGUN, (BEGUN[0], "2*x = 11"), ())
    )
    assert begun.answer == "5"
    assert begun.solved
    assert begun.best_chain == (0,)
    assert begun.thoughts[0].text == "x = 5"
    assert not wrong.solved
    assert all(t.verdict is not Verdict.VALID for t in wrong.thoughts)
    assert "x = 5" not in {t.text for t in afresh.thoughts}


@pytest.mark.slow
def test_an_answer_is_judged_with_the_steps_that_were_there(engine):
    """What follows from a wrong beginning is no proof."""
    (found,) = engine.solve(
        ["Solve 2*x + 3 = 13 for x."],
        begun=[("2*x = 8",)],
        strategy="beam",
        branches=8,
        step_tokens=32,
        chain_tokens=128,
        rounds=3,
        verifiers="symbolic",
    )
    assert not found.solved


def test_each_problem_needs_its_begun_steps(tiny):
    with pytest.raises(ValueError, match="begun has 1 entries for 2 problems"):
        tiny.solve(["a", "b"], begun=[("c",)])


def test_an_unknown_setting(tiny):
    with pytest.raises(TypeError, match="branchs"):
        tiny.solve(["What is 1 + 2?"], branchs=3)


@pytest.mark.parametrize("verifiers", ["learned", "both"])
def test_learned_scores_need_a_head(verifiers):
    with (
        testing.engine(value_head=False) as headless,
        pytest.raises(ValueError, match="value head.*verifiers=symbolic"),
    ):
        headless.solve(["What is 1 + 2?"], verifiers=verifiers)


@pytest.mark.slow
def test_auto_takes_the_scores_that_there_are():
    assert SearchConfig().verifiers == "auto"
    config = dataclasses.replace(STEPWISE, rounds=2, verifiers="auto")
    for head in (False, True):
        model = testing.learned(value_head=head)
        with jaxlrm.Engine(
            model, testing.text(), extensions=["jaxlrm.families"]
        ) as made:
            (found,) = made.solve(["What is 1 + 2?"], config)
            assert made.scores is head
        assert {t.score is not None for t in found.thoughts} == {head}
        assert {t.verdict for t in found.thoughts} != {Verdict.UNKNOWN}


def test_a_reward_model_needs_a_head():
    bare = testing.learned(value_head=False)
    with pytest.raises(ValueError, match="no value head"):
        jaxlrm.Engine(testing.learned(), testing.text(), rewards=[bare])


def test_a_reward_model_needs_the_tokens_of_the_generator():
    small = testing.learned(vocab_size=64)
    with pytest.raises(ValueError, match="100 tokens and a reward model 64"):
        jaxlrm.Engine(testing.learned(), testing.text(), rewards=[small])


@pytest.mark.parametrize("weight", [0, -1, np.nan, np.inf, "2", None])
@pytest.mark.parametrize("kind", ["own", "separate"])
def test_a_reward_needs_a_positive_weight(weight, kind):
    reward = engine_lib.Own(weight)
    if kind == "separate":
        reward = dataclasses.replace(testing.learned(1), weight=weight)
    with pytest.raises(ValueError, match=f"no positive weight: {weight!r};"):
        jaxlrm.Engine(testing.learned(), testing.text(), rewards=[reward])


def test_the_shortest_context_is_that_of_all():
    short = testing.learned(max_position_embeddings=128)
    with jaxlrm.Engine(
        testing.learned(), testing.text(), rewards=[short]
    ) as engine:
        for verifiers, positions in (("learned", 128), ("none", 256)):
            with pytest.raises(ValueError, match=f"{positions} positions"):
                engine.solve(["1"], verifiers=verifiers, chain_tokens=256)


@pytest.mark.parametrize("strategy", ["majority", "beam"])
def test_chains_must_leave_room_for_a_problem(tiny, strategy):
    with pytest.raises(ValueError, match="256 positions"):
        tiny.solve(["1"], strategy=strategy, chain_tokens=256)


def test_the_mesh_must_divide_the_heads():
    with pytest.raises(ValueError, match="4 query heads.*8x1, 4x2, 2x4"):
        testing.engine(mesh=sharding.make_mesh(1, 8))


def test_the_tokenizer_must_fit():
    with pytest.raises(ValueError, match="not of one model"):
        testing.engine(vocab_size=64)


def test_only_ids_of_tokens_are_written():
    text = letters({"a": 0, "\n": 3, "<eos>": 7})
    found = tables.build(text, 9)
    assert np.flatnonzero(found.known).tolist() == [0, 3, 7]
    assert np.flatnonzero(found.ends_answer).tolist() == [7]


@pytest.mark.slow
def test_close_may_be_repeated():
    engine = testing.engine()
    engine.close()
    config = dataclasses.replace(TINY, verifiers="symbolic")
    engine.solve(["What is 1 + 2?"], config)
    engine.close()
    engine.close()
    engine.solve(["What is 1 + 2?"], config)  # new workers come by themselves
    engine.close()


# --- Several verifiers ------------------------------------------------------


@pytest.mark.slow
def test_several_rewards_are_weighed():
    """The score is the sigmoid of the weighted mean of their logits."""
    config = dataclasses.replace(TINY, branches=8)
    problems = ["What is 1 + 2?", "Solve 2*x = 10 for x."]

    def scores(*rewards):
        with jaxlrm.Engine(
            testing.learned(), testing.text(), rewards=rewards
        ) as judged:
            found = judged.solve(problems, config)
        assert [s.tokens["verifier"] > 0 for s in found] == [
            any(isinstance(r, engine_lib.Learned) for r in rewards)
        ] * 2
        return np.array([t.score for s in found for t in s.thoughts])

    rewards = [
        engine_lib.Own(0.5),
        dataclasses.replace(testing.learned(1), weight=1.0),
        dataclasses.replace(testing.learned(2, num_layers=1), weight=2.5),
    ]
    alone = np.array([scores(reward) for reward in rewards])
    logits = np.log(alone) - np.log1p(-alone)
    mean = np.average(logits, axis=0, weights=[r.weight for r in rewards])
    np.testing.assert_allclose(
        scores(*rewards), 1 / (1 + np.exp(-mean)), rtol=0, atol=1e-5
    )
    assert np.ptp(alone, axis=0).max() > 0.05


@pytest.mark.slow
def test_the_caches_of_all_models_count():
    def cache(*rewards):
        with jaxlrm.Engine(
            testing.learned(), testing.text(), rewards=rewards
        ) as made:
            (found,) = made.solve(["What is 1 + 2?"], TINY)
        return found.cache

    alone, two = cache(), cache(testing.learned(1))
    for name in ("bytes", "dense"):
        assert two[name] == 2 * alone[name]
    assert two["peak_slots"] == alone["peak_slots"]


def test_an_engine_says_what_it_is_made_of():
    def identity(*rewards, **options):
        with jaxlrm.Engine(
            testing.learned(), testing.text(), rewards=rewards, **options
        ) as made:
            return made.identity()

    own = identity()
    assert own == identity(engine_lib.Own())
    assert own["rewards"] == [[True, 1.0, 0.0]]
    assert json.loads(json.dumps(own)) == own
    apart = identity(testing.learned(1))
    assert apart["rewards"] == [[False, 1.0, 0.0]]
    # Another head, with the same generator.
    assert apart["model"] != identity(testing.learned(2))["model"]
    checked = identity(checkers=[refuse_sevens], extensions=["json"])
    assert checked == {
        **own,
        "checkers": ["tests.engine.test_engine:refuse_sevens"],
        "extensions": ["json"],
    }


def refuse_sevens(problem, steps, ended):
    """A checker; the workers import this module by its name."""
    del problem, ended
    return Verdict.INVALID if "7" in steps[-1] else Verdict.UNKNOWN


def test_a_checker_that_workers_cannot_import(monkeypatch):
    def inner(problem, steps, ended):
        return Verdict.UNKNOWN

    monkeypatch.setattr(refuse_sevens, "__module__", "__main__")
    for checker in (inner, refuse_sevens, functools.partial(inner)):
        with pytest.raises(ValueError, match="top level of a module of its"):
            bigrams.engine({}, checkers=[checker])


def takes_two(problem, steps):
    """No checker."""


def needs_a_name(problem, steps, ended, *, name):
    """No checker."""


@pytest.mark.parametrize("checker", [math.sin, takes_two, needs_a_name])
def test_a_checker_that_cannot_be_called(checker):
    name = f"{checker.__module__}:{checker.__name__}"
    with pytest.raises(ValueError, match=rf"{name} takes .*\(problem, steps,"):
        bigrams.engine({}, checkers=[checker])


def test_a_checker_may_have_more_arguments_or_no_signature():
    for checker in (math.hypot, max):
        bigrams.engine({}, checkers=[checker]).close()


@pytest.mark.slow
def test_a_checker_of_a_user_vetoes(tmp_path, monkeypatch):
    (tmp_path / "sevens.py").write_text(
        "from jaxlrm.verify.verdict import Verdict\n\n\n"
        + inspect.getsource(refuse_sevens)
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sevens", raising=False)
    checker = importlib.import_module("sevens").refuse_sevens
    follow = {
        "?": ["so 7\n", "so 8\n"],
        "so 7\n": ["x = 1"],
        "so 8\n": ["x = 7", "x = 2"],
        **{answer: [END] for answer in ("x = 1", "x = 2", "x = 7")},
    }
    with bigrams.engine(follow, checkers=[checker]) as judged:
        (found,) = judged.solve(["Which?"], STEPWISE, verifiers="both")
    assert {t.text for t in found.thoughts} >= {"so 7", "so 8", "x = 7"}
    for thought in found.thoughts:
        said = thought.text
        if thought.kind == "answer":  # which stands and falls with its chain
            said += found.thoughts[thought.parent].text
        assert (thought.verdict is Verdict.INVALID) == ("7" in said)
        assert not (thought.kept and "7" in said)
    assert [vote.answer for vote in found.votes] == ["2"]


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["stepped", "fused"])
def test_a_checker_of_a_user_that_fails(tmp_path, monkeypatch, execution):
    (tmp_path / "broken.py").write_text(
        "def check(problem, steps, ended):\n    return 'INVALID'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    checker = importlib.import_module("broken").check
    follow = {"?": ["x = 1"], "x = 1": [END]}
    why = "checker broken:check failed: TypeError: it returned 'INVALID', wh"
    with (
        bigrams.engine(follow, checkers=[checker]) as judged,
        pytest.warns(RuntimeWarning, match=why) as warned,
    ):
        (found,) = judged.solve(
            ["Which?"], STEPWISE, verifiers="both", execution=execution
        )
    assert len(warned) == 1
    assert why in found.note


# --- Tools ------------------------------------------------------------------

PROGRAMS = {
    "?": [">>> n = 20\n", ">>> n = 21\n"],
    ">>> n = 20\n": [">>> n * 2\n"],
    ">>> n = 21\n": [">>> n * 2\n"],
    "\n": ["x = 7"],  # after what a program has shown
    "x = 7": [END],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "execution"),
    [("beam", "stepped"), ("sequential", "fused"), ("majority", "stepped")],
)
def test_programs_are_run_and_their_output_is_read(
    monkeypatch, strategy, execution
):
    asked = []
    ask = Host.ask

    def watch(self, seen):
        asked.append(seen)
        return ask(self, seen)

    monkeypatch.setattr(Host, "ask", watch)
    with bigrams.engine(PROGRAMS) as writer:
        (found,) = writer.solve(
            ["How many?"],
            STEPWISE,
            strategy=strategy,
            execution=execution,
            tools="python",
            output_tokens=8,
        )
        encode = writer._text.encode
    shown = {}
    for thought in found.thoughts:
        if thought.text == ">>> n * 2":
            # The name is the one that the same chain has given.
            before = found.thoughts[thought.parent].text
            shown[before] = thought.output
        else:
            assert thought.output == ""
    assert shown == {">>> n = 20": "40", ">>> n = 21": "42"}
    # What a tool wrote is read by the model, but not counted as its own.
    assert {len(t.tokens) for t in found.thoughts if t.text == "x = 7"} == {2}
    spent = sum(len(t.tokens) * t.count for t in found.thoughts)
    assert found.tokens["generator"] == spent
    twigs = asked[2].twigs
    for branch in np.flatnonzero(twigs.leaf[0] >= 0):
        assert twigs.forced[0, branch] == 3
        length = twigs.length[0, branch]
        tokens = twigs.tokens[0, branch, :length].tolist()
        first = [*tokens[:3]]
        assert first in ([*encode("40\n")], [*encode("42\n")])
        assert tokens[3:] == [*encode("x = 7"), writer._text.end[0]]
    assert found.answer == "7"
    last = found.best_trace
    assert last in (
        [">>> n = 20", ">>> n * 2", "40", "x = 7"],
        [">>> n = 21", ">>> n * 2", "42", "x = 7"],
    )


@pytest.mark.slow
def test_programs_are_run_where_a_problem_asks_for_them():
    families = ["jaxlrm.families"]
    with bigrams.engine(PROGRAMS, extensions=families) as writer:
        writer._text.tasks = ("linear", "programs")
        for asked, run in (
            (["Is it?"], False),
            (["Is it?", "How many primes are below 60?"], True),
        ):
            found = writer.solve(
                asked, STEPWISE, strategy="sequential", output_tokens=8
            )
            shown = {
                thought.output
                for solution in found
                for thought in solution.thoughts
                if thought.text == ">>> n * 2"
            }
            assert shown == ({"40", "42"} if run else {""})


# --- Budgets and early ends -------------------------------------------------

# The problems that end with ? are easy; the others are never solved.
TALK = {"?": ["x = 1"], "x = 1": [END], "!": ["so\n"], "so\n": ["so\n"]}


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["stepped", "fused"])
@pytest.mark.parametrize("strategy", ["majority", "beam", "sequential"])
def test_a_search_short_of_tokens_narrows(tiny, strategy, execution):
    """All branches together would stop after an eighth of the tokens each."""
    config = dataclasses.replace(
        STEPWISE,
        strategy=strategy,
        execution=execution,
        rounds=30,
        tokens=160,
        seed=4,  # with others the random model ends its chains sooner
    )
    for solution in tiny.solve(["What is 1 + 2?", "Is it?"], config):
        assert 140 < solution.tokens["generator"] <= 160
        chain = {-1: 0}
        for number, thought in enumerate(solution.thoughts):
            chain[number] = chain[thought.parent] + len(thought.tokens)
        assert max(chain.values()) > 1.4 * 160 / config.branches


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["beam", "mcts"])
def test_a_full_cache_goes_on_and_says_so(tiny, strategy):
    config = dataclasses.replace(
        STEPWISE,
        strategy=strategy,
        branches=8,
        step_tokens=24,
        chain_tokens=120,
        trunk=64,
    )
    problems = ["What is 1 + 2?", "Solve 2*x = 10 for x."]
    found = tiny.solve(problems, config)
    free = tiny.solve(problems, config, trunk=0)
    for solution, other in zip(found, free, strict=True):
        assert "the cache was full" in solution.note
        assert "the cache was full" not in other.note
        assert solution.cache["peak_slots"] <= 64 < other.cache["peak_slots"]
        assert solution.tree["rounds"] > 1
    fused = tiny.solve(problems, config, execution="fused")
    for solution, other in zip(found, fused, strict=True):
        assert_same_tree(solution, other)


@pytest.mark.slow
def test_time_ends_a_search(tiny):
    problem = ["What is 1 + 2?"]
    (free,) = tiny.solve(problem, STEPWISE, seconds=1e6)
    (ended,) = tiny.solve(problem, STEPWISE, seconds=1e-6)
    assert ended.tree["rounds"] == 1 < free.tree["rounds"]


@pytest.mark.slow
def test_the_time_of_a_problem_is_not_that_of_the_next(tiny):
    problems = ["What is 1 + 2?", "Is it?", "Solve 2*x = 10 for x."]
    alone = dataclasses.replace(STEPWISE, batch=1)
    for solution in tiny.solve(problems, alone, seconds=1e-6):
        assert solution.tree["rounds"] == 1 and solution.thoughts


@pytest.mark.slow
def test_confidence_ends_a_search():
    """Half of the branches answer at once, the others would talk on."""
    follow = {**TALK, "?": ["x = 1", "so\n"]}
    with bigrams.engine(follow, {END: 2.0}) as talker:
        for sure, rounds in ((0.0, 6), (0.85, 1), (0.95, 6)):
            (found,) = talker.solve(
                ["Is it?"], STEPWISE, width=1, confidence=sure
            )
            assert found.tree["rounds"] == rounds
            assert found.confidence == pytest.approx(0.881, abs=1e-3)


@pytest.mark.slow
def test_a_decided_vote_ends_a_search():
    """Most of the branches answer at once; the others cannot outvote them."""
    follow = {**TALK, "?": ["x = 1", "x = 2", "so\n"], "x = 2": [END]}
    rounds = set()
    with bigrams.engine(follow) as talker:
        for seed in range(12):
            (found,) = talker.solve(
                ["Is it?"],
                STEPWISE,
                strategy="sequential",
                verifiers="none",
                branches=5,
                seed=seed,
            )
            counts = [vote.count for vote in found.votes] + [0, 0]
            coming = 5 - sum(counts)
            decided = counts[0] - counts[1] > coming
            expected = 1 if decided or not coming else 6
            assert found.tree["rounds"] == expected
            rounds.add((expected, coming > 0))
    assert {(1, True), (6, True)} <= rounds


# --- Fused searches ---------------------------------------------------------

EIGHT = ["What is 1 + 2?", "", *(f"Solve {i}*x = 6 for x." for i in range(9))]


@pytest.fixture(scope="module")
def spread_out():
    with testing.engine(mesh=sharding.make_mesh(4, 2)) as loaded:
        yield loaded


@pytest.mark.slow
def test_fused_on_eight_devices_is_stepped_on_one(tiny, spread_out):
    config = dataclasses.replace(STEPWISE, rounds=3, verifiers="both")
    expected = tiny.solve(EIGHT, config)
    found = spread_out.solve(EIGHT, config, execution="fused")
    for one, other in zip(expected, found, strict=True):
        assert_same_tree(one, other)


@pytest.mark.slow
def test_a_fused_tree_search_has_room_for_what_it_keeps(tiny):
    """Its cache cannot grow: more than a chain of each leaf of a round."""
    config = dataclasses.replace(
        STEPWISE,
        strategy="mcts",
        branches=4,
        width=2,
        step_tokens=16,
        chain_tokens=64,
    )
    expected = tiny.solve(EIGHT[:3], config)
    found = tiny.solve(EIGHT[:3], config, execution="fused")
    for one, other in zip(expected, found, strict=True):
        assert_same_tree(one, other)
        assert one.cache["peak_slots"] == other.cache["peak_slots"]
    assert expected[0].cache["peak_slots"] > 2 * config.chain_tokens


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 8])
def test_a_host_that_fails_ends_a_fused_search(tiny, spread_out, devices):
    loaded = tiny if devices == 1 else spread_out
    config = dataclasses.replace(
        STEPWISE, rounds=3, verifiers="both", execution="fused"
    )
    expected = loaded.solve(EIGHT, config)

    def fail(progress):
        if progress.round == 2:
            raise ZeroDivisionError("of the host")

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="of the host"):
        loaded.solve(EIGHT, config, progress=fail)
    assert time.monotonic() - began < 30  # else XLA aborts, at 60 seconds
    for one, other in zip(expected, loaded.solve(EIGHT, config), strict=True):
        assert_same_tree(one, other)


def test_a_batch_is_not_negative():
    with pytest.raises(ValueError, match="batch -1 is negative.*0 for what"):
        SearchConfig(batch=-1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "chat"}, "this model has no chat template; use"),
        ({"thinking": "off"}, "this model has no chat template; use"),
        ({"think_tokens": 9}, "has no token </think> to end"),
    ],
)
def test_prompts_that_a_model_has_not_are_refused(change, message):
    with jaxlrm.load("mini-xs") as engine:
        with pytest.raises(ValueError, match=message):
            engine.solve(PROBLEMS[:1], **change)
