"""THE loop: many chains of `G` problems, in lockstep.

    while any problem is unfinished:
        tree  = update(tree, twigs, reply)   # veto, merge equals, keep, budgets
        cache = commit(cache, tree, twigs)   # kept steps join the trunk
        leaf  = select(tree, idle)           # a node for each idle row, or none
        twigs = write(cache, leaf)           # a chunk of tokens in every row
        twigs = score(cache, twigs)          # learned verifiers
        reply = verify(twigs)                # symbolic ones and tools, the host

`update` and `select` are of one problem (`problem.py`), and are mapped over `G`
in `lockstep.py`, where the parts of a round are compiled. `write` returns after
a chunk of tokens: a row in the middle of a step goes on in the next round. A
problem whose rows are all idle is finished; its slot takes the next problem of
the queue.

*stepped*, the host is asked between two rounds, and a round is a few programs:
those of the strategy are not compiled again when a cache grows. *fused*, all
rounds are one program, the host asked from inside. Both grow the same trees.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm import limits as limits_lib
from jaxlrm.limits import Limits
from jaxlrm.search.base import Ask, Reply, Round, State, Weights, no_reply
from jaxlrm.search.lockstep import Programs


@dataclasses.dataclass
class Lane:
    """`G` slots that advance together."""

    state: State  # being computed, perhaps, while the host works
    problems: np.ndarray  # [G] number of the problem in each slot, -1 if empty
    reply: Reply  # the host's to the last round
    first: int  # number of the first slot among those of all lanes
    longest: int = 0  # tokens of the longest step a row is in the middle of

    @property
    def empty(self) -> bool:
        """No slot has a problem."""
        return (self.problems < 0).all()


def run(
    programs: Programs,
    weights: Weights,
    states: Sequence[State],
    queue: Sequence[tuple[Any, jax.Array, Limits]],
    stack: Callable[[list[Any]], Any],
    ask: Ask,
    make_room: Callable[[State, State], State] = lambda before, after: after,
    shares: int = 1,
) -> Iterator[tuple[Round, Lane]]:
    """Runs the loop until the queue is empty and every problem is finished.

    Args:
        programs: of `compile_rounds`.
        weights: what the models are given in every call.
        states: of `initial`, of equally many slots. While the host is asked
            about one, the device computes the round of another.
        queue: a prompt, a root key and the limits of each problem.
        stack: prompts to what `model.prefill` takes.
        ask: the symbolic verifiers, on the host.
        make_room: grows a cache that has no room for what was kept of the
            last round; it is given the state before and after `update`.
        shares: `F`, prompts that are read together: one for each of so many
            equal parts of the slots, those of a device each.

    Yields:
        After every round what happened in it, with its lane; where searches
        are fused, after the last round of the problems in the slots.
    """

    def start(lane: Lane) -> None:
        """Fills the lane's empty slots and sets off its next round."""
        nonlocal coming
        fresh = np.flatnonzero(lane.problems < 0)[: len(queue) - coming]
        lane.problems[fresh] = coming + np.arange(fresh.size)
        coming += fresh.size
        while fresh.size:
            # One of each share; one without reads another's, for nothing.
            turn = {slot // share: slot for slot in fresh[::-1].tolist()}
            fresh = fresh[~np.isin(fresh, list(turn.values()))]
            taken = [turn.get(n, min(turn.values())) for n in range(shares)]
            rows = [queue[number] for number in lane.problems[taken]]
            tokens, keys, limits = zip(*rows, strict=True)
            lane.state = programs.load(
                weights,
                lane.state,
                stack(tokens),
                jnp.stack(keys),
                limits_lib.stack(limits),
                np.isin(np.arange(slots), list(turn.values())),
            )
        if lane.empty:
            return
        if programs.finish is not None:
            problems = lane.problems.astype(np.int32)
            lane.state = programs.finish(lane.state, weights, problems)
        else:
            judged = programs.judge(lane.state, lane.reply)
            state = make_room(lane.state, judged)
            place = bisect.bisect_left(programs.seen, lane.longest)
            lane.state = programs.round(weights, state, programs.seen[place])

    coming = 0  # number of the next problem in the queue
    slots, rows = states[0].twigs.leaf.shape
    share = slots // shares
    silence = no_reply(slots, rows, states[0].tree.output.shape[-1])
    lanes = [
        Lane(state, np.full(slots, -1), silence, number * slots)
        for number, state in enumerate(states)
    ]
    try:
        for lane in lanes:
            start(lane)
        while not all(lane.empty for lane in lanes):
            for lane in lanes:
                if lane.empty:
                    continue
                seen = jax.device_get(programs.show(lane.state))
                seen = seen._replace(problems=lane.problems, first=lane.first)
                writing = seen.twigs.writing
                length = seen.twigs.length.max(where=writing, initial=0)
                lane.longest = int(length)
                if programs.finish is None:
                    lane.reply = ask(seen)
                lane.problems = np.where(seen.finished, -1, lane.problems)
                yield seen, lane
                start(lane)
    finally:
        # An interpreter that exits while XLA computes crashes: wait for it.
        leaves = jax.tree.leaves([lane.state for lane in lanes])
        jax.block_until_ready([x for x in leaves if not x.is_deleted()])
