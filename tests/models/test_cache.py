"""Decoding through segments against reading every chain afresh."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.decode.sampling import sample
from jaxlrm.decode.write import Tables
from jaxlrm.engine import binding
from jaxlrm.engine.binding import Prompts, Sizes, Weights
from jaxlrm.limits import Limits
from jaxlrm.models import cache as cache_lib
from jaxlrm.models.reward import value_logit
from jaxlrm.models.transformer import forward, unembed
from jaxlrm.search import base, lockstep, strategies, tree

G, B, S, Q = 2, 8, 5, 12
BEAM = SearchConfig(
    strategy="beam",
    branches=B,
    width=2,
    step_tokens=S,
    chain_tokens=100,
    rounds=8,
)
TRUNK, STEM = 88, 48
ROUNDS = 7
TEMPERATURE = 0.9
GENERATOR = testing.learned(0, qk_norm=True)
REWARD = testing.learned(7, num_layers=3, num_kv_heads=4, attention_bias=True)
# Models whose layers see less than a prompt, or all of a chain.
WINDOWED = (
    testing.learned(
        0,
        qk_norm=True,
        sliding_window=4,
        layer_types=("sliding_attention", "full_attention"),
        rope_local_base_freq=300.0,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=5.0,
    ),
    testing.learned(
        7, num_layers=3, num_kv_heads=4, attention_bias=True, sliding_window=6
    ),
)

IDS = np.arange(GENERATOR.config.vocab_size)
CONTAINS, STARTS, FINISHES = (jnp.asarray(IDS % 5 == n) for n in (2, 3, 4))
ENDS_STEP = jnp.stack([CONTAINS, CONTAINS | FINISHES])
TABLES = Tables.without_thinking(
    known=jnp.asarray(IDS < 120),
    ends_answer=jnp.asarray(IDS == 1),
    following=(STARTS & ~ENDS_STEP).astype(jnp.int16),
    ends_step=ENDS_STEP,
)


def problem(number: int) -> tuple[list[int], jax.Array]:
    """Prompts of all lengths and their keys.

    With these keys no number drawn falls within rounding of an edge between
    two tokens, where the ways to compute would differ.
    """
    rng = np.random.default_rng(number)
    length = [5, Q, 1, 8][number % 4]
    return rng.integers(2, 120, length).tolist(), jax.random.key(number + 40)


def verdicts(number: int, age: int) -> np.ndarray:
    """Of one problem's round; what is INVALID is pruned whatever its score."""
    rng = np.random.default_rng([number, age])
    return rng.choice([tree.UNKNOWN, tree.INVALID], B, p=[0.7, 0.3])


class Setting(NamedTuple):
    """One way to hold the cache."""

    stem: int = 0
    reward: bool = False
    chunk: int = S
    windows: bool = False


class Snapshot(NamedTuple):
    """A round, on the host."""

    problems: list[int]
    trees: tree.Tree
    twigs: tree.Twigs
    cache: binding.Memory


def models(windows: bool):
    """The generator and the reward model."""
    return WINDOWED if windows else (GENERATOR, REWARD)


@functools.cache
def programs(setting: Setting):
    generator, reward = models(setting.windows)
    strategy = strategies.build(BEAM)
    tail = 0 if setting.chunk == S else 6
    model = binding.Binding(
        generator.config,
        (binding.Judge(reward.config if setting.reward else None),),
        strategy,
        Sizes(
            *(G, B, Q, TRUNK, setting.stem, setting.chunk, tail),
            seen=(0, tail),
        ),
    ).model()
    start = functools.partial(lockstep.initial, model, strategy, G)
    return jax.jit(start), lockstep.compile_rounds(model, strategy)


