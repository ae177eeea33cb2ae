r"""Are two answers the same? Text, words, then trees taken apart.

Lists, tuples, intervals and other containers are compared part by part; each
pair of values goes to a `Judge` with its tiers.
"""

from jaxlrm.verify.answers.equivalence.texts import decide

__all__ = ["decide"]
