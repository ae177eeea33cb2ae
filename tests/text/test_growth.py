"""Tokenizers that would multiply a text."""

from __future__ import annotations

import json
import shutil

import pytest
import tokenizers
from tokenizers import Regex, decoders, normalizers

from jaxlrm.engine import loading
from jaxlrm.text import Text
from jaxlrm.text.growth import check_growth
from tests import fakes


def tokenizer(normalizer=None, decoder=None):
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    if normalizer is not None:
        made.normalizer = normalizer
    if decoder is not None:
        made.decoder = decoder
    return made


@pytest.mark.parametrize(
    "normalizer",
    [
        None,
        normalizers.Replace(" ", "▁"),
        normalizers.Sequence(
            [
                normalizers.Prepend("▁"),
                normalizers.Replace(Regex(" {2,}"), "▁"),
                normalizers.Replace("``", '"'),
                normalizers.NFKC(),
            ]
        ),
        normalizers.Replace("a" * 100, "b" * 1000),
    ],
)
def test_what_published_tokenizers_do(normalizer):
    check_growth(tokenizer(normalizer, decoders.Replace("▁", " ")))


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.Replace("a", "a" * 1000),
        normalizers.Replace(Regex(""), "b" * 256),
        normalizers.Sequence([normalizers.Replace("a", "aa")] * 40),
        normalizers.Sequence(
            [normalizers.Sequence([normalizers.Replace("a", "aaaa")] * 3)] * 2
        ),
        # So many that the product is no number.
        normalizers.Sequence([normalizers.Replace("a", "a" * 99)] * 500),
    ],
    ids=range(5),
)
def test_what_explodes(normalizer):
    with pytest.raises(ValueError, match="the normalizer may make a text"):
        check_growth(tokenizer(normalizer))


def test_a_decoder_that_explodes():
    decoder = decoders.Replace("a", "a" * 1000)
    with pytest.raises(ValueError, match="the decoder may make a text"):
        check_growth(tokenizer(decoder=decoder))


def test_a_folder_with_one_is_refused(tmp_path):
    folder = shutil.copytree(loading.find(fakes.SMALL), tmp_path / "model")
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text("utf-8"))
    data["normalizer"] = {
        "type": "Sequence",
        "normalizers": 30
        * [{"type": "Replace", "pattern": {"String": "x"}, "content": "xx"}],
    }
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(ValueError, match="model: the normalizer may make a te"):
        Text.load(folder)