def run(
    setting: Setting, *, loads=None, grow_before=None, rounds=ROUNDS
) -> list[Snapshot]:
    """Searches round by round.

    Args:
        setting: how the cache is held.
        loads: problems to put into the slots, by round: `{0: {0: 5, 1: 6}}`
            puts problem 5 into slot 0 before round 0.
        grow_before: round before which the caches grow.
        rounds: how many.
    """
    loads = loads or {0: {0: 0, 1: 1}}
    start, compiled = programs(setting)
    generator, reward = models(setting.windows)
    weights = Weights(
        generator.params, (reward.params,) if setting.reward else (), TABLES
    )
    state = start()
    problems, age, snapshots = [0] * G, [0] * G, []
    for number in range(rounds):
        if number in loads:
            for slot, new in loads[number].items():
                problems[slot], age[slot] = new, 0
            tokens = np.zeros((G, Q), np.int32)
            length = np.zeros(G, np.int32)
            for row, slot in zip(tokens, range(G), strict=True):
                ids, _ = problem(problems[slot])
                row[: len(ids)] = ids
                length[slot] = len(ids)
            keys = jnp.stack([problem(p)[1] for p in problems])
            mask = np.isin(np.arange(G), list(loads[number]))
            prompts = Prompts(tokens, length)
            limits = Limits(temperature=TEMPERATURE, step_tokens=S).spread(G)
            state = compiled.load(weights, state, prompts, keys, limits, mask)
        if number == grow_before:
            cache = binding.grow(
                state.cache,
                trunk=TRUNK + 24,
                stem=setting.stem and setting.stem + 16,
            )
            state = state.replace(cache=cache)
        reply = base.no_reply(G, B)._replace(
            verdict=np.stack(
                [verdicts(p, a) for p, a in zip(problems, age, strict=True)]
            )
        )
        state = compiled.judge(state, reply)
        state = compiled.round(weights, state, compiled.seen[-1])
        ended = jax.device_get(state.twigs.kind != tree.WRITING).all(1)
        age = [a + e for a, e in zip(age, ended, strict=True)]
        snapshots.append(
            Snapshot(
                list(problems),
                jax.device_get(state.tree.replace(key=None)),
                jax.device_get(
                    state.twigs.replace(
                        key=jax.random.key_data(state.twigs.key)
                    )
                ),
                jax.device_get(state.cache),
            )
        )
    return snapshots


def path(trees: tree.Tree, slot: int, node: int) -> list[int]:
    """The node and its ancestors, from the first step on."""
    nodes = []
    while node > 0:
        nodes.append(node)
        node = int(trees.parent[slot, node])
    return nodes[::-1]


class Chain(NamedTuple):
    """One branch of a round: all its tokens, and what it was to write.

    The score is that at the token `scored`, the end of the last finished step,
    or the last one of all if no step was finished.
    """

    slot: int
    branch: int
    tokens: list[int]
    start: int
    length: int
    scored: int


def chains(shot: Snapshot) -> list[Chain]:
    """The whole chain of every branch that wrote."""
    found = []
    for slot in range(G):
        for branch in range(B):
            leaf = int(shot.twigs.leaf[slot, branch])
            if leaf < 0:
                continue
            tokens, _ = problem(shot.problems[slot])
            scored = None
            for node in path(shot.trees, slot, leaf):
                length = shot.trees.length[slot, node]
                tokens = [*tokens, *shot.trees.tokens[slot, node, :length]]
                if shot.trees.kind[slot, node] != tree.OPEN:
                    scored = len(tokens) - 1
            length = int(shot.twigs.length[slot, branch])
            assert length > 0
            twig = shot.twigs.tokens[slot, branch, :length]
            start = len(tokens)
            tokens = [int(token) for token in (*tokens, *twig)]
            if scored is None or shot.twigs.kind[slot, branch] != tree.OPEN:
                scored = len(tokens) - 1
            found.append(Chain(slot, branch, tokens, start, length, scored))
    return found


@functools.partial(jax.jit, static_argnums=0)
def read(config, values, tokens):
    """The plain forward pass over whole chains `[R, X]`."""
    length = tokens.shape[1]
    hidden, segment = forward(
        config,
        values,
        tokens[:, None],
        jnp.arange(length),
        jnp.tri(length, dtype=bool),
    )
    hidden = hidden[:, 0]
    scores = jax.nn.sigmoid(value_logit(values, hidden))
    return hidden, unembed(config, values, hidden), scores, segment


