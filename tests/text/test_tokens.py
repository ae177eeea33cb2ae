"""Tokenizers, templates and delimiters."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.text import Text, encode_output, train_tokenizer

CORPUS = [
    "Solve 3*x + 4 = 19 for x.\n3*x = 15\nx = 5\n",
    "Solve 12*(y - 2) = 36 for y.\n12*y - 24 = 36\n12*y = 60\ny = 5\n",
    "What is (3 + 4)*5?\n7*5\n35\n",
]
DIGITS = "0123456789"
ALPHABET = "".join(map(chr, range(32, 127))) + "\n"


@pytest.fixture(scope="module")
def trained() -> Text:
    return train_tokenizer(CORPUS, 120)


def with_tokens(*tokens: str, **settings) -> Text:
    """A tokenizer of whole tokens, as larger models have them."""
    import tokenizers
    from tokenizers import decoders, models

    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(
        models.WordLevel(vocabulary, unk_token=tokens[0])
    )
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(["<eos>"])
    defaults = {"end": ["<eos>"], "prompt": "{problem}", "step": "\n\n"}
    return Text(tokenizer, **{**defaults, **settings})


# --- A trained tokenizer -----------------------------------------------------


@pytest.mark.parametrize("words", CORPUS)
def test_what_is_encoded_is_decoded(trained, words):
    ids = trained.encode(words)
    assert len(ids) < len(words)
    assert trained.decode(ids) == words


@given(words=st.text(ALPHABET, max_size=40))
def test_any_printable_text_comes_back(words):
    found = train_tokenizer(CORPUS, 120)
    assert found.decode(found.encode(words)) == words


def test_training_again_gives_the_same(trained):
    again = train_tokenizer(CORPUS, 120)
    assert again.vocab_size == trained.vocab_size <= 120
    for words in CORPUS:
        assert again.encode(words) == trained.encode(words)


def test_digits_and_brackets_are_tokens_of_their_own(trained):
    ids = trained.encode("12*(34)")
    assert [trained.decode([i]) for i in ids] == list("12*(34)")
    spaced = trained.encode("7 + 5")
    assert [trained.decode([i]) for i in spaced] == ["7", " + ", "5"]


def test_unknown_characters_do_not_fail(trained):
    ids = trained.encode("x ≤ 5 ½ 数")
    assert trained.decode(ids) == "x  5  "
    assert max(ids) < trained.vocab_size
    assert trained.encode("") == []


def test_special_tokens_have_no_text(trained):
    (end,) = trained.end
    assert trained.decode([end, trained.padding]) == ""
    assert trained.is_end.tolist() == [
        i == end for i in range(trained.vocab_size)
    ]


def test_the_prompt_takes_the_problem_as_it_is(trained):
    """Also if it looks like a template itself."""
    for problem in ("Solve x = 1.", "{problem}{0}", "a % b {"):
        ids = trained.encode_prompt(problem)
        assert trained.decode(ids) == problem + "\n"


def test_names_of_special_tokens_are_text(trained):
    """In a problem and in a step, but not in the template."""
    problem = "a<eos>b <pad>"
    ids = trained.encode_prompt(problem)
    assert not set(ids) & {*trained.end, trained.padding, 0}
    assert trained.decode(ids) == problem + "\n"
    assert trained.decode(trained.encode("5<eos>\n")) == "5<eos>\n"
    assert encode_output(trained, "<eos>", 9)[1] == "<eos>"
    chat = Text(
        trained._tokenizer,
        end=["<eos>"],
        prompt="<pad>{problem}<eos>\n",
        step="\n",
    )
    for problem in ("a", "<eos>"):
        assert chat.encode_prompt(problem) == (
            [0, *trained.encode(problem), *trained.end, *trained.encode("\n")]
        )


def test_a_step_is_decoded_without_its_delimiter(trained):
    assert trained.decode_step(trained.encode("x = 5\n")) == "x = 5"
    assert trained.decode_step([*trained.encode("x = 5"), *trained.end]) == (
        "x = 5"
    )


def test_unspaced_signs_are_known(trained):
    assert trained.decode(trained.encode("2×3 × 5×")) == "2×3 × 5×"


# --- Tables ------------------------------------------------------------------


def test_ids_may_have_gaps():
    import tokenizers

    vocabulary = {"a": 0, "\n": 3, "<eos>": 7}
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=vocabulary, merges=[])
    )
    text = Text(tokenizer, end=["<eos>"], prompt="{problem}", step="\n")
    assert text.vocab_size == 8
    assert np.flatnonzero(text.known).tolist() == [0, 3, 7]
    assert np.flatnonzero(text.is_end).tolist() == [7]
    # A line of its own ends nothing: the step has no text yet.
    automaton = text.automaton("steps")
    after = automaton.following[0, 0]
    assert np.flatnonzero(automaton.ends[after]).tolist() == [3]
    assert not automaton.ends[0].any()


# --- Files -------------------------------------------------------------------


def test_what_is_saved_is_what_is_loaded(tmp_path, trained):
    trained.save(tmp_path / "model")
    found = Text.load(tmp_path / "model")
    assert found.vocab_size == trained.vocab_size
    assert found.end == trained.end
    assert (found.prompt, found.step) == (trained.prompt, trained.step)
    for words in CORPUS:
        assert found.encode(words) == trained.encode(words)
    ours, theirs = found.automaton("steps"), trained.automaton("steps")
    np.testing.assert_array_equal(ours.following, theirs.following)
    np.testing.assert_array_equal(ours.ends, theirs.ends)


def test_an_end_token_as_one_text_is_one_token(tmp_path, trained):
    """Not each of its letters."""
    trained.save(tmp_path)
    path = tmp_path / "text.json"
    path.write_text(json.dumps({"end": "<eos>", "prompt": "{problem}"}))
    assert Text.load(tmp_path).end == trained.end


def test_several_delimiters_are_kept(tmp_path, trained):
    several = Text(
        trained._tokenizer, end=["<eos>"], step=["\n", "= "], prompt="{problem}"
    )
    several.save(tmp_path)
    found = Text.load(tmp_path)
    assert found.steps == ("\n", "= ") and found.step == "\n"
    assert found.differences(trained) == ["step delimiter"]


def test_a_missing_tokenizer(tmp_path, trained):
    trained.save(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="tokenizer.json is missing; a"):
        Text.load(tmp_path)


def test_nothing_says_what_ends_an_answer(tmp_path, trained):
    trained.save(tmp_path)
    (tmp_path / "text.json").unlink()
    with pytest.raises(ValueError, match="no file names an end token; set"):
        Text.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", "{", "tokenizer.json cannot be read: EOF"),
        ("tokenizer.json", "[]", "tokenizer.json cannot be read"),
        ("text.json", "{", "text.json: not JSON: Expecting property name"),
        ("text.json", "[1]", "text.json holds .1.; it must be an object"),
        ("text.json", '{"step": []}', "text.json: step is .*it must be text"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, trained, name, content, message):
    trained.save(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        Text.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end": ["<stop>"]}, "lacks the end tokens .'<stop>'.; name tokens"),
        ({"end": []}, "end is .*; it must be text of 1 to 64 characters, or"),
        ({"prompt": "Solve it."}, "'Solve it.'; it must hold {problem}"),
        ({"step": ""}, "step is ''; it must be text of 1 to 64"),
        ({"step": "½"}, "the step delimiter '½' is read as ''; name text"),
        ({"step": ["\n", "½"]}, "the step delimiter '½' is read as ''"),
        ({"step": "a" * 65}, "it must be text of 1 to 64 characters"),
        ({"step": ["\n"] * 65}, "or a list of up to 64"),
        ({"step": 3}, "step is 3; it must be text"),
        ({"end": "<stop>"}, "lacks the end tokens .'<stop>'.; name tokens"),
        ({"prompt": "\ud800{problem}"}, "prompt is .*; it must be text"),
        ({"system": 3}, "system is 3; it must be text"),
        ({"tasks": "linear"}, "tasks is 'linear'; it must be a list"),
        ({"style": "chat"}, "'style' is unknown; a text.json holds end, "),
    ],
)
def test_settings_that_do_not_fit(tmp_path, trained, changes, message):
    trained.save(tmp_path)
    path = tmp_path / "text.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ValueError, match=message):
        Text.load(tmp_path)
