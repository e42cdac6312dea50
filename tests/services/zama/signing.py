# SPDX-License-Identifier: Apache-2.0
"""What a party signs and how: secp256k1 with the nonces of RFC 6979 (python3-cryptography 38 has
only random ones), Ed25519, bincode, EIP-712, addresses."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .curve import ORDER, multiply
from .keccak import keccak256

SEPARATOR = b"PUBL_DEC"
ECDSA, ED25519 = 0, 1
FILLER = {2: 2420, 3: 3309, 4: 4627}  # ML-DSA-44, -65, -87: the length of their signatures
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract%s)"
ANSWER_TYPE = (b"PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,"
               b"bytes extraData)")


def nonces(secret, digest):
    """RFC 6979, 3.2, for an order of 256 bits and SHA-256."""
    def mac(key, message):
        return hmac.new(key, message, hashlib.sha256).digest()

    seed = secret.to_bytes(32, "big") + (int.from_bytes(digest, "big") % ORDER).to_bytes(32, "big")
    key, value = bytes(32), b"\1" * 32
    for step in (b"\0", b"\1"):
        key = mac(key, value + step + seed)
        value = mac(key, value)
    while True:
        value = mac(key, value)
        nonce = int.from_bytes(value, "big")
        if 0 < nonce < ORDER:
            yield nonce
        key = mac(key, value + b"\0")
        value = mac(key, value)


def high_s(signature):
    """The other signature of the same message that ECDSA allows and the KMS does not make."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    parity = bytes([55 - signature[64]]) if len(signature) == 65 else b""
    return signature[:32] + s.to_bytes(32, "big") + parity


class Signer:
    """A party's keys, from a seed."""

    def __init__(self, seed):
        self._secret = int.from_bytes(hashlib.sha512(b"secp256k1" + seed).digest(),
                                      "big") % (ORDER - 1) + 1
        x, y = (value.to_bytes(32, "big") for value in multiply(self._secret))
        self.point = bytes([2 + (y[-1] & 1)]) + x
        self.address = keccak256(x + y)[12:]
        self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(
            hashlib.sha256(b"ed25519" + seed).digest())
        self.ed25519 = self._ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verification_key = struct.pack("<Q", 33) + self.point

    def ecdsa(self, digest):
        """r, s and v (27 or 28), with the lower s."""
        for nonce in nonces(self._secret, digest):
            r, y = multiply(nonce)
            s = pow(nonce, -1, ORDER) * (int.from_bytes(digest, "big") + r * self._secret) % ORDER
            if r >= ORDER or s == 0:
                continue
            odd = y & 1
            if s > ORDER // 2:
                s, odd = ORDER - s, 1 - odd
            return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + odd])
        raise AssertionError("RFC 6979 always has another nonce")

    def internal(self, payload):
        """The 64 bytes over the payload's bincode."""
        return self.ecdsa(hashlib.sha256(SEPARATOR + payload).digest())[:64]

    def typed(self, scheme, payload, external):
        """An entry of `signatures`."""
        if scheme == ECDSA:
            return external
        if scheme == ED25519:
            return self._ed25519.sign(SEPARATOR + payload)
        return hashlib.shake_256(bytes([scheme]) + payload).digest(FILLER[scheme])


def bincode(verification_key, plaintexts, request_id):
    """A payload in bincode's legacy form."""
    out = struct.pack("<Q", len(verification_key)) + verification_key
    out += struct.pack("<Q", len(plaintexts))
    for plain in plaintexts:
        out += struct.pack("<Q", len(plain.value)) + plain.value + struct.pack("<i", plain.fhe_type)
    if request_id is None:
        return out + b"\0"
    return out + b"\1" + struct.pack("<Q", len(request_id)) + request_id.encode()


def checksummed(address):
    """EIP-55."""
    digits = address.hex()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if int(mark, 16) > 7 else digit
                          for digit, mark in zip(digits, marks))


def domain_separator(domain):
    salted = domain.salt is not None
    parts = [keccak256((DOMAIN_TYPE % (",bytes32 salt" if salted else "")).encode()),
             keccak256(domain.name.encode()), keccak256(domain.version.encode()),
             domain.chain_id.rjust(32, b"\0"),
             bytes.fromhex(domain.verifying_contract[2:]).rjust(32, b"\0")]
    return keccak256(b"".join(parts + ([domain.salt] if salted else [])))


def eip712(domain, handles, plaintexts, extra_data):
    """What the external signature signs."""
    results = b"".join(plain.value[::-1].rjust(32, b"\0") for plain in plaintexts)
    struct_hash = keccak256(
        keccak256(ANSWER_TYPE) +
        keccak256(b"".join(handle.rjust(32, b"\0") for handle in handles)) +
        keccak256(results) + keccak256(extra_data))
    return keccak256(b"\x19\x01" + domain_separator(domain) + struct_hash)
