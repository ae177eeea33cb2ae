import pytest

from jaxlrm.verify.answers import phrases


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C", ("C", "")),
        ("(c)", ("C", "")),
        ("C.", ("C", "")),
        ("C) 5", ("C", "5")),
        (r"\text{(C) }5", ("C", "5")),
        ("Option B", ("B", "")),
        ("A, B", None),
        ("(A) and (B)", None),
        ("c", None),
        ("K", None),
        ("Cat", None),
    ],
)
def test_choices(text, found):
    assert phrases.choice(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2:30 p.m.", "time 14:30:0"),
        ("12 am", "time 0:0:0"),
        ("March 5th, 2020", "date 2020-3-5"),
        ("5 March", "date 0-3-5"),
        ("2020/03/05", "date 2020-3-5"),
        ("03/05/2020", "date 2020-3-5"),
        ("25/03/2020", "date 2020-3-25"),
        ("32/03/2020", None),
        ("3/5/2020", None),
        ("32 March", None),
        ("2:30", None),
    ],
)
def test_moments(text, found):
    assert phrases.moment(text) == found


def test_synonyms_and_lists():
    assert phrases.canonical("DNE") == phrases.canonical("Does not exist.")
    assert phrases.canonical("yes") != phrases.canonical("no")
    assert phrases.canonical("perhaps") is None
    assert phrases.words("red, blue and green") == ["blue", "green", "red"]
    assert phrases.words("x + 1") is None