def read_chains(learned, found: list[Chain]):
    tokens = np.zeros((G * B, Q + BEAM.chain_tokens), np.int32)
    for row, chain in zip(tokens, found, strict=False):
        row[: len(chain.tokens)] = chain.tokens
    return jax.device_get(read(learned.config, learned.params, tokens))


@jax.jit
def draw(logits, key_data, start):
    """`[R, S]` tokens drawn from the logits before each place of a twig."""
    places = start[:, None] + jnp.arange(S)
    logits = jnp.take_along_axis(logits, places[..., None] - 1, axis=1)
    keys = jax.random.wrap_key_data(key_data)
    keys = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)))(keys, places)
    uniform = jax.vmap(jax.vmap(jax.random.uniform))(keys)
    logits = jnp.where(TABLES.known, logits, -jnp.inf)
    return sample(logits, uniform, TEMPERATURE)


def assert_like_a_full_recompute(shot: Snapshot):
    """States, keys, values, scores and samples of the round's twigs."""
    found, cache = chains(shot), shot.cache.generator
    generator, reward = models(cache.position is not None)
    hidden, logits, scores, segment = read_chains(generator, found)
    through_segments = np.asarray(
        unembed(generator.config, generator.params, cache.twig_hidden)
    )
    close = functools.partial(np.testing.assert_allclose, atol=1e-4)
    for row, chain in enumerate(found):
        here = slice(chain.start, chain.start + chain.length)
        at = chain.slot, chain.branch
        close(cache.twig_hidden[at], hidden[row, here.stop - 1])
        close(through_segments[at], logits[row, here.stop - 1])
        for layer in range(generator.config.num_layers):
            close(
                cache.twig.keys[layer][at][..., : chain.length],
                segment.keys[layer][row, 0][..., here],
            )
            close(
                cache.twig.values[layer][at][:, : chain.length],
                segment.values[layer][row, 0][:, here],
            )
    # The same keys draw the same tokens from the recomputed logits.
    key_data = np.array([shot.twigs.key[c.slot, c.branch] for c in found])
    start = np.array([c.start for c in found])
    drawn = draw(logits[: len(found)], key_data, start).tolist()
    for row, chain in zip(drawn, found, strict=True):
        assert row[: chain.length] == chain.tokens[chain.start :]
    if shot.cache.rewards:
        _, _, scores, _ = read_chains(reward, found)
    for row, chain in enumerate(found):
        score = shot.twigs.score[chain.slot, chain.branch]
        close(score, scores[row, chain.scored])


def written(shot: Snapshot) -> np.ndarray:
    """`[G, B, S] bool`, which tokens of the twigs are."""
    return np.arange(S) < shot.twigs.length[..., None]


def caches(shot: Snapshot):
    return [shot.cache.generator, *shot.cache.rewards]


def assert_slots_belong_to_living_paths(shot: Snapshot):
    """Every token of them is stored once, and nothing else is."""
    for slot in range(G):
        needed = set()
        for node in np.flatnonzero(shot.trees.live[slot]):
            needed.update(path(shot.trees, slot, int(node)))
        wanted = {n: int(shot.trees.length[slot, n]) for n in needed}
        for cache in caches(shot):
            owner = cache.owner[slot]
            owners, counts = np.unique(owner[owner >= 0], return_counts=True)
            found = dict(zip(owners.tolist(), counts.tolist(), strict=True))
            assert found == wanted


def reused(snapshots: list[Snapshot]) -> int:
    """Slots that went from one node to another, in any round."""
    last = np.full((G, TRUNK), -1)
    count = 0
    for shot in snapshots:
        owner = shot.cache.generator.owner[:, :TRUNK]
        count += ((owner >= 0) & (last >= 0) & (owner != last)).sum()
        last = np.where(owner >= 0, owner, last)
    return int(count)


