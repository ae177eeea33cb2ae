"""Tables of English words that say what the numbers beside them mean."""

from __future__ import annotations

# Operators and relations in words.
OPERATORS = {"plus": "+", "minus": "-", "times": "*"}
WITH_BY = {"multiplied": "*", "divided": "/"}  # `divided by`
EQUALS = frozenset(("equals", "equal"))
# These claim as much, but may belong to the sentence: `what is left is 5`.
LOOSE_EQUALS = frozenset(("is", "gives", "makes", "yields"))

# Before `of` or a number.
FRACTIONS = {
    "half": "(1/2)",
    "third": "(1/3)",
    "quarter": "(1/4)",
    "fourth": "(1/4)",
    "fifth": "(1/5)",
    "sixth": "(1/6)",
    "eighth": "(1/8)",
    "tenth": "(1/10)",
}
NUMBERS = {
    name: str(number)
    for number, name in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve
        thirteen fourteen fifteen sixteen seventeen eighteen nineteen
        twenty""".split()
    )
}

# No unit holds one of these: the sentence goes on.
STOPS = frozenset(
    """is are was were be been being has have had having do does did so and
    then because if that which who whose when where while but or nor since
    therefore thus hence as than until after before with without from into
    onto by for to at on in equals equal gives makes yields get gets got
    means leaves leaving giving making will would can could should may might
    must we he she they it i you there this these those not no""".split()
)
# Before the first number: its claim may have begun further to the left.
BORDERS = (
    frozenset(
        """half third thirds quarter quarters fourth fourths fifth fifths sixth
        sixths eighth eighths tenth tenths twice thrice double triple
        quadruple than percent percentage more less fewer
        greater minus plus times every hundred thousand
        million billion dozen point negative square cube root squared cubed
        power mod modulo subtract subtracting subtracted add
        adding added multiply multiplying divide dividing dividend
        ratio nor not""".split()
    )
    | NUMBERS.keys()
)
# They link numbers, where there are two: `3 and 4 + 5`, `from 3 to 4 + 5`.
LINKS = frozenset(
    """and from by to over under per between up until through about with
    without both also additional extra in at for on within against or
    another""".split()
)
ARTICLES = frozenset("the his her their its those all".split())
# Names that a number belongs to.
LABELS = frozenset(
    """week day month year case step problem part number no room grade level
    chapter page question method option game round test quarter class group
    team equation eq lemma theorem figure table section exercise example line
    version phase stage lap person student plan store box bag train car bus
    station batch""".split()
)
# Behind the last number: it is a part of a larger one.
SCALES = frozenset(
    """hundred thousand million billion trillion dozen dozens k m
    bn""".split()
)
# Behind the last number: it goes on.
CONTINUES = frozenset(
    """hundred thousand million billion trillion dozen dozens score
    squared cubed factorial half halves third thirds quarter
    quarters fourths fifths sixths eighths tenths hundredths remainder rem r k
    m bn mod modulo th st nd rd plus minus times divided multiplied
    over left-over""".split()
)

# Of a sentence: what it says is not claimed.
DENIES = frozenset(
    """false wrong incorrect incorrectly contradiction contradicts
    contradictory impossible mistake mistaken mistakenly error erroneous
    absurd invalid inconsistent doesn't oops wait hmm fails extraneous reject
    rejected untrue falsely wrongly misread typo""".split()
)
NOT = frozenset(("not", "isn't", "never", "cannot", "can't"))
# Of a later sentence: it takes back what stands before it.
CORRECTS = frozenset(
    """wait oops wrong incorrect incorrectly mistake mistaken contradiction
    contradicts impossible correction actually doesn't invalid extraneous
    reject misread""".split()
)
# Of a clause, before the claim: it is supposed or tried.
SUPPOSES = frozenset(
    """if suppose supposing supposed assume assuming assumed whether unless
    imagine maybe perhaps hypothetically""".split()
)
# The same, for what stands behind a colon too.
TRIES = frozenset(
    """try trying tried guess guessing guessed check checking checks testing
    tested verify verifying verifies suppose supposing assume assuming
    whether""".split()
)
# Of a sentence: its numbers are near ones.
ROUNDS = frozenset(
    """about around approximately approximate approx roughly nearly almost
    rounded round rounding rounds nearest estimate estimated estimating
    estimates close closest roundup""".split()
)
PERCENT = frozenset("percent percentage percents percentages".split())
# They announce a line that is as true as one before it.
REWRITES = frozenset(
    """expand expanding expanded simplify simplifying simplifies simplified
    combine combining combined rearrange rearranging rearranged distribute
    distributing distributed subtract subtracting divide dividing multiply
    multiplying add adding factor factoring isolate isolating rewrite
    rewriting rewritten collect collecting""".split()
)
CASES = frozenset(
    """case cases or either otherwise second other alternatively else another
    suppose assume let""".split()
)
