# SPDX-License-Identifier: Apache-2.0
"""Multiples of secp256k1's generator. (python3-cryptography gives them as public keys of private
ones, at four times the time.) Not in constant time: only for tests."""

from functools import lru_cache

PRIME = (1 << 256) - (1 << 32) - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
             0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
WINDOW = 4  # bits


def _add(p, q):
    """Of two points that are not each other's negative."""
    if p == q:
        slope = 3 * p[0] * p[0] * pow(2 * p[1], -1, PRIME)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, PRIME)
    x = (slope * slope - p[0] - q[0]) % PRIME
    return x, (slope * (p[0] - x) - p[1]) % PRIME


@lru_cache(1)
def _table():
    """[[1 * g, ..., 15 * g] for g in the generator times 16^0, 16^1, ...]"""
    rows, base = [], GENERATOR
    for _ in range(256 // WINDOW):
        row = [base]
        for _ in range((1 << WINDOW) - 2):
            row.append(_add(row[-1], base))
        rows.append(row)
        base = _add(row[-1], base)
    return rows


def _add_affine(point, affine):
    """Jacobian coordinates plus affine ones; not for equal points, which multiply() never has."""
    if point is None:
        return affine[0], affine[1], 1
    x, y, z = point
    zz = z * z % PRIME
    h = (affine[0] * zz - x) % PRIME
    r = (affine[1] * z * zz - y) % PRIME
    hh = h * h % PRIME
    hhh, v = h * hh % PRIME, x * hh % PRIME
    x3 = (r * r - hhh - 2 * v) % PRIME
    return x3, (r * (v - x3) - y * hhh) % PRIME, z * h % PRIME


def multiply(scalar):
    """The affine coordinates of scalar times the generator; 0 < scalar < ORDER."""
    point = None
    for row in _table():
        digit = scalar & (1 << WINDOW) - 1
        if digit:
            point = _add_affine(point, row[digit - 1])
        scalar >>= WINDOW
    inverse = pow(point[2], -1, PRIME)
    return (point[0] * inverse * inverse % PRIME,
            point[1] * inverse * inverse * inverse % PRIME)