def assert_same_search(first: list[Snapshot], second, slots=range(G)):
    """The same tokens in the same trees; scores agree."""
    for one, two in zip(first, second, strict=True):
        for slot in slots:
            for name in ("leaf", "length", "kind"):
                np.testing.assert_array_equal(
                    getattr(one.twigs, name)[slot],
                    getattr(two.twigs, name)[slot],
                )
            np.testing.assert_array_equal(
                *(
                    np.where(written(x), x.twigs.tokens, 0)[slot]
                    for x in (one, two)
                )
            )
            busy = one.twigs.leaf[slot] >= 0
            np.testing.assert_allclose(
                one.twigs.score[slot][busy],
                two.twigs.score[slot][busy],
                atol=1e-4,
            )
            np.testing.assert_array_equal(
                one.trees.parent[slot], two.trees.parent[slot]
            )


def named(stem: int, reward: bool):
    """A setting; the hardest is always tried, the others are slow."""
    return pytest.param(
        Setting(stem, reward),
        id=f"{'stem' if stem else 'trunk'}{'-reward' * reward}",
        marks=() if stem and reward else pytest.mark.slow,
    )


each_setting = pytest.mark.parametrize(
    "setting",
    [named(stem, reward) for stem in (0, STEM) for reward in (False, True)],
)


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """So that a commit goes through several, the last of them shifted.

    And two layers at a time, of three.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(cache_lib, "_BLOCK", 24)
    patch.setattr(cache_lib, "_LAYERS", 2)
    yield
    patch.undo()


@functools.cache
def plain_run(setting: Setting) -> list[Snapshot]:
    return run(setting)


@each_setting
def test_decoding_through_segments_is_a_full_recompute(setting):
    snapshots = plain_run(setting)
    for shot in snapshots:
        assert_slots_belong_to_living_paths(shot)
    # Check the test: all of it happened.
    kinds = np.concatenate([s.twigs.kind[s.twigs.leaf >= 0] for s in snapshots])
    assert set(kinds.tolist()) >= {tree.STEP, tree.OPEN}
    last = snapshots[-1]
    assert (last.twigs.leaf >= 0).all()
    assert len(set(last.twigs.length.ravel().tolist())) > 2
    assert len(np.unique(last.twigs.leaf[0])) > 1
    assert reused(snapshots) > 10
    for shot in snapshots:
        assert_like_a_full_recompute(shot)


@pytest.mark.parametrize(
    "stem", [STEM, pytest.param(0, marks=pytest.mark.slow)]
)
def test_windows_are_those_of_a_full_recompute(stem):
    """In prompts, in trunks and stems that grow, and in twigs."""
    setting = Setting(stem, reward=True, windows=True)
    for shot in run(setting, grow_before=4):
        assert_like_a_full_recompute(shot)


@pytest.mark.slow
@pytest.mark.parametrize("reward", [False, True])
def test_trunk_and_stem_write_the_same(reward):
    assert_same_search(
        plain_run(Setting(0, reward)), plain_run(Setting(STEM, reward))
    )


@pytest.mark.slow
@pytest.mark.parametrize("stem", [0, STEM])
@pytest.mark.parametrize(
    ("reward", "windows"), [(False, False), (True, False), (True, True)]
)
def test_a_step_may_take_several_rounds(stem, reward, windows):
    """In chunks of two tokens, of five, it grows the trees of before."""
    setting = Setting(stem, reward, windows=windows)
    snapshots = run(setting._replace(chunk=2), rounds=3 * ROUNDS)
    whole = plain_run(setting)
    for slot in range(G):
        ended = [
            shot
            for shot in snapshots
            if (shot.twigs.kind[slot] != tree.WRITING).all()
        ]
        for one, two in zip(whole[:3], ended, strict=False):
            np.testing.assert_array_equal(
                np.where(written(one), one.twigs.tokens, 0)[slot],
                np.where(written(two), two.twigs.tokens, 0)[slot],
            )
            np.testing.assert_allclose(
                one.twigs.score[slot], two.twigs.score[slot], atol=1e-4
            )
        assert len(ended) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("setting", [Setting(0), Setting(STEM, True)])
def test_growing_changes_nothing(setting):
    grown = run(setting, grow_before=4)
    assert_same_search(plain_run(setting), grown)
    for cache in caches(grown[-1]):
        assert cache.owner.shape == (G, TRUNK + 24)
        assert cache.trunk.slots == TRUNK + 24
        assert setting.stem == 0 or cache.stem.slots == setting.stem + 16
    assert_like_a_full_recompute(grown[-1])
    assert_slots_belong_to_living_paths(grown[-1])


@pytest.mark.parametrize("stem", [0, STEM])
def test_a_slot_takes_another_problem_while_others_go_on(stem):
    setting = Setting(stem)
    snapshots = run(setting, loads={0: {0: 2, 1: 1}, 3: {0: 0}})
    # The neighbour does not notice, and the newcomer finds nothing left.
    assert_same_search(plain_run(setting), snapshots, slots=[1])
    assert_same_search(plain_run(setting)[:4], snapshots[3:], slots=[0])
    for shot in snapshots:
        assert_slots_belong_to_living_paths(shot)
    assert_like_a_full_recompute(snapshots[-1])


# --- The parts ---------------------------------------------------------------

CONFIG = dataclasses.replace(GENERATOR.config, num_layers=3)


def filled(branches, twig, trunk, nodes, *, stem=0, groups=1, tail=0, seed=0):
    """A cache of random numbers."""
    cache = cache_lib.allocate(
        CONFIG,
        G,
        prompt=2,
        trunk=trunk,
        stem=stem,
        tail=tail,
        twig=twig,
        branches=branches,
        groups=groups,
        nodes=nodes,
    )
    rng = np.random.default_rng(seed)

    def noise(x):
        if x.dtype == jnp.int32:
            return x
        return jnp.asarray(rng.normal(size=x.shape), x.dtype)

    return jax.tree.map(noise, cache)


@settings(max_examples=25)
@given(
    data=st.data(),
    trunk=st.sampled_from([20, 24, 31, 60]),
    seed=st.integers(0, 10**6),
)
def test_commit_against_a_list_of_slots(data, trunk, seed):
    branches, steps, nodes = 4, 3, 10
    rng = np.random.default_rng(seed)
    cache = filled(branches, steps, trunk, nodes, seed=seed)
    owner = rng.integers(-1, 6, (G, trunk))
    alive = rng.random((G, nodes)) < 0.6
    node = np.full((G, branches), -1)
    for row in node:  # new nodes have the numbers 6 to 9
        kept = rng.random(branches) < data.draw(st.sampled_from([0.3, 1.0]))
        row[kept] = 6 + np.arange(kept.sum())
    length = rng.integers(1, steps + 1, (G, branches))
    start = rng.integers(0, 50, (G, branches))
    valid = np.arange(steps) < length[..., None]
    after = jax.jit(cache_lib.commit)(
        cache.replace(
            owner=jnp.asarray(owner, jnp.int32),
            position=jnp.full((G, trunk), 99, jnp.int32),
        ),
        jnp.asarray(node, jnp.int32),
        jnp.asarray(start),
        jnp.asarray(length),
        jnp.asarray(alive),
    )
    for g in range(G):
        wanted = [n if n >= 0 and alive[g, n] else -1 for n in owner[g]]
        position = [99] * trunk
        keys = [np.array(x[g, 0]) for x in cache.trunk.keys]
        values = [np.array(x[g, 0]) for x in cache.trunk.values]
        free = [p for p in range(trunk) if wanted[p] < 0]
        for b in range(branches):
            n = node[g, b]
            if n >= 0:
                np.testing.assert_array_equal(
                    after.hidden[g, n], cache.twig_hidden[g, b]
                )
            for s in range(steps):
                if n >= 0 and alive[g, n] and valid[g, b, s] and free:
                    slot = free.pop(0)
                    wanted[slot] = n
                    position[slot] = start[g, b] + s
                    for old, new in zip(keys, cache.twig.keys, strict=True):
                        old[..., slot] = new[g, b, ..., s]
                    for old, new in zip(values, cache.twig.values, strict=True):
                        old[:, slot] = new[g, b, :, s]
        assert after.owner[g].tolist() == wanted
        assert after.position[g].tolist() == position
        for found, expected in zip(
            (*after.trunk.keys, *after.trunk.values),
            (*keys, *values),
            strict=True,
        ):
            np.testing.assert_array_equal(found[g, 0], expected)
        old = [n for n in range(nodes) if n not in node[g]]
        np.testing.assert_array_equal(
            after.hidden[g, old], cache.hidden[g, old]
        )


def test_commit_without_a_trunk_keeps_only_states():
    cache = filled(2, 3, 0, 4)
    nodes = jnp.array([[1, -1], [2, 3]])
    length = jnp.full((G, 2), 3)
    after = cache_lib.commit(
        cache, nodes, length, length, jnp.ones((G, 4), bool)
    )
    wanted = cache.hidden.at[0, 1].set(cache.twig_hidden[0, 0])
    wanted = wanted.at[1, 2].set(cache.twig_hidden[1, 0])
    wanted = wanted.at[1, 3].set(cache.twig_hidden[1, 1])
    np.testing.assert_array_equal(after.hidden, wanted)
    assert after.trunk is cache.trunk


def test_a_stem_holds_the_slots_of_its_path_in_order():
    cache = filled(4, 3, 9, 5, stem=6, groups=2)
    owner = jnp.array([[1, 2, -1, 1, 3, 2, -1, 4, 1]] * G, jnp.int32)
    cache = cache.replace(owner=owner.at[1].set(-1))
    on = jnp.zeros((G, 2, 5), bool)
    ancestors = on.at[:, 0, jnp.array([0, 1, 3])].set(True)
    ancestors = ancestors.at[:, 1, jnp.array([0, 2])].set(True)
    path = cache_lib.on_path(cache, ancestors)
    assert path[0, 0].tolist() == [n in (1, 3) for n in owner[0].tolist()]
    assert not path[1].any()
    after, length = jax.jit(cache_lib.gather_stem)(cache, path)
    assert length.tolist() == [[4, 2], [0, 0]]
    for group, slots in enumerate([[0, 3, 4, 8], [1, 5]]):
        number = len(slots)
        np.testing.assert_array_equal(
            after.stem.keys[0][0, group][..., :number],
            cache.trunk.keys[0][0, 0][..., slots],
        )
        np.testing.assert_array_equal(
            after.stem.values[0][0, group][:, :number],
            cache.trunk.values[0][0, 0][:, slots],
        )


def test_start_leaves_other_problems_alone():
    cache = filled(4, 3, 9, 5)
    cache = cache.replace(
        owner=jnp.full((G, 9), 3, jnp.int32), prompt_length=jnp.array([2, 2])
    )
    new = jax.tree.map(lambda x: x + 1, cache.prompt)
    hidden = jnp.ones((G, CONFIG.hidden_size))
    after = cache_lib.start(
        cache, jnp.array([True, False]), new, jnp.array([1, 1]), hidden
    )
    assert after.prompt_length.tolist() == [1, 2]
    assert after.owner.tolist() == [[-1] * 9, [3] * 9]
    for found, fresh, old in zip(
        jax.tree.leaves(after.prompt),
        jax.tree.leaves(new),
        jax.tree.leaves(cache.prompt),
        strict=True,
    ):
        np.testing.assert_array_equal(found[0], fresh[0])
        np.testing.assert_array_equal(found[1], old[1])
    np.testing.assert_array_equal(after.hidden[0, 0], hidden[0])
    np.testing.assert_array_equal(after.hidden[1], cache.hidden[1])


def test_size_is_that_of_all_keys_and_values():
    cache = filled(4, 3, 9, 5, stem=6, groups=2)
    per_slot = 2 * 4 * CONFIG.num_kv_heads * CONFIG.head_dim
    per_slot *= CONFIG.num_layers
    slots = 2 + 9 + 2 * 6 + 4 * 3
    assert cache_lib.size_in_bytes(cache) == G * slots * per_slot


def test_the_cache_is_of_the_dtype_asked_for():
    sizes = Sizes(G, B, Q, TRUNK, STEM, chunk=2, tail=6)
    model = binding.Binding(
        GENERATOR.config,
        (),
        strategies.build(BEAM),
        sizes,
        dtype=jnp.bfloat16,
    )
    cache = jax.eval_shape(lambda: model.allocate(4)).generator
    kinds = {x.dtype for x in jax.tree.leaves(cache)}
    assert kinds == {jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.int32)}
