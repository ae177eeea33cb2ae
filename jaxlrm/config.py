"""Configuration: frozen dataclasses and their validation (no JAX, no absl)."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

T = TypeVar("T")

ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh", "relu2")


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not value > 0:  # nor NaN
            raise ValueError(
                f"{type(config).__name__}.{name} is {value}; it must be "
                "positive"
            )


# What a field of a plain type takes; numpy's numbers are among these.
_TAKES = {
    int: numbers.Integral,
    float: numbers.Real,
    bool: bool,
    str: str,
}


def _require_types(config: object) -> None:
    """Raises TypeError for values of other types; makes numbers plain."""
    for name, annotation in _field_types(type(config)).items():
        kind, optional = _optional(annotation)
        value = getattr(config, name)
        if optional and value is None:
            continue
        is_flag = isinstance(value, bool) and kind is not bool
        if is_flag or not isinstance(value, _TAKES[kind]):
            raise TypeError(
                f"{type(config).__name__}.{name} is {value!r}; it must be of "
                f"type {kind.__name__}"
            )
        if kind in (int, float):
            object.__setattr__(config, name, kind(value))


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of a Llama / Qwen2 / Qwen3 decoder.

    Field names are those of a Hugging Face `config.json`, where it has one.

    Attributes:
        vocab_size: `V`, rows of the embedding.
        hidden_size: `E`.
        num_layers: `L`.
        num_heads: `H`, query heads.
        num_kv_heads: `K`, key/value heads; divides `num_heads`.
        head_dim: `D`, even (rotary embedding works on pairs).
        intermediate_size: `F`.
        hidden_act: activation of the gated MLP, one of `ACTIVATIONS`.
        rms_norm_eps: epsilon of every RMSNorm.
        rope_theta: base of the rotary embedding.
        max_position_embeddings: longest sequence, in tokens.
        attention_bias: bias on q, k and v (Qwen2).
        qk_norm: RMSNorm on each head of q and k (Qwen3).
        tie_word_embeddings: the unembedding is the embedding.
        value_head: a scalar head on the last hidden state (reward model, or
            generator that judges its own steps).
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 2048
    attention_bias: bool = False
    qk_norm: bool = False
    tie_word_embeddings: bool = True
    value_head: bool = False

    def __post_init__(self):
        _require_types(self)
        _require_positive(
            self,
            "vocab_size",
            "hidden_size",
            "num_layers",
            "num_heads",
            "num_kv_heads",
            "head_dim",
            "intermediate_size",
            "rms_norm_eps",
            "rope_theta",
            "max_position_embeddings",
        )
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of "
                f"num_kv_heads {self.num_kv_heads}; grouped-query attention "
                "shares each key/value head among equally many query heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"head_dim {self.head_dim} is odd; the rotary embedding "
                "rotates pairs, use an even number"
            )
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(
                f"hidden_act {self.hidden_act!r} is unknown; use one of "
                f"{', '.join(ACTIVATIONS)}"
            )


WHOLE = ("greedy", "majority", "best_of_n", "weighted")
STEPWISE = ("beam", "dvts", "rebase", "mcts", "uct", "sequential")
_WITH_WIDTH = ("beam", "dvts", "mcts", "uct")
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
        _require_types(self)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed and not (
                name == "strategy" and re.fullmatch(_OUTSIDE, self.strategy)
            ):
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is unknown; use one of "
                    f"{', '.join(map(str, allowed))}"
                )
        _require_positive(
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


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """Muon for matrices, Adam for the rest; warm-up, constant, decay.

    Attributes:
        learning_rate: of Muon (Jordan et al. 2024), at its plateau.
        adam_learning_rate: of Adam (embeddings, norms, biases, heads).
        warmup: steps from zero to the plateau.
        decay: last steps, from the plateau linearly down to zero.
        clip: largest global norm of the gradient.
    """

    learning_rate: float = 0.02
    adam_learning_rate: float = 4e-3
    warmup: int = 100
    decay: int = 0
    clip: float = 1.0

    def __post_init__(self):
        _require_positive(self, "learning_rate", "adam_learning_rate", "clip")
        for name in ("warmup", "decay"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it is a number of "
                    "steps, 0 for none"
                )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: shape of the model.
        extensions: modules to import, which register families of problems;
            the model that is trained will name them as what it needs.
        tasks: families to draw problems from, in equal parts; one named twice
            gets two parts. `expand@5` is drawn at that level of difficulty
            alone.
        levels: levels of difficulty of the other families, in equal parts.
        easy: share of the steps, from the first one, that leave out the
            harder half of the levels.
        rollouts: JSON-lines file of sampled chains with step labels, for the
            value head; empty for none.
        rollout_share: share of documents that are rollouts.
        init: folder of the model to start from; empty starts afresh.
        rows: packed rows a batch, `R`.
        length: tokens a row, `S`; no document in it is longer.
        long: tokens a row of the batches of longer documents, a multiple of
            `length`; those batches have fewer rows, and as many tokens. 0
            leaves longer documents out.
        steps: optimiser steps in all, warm-up and decay among them.
        value_weight: weight of the value head's loss beside the language
            model's.
        optimiser: how the parameters move.
        compute_dtype: of activations and of the products with parameters; the
            parameters themselves, their gradients' sums and the losses are
            float32.
        seed: of initial parameters and data.
        data: devices that share the rows.
        model_parallel: devices that share each parameter.
        log_every: steps between metric lines.
        checkpoint_every: steps between checkpoints.
    """

    model: ModelConfig
    extensions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    easy: float = 0.0
    rollouts: str = ""
    rollout_share: float = 0.0
    init: str = ""
    rows: int = 32
    length: int = 256
    long: int = 0
    steps: int = 1000
    value_weight: float = 0.5
    optimiser: OptimiserConfig = OptimiserConfig()
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    data: int = 1
    model_parallel: int = 1
    log_every: int = 50
    checkpoint_every: int = 500

    def __post_init__(self):
        _require_positive(
            self,
            "rows",
            "length",
            "steps",
            "data",
            "model_parallel",
            "log_every",
            "checkpoint_every",
        )
        if self.rows % self.data:
            raise ValueError(
                f"rows {self.rows} is not a multiple of data {self.data}; "
                "every device takes equally many rows"
            )
        warmup, decay = self.optimiser.warmup, self.optimiser.decay
        if warmup + decay > self.steps:
            raise ValueError(
                f"optimiser.warmup {warmup} and optimiser.decay {decay} are "
                f"more than steps {self.steps}; lower them as well"
            )
        for name in ("easy", "rollout_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} {getattr(self, name)} is not between 0 and 1"
                )
        if not self.levels or not set(self.levels) <= set(range(1, 8)):
            raise ValueError(
                f"levels {self.levels} are not levels of difficulty; name some "
                "of 1 to 7"
            )
        if self.rollout_share and not (self.rollouts and self.model.value_head):
            raise ValueError(
                f"rollout_share {self.rollout_share} needs rollouts and a "
                "model with value_head"
            )
        if self.long and (
            self.long % self.length
            or self.rows * self.length % (self.long * self.data)
        ):
            raise ValueError(
                f"long {self.long} does not divide a batch: it must be a "
                f"multiple of length {self.length}, and rows {self.rows} a "
                "multiple of long / length times data"
            )
        longest = max(self.length, self.long)
        if longest > self.model.max_position_embeddings:
            raise ValueError(
                f"length {longest} is over max_position_embeddings "
                f"{self.model.max_position_embeddings}; shorten the rows"
            )


