# SPDX-License-Identifier: Apache-2.0
"""Shamir's secret sharing over GF(2^8), a polynomial for each byte."""

import os

MODULUS = 0x11B


def _times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= MODULUS
        b >>= 1
    return product


def _inverse(a):
    result = a
    for _ in range(6):  # a^254
        result = _times(_times(result, result), a)
    return _times(result, result)


def split(secret, count=5, needed=3):
    """{index: share}"""
    rows = [[byte, *os.urandom(needed - 1)] for byte in secret]
    shares = {}
    for index in range(1, count + 1):
        share = bytearray()
        for row in rows:
            value = 0
            for coefficient in reversed(row):
                value = _times(value, index) ^ coefficient
            share.append(value)
        shares[index] = bytes(share)
    return shares


def join(shares):
    """The secret, from as many shares as were needed."""
    secret = bytearray(len(next(iter(shares.values()))))
    for index, share in shares.items():
        weight = 1
        for other in shares:
            if other != index:
                weight = _times(weight, _times(other, _inverse(other ^ index)))
        for at, byte in enumerate(share):
            secret[at] ^= _times(weight, byte)
    return bytes(secret)
