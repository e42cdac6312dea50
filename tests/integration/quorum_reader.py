# SPDX-License-Identifier: Apache-2.0
"""Opens a quorum container from docs/quorum.md alone: shares nothing with the product."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = b"hsmbridge quorum v1 "


def digest(label, *parts):
    return hashlib.sha256(PREFIX + label + b"".join(parts)).digest()


def multiply(a, b):
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11b if a & 0x80 else 0)
        b >>= 1
    return product


def value_at_zero(points):
    """points: [(x, y)], of one byte of the key."""
    total = 0
    for i, (x, y) in enumerate(points):
        for j, (other, _) in enumerate(points):
            if i != j:
                inverse = next(v for v in range(1, 256) if multiply(v, other ^ x) == 1)
                y = multiply(y, multiply(other, inverse))
        total ^= y
    return total


def parts_of(header, count):
    at = 78
    for _ in range(count):
        member, x, how, version, commitment, length = struct.unpack_from(">16sBBI32sH", header, at)
        yield member, x, how, version, commitment, header[at + 56:at + 56 + length]
        at += 56 + length


def open_container(container, members, aad=b""):
    """members: {(slot, key): function that opens what the member sealed}."""
    magic, version, length = struct.unpack_from(">7sBI", container)
    assert (magic, version) == (b"HSMBQRM", 1)
    identity, run, threshold, count, committed = struct.unpack_from(">16s16sBB32s", container, 12)
    header, mac = container[:length - 32], container[length - 32:length]
    openers = {digest(b"member", slot.encode() + b"\0" + key.encode())[:16]: opener
               for (slot, key), opener in members.items()}
    shares = []
    for member, x, _, _, commitment, sealed in parts_of(header, count):
        if sealed and member in openers and len(shares) < threshold:
            record = openers[member](sealed)
            assert record[:22] == b"HBQS\1" + bytes([x]) + run
            assert digest(b"share", identity, run, bytes([x]), record[22:]) == commitment
            shares.append((x, record[22:]))
    assert len(shares) == threshold
    key = bytes(value_at_zero([(x, y[i]) for x, y in shares]) for i in range(32))
    assert digest(b"key", identity, key) == committed
    derived = {label: hmac.digest(key, PREFIX + label + identity, "sha256")
               for label in (b"header", b"content")}
    assert hmac.digest(derived[b"header"], header, "sha256") == mac
    return AESGCM(derived[b"content"]).decrypt(container[length:length + 12],
                                               container[length + 12:],
                                               magic + b"\1" + identity + committed + aad)
