# SPDX-License-Identifier: Apache-2.0
"""Keys as KES stores them, its ciphertexts in all forms that it opens, and its HMAC.

A ciphertext is body || tag 16 || iv 16 || nonce 12. AES256: AES-256-GCM under HMAC-SHA256(key, iv).
ChaCha20: ChaCha20-Poly1305 under HChaCha20(key, iv). The associated data is the context.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import struct
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

AES, CHACHA = "AES256", "ChaCha20"
TYPES = {1: AES, 2: CHACHA}
WIRE_NAMES = {"AES256": AES, "AES256-GCM_SHA256": AES, "ChaCha20": CHACHA,
              "XCHACHA20-POLY1305": CHACHA}
KEY_LEN = 32
OVERHEAD = 16 + 16 + 12
NO_TIME = "0001-01-01T00:00:00Z"


class Damaged(Exception):
    """A stored value that is no key."""


class Panics(Exception):
    """A stored value that KES does not survive: the connection drops."""


class NotAuthentic(Exception):
    pass


# ---- HChaCha20 (draft-irtf-cfrg-xchacha section 2.2) ----

def _rotate(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & 0xffffffff


def _quarter(state, a, b, c, d):
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[x] = (state[x] + state[y]) & 0xffffffff
        state[z] = _rotate(state[z] ^ state[x], bits)


def hchacha20(key, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            _quarter(state, column, column + 4, column + 8, column + 12)
        for row in range(4):
            _quarter(state, row, (row + 1) % 4 + 4, (row + 2) % 4 + 8, (row + 3) % 4 + 12)
    return struct.pack("<8I", *state[:4], *state[12:])


# ---- protobuf, as far as it is needed ----

def _varint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def _field(number, value):
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def _fields(data):
    found, at = {}, 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if tag & 7 == 0:
            found[tag >> 3], at = _read_varint(data, at)
        elif tag & 7 == 2:
            size, at = _read_varint(data, at)
            if at + size > len(data):
                raise Damaged()
            found[tag >> 3], at = data[at:at + size], at + size
        else:
            raise Damaged()
    return found


# ---- a key ----

class Key:
    def __init__(self, kind, cipher, mac, created_ns=None, by=""):
        """mac: its HMAC key, None for what an old KES stored. created_ns None: unknown."""
        self.kind, self.cipher, self.mac = kind, cipher, mac
        self.created_ns, self.by = created_ns, by

    @classmethod
    def make(cls, kind, by, cipher=None):
        return cls(kind, cipher or os.urandom(KEY_LEN), os.urandom(KEY_LEN), time.time_ns(), by)

    def created_at(self):
        if self.created_ns is None:
            return NO_TIME
        whole, fraction = divmod(self.created_ns, 10**9)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return text + (".%09d" % fraction).rstrip("0").rstrip(".") + "Z"

    def stored(self):
        seconds, nanos = divmod(self.created_ns, 10**9)
        kind = next(number for number, name in TYPES.items() if name == self.kind)
        return base64.b64encode(
            _field(1, _field(1, self.cipher) + _field(2, kind))
            + _field(2, _field(1, self.mac) + _field(2, 1))
            + _field(3, _field(1, seconds) + _field(2, nanos))
            + _field(4, self.by.encode())).decode()

    @classmethod
    def read(cls, stored):
        try:
            if stored.lstrip().startswith("{"):
                return cls._read_json(json.loads(stored))
            return cls._read_protobuf(_fields(base64.b64decode(stored, validate=True)))
        except (binascii.Error, ValueError, KeyError, IndexError, TypeError,
                AttributeError) as problem:
            raise Damaged() from problem

    @classmethod
    def _read_json(cls, value):
        created = value.get("created_at")
        if created is not None:
            created = int(time.mktime(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S"))
                          - time.timezone) * 10**9
        key = base64.b64decode(value["bytes"], validate=True)
        if len(key) != KEY_LEN:
            raise Damaged()
        return cls(WIRE_NAMES[value.get("algorithm", AES)], key, None, created,
                   value.get("created_by", ""))

    @classmethod
    def _read_protobuf(cls, found):
        secret = _fields(found[1])
        if len(secret[1]) != KEY_LEN:
            raise Damaged()
        if 2 not in found:
            raise Panics()
        moment = _fields(found.get(3, b""))
        return cls(TYPES[secret[2]], secret[1], _fields(found[2])[1],
                   moment.get(1, 0) * 10**9 + moment.get(2, 0), found.get(4, b"").decode())

    # ---- what it does ----

    def _aead(self, iv):
        if self.kind == AES:
            return AESGCM(hmac.new(self.cipher, iv, hashlib.sha256).digest())
        return ChaCha20Poly1305(hchacha20(self.cipher, iv))

    def encrypt(self, plain, context):
        iv, nonce = os.urandom(16), os.urandom(12)
        return self._aead(iv).encrypt(nonce, plain, context) + iv + nonce

    def decrypt(self, sealed, context):
        body, iv, nonce = split(sealed)
        if len(body) < 16 or len(iv) != 16 or len(nonce) != 12:
            raise NotAuthentic()
        try:
            return self._aead(iv).decrypt(nonce, body, context)
        except InvalidTag:
            raise NotAuthentic() from None

    def hmac(self, message):
        return hmac.new(self.mac, message, hashlib.sha256).digest()


# ---- the forms of a ciphertext ----

def _split_json(sealed):
    value = json.loads(sealed)
    return tuple(base64.b64decode(value[name], validate=True)
                 for name in ("bytes", "iv", "nonce"))


def _take(data, at, sizes):
    """A string or binary whose length the byte at `at` tells in one of its forms."""
    mark = data[at]
    if mark & 0xe0 == 0xa0:
        size, at = mark & 0x1f, at + 1
    else:
        width = sizes[mark]
        size, at = int.from_bytes(data[at + 1:at + 1 + width], "big"), at + 1 + width
    if at + size > len(data):
        raise IndexError()
    return data[at:at + size], at + size


def _split_msgpack(sealed):
    """An array of five: algorithm, id, iv, nonce, body; nothing behind."""
    parts, at = [], 1
    for _ in range(5):
        part, at = _take(sealed, at, {0xd9: 1, 0xda: 2, 0xc4: 1, 0xc5: 2, 0xc6: 4})
        parts.append(part)
    if at != len(sealed):
        raise IndexError()
    return parts[4], parts[2], parts[3]


def split(sealed):
    """(body with tag, iv, nonce); what does not parse as an old form is the new one."""
    try:
        if sealed[:1] == b"{":
            return _split_json(sealed)
        if sealed[:1] == b"\x95":
            return _split_msgpack(sealed)
    except (ValueError, KeyError, IndexError, TypeError):
        pass
    return sealed[:-28], sealed[-28:-12], sealed[-12:]
