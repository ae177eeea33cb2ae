"""The settings of a search."""

from __future__ import annotations

import dataclasses
import math
import re

from jaxlrm.config.checks import require_positive, require_types

WHOLE = ("greedy", "majority", "best_of_n", "weighted")
STEPWISE = ("beam", "dvts", "rebase", "mcts", "sequential")
_WITH_WIDTH = ("beam", "dvts", "mcts")
STRATEGIES = WHOLE + STEPWISE
_OUTSIDE = r"[\w.]+:\w+"  # a strategy from outside the package
VERIFIERS = ("auto", "both", "learned", "symbolic", "none")
CHECKED = ("auto", "symbolic", "both")  # those with symbolic verdicts
SCORED = ("auto", "learned", "both")  # those with learned scores
DOUBT = 0.25  # factor on the odds of a chain of which a step is in doubt
AGGREGATES = ("last", "min", "product", "mean")
VOTES = ("auto", "count", "sum", "best")
TOOLS = ("auto", "python", "none")
EXECUTIONS = ("stepped", "fused")
PROMPTS = ("auto", "chat", "cot", "tir", "plain")
THINKING = ("auto", "on", "off")
LINE, PARAGRAPH = 48, 256  # most tokens of a step that is one
LONGEST_SYSTEM = 1 << 16  # characters of a system prompt

