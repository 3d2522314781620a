"""Dividing by many scalars at once: public ones, and secret ones behind blinds.

libsecp256k1 inverts a secret in one place only, ECDSA signing (`scalar_quotient_low`), which computes a point besides.
For many secret divisors k there is a cheaper way, and no inverse of a secret is taken in Python either. Each k is
multiplied by a blind b of its own in the library's constant time. Their product t is uniformly random to whoever knows
neither, and says nothing about k. So the t are inverted in Python, all together and in variable time, and the library
makes 1/k = b * (1/t) of them, again in constant time.

A blind must be as secret as its divisor, unpredictable without it, and used for no other: who knows b and t knows k.
"""

from collections.abc import Sequence

from cfd_core.crypto.curve import ORDER, scalar_product
from cfd_core.values import Secret


def inverses(values: Sequence[int]) -> list[int]:
    """1/v modulo ORDER for each *public* v, none zero: one inverse, and three products each (Montgomery's trick)."""
    before = [1]
    for value in values:
        before.append(before[-1] * value % ORDER)
    rest = pow(before.pop(), -1, ORDER)
    found = []
    for value, product in zip(reversed(values), reversed(before), strict=True):
        found.append(rest * product % ORDER)
        rest = rest * value % ORDER
    return found[::-1]


def secret_quotients(dividends: Sequence[Secret], divisors: Sequence[Secret], blinds: Sequence[Secret]) -> list[Secret]:
    """Each dividend by its divisor modulo ORDER, in constant time in all three; as many of each.

    `RuleViolation` for one that is not in 1..ORDER-1. What comes out is not checked: multiply back.
    """
    blinded = [scalar_product(k, b.reveal()).reveal() for k, b in zip(divisors, blinds, strict=True)]
    public = inverses([int.from_bytes(each, "big") for each in blinded])
    return [
        scalar_product(scalar_product(b, inverse.to_bytes(32, "big")), dividend.reveal())
        for dividend, b, inverse in zip(dividends, blinds, public, strict=True)
    ]