def replace_path(config: T, path: str, text: str) -> T:
    """A copy of `config` with one field set from text.

    Args:
        config: a frozen dataclass, possibly of dataclasses.
        path: field names joined by dots, such as `search.branches`.
        text: the value as typed on a command line. It is read by the field's
            annotation: int, float, bool (`true`, `false`, `1`, `0`), str,
            Literal, a tuple of those (`1,2,3`), or any of them with None
            (`none`).

    Returns:
        A new config of the same type, validated.

    Raises:
        ValueError: no such field (the message names the nearest), or the text
            does not fit the annotation, or validation refuses the value.
        TypeError: the field's annotation is none of the above.
    """
    return replace_paths(config, {path: text})


def replace_paths(config: T, texts: Mapping[str, str]) -> T:
    """`replace_path` for several fields, validated once they are all set.

    So that fields bound to each other (`num_heads`, `num_kv_heads`) can change
    together in any order.
    """
    return _replace(config, {tuple(k.split(".")): v for k, v in texts.items()})


def to_json(config: object) -> dict[str, Any]:
    """The config as a dict that `json.dumps` takes; tuples become lists.

    Raises:
        TypeError: a value that is no dataclass, tuple, str, number, bool or
            None.
    """
    return {
        field.name: _value_to_json(getattr(config, field.name), field.name)
        for field in dataclasses.fields(config)
    }


def from_json(cls: type[T], record: Mapping[str, Any]) -> T:
    """The config of type `cls` that `to_json` wrote; checks every type.

    Raises:
        ValueError: an unknown key, a key without default that is missing, a
            value of another type, or one that validation refuses.
        TypeError: an annotation that `replace_path` does not know either.
    """
    return _from_json(cls, record, ())


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _replace(config, texts, prefix=()):
    field_types = _field_types(type(config))
    leaves, groups = {}, {}
    for path, text in texts.items():
        name, rest = path[0], path[1:]
        where = ".".join((*prefix, name))
        if name not in field_types:
            raise ValueError(_unknown_field(type(config), name, where))
        value = getattr(config, name)
        if rest:
            if not dataclasses.is_dataclass(value):
                raise ValueError(
                    f"{where} is {value!r}, which has no fields; it cannot "
                    f"take {'.'.join((*prefix, *path))}={text}"
                )
            groups.setdefault(name, {})[rest] = text
        elif dataclasses.is_dataclass(value):
            raise ValueError(
                f"{where} is a group; set one of its fields: "
                f"{', '.join(_field_types(type(value)))}"
            )
        else:
            leaves[name] = _parse(text, field_types[name], where)
    nested = {
        name: _replace(getattr(config, name), inner, (*prefix, name))
        for name, inner in groups.items()
    }
    return dataclasses.replace(config, **leaves, **nested)


