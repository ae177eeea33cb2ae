"""The flags of a search are the fields of `SearchConfig`."""

from __future__ import annotations

import dataclasses

import pytest
from absl import flags

from jaxlrm.config import CHOICES, SearchConfig
from launch import search_flags


@pytest.fixture(scope="module")
def made():
    """Flags of their own, and the function that makes a search of them."""
    values = flags.FlagValues()
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("integer", "float", "bool", "string", "enum"):
            name = f"DEFINE_{kind}"
            define = getattr(flags, name)

            def into(*args, define=define):
                return define(*args, flag_values=values)

            patch.setattr(flags, name, into)
        config = search_flags.define_search()
    return values, config


def test_each_field_has_a_flag_with_its_words(made):
    values, _ = made
    names = {field.name for field in dataclasses.fields(SearchConfig)}
    names -= {"strategy", "verifiers"}
    assert names <= set(values)
    for name in names:
        words = values[name].help.rpartition(">: ")[2]  # behind its names
        assert words[0].isupper(), (name, words)
        assert not any(mark in words for mark in ("`", "  ", "One of"))
    assert values["top_k"].help == (
        "Sample among this many likeliest tokens; 0 for all."
    )


def test_what_is_set_is_what_is_searched_with(made):
    values, config = made
    values(["program"])
    assert config("beam", "none") == SearchConfig(
        strategy="beam", verifiers="none"
    )
    values(["program", "--top_p=0.9", "--system=Be brief."])
    found = config("majority", "both")
    assert (found.top_p, found.temperature) == (0.9, None)
    assert found.system == "Be brief."
    assert found.strategy == "majority"


def test_names_are_checked_where_they_are_given(made):
    values, _ = made
    for name in set(CHOICES) - {"strategy", "verifiers"}:
        with pytest.raises(flags.IllegalFlagValueError, match="one of"):
            values(["program", f"--{name}=no such name"])
