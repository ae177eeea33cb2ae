"""What a configuration leaves open, filled in for a model and its problems."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax

from jaxlrm.config import (
    CHECKED,
    LINE,
    PARAGRAPH,
    SCORED,
    WHOLE,
    ModelConfig,
    SearchConfig,
)
from jaxlrm.engine import plan
from jaxlrm.limits import Limits
from jaxlrm.models import sharding
from jaxlrm.search.strategies import Strategy
from jaxlrm.text import Text

_CHAIN_TOKENS = 1024  # of a chain, where the context has room for it
_PROBLEMS = 8  # side by side, if nobody says how many
_ROWS = 64  # of them together on a CPU
_WAVES = 4  # problems at least for each slot, one after another
_EARLY = 8  # at most, of a problem whose search may end before all its chains

_FIELDS = tuple(field.name for field in dataclasses.fields(SearchConfig))
# What the problems of one call may each have for themselves.
_OWN = ("seed", *(f for f in _FIELDS if f in Limits.__dataclass_fields__))


@dataclasses.dataclass(frozen=True)
class Defaults:
    """What the models of an engine say about a search.

    Attributes:
        name: of the generator.
        generator: its shape.
        rewards: shapes of the reward models.
        text: the generator's tokenizer.
        scores: whether there are learned verifiers.
    """

    name: str
    generator: ModelConfig
    rewards: Sequence[ModelConfig]
    text: Text
    scores: bool

    def resolve(
        self, config: SearchConfig, *, programs: bool = False
    ) -> SearchConfig:
        """The configuration with nothing left open.

        Args:
            config: as it was asked for.
            programs: whether the model was trained on a problem's family, and
                chains of that family run programs.

        Raises:
            ValueError: the model cannot serve it.
        """
        if config.verifiers == "auto":
            both = "both" if self.scores else "symbolic"
            config = dataclasses.replace(config, verifiers=both)
        if config.tools == "auto":
            runs = programs or config.prompt == "tir"
            tools = "python" if runs else "none"
            config = dataclasses.replace(config, tools=tools)
        self._require(config)
        longest = config.chain_tokens
        if not longest:
            longest = max(min(self.context(config) // 2, _CHAIN_TOKENS), 1)
        lines = self.text.step.count("\n") == 1
        step = config.step_tokens or (LINE if lines else PARAGRAPH)
        output = config.output_tokens or (LINE if lines else PARAGRAPH // 2)
        said = dataclasses.asdict(self.text.sampling)  # by the model's folder
        asked = {name: getattr(config, name) for name in said}
        return dataclasses.replace(
            config,
            chain_tokens=longest,
            step_tokens=min(step, longest),
            output_tokens=output,
            **{
                name: said[name] if value is None else value
                for name, value in asked.items()
            },
        )

    def _require(self, config: SearchConfig) -> None:
        """Raises ValueError for what the model cannot serve."""
        if config.verifiers in SCORED and not self.scores:
            raise ValueError(
                f"verifiers {config.verifiers!r} need a value head or a "
                f"reward model, and {self.name or 'this model'} has neither; "
                "set verifiers=auto, verifiers=symbolic or verifiers=none, or "
                "name a reward model"
            )
        if config.think_tokens and self.text.thinking is None:
            raise ValueError(
                f"think_tokens is {config.think_tokens}, and the tokenizer "
                "has no token </think> to end thinking with; set it to 0"
            )

    def context(self, config: SearchConfig) -> int:
        """Positions that all models have that read a chain."""
        models = [self.generator]
        if config.verifiers in SCORED:
            models += self.rewards
        positions = min(model.context for model in models)
        return min(positions, self.text.context or positions)

    def room(self, config: SearchConfig, strategy: Strategy) -> int:
        """Most tokens of a prompt.

        Args:
            config: of its search, resolved.
            strategy: of that configuration.

        Raises:
            ValueError: there is no room.
        """
        positions = self.context(config)
        left = positions - config.chain_tokens
        if left <= 0:
            raise ValueError(
                f"chain_tokens {config.chain_tokens} leaves no room for a "
                f"problem: the models have {positions} positions; set it "
                "lower, or to 0 to go by the model"
            )
        return left


def together(configs: Sequence[SearchConfig]) -> SearchConfig:
    """One configuration with room for the searches of all.

    Args:
        configs: resolved, of the problems of one call; they may differ in
            their seeds and `Limits`.

    Raises:
        ValueError: they differ in anything else.
    """
    first = configs[0]
    inside = ":" not in first.strategy  # others may read any field as a size
    own = _OWN if inside else ("seed",)
    for config in configs:
        for name in _FIELDS:
            one, other = getattr(first, name), getattr(config, name)
            if name not in own and one != other:
                raise ValueError(
                    f"{name} is {one!r} for one problem and {other!r} for "
                    "another; problems of one call may differ in "
                    f"{', '.join(own)}"
                )
        one, other = first.temperature, config.temperature
        if first.strategy in WHOLE and (one == 0) != (other == 0):
            raise ValueError(
                f"temperature is {one} for one problem and {other} for "
                f"another: at 0 {first.strategy} writes one chain; give them "
                "in two calls"
            )
    sizes = ("chain_tokens", "step_tokens", "rounds")
    return dataclasses.replace(
        first,
        **{size: max(getattr(c, size) for c in configs) for size in sizes},
    )


def batch(
    strategy: Strategy,
    problems: int,
    *,
    early: bool = False,
    platform: str = "",
) -> int:
    """Problems side by side where the configuration leaves it open.

    Of whole chains few rows of many problems are idle for less time than many
    rows of a few, which wait for each problem's longest chain; but a slot is
    idle, too, once no problem is left for it. Four problems or more for each
    slot balance the two (chains of GSM8K, simulated: 0.75 of all row-steps
    write a token for 40 problems of 16 chains, 0.83 for 200).

    More rows than a CPU needs to be busy only wait for each other's longest
    step, and for the last problems: 1.3 times as much processor time with 128
    rows as with 64 (mini, 11 problems, 64 branches); no difference for mini-xs
    (benchmarks/batch.py).

    Args:
        strategy: of the search.
        problems: of the call.
        early: see `rows`.
        platform: of the devices; by default of those that are there.
    """
    if (platform or jax.default_backend()) != "cpu":
        return 2 * _PROBLEMS if strategy.whole else _PROBLEMS
    if strategy.whole and not early:
        least = -(-_ROWS // strategy.branches)
        wanted = 1 << (max(problems // _WAVES, 1).bit_length() - 1)
        return min(max(least, wanted), _ROWS // 2)
    if strategy.whole:
        return plan.bucket_below(_ROWS // min(strategy.branches, _EARLY))
    most = max(1, min(_ROWS // strategy.branches, 2 * _PROBLEMS))
    return plan.bucket_below(most)


def rows(
    strategy: Strategy,
    problems: int,
    *,
    early: bool = False,
    platform: str = "",
) -> int:
    """Rows of a problem, of so many side by side.

    Whole chains are begun as rows become free, on as many rows as `batch`
    leaves to a problem.

    Args:
        strategy: of the search.
        problems: `G`.
        early: whether the search may end before all its chains have: see
            `ends_early`. Then what it finds depends on the rows, so that their
            number may not depend on the problems.
        platform: see `batch`.
    """
    if not strategy.whole:
        return strategy.branches
    if early:
        return min(strategy.branches, _EARLY)
    whole = _ROWS
    if (platform or jax.default_backend()) != "cpu":
        whole = _PROBLEMS * strategy.branches
    most = plan.bucket_below(max(1, whole // problems))
    return min(strategy.branches, most)


def ends_early(configs: Sequence[SearchConfig], strategy: Strategy) -> bool:
    """Whether some whole chains may be left unfinished.

    By a budget of tokens, or by the confidence of the vote.
    """
    early = any(config.tokens or config.confidence for config in configs)
    return strategy.whole and early


def turns(config: SearchConfig, *, platform: str = "") -> int:
    """How many groups of problems take turns at the device.

    With two of them the host verifies what the one has written while the
    other writes. On a CPU both would want the same cores.

    Args:
        config: of the search.
        platform: see `batch`.
    """
    asks = config.verifiers in CHECKED
    on_cpu = (platform or jax.default_backend()) == "cpu"
    return 2 if asks and config.execution != "fused" and not on_cpu else 1


def shares_branches(
    config: SearchConfig,
    strategy: Strategy,
    mesh: jax.sharding.Mesh,
    *,
    limited: bool,
) -> bool:
    """Whether devices share the branches of fewer problems than devices.

    Not where they would count tokens together, each ask the host, or part
    branches that read one stem.

    Args:
        config: of the search.
        strategy: likewise.
        mesh: the devices.
        limited: whether tokens are counted.
    """
    ways = mesh.shape["data"]
    alone = config.execution == "stepped" and not limited
    whole = strategy.groups == 1 or strategy.groups % ways == 0
    even = whole and strategy.branches % ways == 0
    return alone and even and sharding.can_share_branches(mesh)
