"""Decodes one step in every branch, in lockstep, to the step delimiter."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct

from jaxlrm.config import ModelConfig
from jaxlrm.decode.allowance import affordable
from jaxlrm.decode.sampling import sample
from jaxlrm.limits import Limits
from jaxlrm.models import sharding
from jaxlrm.models.cache import Context, Segment
from jaxlrm.models.params import Transformer, join
from jaxlrm.models.transformer import forward, rotary_angles, unembed

# On a CPU the twig grows in up to so many blocks, each of so many slots or
# more: more of them take longer to compile, smaller ones to read.
_BLOCKS, _BLOCK = 2, 64


@struct.dataclass
class Tables:
    """Which tokens end a step or an answer, and which are thinking.

    The state of a row, its `reading`, is that of the automaton of
    `text.delimiters` plus `X` times 0, or 1 inside of `<think>`, or 2 behind
    the token that ended the thinking.

    Attributes:
        known: `[V] bool`, tokens that the tokenizer has.
        ends_answer: `[V] bool`.
        following: `[X, V] int16`, the automaton's state after a token.
        ends_step: `[X, V] bool`, whether a step ends with the token.
        opens: `[V] bool`, the token begins thinking.
        closes: `[V] bool`, the token ends it.
        enough: `[2] int32`, what is written where thinking has used its
            budget: the token that ends it, and a blank line.
        start: `int32`, the reading of a prompt's end.
    """

    known: jax.Array
    ends_answer: jax.Array
    following: jax.Array
    ends_step: jax.Array
    opens: jax.Array
    closes: jax.Array
    enough: jax.Array
    start: jax.Array

    @classmethod
    def without_thinking(
        cls,
        known: jax.Array,
        ends_answer: jax.Array,
        following: jax.Array,
        ends_step: jax.Array,
    ) -> Tables:
        """The tables of a model that has no tokens for thinking."""
        nothing = jnp.zeros_like(ends_answer)
        return cls(
            known=known,
            ends_answer=ends_answer,
            following=following,
            ends_step=ends_step,
            opens=nothing,
            closes=nothing,
            enough=jnp.zeros(2, jnp.int32),
            start=jnp.zeros((), jnp.int32),
        )

    def read(
        self, reading: jax.Array, token: jax.Array, told: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """The reading after a token, and whether it ended a step, `[G, B]`.

        Args:
            reading: `[G, B] int32`, of before.
            token: `[G, B] int32`.
            told: `[G, B] bool`, tokens of a tool's output, which end nothing:
                behind them a step begins.
        """
        states = len(self.following)
        state, thinking = reading % states, reading // states
        ended = self.ends_step[state, token] & ~told
        state = jnp.where(told, 0, self.following[state, token])
        goes_on = self.opens[token] | (thinking == 1)
        now = jnp.where(self.closes[token], 2, goes_on.astype(jnp.int32))
        return state + states * jnp.where(told, thinking, now), ended

    def think(
        self, reading: jax.Array, token: jax.Array, over: jax.Array
    ) -> jax.Array:
        """`token [G, B]`, or the next one of `enough` for spent thinking.

        Args:
            reading: `[G, B] int32`, before the token.
            token: `[G, B] int32`, sampled.
            over: `[G, B] int32`, tokens of the chain beyond its budget for
                thinking; negative below.
        """
        thinking = reading // len(self.following)
        token = jnp.where((thinking == 1) & (over >= 0), self.enough[0], token)
        return jnp.where((thinking == 2) & (over >= 1), self.enough[1], token)


@struct.dataclass
class Written:
    """What the branches wrote.

    Attributes:
        tokens: `[G, B, S] int32`.
        valid: `[G, B, S] bool`.
        ended: `[G, B] bool`, with the step delimiter or the answer's end.
        answered: `[G, B] bool`, with the answer's end.
        hidden: `[G, B, E]`, of the last token.
        logp: `[G, B] float32`, log-probability of the sampled tokens, before
            the temperature.
        reading: `[G, B] int32`, after the last token, see `Tables`.
        twig: keys and values of the tokens.
    """

    tokens: jax.Array
    valid: jax.Array
    ended: jax.Array
    answered: jax.Array
    hidden: jax.Array
    logp: jax.Array
    reading: jax.Array
    twig: Segment


def write_step(
    config: ModelConfig,
    params: Transformer,
    limits: Limits,
    tables: Tables,
    context: Sequence[Context],
    twig: Segment,
    hidden: jax.Array,
    start: jax.Array,
    keys: jax.Array,
    active: jax.Array,
    reading: jax.Array,
    written: jax.Array,
    number: int = 1,
    allowance: jax.Array | None = None,
    output: jax.Array | None = None,
    forced: jax.Array | None = None,
    narrow: bool = False,
) -> Written:
    """Samples until every branch has ended its step or written its tokens.

    Each token goes through the model once: its keys and values are then in
    the twig and its hidden state tells the next token, so the last state is
    both the start of the next step and what a value head reads. Devices that
    share the branches of a problem write theirs without waiting for each
    other, unless there is an `allowance`, which all of them draw on.

    Args:
        config: shape of the model.
        params: its parameters.
        limits: `[G]`, how tokens are sampled, and how many of them.
        tables: which tokens end a step.
        context: segments that the branches read.
        twig: `[G, B, ...]` with `S` slots, to be overwritten.
        hidden: `[G, B, E]`, of the last token of each branch's leaf.
        start: `[G, B] int32`, position of the first token.
        keys: `[G, B]` PRNG keys; a token's folds in its position.
        active: `[G, B] bool`, rows that are to write at all.
        reading: `[G, B] int32`, at the last token, see `Tables`.
        written: `[G, B] int32`, tokens of the chain so far.
        number: steps to write, one after another.
        allowance: `[G] int32`, tokens that the branches of a problem may
            write together: when the next one of each would be too many, all
            of them stop.
        narrow: whether branches stop before, the last ones first, as soon as
            the tokens left would not let all become half as long again.
        output: `[G, B, O] int32`, what a tool wrote after the leaf: the first
            tokens of the step, of which the model is not asked.
        forced: `[G, B] int32`, how many of them there are; each branch then
            samples `S - O` tokens at most, no more than `limits.step_tokens`,
            and none beyond `limits.chain_tokens` of the chain.
    """
    if output is None:
        output = jnp.zeros((*active.shape, 0), jnp.int32)
        forced = jnp.zeros(active.shape, jnp.int32)
    write = functools.partial(
        _write,
        config,
        allowance=allowance,
        narrow=narrow,
        number=number,
    )

    def on_platform(whole, *rows):
        # Measured on two CPU cores, 5M parameters, 64 branches of 128 tokens:
        # 0.72 s in blocks, 0.90 s without. A TPU has no memory to spare for a
        # second copy of the twig and the weights.
        return jax.lax.platform_dependent(
            *whole,
            *rows,
            cpu=functools.partial(write, blocks=_BLOCKS),
            default=functools.partial(write, blocks=1),
        )

    whole = (params, tables)
    rows = (tuple(context), twig, hidden, start, keys, active, reading, written)
    rows += (output, forced, limits.columns())
    if allowance is not None:
        return on_platform(whole, *rows)
    return sharding.on_branches(on_platform, whole, *rows)


def _write(
    config: ModelConfig,
    params: Transformer,
    tables: Tables,
    context: tuple[Context, ...],
    twig: Segment,
    hidden: jax.Array,
    start: jax.Array,
    keys: jax.Array,
    active: jax.Array,
    reading: jax.Array,
    before: jax.Array,
    output: jax.Array,
    forced: jax.Array,
    limits: Limits,
    *,
    number: int,
    allowance: jax.Array | None,
    narrow: bool,
    blocks: int,
) -> Written:
    """`write_step` in up to `blocks` loops, one after another.

    Each writes a block of the twig's slots. What the loops before it have
    written is an array apart, so that a token reads few empty slots.
    """
    if blocks > 1:  # here, or each token would copy them out of the stack
        params = params.replace(layers=join(params.layers))
    steps, given = twig.slots, output.shape[-1]
    # Made ahead: the generator's rounds are slow inside the loop, and each
    # layer would compute its cosines and sines anew.
    uniform = _uniform(keys, start, steps)
    positions = start + jnp.arange(steps)[:, None, None]
    angles = rotary_angles(config, positions[..., None])
    # Masks as the kernel reads them: if cast inside the loop, it would carry
    # the `bool` ones too, which a TPU pads to four times their size.
    context = [x._replace(mask=x.mask.astype(jnp.int8)) for x in context]
    output = jnp.pad(output, ((0, 0), (0, 0), (0, steps - given)))
    longest = forced + jnp.minimum(limits.step_tokens, steps - given)
    longest = jnp.minimum(longest, limits.chain_tokens - before)

    def write_block(first: int, end: int, filled: Segment | None, carry):
        # What is overwritten need not be copied: an empty block does as well.
        whole = end - first == steps
        own = twig if whole else twig.blank(end - first)
        slot = jnp.arange(first, end)
        seen = list(context)
        if filled is not None:
            seen.append(Context(filled, jnp.ones((), bool)))

        def unfinished(carry):
            index, active, *_ = carry
            return (index < end) & active.any()

        def body(carry):
            index, active, reading, left, written = carry
            told = index < forced
            if allowance is not None:
                sampled = jnp.maximum(written.valid.sum(-1) - forced, 0)
                if narrow:
                    spare = allowance - sampled.sum(1)
                    active = affordable(active, sampled // 2 + 1, spare)
                coming = sampled.sum(1) + (active & ~told).sum(1)
                active &= told | (coming <= allowance)[:, None]
            logits = unembed(params, written.hidden)
            logits = jnp.where(tables.known, logits, -jnp.inf)
            token = sample(
                logits,
                uniform[index],
                limits.temperature,
                limits.top_k,
                limits.top_p,
                limits.min_p,
            )
            free = token
            over = before + index - limits.think_tokens
            token = tables.think(reading, free, over)
            forced_here = told | (token != free)
            token = jnp.where(told, output[..., index], token)
            # A masked sum instead of a gather: see `sampling.sample`.
            chosen = jnp.arange(logits.shape[-1]) == token[..., None]
            logp = jnp.where(chosen, logits, 0).sum(-1)
            logp -= jax.nn.logsumexp(logits, -1)
            answered = active & ~told & tables.ends_answer[token]
            after, step = tables.read(reading, token, told)
            reading = jnp.where(active, after, reading)
            left = left - (active & step)
            ended = answered | (active & (left == 0))
            new, block = forward(
                config,
                params,
                token[..., None],
                positions[index][..., None],
                slot <= index,
                seen,
                written.twig.unsqueeze(own),
                index - first,
                angles=jax.tree.map(lambda x: x[index], angles),
            )
            hidden = jnp.where(active[..., None], new[:, :, 0], written.hidden)
            written = Written(
                tokens=written.tokens.at[..., index].set(token),
                valid=written.valid.at[..., index].set(active),
                ended=written.ended | ended,
                answered=written.answered | answered,
                hidden=hidden,
                logp=written.logp + jnp.where(active & ~forced_here, logp, 0.0),
                reading=reading,
                twig=block.squeeze(),
            )
            active &= ~ended & (index + 1 < longest)
            return index + 1, active, reading, left, written

        *carry, written = carry
        carry = (*carry, written.replace(twig=own.squeeze()))
        *carry, written = jax.lax.while_loop(unfinished, body, carry)
        block = written.twig.unsqueeze(own)
        joined = block if filled is None else filled.join(block)
        return (*carry, written.replace(twig=joined))

    shape = (*active.shape, steps)
    nothing = jnp.zeros_like(active)
    written = Written(
        tokens=jnp.zeros(shape, jnp.int32),
        valid=jnp.zeros(shape, bool),
        ended=nothing,
        answered=nothing,
        hidden=hidden,
        logp=jnp.zeros(active.shape, jnp.float32),
        reading=reading,
        twig=twig,
    )
    left = jnp.full(active.shape, number, jnp.int32)
    carry = (jnp.zeros((), jnp.int32), active, reading, left, written)
    size = max(-(-steps // blocks), _BLOCK)
    for first in range(0, steps, size):
        end = min(first + size, steps)
        filled = carry[-1].twig if first else None
        carry = write_block(first, end, filled, carry)
    return carry[-1]


def _uniform(keys: jax.Array, start: jax.Array, steps: int) -> jax.Array:
    """`[S, G, B] float32` in [0, 1), each of its key and position alone."""

    def draw(key, start):
        positions = start + jnp.arange(steps)
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        return jax.vmap(jax.random.uniform)(fold(key, positions))

    return jnp.moveaxis(jax.vmap(jax.vmap(draw))(keys, start), -1, 0)
