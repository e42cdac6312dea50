# SPDX-License-Identifier: Apache-2.0
"""RSA PKCS#1 v1.5 signatures over bytes that are no hash of the library's."""

from cryptography.hazmat.primitives.asymmetric import rsa


def block(data, size):
    """EMSA-PKCS1-v1_5 (RFC 8017, 9.2) around bytes that are not a DigestInfo of a known hash."""
    if len(data) > size - 11:
        raise ValueError("message too long for RSA key size")
    return b"\x00\x01" + b"\xff" * (size - 3 - len(data)) + b"\x00" + data


def sign(secret: rsa.RSAPrivateKey, data):
    """The library has no signature without a hash: RSASP1 (RFC 8017, 5.2.1) by hand."""
    numbers = secret.private_numbers()
    size = (secret.key_size + 7) // 8
    number = int.from_bytes(block(data, size), "big")
    first = pow(number, numbers.dmp1, numbers.p)
    second = pow(number, numbers.dmq1, numbers.q)
    result = second + numbers.q * ((first - second) * numbers.iqmp % numbers.p)
    return result.to_bytes(size, "big")


def recover(public: rsa.RSAPublicKey, signature):
    """RSAVP1 (RFC 8017, 5.2.2): the block that was signed."""
    numbers = public.public_numbers()
    number = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n)
    return number.to_bytes((public.key_size + 7) // 8, "big")
