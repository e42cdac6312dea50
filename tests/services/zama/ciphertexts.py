# SPDX-License-Identifier: Apache-2.0
"""Ciphertexts that the double can decrypt.

Its own have the header of tfhe's safe_serialize with the type's name and about the size of a real
one (test parameters), and within a value under a toy cipher; a byte more at the end or a changed
one of the value go unnoticed, as with real ones.
"""

import base64
import hashlib
import json
import os
import struct

from .messages import Plaintext

BITS = {0: 1, 2: 8, 3: 16, 4: 32, 5: 64, 6: 128, 7: 160, 8: 256}  # FHE types of signed answers
NAMES = {0: ("CompressedCiphertextList",), 1: ("FheBool", "FheUint"),
         2: ("CompressedSquashedNoiseCiphertextList",),
         3: ("SquashedNoiseFheBool", "SquashedNoiseFheUint")}
SIZES = {0: (640, 0.5), 1: (1100, 1084), 2: (4400, 4), 3: (4300, 1050)}  # least, and by bit
MAGIC = b"not FHE: "
NONCE_LEN = 16


class Undecryptable(Exception):
    pass


def size_of(fhe_type):
    return (BITS[fhe_type] + 7) // 8


def header(fmt, fhe_type):
    names = NAMES[fmt]
    name = ("high_level_api::" + (names[0] if fhe_type == 0 else names[-1])).encode()
    version = b"".join(struct.pack("<Q", 3) + part for part in (b"0.5\0\0\0\0", b"0.1"))
    return version + struct.pack("<Q", len(name)) + name


def split(blob):
    """(format, rest)"""
    begin = len(header(0, 0)) - len("high_level_api::" + NAMES[0][0]) - 8
    size = int.from_bytes(blob[begin:begin + 8], "little")
    name = blob[begin + 8:begin + 8 + size].decode("latin-1")
    for fmt, names in NAMES.items():
        if name in ["high_level_api::" + known for known in names]:
            return fmt, blob[begin + 8 + size:]
    raise Undecryptable("no such type: %r" % name[:64])


def stream(key_id, nonce, size):
    return hashlib.shake_256(key_id.encode() + nonce).digest(size)


def seal(key_id, fhe_type, value, fmt=0):
    """value: an integer or bytes, least significant first."""
    size = size_of(fhe_type)
    value = value.to_bytes(size, "little") if isinstance(value, int) else value
    nonce = os.urandom(NONCE_LEN)
    sealed = bytes(a ^ b for a, b in zip(value, stream(key_id, nonce, size)))
    least, by_bit = SIZES[fmt]
    body = MAGIC + bytes([fhe_type]) + nonce + sealed
    return header(fmt, fhe_type) + body + bytes(int(least + by_bit * BITS[fhe_type]) - len(body))


class Decryptor:
    def __init__(self, recorded=None):
        """recorded: tests/fixtures/zama/ciphertexts.json"""
        self._known = {}
        self.key_ids = []
        if recorded:
            with open(recorded, encoding="utf-8") as file:
                recorded = json.load(file)
            self.key_ids.append(recorded["key_id"])
            for entry in recorded["ciphertexts"]:
                blob = base64.b64decode(entry["blob"])
                self._known[hashlib.sha256(blob).digest()] = Plaintext(
                    bytes.fromhex(entry["value"]), entry["fhe_type"])

    def _open(self, key_id, blob, rest):
        known = self._known.get(hashlib.sha256(blob).digest())
        if known:
            return known
        if not rest.startswith(MAGIC) or len(rest) <= len(MAGIC) + NONCE_LEN:
            raise Undecryptable("not a ciphertext")
        fhe_type, rest = rest[len(MAGIC)], rest[len(MAGIC) + 1:]
        if fhe_type not in BITS or len(rest) < SIZES[0][0] // 2:
            raise Undecryptable("cut")
        sealed = rest[NONCE_LEN:NONCE_LEN + size_of(fhe_type)]
        return Plaintext(bytes(a ^ b for a, b in zip(sealed, stream(key_id, rest[:NONCE_LEN],
                                                                    len(sealed)))), fhe_type)

    def decrypt(self, key_id, entry):
        """The plaintext of a messages.Ciphertext."""
        fmt, rest = split(entry.blob)
        plain = self._open(key_id, entry.blob, rest)
        if fmt != (entry.format if entry.format in NAMES else 0):
            raise Undecryptable("of another format")
        if plain.fhe_type != entry.fhe_type or len(entry.handle) > 32:
            raise Undecryptable("of another type, or its handle is too long")
        if plain.fhe_type == 0:
            return Plaintext(bytes([plain.value[0] & 1]), 0)
        return plain
