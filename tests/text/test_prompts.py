"""Prompts of chat templates, token for token as `transformers` writes them.

The folders here hold small tokenizers and templates in the styles of public
models. With JAXLRM_MODELS=DIR, a folder of model folders, those are tried too.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shutil

import pytest
import tokenizers
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

from jaxlrm.text import Sampling, Text, prompts
from jaxlrm.text.templates import Template, TemplateFailure

TEMPLATES = pathlib.Path(__file__).parent / "templates"
# Of each style the special tokens, BOS, EOS, and what closes a turn.
STYLES = {
    "chatml": (
        ["<|im_start|>", "<|im_end|>"],
        None,
        "<|endoftext|>",
        "<|im_end|>",
    ),
    "llama3": (
        ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|eot_id|>",
    ),
    "mistral": (["[INST]", "[/INST]"], "<s>", "</s>", "</s>"),
    "gemma": (
        ["<start_of_turn>", "<end_of_turn>"],
        "<bos>",
        "<eos>",
        "<end_of_turn>",
    ),
    "phi": (
        ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
        "<s>",
        "<|endoftext|>",
        "<|end|>",
    ),
    "qwen3": (["<|im_start|>", "<|im_end|>"], None, "<|im_end|>", "<|im_end|>"),
    "deepseek-r1": (
        ["<｜User｜>", "<｜Assistant｜>"],
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
    ),
}
RAISING = ("gemma",)
PROBLEMS = [
    "What is 2 + 3?",
    "  Two lines,\n\nwith spaces around.  \n",
    "Größe 漢字 🙂 \t {{ problem }} {% raw %} \\boxed{5}",
    "<think> is not special, nor is [INST ]",
]


@functools.cache
def tokenizer(style: str):
    """A byte-level tokenizer with the special tokens of a style."""
    special, bos, eos, _ = STYLES[style]
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        [(TEMPLATES / "llama3.jinja").read_text(), *PROBLEMS],
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=[
                t for t in dict.fromkeys([bos, eos, *special]) if t
            ],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made.add_tokens(["<think>", "</think>"])  # not special, as in Qwen3
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=bos,
        eos_token=eos,
        chat_template=(TEMPLATES / f"{style}.jinja").read_text(),
    )


@pytest.fixture(params=STYLES)
def style(request) -> str:
    return request.param


@pytest.fixture
def folder(style, tmp_path) -> pathlib.Path:
    """As `transformers` saves it: no text.json."""
    tokenizer(style).save_pretrained(tmp_path)
    return tmp_path


def asked(reference, problem: str, system: str = "", **values) -> list[int]:
    """What `transformers` makes of a question."""
    turns = [{"role": "system", "content": system}] if system else []
    turns.append({"role": "user", "content": problem})
    return list(
        reference.apply_chat_template(
            turns, add_generation_prompt=True, return_dict=False, **values
        )
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_question(style, folder, problem):
    text, reference = Text.load(folder), tokenizer(style)
    ids = text.encode_prompt(problem)
    assert ids == asked(reference, problem)
    assert ids == text.encode_prompt(problem, "chat")
    bos = reference.bos_token_id
    named = "bos_token" in (TEMPLATES / f"{style}.jinja").read_text()
    assert ids.count(bos) == (1 if bos is not None and named else 0)


def test_a_system_prompt(style, folder):
    text, reference = Text.load(folder), tokenizer(style)
    problem, system = PROBLEMS[0], "Be brief.\nVery."
    ids = text.encode_prompt(problem, "chat", system)
    if style in RAISING:  # it stands at the head of the question
        assert ids == asked(reference, f"{system}\n\n{problem}")
    else:
        assert ids == asked(reference, problem, system)
    for name, words in (("cot", "step by step"), ("tir", "```python")):
        styled = text.decode(text.encode_prompt(problem, name))
        assert words in styled and "\\boxed{}" in styled and problem in styled
        other = text.encode_prompt(problem, name, system)
        if name == "cot":
            assert other == ids  # in its place
        else:  # the request stands behind the question
            assert "Be brief" in text.decode(other)
            assert words in text.decode(other).partition(problem)[2]


@pytest.mark.parametrize("thinking", ["on", "off"])
def test_a_model_that_can_do_both_is_told_whether_to_think(tmp_path, thinking):
    reference = tokenizer("qwen3")
    reference.save_pretrained(tmp_path)
    text = Text.load(tmp_path)
    ids = text.encode_prompt(PROBLEMS[0], thinking=thinking)
    on = thinking == "on"
    assert ids == asked(reference, PROBLEMS[0], enable_thinking=on)
    assert (ids == text.encode_prompt(PROBLEMS[0])) == on
    assert not text.opens_thinking("auto", "", thinking)


def test_a_prompt_that_opens_thinking(tmp_path):
    tokenizer("deepseek-r1").save_pretrained(tmp_path)
    text = Text.load(tmp_path)
    ids = text.encode_prompt(PROBLEMS[0])
    assert text.opens_thinking("auto", "", "auto")
    assert not text.opens_thinking("plain", "", "auto")
    assert ids == text.encode_prompt(PROBLEMS[0], thinking="on")
    with pytest.raises(ValueError, match="thinking is off, and the chat"):
        text.encode_prompt(PROBLEMS[0], thinking="off")


def test_a_template_without_the_switch(tmp_path):
    tokenizer("chatml").save_pretrained(tmp_path)
    text = Text.load(tmp_path)
    for thinking in ("on", "off"):
        with pytest.raises(ValueError, match="has no enable_thinking; use"):
            text.encode_prompt(PROBLEMS[0], thinking=thinking)


def test_what_ends_an_answer(style, folder):
    """The end of text, and what closes a turn; no other special token."""
    text, reference = Text.load(folder), tokenizer(style)
    closing = reference.convert_tokens_to_ids(STYLES[style][3])
    assert set(text.end) == {closing, reference.eos_token_id}


def test_ends_of_all_files_count(tmp_path):
    reference = tokenizer("llama3")
    reference.save_pretrained(tmp_path)
    ids = reference.convert_tokens_to_ids(["<|end_header_id|>", "<|eot_id|>"])
    beyond = len(reference) + 7  # of a padded vocabulary: never written
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [ids[0], beyond]})
    )
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 5}))
    assert set(Text.load(tmp_path).end) == {
        *(*ids, 5),
        reference.eos_token_id,
    }
    (tmp_path / "text.json").write_text('{"end": "<|eot_id|>"}')
    assert Text.load(tmp_path).end == (ids[1],)


def test_names_of_special_tokens_in_a_problem_are_text(style, folder):
    text, reference = Text.load(folder), tokenizer(style)
    special = [name for name in (*STYLES[style][0], STYLES[style][2]) if name]
    problem = f" Say {special[0]} and {special[-1]}. "
    ids = text.encode_prompt(problem)
    plain = text.encode_prompt("Say")
    count = [ids.count(i) for i in reference.all_special_ids]
    assert count == [plain.count(i) for i in reference.all_special_ids]
    assert problem.strip() in text.decode(ids)
    marks = text.encode_prompt("\ue000<s>\ue001 " + special[0])
    assert [marks.count(i) for i in reference.all_special_ids] == count


def test_the_problem_alone(style, folder):
    """With BOS only where the tokenizer writes one by itself."""
    text, reference = Text.load(folder), tokenizer(style)
    for problem in PROBLEMS:
        assert text.encode_prompt(problem, "plain") == reference.encode(problem)


def test_a_tokenizer_that_writes_its_own_bos(tmp_path):
    reference = tokenizer("llama3")
    reference.save_pretrained(tmp_path)
    inner = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    bos = reference.bos_token
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, reference.bos_token_id)]
    )
    inner.enable_truncation(4)  # of a text that is embedded, say
    inner.save(str(tmp_path / "tokenizer.json"))
    text = Text.load(tmp_path)
    plain = text.encode_prompt(PROBLEMS[0], "plain")
    assert plain[0] == reference.bos_token_id
    assert text.decode(plain) == PROBLEMS[0]
    chat = text.encode_prompt(PROBLEMS[0])
    assert chat == asked(reference, PROBLEMS[0])
    assert chat.count(reference.bos_token_id) == 1


# --- Folders -----------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "list", "additional"])
def test_forms_of_templates(tmp_path, form):
    reference = tokenizer("chatml")
    reference.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    source = (tmp_path / "chat_template.jinja").read_text()
    other = {"name": "rag", "template": "{{ raise_exception('not me') }}"}
    if form != "additional":
        (tmp_path / "chat_template.jinja").unlink()
    if form == "text":
        config["chat_template"] = source
    if form == "list":
        default = {"name": "default", "template": source}
        config["chat_template"] = [other, default]
    if form == "additional":  # and a file wins over the configuration
        config["chat_template"] = other["template"]
        (tmp_path / "additional_chat_templates").mkdir()
        rag = tmp_path / "additional_chat_templates" / "rag.jinja"
        rag.write_text(other["template"])
    path.write_text(json.dumps(config))
    found = Text.load(tmp_path)
    assert found.encode_prompt("Hi") == asked(reference, "Hi")
    saved = tmp_path / "saved"
    found.save(saved)
    again = Text.load(saved)
    assert again.encode_prompt("Hi") == asked(reference, "Hi")
    assert again.end == found.end


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Sampling()),
        ({"temperature": 0.6, "top_p": 0.95}, Sampling(0.6, 0, 0.95)),
        ({"do_sample": False, "temperature": 0.6}, Sampling()),
        (
            {"do_sample": True, "top_k": 20, "min_p": 0.05},
            Sampling(1.0, 20, 1.0, 0.05),
        ),
        ({"top_k": -1, "top_p": 0, "temperature": None}, Sampling()),
        ({"temperature": 0}, Sampling(0.0)),
    ],
)
def test_sampling_defaults(tmp_path, said, expected):
    tokenizer("chatml").save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps(said))
    assert Text.load(tmp_path).sampling == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "generation_config.json",
            {"eos_token_id": "2"},
            "eos_token_id is '2'",
        ),
        ("generation_config.json", {"eos_token_id": [True]}, "must be a token"),
        ("config.json", {"eos_token_id": -1}, r"eos_token_id is -1; it must"),
        (
            "generation_config.json",
            {"temperature": "warm"},
            "temperature is 'w",
        ),
        (
            "generation_config.json",
            {"top_p": 7},
            "top_p is 7; it must be a num",
        ),
        ("tokenizer_config.json", {"chat_template": 3}, "chat_template is 3"),
        ("tokenizer_config.json", {"chat_template": [1]}, "must hold objects"),
        ("tokenizer_config.json", {"eos_token": 3}, "eos_token is 3"),
        (
            "tokenizer_config.json",
            {"model_max_length": "x"},
            "max_length is 'x",
        ),
        ("tokenizer_config.json", [], r"holds \[\]; it must be an object"),
    ],
)
def test_files_that_are_not_what_they_should_be(
    tmp_path, name, content, message
):
    """One line, with the file and the field."""
    tokenizer("chatml").save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as raised:
        Text.load(tmp_path)
    assert str(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("length", "expected"), [(4096, 4096), (1e30, 0), (10**30, 0), (None, 0)]
)
def test_the_context(tmp_path, length, expected):
    tokenizer("chatml").save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"model_max_length": length}
    path.write_text(json.dumps(config))
    assert Text.load(tmp_path).context == expected


@pytest.mark.parametrize(
    "there", ["tokenizer.model", "vocab.json", "tekken.json", "vocab.txt"]
)
def test_a_tokenizer_in_another_form(tmp_path, there):
    (tmp_path / there).write_text("")
    with pytest.raises(
        FileNotFoundError, match=rf"{there} is not read; .*AutoTokenizer"
    ):
        Text.load(tmp_path)


def test_tokens_that_only_the_configuration_names(tmp_path):
    reference = tokenizer("chatml")
    reference.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    size = len(reference)
    token = {"content": "<|new|>", "special": True}
    config["added_tokens_decoder"] = {str(size): token}
    path.write_text(json.dumps(config))
    assert Text.load(tmp_path).vocab_size == size + 1
    config["added_tokens_decoder"] = {str(size + 5): token}
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="take both from one model"):
        Text.load(tmp_path)


# --- Templates ---------------------------------------------------------------

ONE = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% if %}", "the chat template cannot be read"),
        ("{{ messages | nothing }}", "No filter named 'nothing'"),
        ("{{ raise_exception('only tools') }}", "fails: only tools"),
        ("{{ messages[9].content }}", "fails: "),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ ''.__class__.__mro__ }}", "fails: "),
        ("{{ messages.append(1) }}", "fails: "),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}"
            "{% endfor %}{% endfor %}",
            "passes of its loops",
        ),
        ("{{ range(10 * 1000 * 1000) | list }}", "fails: "),
        ("{{ 'a' * 1000000000 }}", "more than 16777216 characters"),
        ("{{ [0] * 1000000000 }}", "more than 16777216"),
        ("{{ 2 ** 99 ** 9 }}", r"no \*\*"),
        ("{{ '%0999999999d' % 1 }}", "no %"),
        ("{{ '{:999999999}'.format(1) }}", "no str.format"),
        ("{{ 'a'.ljust(999999999) }}", "unsafe"),
        ("{{ 'a' | indent(999999999) }}", "more than 16777216"),
        ("{{ ('a' * 9999).replace('a', 'b' * 9999) }}", "more than 16777216"),
        ("{{ ('a' * 9999) | replace('a', 'b' * 9999) }}", "more than 16777216"),
        ("{{ range(9999) | join('b' * 9999) }}", "more than 16777216"),
        ("{{ messages | tojson(indent=999999999) }}", "more than 16777216"),
        (
            "{% set ns = namespace(x='a') %}{% for i in range(60) %}"
            "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "more than 16777216",
        ),
        (
            "{% set ns = namespace(x='a') %}{% for i in range(60) %}"
            "{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "more than 16777216",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("x" * (1 << 20) + "y", "at most 1048576 are read"),
    ],
)
def test_templates_that_are_refused(source, message):
    """In one line, and before they take the machine's memory."""
    with pytest.raises(TemplateFailure, match=message) as raised:
        Template(source).render(ONE)
    assert "\n" not in str(raised.value)