# The fields of `SearchConfig` that are one of several names.
CHOICES = {
    "strategy": STRATEGIES,
    "prompt": PROMPTS,
    "thinking": THINKING,
    "verifiers": VERIFIERS,
    "aggregate": AGGREGATES,
    "vote": VOTES,
    "tools": TOOLS,
    "execution": EXECUTIONS,
}


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How one problem's inference-time compute is spent.

    Attributes:
        strategy: one of `STRATEGIES`, or `module:function`, a function
            `SearchConfig -> Strategy` from outside the package.
        prompt: one of `PROMPTS`: how a problem is put to the model: `chat` by
            its chat template, `cot` asking to reason step by step, `tir`
            asking for programs whose output is then read, `plain` the
            problem's text alone; `auto` is the model's own prompt.
        system: the system prompt, in place of that of `prompt`.
        thinking: one of `THINKING`: whether a model that can do both thinks
            before it answers; `auto` leaves it to the model.
        branches: `B`, chains decoded in lockstep; greedy takes one.
        width: children of each kept step in a beam, branches of each subtree
            of dvts, children of each expansion of mcts; divides `branches`.
        chain_tokens: longest chain of thought, in tokens; 0 is half of the
            model's context, at most 1,024.
        step_tokens: `S`, tokens a branch writes in a round of a stepwise
            strategy; a longer step goes on in the next round. 0 is 48 where
            a step is a line, and 256 where it is a paragraph.
        think_tokens: tokens of a chain after which a model that thinks must
            answer: `</think>` is written for it. 0 is any number.
        rounds: most rounds of a stepwise strategy.
        retry: whether what was written in vain is tried again: a round of a
            stepwise strategy without a sound step, and by a beam that is stuck
            an earlier step. Off, `beam` is that of the literature, but for
            equal steps, which are merged and rank by their number.
        tools: one of `TOOLS`: `python` runs steps that are programs, and
            appends their output to the branch; `auto` does if the model was
            trained for it and a problem is of the family `programs`.
        output_tokens: `O`, most tokens of a tool's output, where tools run; 0
            is 48 where a step is a line, and 128 where it is a paragraph.
        tokens: most tokens that the generator writes for a problem, in all
            branches together; 0 is any number.
        seconds: wall time after which a problem is answered with what was
            found; 0 is any time. Results then depend on the machine.
        confidence: a problem ends as soon as an answer's confidence reaches
            this; 0 waits for the strategy to end.
        temperature: of sampling, 1e-6 or more; 0 takes the likeliest token.
            None, as for the next three, is what the model's
            generation_config.json says, or else 1, 0, 1 and 0.
        top_k: sample among this many likeliest tokens; 0 for all.
        top_p: sample among the likeliest tokens of this total probability.
        min_p: sample among tokens of at least this share of the likeliest
            one's probability; 0 for all.
        verifiers: one of `VERIFIERS`: which judges the search listens to;
            `auto` is both, or symbolic alone for a model without scores.
        aggregate: one of `AGGREGATES`: the score of a chain out of those of
            its steps. A chain written whole has one score, so with any other
            than `last`, or scores by likelihood, best_of_n and weighted
            write theirs step by step.
        vote: one of `VOTES`: what a chain weighs in the vote on the answer: 1,
            its score, or all if its score is the best; `auto` is up to the
            strategy.
        execution: one of `EXECUTIONS`: `stepped` asks the host between
            rounds, `fused` runs all rounds as one program. The same trees. In
            a fused search a problem that ends makes room for the next when all
            beside it have ended.
        trunk: most slots of the cache of kept steps, for each problem; when
            it is full the search goes on with what fits. 0 grows as needed;
            fused searches, which cannot grow, take what they might need.
        batch: `G`, problems solved side by side; 0 is what the device is
            quickest with.
        seed: of all sampling.

    Raises:
        TypeError: a value is of another type than its field.
        ValueError: a value is out of its range, or two do not go together.
    """

    strategy: str = "beam"
    prompt: str = "auto"
    system: str = ""
    thinking: str = "auto"
    branches: int = 64
    width: int = 4
    chain_tokens: int = 0
    step_tokens: int = 0
    think_tokens: int = 0
    rounds: int = 64
    retry: bool = True
    tools: str = "auto"
    output_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    confidence: float = 0.0
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    verifiers: str = "auto"
    aggregate: str = "last"
    vote: str = "auto"
    execution: str = "stepped"
    trunk: int = 0
    batch: int = 0
    seed: int = 0

    def __post_init__(self):
        require_types(self)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed and not (
                name == "strategy" and re.fullmatch(_OUTSIDE, self.strategy)
            ):
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is unknown; use one of "
                    f"{', '.join(map(str, allowed))}"
                )
        require_positive(
            self,
            "branches",
            "width",
            "rounds",
        )
        if self.batch < 0:
            raise ValueError(
                f"batch {self.batch} is negative; it is a number of problems, "
                "0 for what the device is quickest with"
            )
        if self.strategy in _WITH_WIDTH and self.branches % self.width:
            raise ValueError(
                f"branches {self.branches} is not a multiple of width "
                f"{self.width}; each kept step gets width children"
            )
        if self.chain_tokens < 0:
            raise ValueError(
                f"chain_tokens {self.chain_tokens} is negative; 0 goes by the "
                "model's context"
            )
        stepwise = self.strategy in STEPWISE
        if stepwise and 0 < self.chain_tokens < self.step_tokens:
            raise ValueError(
                f"step_tokens {self.step_tokens} is over chain_tokens "
                f"{self.chain_tokens}; no step would fit into a chain: set "
                f"chain_tokens to {self.step_tokens} or more"
            )
        for name in ("step_tokens", "output_tokens"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} {getattr(self, name)} is negative; 0 goes by the "
                    "model's step delimiter"
                )
        if len(self.system) > LONGEST_SYSTEM:
            raise ValueError(
                f"system has {len(self.system)} characters; at most "
                f"{LONGEST_SYSTEM}"
            )
        for name in (
            "tokens",
            "think_tokens",
            "seconds",
            "trunk",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} {getattr(self, name)} is negative or not finite; "
                    "0 sets no limit"
                )
        if not 0 <= self.confidence <= 1:
            raise ValueError(
                f"confidence {self.confidence} is not between 0 and 1; 0 never "
                "ends a search early"
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(
                f"seed {self.seed} is not between 0 and 4294967295"
            )
        self._check_sampling()

    def _check_sampling(self) -> None:
        """Values of None are the model's."""
        temperature = 1.0 if self.temperature is None else self.temperature
        if not 0 <= temperature < math.inf:
            raise ValueError(
                f"temperature {temperature} is negative or not finite; 0 "
                "is greedy, 1 samples as the model was trained"
            )
        if 0 < temperature < 1e-6:  # logits over it would overflow
            raise ValueError(
                f"temperature {temperature} is below 1e-06; 0 takes the "
                "likeliest token"
            )
        if self.top_k is not None and self.top_k < 0:
            raise ValueError(f"top_k {self.top_k} is negative; 0 is all")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p {self.top_p} is not in (0, 1]")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p {self.min_p} is not in [0, 1]")
