# SPDX-License-Identifier: Apache-2.0
"""SM2 and SM4 (GB/T 32918, GB/T 32907): SM2 by the openssl program, since Python's library has
none."""

import os
import subprocess
import tempfile

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

IDENTITY = "1234567812345678"
BLOCK = 16


def _openssl(*args):
    return subprocess.run(["openssl", *args], capture_output=True, check=True).stdout


class Sm2Key:
    """A key pair. What it is given to sign is a message, whatever the caller takes it for."""

    def __init__(self):
        self._pem = _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2")

    @staticmethod
    def _write(folder, name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def public_pem(self):
        with tempfile.TemporaryDirectory() as folder:
            key = self._write(folder, "key", self._pem)
            return _openssl("pkey", "-in", key, "-pubout").decode()

    def sign(self, message):
        with tempfile.TemporaryDirectory() as folder:
            return _openssl("dgst", "-sm3", "-sigopt", "distid:" + IDENTITY, "-sign",
                            self._write(folder, "key", self._pem),
                            self._write(folder, "message", message))

    def verify(self, message, signature):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["openssl", "dgst", "-sm3", "-sigopt", "distid:" + IDENTITY, "-prverify",
                 self._write(folder, "key", self._pem),
                 "-signature", self._write(folder, "signature", signature),
                 self._write(folder, "message", message)], capture_output=True, check=False)
        return done.returncode == 0


def _cipher(secret, mode, iv):
    return Cipher(algorithms.SM4(secret), mode(iv))


def sm4_encrypt(secret, spec, plain):
    """ciphertext || IV; nothing authenticates it."""
    iv = os.urandom(BLOCK)
    if spec == "EH_SM4_CBC":
        padder = padding.PKCS7(8 * BLOCK).padder()
        plain = padder.update(plain) + padder.finalize()
        encryptor = _cipher(secret, modes.CBC, iv).encryptor()
    else:
        encryptor = _cipher(secret, modes.CTR, iv).encryptor()
    return encryptor.update(plain) + encryptor.finalize() + iv


def sm4_decrypt(secret, spec, blob):
    """ValueError: the padding is wrong, which CTR has none of."""
    body, iv = blob[:-BLOCK], blob[-BLOCK:]
    if spec != "EH_SM4_CBC":
        decryptor = _cipher(secret, modes.CTR, iv).decryptor()
        return decryptor.update(body) + decryptor.finalize()
    decryptor = _cipher(secret, modes.CBC, iv).decryptor()
    unpadder = padding.PKCS7(8 * BLOCK).unpadder()
    return unpadder.update(decryptor.update(body) + decryptor.finalize()) + unpadder.finalize()
