"""Is a step of a chain right?

Two ways to judge. Where a family recognises the whole problem, its rule judges
each line (`extend.Rule`, `chains`), strictly. Any other step is judged by its
claims alone (`judgement`): only a false fact is INVALID.

No function here solves a problem: a step is compared with what stands before
it, a final answer is substituted.

    markup, tokens, latex, words    the text of a step as tokens
    sides, claims, boundaries       what it claims, and where a claim ends
    sentence                        what the words around a claim say
    values, readings, facts         is a claim without unknowns true?
    equations, deduction            does one with unknowns follow?
    judgement                       all of these: `judge_step`
    relations, chains               lines of problems that a family recognises
"""

from jaxlrm.verify.steps.chains import (
    chain_answer,
    check_answer,
    check_chain,
    check_solution,
)
from jaxlrm.verify.steps.judgement import Judgement, check_step, judge_step
from jaxlrm.verify.steps.relations import Relation, relate

__all__ = [
    "Judgement",
    "Relation",
    "chain_answer",
    "check_answer",
    "check_chain",
    "check_solution",
    "check_step",
    "judge_step",
    "relate",
]

# A pool asks for a verifier by its public name.
for _verifier in (check_answer, check_chain, check_solution, check_step):
    _verifier.__module__ = __name__
