# SPDX-License-Identifier: Apache-2.0
"""Protobuf as much as is needed, and the messages of a public decryption."""

from collections import namedtuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
ZERO_ID = "00" * 32

Domain = namedtuple("Domain", "name version chain_id verifying_contract salt")
Ciphertext = namedtuple("Ciphertext", "blob fhe_type handle format")
Plaintext = namedtuple("Plaintext", "value fhe_type")


class Malformed(Exception):
    """A message that is not one; the text is the server's."""


# ---- writing ----

def varint(number):
    out = b""
    number &= (1 << 64) - 1  # an int32 below zero has ten bytes
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def data(field, value, always=False):
    """A string, bytes or message; empty ones are left out unless they are messages or repeated."""
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | BYTES) + varint(len(value)) + value if value or always else b""


def identifier(field, text):
    """A kms.v1.RequestId in a field."""
    return data(field, data(1, text))


# ---- reading ----

def _varint(message, at):
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise Malformed("invalid varint")
        byte = message[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(message):
    """{number: [values]}"""
    found, at = {}, 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(message, at)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind)
            if kind == BYTES:
                size, at = _varint(message, at)
            if size is None:
                raise Malformed("invalid wire type value: %d" % kind)
            if size > len(message) - at:
                raise Malformed("buffer underflow")
            value, at = message[at:at + size], at + size
        found.setdefault(tag >> 3, []).append(value)
    return found


def last(found, field, default=b""):
    """A field that is given more than once has its last value."""
    value = found.get(field, [default])[-1]
    if type(value) is not type(default):
        raise Malformed("invalid wire type")
    return value


def text(found, field, name):
    try:
        return last(found, field).decode()
    except UnicodeDecodeError:
        raise Malformed("%s: invalid string value: data is not UTF-8 encoded" % name) from None


def signed(value):
    """An int32 from its varint."""
    value &= (1 << 32) - 1
    return value - (1 << 32) if value >> 31 else value


def read_identifier(message):
    """The text of a kms.v1.RequestId."""
    return text(fields(message), 1, "RequestId.request_id")


def _numbers(found, field):
    """A repeated number, packed or not."""
    values = []
    for entry in found.get(field, []):
        if isinstance(entry, int):
            values.append(entry)
            continue
        at = 0
        while at < len(entry):
            value, at = _varint(entry, at)
            values.append(value)
    return values


def _domain(message):
    found = fields(message)
    return Domain(text(found, 1, "Eip712DomainMsg.name"),
                  text(found, 2, "Eip712DomainMsg.version"), last(found, 3),
                  text(found, 4, "Eip712DomainMsg.verifying_contract"),
                  last(found, 5) if 5 in found else None)


def _ciphertext(message):
    found = fields(message)
    return Ciphertext(last(found, 1), signed(last(found, 2, 0)), last(found, 3),
                      signed(last(found, 4, 0)))


class Question:
    """A kms.v1.PublicDecryptionRequest as it came. Ids are None where they are absent."""

    def __init__(self, message):
        found = fields(message)

        def optional(field, read):
            return read(last(found, field)) if field in found else None

        self.request_id = optional(1, read_identifier)
        self.ciphertexts = [_ciphertext(entry) for entry in found.get(2, [])]
        self.key_id = optional(3, read_identifier)
        self.domain = optional(4, _domain)
        self.extra_data = last(found, 5)
        self.context_id = optional(6, read_identifier)
        self.epoch_id = optional(7, read_identifier)
        self.schemes = _numbers(found, 8)


def write_question(request_id, ciphertexts, key_id, domain, extra_data=b"", schemes=(0,), **more):
    """more: context_id, epoch_id; a part that is None is left out. For clients of the double."""
    out = identifier(1, request_id) if request_id is not None else b""
    for entry in ciphertexts:
        out += data(2, data(1, entry.blob) + number(2, entry.fhe_type) + data(3, entry.handle) +
                    number(4, entry.format), True)
    if key_id is not None:
        out += identifier(3, key_id)
    if domain is not None:
        out += data(4, data(1, domain.name) + data(2, domain.version) + data(3, domain.chain_id) +
                    data(4, domain.verifying_contract) +
                    (data(5, domain.salt, True) if domain.salt is not None else b""), True)
    out += data(5, extra_data)
    for field, name in ((6, "context_id"), (7, "epoch_id")):
        if more.get(name) is not None:
            out += identifier(field, more[name])
    return out + data(8, b"".join(varint(scheme) for scheme in schemes))


def canonical_id(written):
    """An id in the form that answers have, or None: it is none."""
    digits = (written or "").lower()
    digits = digits[2:] if digits.startswith("0x") else digits
    if len(digits) != 64 or set(digits) - set("0123456789abcdef") or digits == ZERO_ID:
        return None
    return digits
