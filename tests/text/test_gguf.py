"""Tokenizers out of GGUF's metadata divide text as the ones they came from."""

from __future__ import annotations

import json
import pathlib
import random

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from jaxlrm.text.gguf import text_files
from tests import gguf_files

ROOT = pathlib.Path(__file__).parents[2]
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
SAMPLES = [
    "hello world",
    "  two  spaces   and\n\n\n\ta tab",
    " 12 345  6789\n    42",
    "don't I'll WE'RE 'S x='t'",
    "na\u00efve caf\u00e9 e\u0301, \u65e5\u672c\u8a9e \ud55c\uad6d \u0e44",
    "\N{ROCKET}\N{LLAMA}\N{VARIATION SELECTOR-16}",
    "def f(x):\r\n    return x**2  # (square)\r\n",
    "\\frac{1}{2} + \\sqrt{3} = XyZ;",
    "<|im_start|>user\nhi<|im_end|> <s>a</s> <0x0A>",
    "",
    " ",
    "\n",
]


def texts() -> list[str]:
    rng = random.Random(0)
    whole = (ROOT / "README.md").read_text("utf-8")
    starts = [rng.randrange(len(whole) - 300) for _ in range(30)]
    return SAMPLES + [whole[at : at + rng.randrange(300)] for at in starts]


def rebuilt(metadata) -> tokenizers.Tokenizer:
    value = text_files(metadata, "x.gguf", 128)["tokenizer.json"]
    return tokenizers.Tokenizer.from_str(json.dumps(value))


# --- Tokens of bytes --------------------------------------------------------


def split(pattern: str):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def published(pre: str):
    """How the model's own `tokenizer.json` divides text into words."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pre == "gpt-2":
        return level
    if pre == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, level])
    from transformers.integrations.gguf import gguf_tokenizer_mapping

    return split(gguf_tokenizer_mapping.GGUF_PRE_TOKENIZER_SPLITS[pre])


def trained(pre: str) -> tuple[tokenizers.Tokenizer, dict]:
    """A byte-level tokenizer, and its GGUF metadata."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = published(pre)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts() * 2, trainer)
    tokenizer.add_special_tokens([gguf_files.END, gguf_files.START])
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)
    special = (gguf_files.END, gguf_files.START)
    return tokenizer, {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [
            gguf_files.CONTROL if token in special else 1 for token in tokens
        ],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in model["merges"]],
        "tokenizer.ggml.eos_token_id": vocabulary[gguf_files.END],
    }


@pytest.mark.parametrize(
    "pre", ["gpt-2", "smollm", "qwen2", "llama-bpe", "tekken", "gpt-4o"]
)
def test_words_are_divided_as_published(pre):
    wanted, metadata = trained(pre)
    # A model that begins its texts by itself, where the file is silent.
    metadata["tokenizer.ggml.add_bos_token"] = False
    found = rebuilt(metadata)
    for text in texts():
        if pre == "qwen2":
            text = normalizers.NFC().normalize_str(text)
        ids = found.encode(text).ids
        assert ids == wanted.encode(text).ids, text
        assert found.decode(ids) == wanted.decode(ids)


def test_text_is_composed_where_the_model_composes_it():
    found = rebuilt(gguf_files.byte_level("qwen2"))
    assert found.encode("e\u0301").ids == found.encode("\u00e9").ids
    found = rebuilt(gguf_files.byte_level("deepseek-r1-qwen"))
    assert found.encode("e\u0301").ids != found.encode("\u00e9").ids


def test_words_that_are_tokens_stay_whole():
    """In Llama 3, whether or not merges lead there."""
    lengths = {}
    for pre in ("llama-bpe", "dbrx"):
        metadata = gguf_files.byte_level(pre) | {
            "tokenizer.ggml.merges": ["h e"],
            "tokenizer.ggml.add_bos_token": False,
        }
        lengths[pre] = len(rebuilt(metadata).encode("hello").ids)
    assert lengths == {"llama-bpe": 1, "dbrx": 4}


# --- Tokens of characters ---------------------------------------------------


def sentence_piece(**changes) -> dict:
    """Metadata as of Llama 2: scores instead of merges."""
    tokens = ["<unk>", "<s>", "</s>"]
    types = [2, gguf_files.CONTROL, gguf_files.CONTROL]
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    types += [gguf_files.BYTE] * 256
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False)
    tokenizer.train_from_iterator(texts()[12:], trainer)
    vocabulary = tokenizer.get_vocab()
    words = sorted(vocabulary, key=vocabulary.get)
    tokens += words
    types += [1] * len(words)
    single = [len(token) == 1 for token in tokens]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [
            -1e4 if one else float(-number) for number, one in enumerate(single)
        ],
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        **changes,
    }