def test_a_template_that_drops_the_system_prompt():
    template = Template((TEMPLATES / "silent.jinja").read_text())
    assert prompts.converse(template, "Hi", "Be brief.") == (
        "[user]Be brief.\n\nHi[assistant]"
    )


def test_the_date():
    template = Template("{{ strftime_now('%Y') }}")
    assert 2000 < int(template.render(ONE)) < 3000


# --- Real folders ------------------------------------------------------------


def real_folders() -> list[pathlib.Path]:
    place = os.environ.get("JAXLRM_MODELS")
    if not place:
        return []
    return sorted(
        p.parent for p in pathlib.Path(place).glob("*/tokenizer.json")
    )


@pytest.mark.skipif(not real_folders(), reason="JAXLRM_MODELS names no folders")
@pytest.mark.parametrize("folder", real_folders(), ids=lambda path: path.name)
def test_prompts_of_a_real_folder(folder):
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    text = Text.load(folder)
    for problem in PROBLEMS:
        if reference.chat_template is None:
            assert text.encode_prompt(problem) == reference.encode(problem)
            continue
        assert text.encode_prompt(problem) == asked(reference, problem)
        assert text.encode_prompt(problem, "chat", "Be brief.") == asked(
            reference, problem, "Be brief."
        )
    assert reference.eos_token_id in text.end


def test_a_copy_of_a_folder_needs_no_more(tmp_path):
    """Only what `Text.load` reads is there."""
    tokenizer("qwen3").save_pretrained(tmp_path / "whole")
    for name in (
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ):
        shutil.copy(tmp_path / "whole" / name, tmp_path)
    shutil.rmtree(tmp_path / "whole")
    assert Text.load(tmp_path).style == "chat"
