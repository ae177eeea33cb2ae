"""Configuration: validation, overrides from text, JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import config as config_lib
from jaxlrm.config import (
    ModelConfig,
    OptimiserConfig,
    SearchConfig,
    TrainConfig,
)

MODEL = ModelConfig(
    vocab_size=32,
    hidden_size=16,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    intermediate_size=24,
)


@dataclasses.dataclass(frozen=True)
class Search:
    branches: int = 64
    temperature: float = 0.7
    strategy: Literal["beam", "mcts"] = "beam"
    limit: int | None = None
    grid: tuple[int, ...] = (1, 2)
    span: tuple[int, float] = (1, 0.5)

    def __post_init__(self):
        if self.branches <= 0:
            raise ValueError(f"branches is {self.branches}; use 1 or more")


@dataclasses.dataclass(frozen=True)
class Run:
    name: str = "run"
    greedy: bool = False
    search: Search = Search()
    model: ModelConfig = MODEL
    judge: Search | None = None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 0}, "num_layers is 0.*positive"),
        ({"vocab_size": -1}, "vocab_size is -1.*positive"),
        ({"rope_theta": 0.0}, "rope_theta is 0.0.*positive"),
        ({"num_kv_heads": 3}, "num_heads 4 is not a multiple.*3"),
        ({"head_dim": 5}, "head_dim 5 is odd"),
        ({"hidden_act": "tanh"}, "'tanh' is unknown; use one of silu"),
    ],
)
def test_model_config_refuses_what_no_model_can_have(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MODEL, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branches": 8.0}, "SearchConfig.branches is 8.0; .* of type int"),
        ({"branches": "8"}, "branches is '8'; it must be of type int"),
        ({"branches": True}, "branches is True; it must be of type int"),
        ({"lookahead": 1.5}, "lookahead is 1.5; it must be of type int"),
        ({"tokens": 1.5}, "tokens is 1.5; it must be of type int"),
        ({"seed": None}, "seed is None; it must be of type int"),
        ({"temperature": "1"}, "temperature is '1'; it must be of type float"),
        ({"strategy": 3}, "strategy is 3; it must be of type str"),
    ],
)
def test_search_config_refuses_values_of_other_types(changes, message):
    with pytest.raises(TypeError, match=message):
        SearchConfig(**changes)


@pytest.mark.parametrize("temperature", [1e-45, 1e-39, 9e-7])
def test_a_temperature_that_logits_cannot_be_divided_by(temperature):
    with pytest.raises(ValueError, match=f"{temperature} is below 1e-06; 0 "):
        SearchConfig(temperature=temperature)


def test_search_config_takes_all_kinds_of_numbers():
    config = SearchConfig(
        branches=np.int32(8), temperature=1, top_p=np.float32(0.5)
    )
    assert config == SearchConfig(branches=8, temperature=1.0, top_p=0.5)
    record = json.loads(json.dumps(config_lib.to_json(config)))
    assert config_lib.from_json(SearchConfig, record) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"easy": -0.1}, "easy -0.1 is not between 0 and 1"),
        ({"easy": 1.5}, "easy 1.5 is not between 0 and 1"),
        ({"levels": ()}, r"levels \(\) are not levels.*some of 1 to 7"),
        ({"levels": (1, 8)}, r"levels \(1, 8\) are not.*some of 1 to 7"),
        ({"levels": (0,)}, r"levels \(0,\) are not.*some of 1 to 7"),
        (
            {"length": 100, "long": 250},
            "long 250 does not divide.*multiple of length 100",
        ),
        (
            {"length": 100, "long": 300, "rows": 8},
            "long 300 does not divide.*rows 8 a multiple of long / length",
        ),
        (
            {"length": 100, "long": 400, "rows": 4, "data": 2},
            "long 400 does not divide.*times data",
        ),
        (
            {"length": 2048, "long": 8192},
            f"length 8192 is over max.* {MODEL.max_position_embeddings}; sho",
        ),
    ],
)
def test_train_config_refuses_what_cannot_be_drawn(changes, message):
    small = {"rows": 4, "length": 64, "data": 1}
    with pytest.raises(ValueError, match=message):
        TrainConfig(MODEL, **{**small, **changes})


def test_the_schedule_must_fit_the_steps():
    run = TrainConfig(
        MODEL, steps=24, optimiser=OptimiserConfig(warmup=4, decay=20)
    )
    with pytest.raises(ValueError, match="warmup 4 .*decay 20 .* steps 23;"):
        config_lib.replace_path(run, "steps", "23")
    short = {"steps": "6", "optimiser.decay": "2"}
    assert config_lib.replace_paths(run, short).steps == 6


def test_train_config_takes_levels_and_long_rows():
    config = TrainConfig(MODEL, rows=8, length=64, long=256, data=2)
    new = config_lib.replace_paths(config, {"levels": "6,7", "easy": "1"})
    assert (new.levels, new.easy, new.long) == ((6, 7), 1.0, 256)
    assert config_lib.from_json(TrainConfig, config_lib.to_json(new)) == new
    assert config.levels == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("name", "none", "none"),
        ("name", "a=b", "a=b"),
        ("greedy", "true", True),
        ("greedy", "False", False),
        ("greedy", "1", True),
        ("search.branches", "8", 8),
        ("search.temperature", "1", 1.0),
        ("search.temperature", "1e-3", 1e-3),
        ("search.strategy", "mcts", "mcts"),
        ("search.limit", "none", None),
        ("search.limit", "7", 7),
        ("search.grid", "4,5,6", (4, 5, 6)),
        ("search.grid", "(4, 5)", (4, 5)),
        ("search.grid", "[4]", (4,)),
        ("search.grid", "4,", (4,)),
        ("search.grid", "", ()),
        ("search.span", "2, 3", (2, 3.0)),
        ("model.qk_norm", "true", True),
    ],
)
def test_replace_path_reads_text_by_annotation(path, text, value):
    config = Run()
    new = config_lib.replace_path(config, path, text)
    for name in path.split("."):
        new = getattr(new, name)
    assert new == value
    assert type(new) is type(value)
    assert config == Run()


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("serch.branches", "8", "Run has no field 'serch'.*'search'.*judge"),
        (
            "search.branchs",
            "8",
            "Search has no field 'branchs' .in 'search.branchs'.*'branches'",
        ),
        ("zzz", "8", "no field 'zzz' .in 'zzz'.; fields: name, greedy"),
        ("", "8", "no field ''"),
        ("search", "8", "search is a group; set one of its fields: branches"),
        ("name.first", "x", "name is 'run', which has no fields"),
        ("judge.branches", "8", "judge is None, which has no fields"),
        ("search.branches", "6x", "search.branches='6x' is not of type int"),
        ("search.branches", "6.0", "search.branches='6.0' is not of type int"),
        ("search.temperature", "hot", "'hot' is not of type float"),
        ("greedy", "maybe", "'maybe' is not of type bool; use one of true"),
        ("search.strategy", "bem", "'bem' is unknown; use one of beam, mcts"),
        ("search.grid", "1,,2", "search.grid.1.='' is not of type int"),
        ("search.span", "1", "search.span takes 2 values, not 1"),
        ("search.branches", "0", "branches is 0; use 1 or more"),
    ],
)
def test_replace_path_says_what_is_wrong(path, text, message):
    with pytest.raises(ValueError, match=message):
        config_lib.replace_path(Run(), path, text)


def test_replace_paths_validates_once_all_are_set():
    texts = {"model.num_heads": "9", "model.num_kv_heads": "3"}
    with pytest.raises(ValueError, match="not a multiple"):
        config_lib.replace_path(Run(), "model.num_heads", "9")
    new = config_lib.replace_paths(Run(), texts)
    assert (new.model.num_heads, new.model.num_kv_heads) == (9, 3)


def test_an_annotation_that_text_cannot_give_is_a_type_error():
    @dataclasses.dataclass(frozen=True)
    class Odd:
        table: dict = dataclasses.field(default_factory=dict)

    with pytest.raises(TypeError, match="table is annotated"):
        config_lib.replace_path(Odd(), "table", "1")
    with pytest.raises(TypeError, match="table holds a dict"):
        config_lib.to_json(Odd())
    with pytest.raises(TypeError, match="table is annotated"):
        config_lib.from_json(Odd, {"table": {}})


searches = st.builds(
    Search,
    branches=st.integers(1, 10**6),
    temperature=st.floats(allow_nan=False),
    strategy=st.sampled_from(["beam", "mcts"]),
    limit=st.none() | st.integers(),
    grid=st.lists(st.integers()).map(tuple),
    span=st.tuples(st.integers(), st.floats(allow_nan=False)),
)


@given(
    st.builds(
        Run,
        name=st.text(),
        greedy=st.booleans(),
        search=searches,
        judge=st.none() | searches,
    )
)
def test_json_round_trip(run):
    record = json.loads(json.dumps(config_lib.to_json(run)))
    assert config_lib.from_json(Run, record) == run


@given(searches)
def test_text_round_trip(search):
    texts = {
        f"search.{name}": str(value) for name, value in vars(search).items()
    }
    assert config_lib.replace_paths(Run(), texts).search == search


def test_from_json_fills_defaults_and_reads_whole_numbers_as_floats():
    config = config_lib.from_json(Search, {"temperature": 1})
    assert config == Search(temperature=1.0)
    assert type(config.temperature) is float
    nan = config_lib.from_json(Search, {"temperature": math.nan})
    assert math.isnan(nan.temperature)


@pytest.mark.parametrize(
    ("cls", "record", "message"),
    [
        (Run, {"serch": {}}, "Run has no field 'serch'.*'search'"),
        (Run, {"search": {"branchs": 1}}, "in 'search.branchs'.*'branches'"),
        (Run, {"search": 3}, "search=3 is not an object"),
        (Run, [], r"Run=\[\] is not an object"),
        (Run, {"model": {"vocab_size": 1}}, "model.hidden_size is missing"),
        (Run, {"greedy": 1}, "greedy=1 is not of type bool"),
        (Search, {"branches": True}, "branches=True is not of type int"),
        (Search, {"branches": 2.0}, "branches=2.0 is not of type int"),
        (Search, {"branches": None}, "branches=None is not of type int"),
        (Search, {"branches": 0}, "branches is 0"),
        (Search, {"strategy": "bem"}, "'bem' is unknown; use one of beam"),
        (Search, {"grid": 1}, "grid=1 is not a list"),
        (Search, {"grid": [1, "2"]}, "grid.1='2' is not of type int"),
        (Search, {"span": [1]}, "span takes 2 values, not 1"),
    ],
)
def test_from_json_is_strict(cls, record, message):
    with pytest.raises(ValueError, match=message):
        config_lib.from_json(cls, record)
