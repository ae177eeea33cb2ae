"""A tree of sums and products in which one part becomes another."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jaxlrm.families.rules.sums import (
    MONOMIAL,
    PRODUCT,
    Sum,
    Term,
    atoms,
    is_collected,
    is_flat,
    product_of,
)


def rewrite(
    terms: Sum,
    change_product: Callable[[Term], Sum | None],
    change_sum: Callable[[Sum], Sum | None],
) -> Sum | None:
    """Changes the first place that can be, innermost first; None if none."""
    for index, term in enumerate(terms):
        if term[0] == MONOMIAL:
            continue
        _, integers, powers, sums = term
        new = None
        for place, inner in enumerate(sums):
            changed = rewrite(inner, change_product, change_sum)
            if changed is not None:
                parts = [*sums[:place], changed, *sums[place + 1 :]]
                new = product_of(integers, powers, parts)
                break
        if new is None:
            new = change_product(term)
        if new is not None:
            return terms[:index] + new + terms[index + 1 :]
    return change_sum(terms)


def replaced(
    node: Term, product: Term, after: Sum, rows: list, whole: bool
) -> Sum | None:
    """`node` where some of its factors, or a row of it, became `after`.

    Only where no other factors are left, if `whole`.
    """
    rest = _without(node, product)
    if rest is not None and not (whole and any(rest[1:])):
        return _with_sum(rest, after)
    _, integers, powers, sums = node
    for place, terms in enumerate(sums):
        if not is_flat(terms):
            continue
        others = (PRODUCT, integers, powers, sums[:place] + sums[place + 1 :])
        for index, term in enumerate(terms):
            row = (PRODUCT, *atoms(term), ())
            partner = _without(product, row)
            if not any(row[1:]) or partner is None or not any(partner[1:]):
                continue
            rest = _without(others, partner)
            if rest is None or (whole and any(rest[1:])):
                continue
            rows.append(key_of((PRODUCT, *partner[1:3], (*partner[3], terms))))
            result = ()
            for number, other in enumerate(terms):
                if number == index:
                    result += after
                else:
                    more, names = atoms(other)
                    result += product_of(
                        partner[1] + more, partner[2] + names, partner[3]
                    )
            return _with_sum(rest, result)
    return None


def _without(node: Term, part: Term) -> Term | None:
    """The factors of `node` without those of `part`; None if one lacks."""
    _, integers, powers, sums = node
    left = []
    for have, take in ((integers, part[1]), (powers, part[2])):
        have = list(have)
        for factor in take:
            if factor not in have:
                return None
            have.remove(factor)
        left.append(tuple(have))
    if not part[3]:
        return (PRODUCT, *left, sums)
    keys = [sorted(terms) for terms in sums]
    have = list(sums)
    for terms in part[3]:
        key = sorted(terms)
        if key not in keys:
            return None
        place = keys.index(key)
        del keys[place], have[place]
    return (PRODUCT, *left, tuple(have))


def _with_sum(rest: Term, terms: Sum) -> Sum:
    _, integers, powers, sums = rest
    return product_of(integers, powers, (terms, *sums))


def key_of(product: Term):
    """Equal for products that differ in the order of terms and factors."""
    _, integers, powers, sums = product
    factors = tuple(sorted(tuple(sorted(terms)) for terms in sums))
    return tuple(sorted(integers)), tuple(sorted(powers)), factors


def products(terms: Sum) -> Iterable[Term]:
    """All products of the tree."""
    for term in terms:
        if term[0] == PRODUCT:
            yield term
            for inner in term[3]:
                yield from products(inner)


def has_factor(tree: Sum, terms: Sum) -> bool:
    """Is a sum of monomials, in any order, a factor of some product?"""
    if not is_collected(terms):
        return False
    key = sorted(terms)
    return any(
        len(inner) == len(terms) and sorted(inner) == key
        for product in products(tree)
        for inner in product[3]
    )