def _field_types(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _unknown_field(cls: type, name: str, where: str) -> str:
    names = list(_field_types(cls))
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"{cls.__name__} has no field {name!r} (in {where!r}); {hint}"
        f"fields: {', '.join(names)}"
    )


def _optional(annotation: Any) -> tuple[Any, bool]:
    """`T | None` as (T, True), anything else as (annotation, False)."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        args = typing.get_args(annotation)
        rest = [arg for arg in args if arg is not types.NoneType]
        if len(rest) == 1 < len(args):
            return rest[0], True
    return annotation, False


def _item_types(annotation: Any, length: int, where: str) -> list[Any]:
    """Annotations of a tuple's items; ValueError if the length is wrong."""
    args = typing.get_args(annotation)
    if len(args) == 2 and args[1] is Ellipsis:
        return [args[0]] * length
    if len(args) != length:
        raise ValueError(f"{where} takes {len(args)} values, not {length}")
    return list(args)


def _unsupported(annotation: Any, where: str) -> TypeError:
    return TypeError(
        f"{where} is annotated {annotation}; a config field is an int, float, "
        "bool, str, Literal, dataclass, a tuple of those, or one or None"
    )


def _parse(text: str, annotation: Any, where: str) -> Any:
    annotation, optional = _optional(annotation)
    if optional and text.lower() == "none":
        return None
    origin = typing.get_origin(annotation)
    if annotation is str:
        return text
    if annotation is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(
                f"{where}={text!r} is not of type bool; use one of "
                f"{', '.join(_BOOLEANS)}"
            )
        return _BOOLEANS[text.lower()]
    if annotation in (int, float):
        try:
            return annotation(text)
        except ValueError:
            raise ValueError(
                f"{where}={text!r} is not of type {annotation.__name__}"
            ) from None
    if origin is Literal:
        options = {str(arg): arg for arg in typing.get_args(annotation)}
        if text not in options:
            raise ValueError(
                f"{where}={text!r} is unknown; use one of {', '.join(options)}"
            )
        return options[text]
    if origin is tuple:
        inner = text.strip()
        if inner[:1] + inner[-1:] in ("()", "[]"):
            inner = inner[1:-1]
        parts = [part.strip() for part in inner.split(",")]
        if not parts[-1]:  # `1,2,` and the empty tuple
            parts.pop()
        items = _item_types(annotation, len(parts), where)
        return tuple(
            _parse(part, item, f"{where}[{i}]")
            for i, (part, item) in enumerate(zip(parts, items, strict=True))
        )
    raise _unsupported(annotation, where)


def _value_to_json(value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, tuple):
        return [_value_to_json(item, where) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{where} holds a {type(value).__name__}; a config holds dataclasses, "
        "tuples, str, numbers, bool and None"
    )


def _from_json(cls, record, prefix):
    if not isinstance(record, Mapping):
        where = ".".join(prefix) or cls.__name__
        raise ValueError(f"{where}={record!r} is not an object")
    field_types = _field_types(cls)
    for name in record:
        if name not in field_types:
            where = ".".join((*prefix, name))
            raise ValueError(_unknown_field(cls, name, where))
    for field in dataclasses.fields(cls):
        required = (
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        )
        if required and field.name not in record:
            raise ValueError(
                f"{'.'.join((*prefix, field.name))} is missing; "
                f"{cls.__name__} has no default for it"
            )
    return cls(
        **{
            name: _value_from_json(value, field_types[name], (*prefix, name))
            for name, value in record.items()
        }
    )


def _value_from_json(value: Any, annotation: Any, path: tuple[str, ...]) -> Any:
    annotation, optional = _optional(annotation)
    if optional and value is None:
        return None
    where = ".".join(path)
    origin = typing.get_origin(annotation)
    if dataclasses.is_dataclass(annotation):
        return _from_json(annotation, value, path)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where}={value!r} is not a list")
        items = _item_types(annotation, len(value), where)
        return tuple(
            _value_from_json(part, item, (*path, str(i)))
            for i, (part, item) in enumerate(zip(value, items, strict=True))
        )
    if origin is Literal:
        options = typing.get_args(annotation)
        if not any(type(value) is type(o) and value == o for o in options):
            raise ValueError(
                f"{where}={value!r} is unknown; use one of "
                f"{', '.join(map(str, options))}"
            )
        return value
    if annotation not in (bool, int, float, str):
        raise _unsupported(annotation, where)
    if annotation is float and type(value) is int:
        return float(value)
    if type(value) is not annotation:
        raise ValueError(
            f"{where}={value!r} is not of type {annotation.__name__}"
        )
    return value