def merged(metadata: dict, text: str) -> list[int]:
    """As llama.cpp: the two neighbours of the highest score, leftmost first."""
    ids = {
        token: number
        for number, token in enumerate(metadata["tokenizer.ggml.tokens"])
        if metadata["tokenizer.ggml.token_type"][number] == 1
    }
    scores = metadata["tokenizer.ggml.scores"]
    parts = list(text.replace(" ", SPACE))
    while True:
        joins = [
            (scores[ids[a + b]], -at)
            for at, (a, b) in enumerate(zip(parts, parts[1:], strict=False))
            if a + b in ids
        ]
        if not joins:
            break
        at = -max(joins)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    found = []
    for part in parts:
        # Token number 3 is byte 0.
        found += [ids[part]] if part in ids else [3 + b for b in part.encode()]
    return found


def test_pieces_are_put_together_by_score():
    metadata = sentence_piece()
    found = rebuilt(metadata)
    for text in texts():
        if "<" in text or not text:  # special tokens
            continue
        assert found.encode(text).ids == [1, *merged(metadata, " " + text)]
        assert found.decode(found.encode(text).ids) == text


def test_no_space_is_put_first_where_the_file_says_so():
    metadata = sentence_piece() | {"tokenizer.ggml.add_space_prefix": False}
    found = rebuilt(metadata)
    assert found.encode(" a b").ids == [1, *merged(metadata, " a b")]
    assert found.decode(found.encode(" a b").ids) == " a b"


def test_names_of_special_tokens_cannot_be_spelled():
    tokens = [*sentence_piece()["tokenizer.ggml.tokens"], "</", "s>", "</s"]
    size = len(tokens)
    metadata = sentence_piece() | {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [float(-n) for n in range(size)],
        "tokenizer.ggml.token_type": [
            *sentence_piece()["tokenizer.ggml.token_type"],
            *[1] * 3,
        ],
    }
    found = rebuilt(metadata)
    assert 2 in found.encode("a</s>").ids
    found.encode_special_tokens = True
    assert 2 not in found.encode("a</s>").ids


def test_tokens_that_a_user_defined_are_found_whole():
    """Spaces alone are stored as such, and others as SentencePiece has them."""
    metadata = sentence_piece()
    size = len(metadata["tokenizer.ggml.tokens"])
    for key, values in {
        "tokens": ["<think>", "  ", "   "],
        "scores": [-1000.0] * 3,
        "token_type": [gguf_files.USER_DEFINED] * 3,
    }.items():
        metadata[f"tokenizer.ggml.{key}"] += values
    metadata["tokenizer.ggml.add_space_prefix"] = False
    found = rebuilt(metadata)
    assert found.encode("<think>").ids == [1, size]
    assert found.encode("   ").ids == [1, size + 2]
    assert found.get_added_tokens_decoder()[size].special is False


# --- The other files --------------------------------------------------------


def test_what_the_other_files_say():
    metadata = gguf_files.byte_level() | {
        "tokenizer.ggml.eot_token_id": 3,
        "tokenizer.chat_template.tools": "with tools",
        "general.sampling.temp": 0.7,
        "general.sampling.top_k": 20,
    }
    found = text_files(metadata, "x.gguf", 128)
    config = found["tokenizer_config.json"]
    assert config["eos_token"] == config["pad_token"] == gguf_files.END
    assert config["model_max_length"] == 128
    assert not config["add_bos_token"] and "bos_token" not in config
    assert config["chat_template"] == [
        {"name": "default", "template": gguf_files.TEMPLATE},
        {"name": "tools", "template": "with tools"},
    ]
    end = metadata["tokenizer.ggml.eos_token_id"]
    assert found["generation_config.json"] == {
        "eos_token_id": [end, 3],
        "pad_token_id": end,
        "temperature": 0.7,
        "top_k": 20,
        "do_sample": True,
    }


def test_bos_and_eos_stand_around_a_text():
    metadata = sentence_piece() | {"tokenizer.ggml.add_eos_token": True}
    found = rebuilt(metadata)
    ids = found.encode("a").ids
    assert ids[0] == 1 and ids[-1] == 2
    assert found.encode("a", add_special_tokens=False).ids == ids[1:-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "bert"}, "model is 'bert'; it must be one of gpt2, llama"),
        ({"pre": "default"}, "pre is 'default'; it must be one of gpt-2, "),
        ({"pre": None}, "ggml.pre.*; it must be one of gpt-2, "),
        ({"tokens": None}, "ggml.tokens.*; it must be a list of texts"),
        ({"merges": None}, "ggml.merges.*; it must be a list of texts"),
        ({"merges": ["a b c"]}, "merges holds 'a b c'; it must be two tokens"),
        ({"token_type": [1]}, "must be 300 numbers, one a token"),
        ({"eos_token_id": 300}, "eos_token_id is 300; .* from 0 to 299"),
        ({"eos_token_id": None}, "eos_token_id is missing"),
        ({"add_bos_token": True}, "bos_token_id, which is missing"),
        ({"add_bos_token": 1}, "add_bos_token is 1; it must be true or false"),
    ],
)
def test_metadata_that_is_refused(changes, message):
    metadata = gguf_files.byte_level()
    for key, value in changes.items():
        metadata[f"tokenizer.ggml.{key}"] = value
        if value is None:
            del metadata[f"tokenizer.ggml.{key}"]
    with pytest.raises(ValueError, match=f"x.gguf.*{message}"):
        text_files(metadata, "x.gguf", 128)
