# SPDX-License-Identifier: Apache-2.0
"""What a party answers to a public decryption, and what one that cannot be trusted makes of it."""

from .messages import Plaintext, data, identifier, number
from .signing import ECDSA, ED25519, bincode, eip712, high_s

OTHER_ID = "ab" * 32


def flipped(value, at=0):
    """With one bit changed; at: of which byte."""
    value = bytearray(value)
    value[at] ^= 1
    return bytes(value)


class Answer:
    """A kms.v1.PublicDecryptionResponse. sign() again after a change to make it authentic."""

    def __init__(self, signer, question, request_id, plaintexts):
        self.signer = signer
        self.question = question
        self.request_id = request_id
        self.plaintexts = plaintexts
        self.extra_data = question.extra_data
        self.has_payload = True
        self.sign()

    def sign(self):
        question, signer = self.question, self.signer
        self.verification_key = signer.verification_key
        payload = bincode(self.verification_key, self.plaintexts, self.request_id)
        self.internal = signer.internal(payload)
        self.external = signer.ecdsa(eip712(
            question.domain, [entry.handle for entry in question.ciphertexts], self.plaintexts,
            self.extra_data))
        schemes = dict.fromkeys(question.schemes)  # asked for twice, answered once
        self.typed = {scheme: signer.typed(scheme, payload, self.external) for scheme in schemes}

    def encode(self):
        payload = data(1, self.verification_key)
        for plain in self.plaintexts:
            payload += data(2, data(1, plain.value) + number(2, plain.fhe_type), True)
        payload += identifier(3, self.request_id)
        out = data(1, self.internal) + data(2, self.external)
        if self.has_payload:
            out += data(3, payload, True)
        out += data(4, self.extra_data)
        for scheme, signature in self.typed.items():
            out += data(5, number(1, scheme) + data(2, signature), True)
        return out

    def replace_signature(self, which, change):
        """which: internal, external (with its twin in the list) or ed25519."""
        if which == "internal":
            self.internal = change(self.internal)
        elif which == "external":
            self.external = change(self.external)
            if ECDSA in self.typed:
                self.typed[ECDSA] = self.external
        else:
            self.typed[ED25519] = change(self.typed[ED25519])

    def change_plaintext(self):
        first = self.plaintexts[0]
        self.plaintexts = [Plaintext(flipped(first.value), first.fhe_type)] + self.plaintexts[1:]


# ---- what may be made of an answer: (fault, answer, party), changed in place or as bytes ----

def lie(fault, answer, party):
    """Another value, and every signature in order."""
    answer.change_plaintext()
    answer.sign()


def tamper(fault, answer, party):
    """Another value under the signatures of the right one."""
    answer.change_plaintext()


def forge(fault, answer, party):
    """The party's key, and signatures of another."""
    own, answer.signer = answer.signer, party.service.stranger
    answer.sign()
    answer.signer, answer.verification_key = own, own.verification_key
    payload = bincode(own.verification_key, answer.plaintexts, answer.request_id)
    answer.internal = party.service.stranger.internal(payload)
    if ED25519 in answer.typed:
        answer.typed[ED25519] = party.service.stranger.typed(ED25519, payload, b"")


def stranger(fault, answer, party):
    """A key that belongs to no party."""
    answer.signer = party.service.stranger
    answer.sign()


def impostor(fault, answer, party):
    """What another party answers; `of` says which."""
    answer.signer = party.service.parties[int(fault.get("of"))].signer
    answer.sign()


def replay(fault, answer, party):
    """The newest answer to another request, as it was; this one's own when there was none."""
    return next((known for known in reversed(party.given) if known.request_id != answer.request_id),
                answer).encode()


def wrong_id(fault, answer, party):
    """For another request id, and every signature in order."""
    answer.request_id = OTHER_ID
    answer.sign()


def wrong_extra(fault, answer, party):
    """For other extra data, and every signature in order."""
    answer.extra_data += b"\0"
    answer.sign()


def wrong_type(fault, answer, party):
    """A value of another type, and every signature in order."""
    answer.plaintexts = [Plaintext(bytes(4), 4)] + answer.plaintexts[1:]
    answer.sign()


def wrong_count(fault, answer, party):
    """One value too many, and every signature in order."""
    answer.plaintexts = answer.plaintexts + answer.plaintexts[:1]
    answer.sign()


def high(fault, answer, party):
    """The higher s in a signature: `of` internal (default) or external."""
    answer.replace_signature(fault.get("of", "internal"), high_s)


def flip(fault, answer, party):
    """A bit of a signature: `of` internal (default), external or ed25519."""
    answer.replace_signature(fault.get("of", "internal"), lambda value: flipped(value, 40))


def short_key(fault, answer, party):
    answer.verification_key = answer.verification_key[:-1]


def no_payload(fault, answer, party):
    answer.has_payload = False


def no_signatures(fault, answer, party):
    """Only the value."""
    answer.internal = answer.external = b""
    answer.typed = {}


def not_protobuf(fault, answer, party):
    return b"\xff" * 64


DISTORTIONS = {action.__name__: action for action in (
    lie, tamper, forge, stranger, impostor, replay, wrong_id, wrong_extra, wrong_type, wrong_count,
    high, flip, short_key, no_payload, no_signatures, not_protobuf)}
