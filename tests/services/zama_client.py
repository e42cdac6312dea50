# SPDX-License-Identifier: Apache-2.0
"""Clients of the double of Zama's KMS: grpcio with messages as bytes, and a reader of answers that
checks them with python3-cryptography."""

import os
import urllib.parse
from collections import namedtuple

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # it would wait for calls before every fork

import grpc  # noqa: E402
from cryptography.exceptions import InvalidSignature  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils  # noqa: E402

from zama.curve import ORDER  # noqa: E402
from zama.messages import (Plaintext, fields, last, read_identifier, signed,  # noqa: E402
                           write_question, Ciphertext)
from zama.service import CORE  # noqa: E402
from zama.signing import ECDSA, ED25519, SEPARATOR, bincode, eip712  # noqa: E402
from zama_server import DOMAIN  # noqa: E402

Reply = namedtuple("Reply", "code details message")
EXTRA_DATA = bytes.fromhex("02" + "07" + "00" * 30 + "01" + "08" + "00" * 30 + "01")
LARGE = 1 << 30
# Of eth-account, for environments.py.
REQUIREMENTS = [
    "eth-account==0.13.7", "annotated-types==0.8.0", "bitarray==3.12.3", "ckzg==2.1.8",
    "cytoolz==1.2.0", "eth-abi==6.0.0", "eth-hash==0.8.0", "eth-keyfile==0.8.1",
    "eth-keys==0.8.0", "eth-rlp==3.0.0", "eth-typing==6.0.0", "eth-utils==6.0.0",
    "hexbytes==2.0.0", "parsimonious==0.10.0", "pycryptodome==3.24.1", "pydantic==2.14.4",
    "pydantic-core==2.50.5", "regex==2026.11.19", "rlp==5.0.0", "toolz==1.2.0",
    "typing-extensions==4.16.0", "typing-inspection==0.4.5"]


class Caller:
    """A party, by grpcio."""

    def __init__(self, party, credentials=None):
        target = urllib.parse.urlsplit(party.url).netloc
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", LARGE),
                   ("grpc.max_receive_message_length", LARGE), ("grpc.enable_retries", 0)]
        self._channel = (grpc.secure_channel(target, credentials, options) if credentials else
                         grpc.insecure_channel(target, options))

    def start(self, method, message=b"", timeout=30):
        """method: a whole path, or one of the core's. A future."""
        path = method if method.startswith("/") else CORE + method
        return self._channel.unary_unary(path).future(message, timeout=timeout)

    @staticmethod
    def take(future):
        try:
            return Reply(0, "", future.result())
        except grpc.RpcError as error:
            return Reply(error.code().value[0], error.details(), None)

    def call(self, method, message=b"", timeout=30):
        return self.take(self.start(method, message, timeout))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._channel.close()


class Asked:
    """A question as a client makes it: everything but what is named is in order and fresh."""

    def __init__(self, zama, value=0x2a, fhe_type=2, fmt=0, **changed):
        self.request_id = changed.pop("request_id", os.urandom(32).hex())
        self.ciphertexts = changed.pop("ciphertexts", None)
        if self.ciphertexts is None:
            blob = changed.pop("blob", None)
            self.ciphertexts = [Ciphertext(
                zama.seal(fhe_type, value, fmt) if blob is None else blob,
                changed.pop("claimed_type", fhe_type), changed.pop("handle", os.urandom(32)),
                changed.pop("claimed_format", fmt))]
        self.key_id = changed.pop("key_id", zama.key_id)
        self.domain = changed.pop("domain", DOMAIN)
        self.extra_data = changed.pop("extra_data", EXTRA_DATA)
        self.schemes = changed.pop("schemes", (0, 1))
        self.message = write_question(self.request_id, self.ciphertexts, self.key_id, self.domain,
                                      self.extra_data, self.schemes, **changed)


class Answer:
    """A kms.v1.PublicDecryptionResponse."""

    def __init__(self, message):
        found = fields(message)
        self.internal, self.external = last(found, 1), last(found, 2)
        self.extra_data = last(found, 4)
        self.typed = []
        for entry in found.get(5, []):
            entry = fields(entry)
            self.typed.append((last(entry, 1, 0), last(entry, 2)))
        payload = fields(last(found, 3))
        self.verification_key = last(payload, 1)
        self.request_id = read_identifier(last(payload, 3))
        self.plaintexts = []
        for entry in payload.get(2, []):
            entry = fields(entry)
            self.plaintexts.append(Plaintext(last(entry, 1), signed(last(entry, 2, 0))))

    def values(self):
        return [plain.value for plain in self.plaintexts]

    def without_keys(self):
        """What does not depend on who signs: to compare answers of different servers."""
        return (self.request_id, self.plaintexts, self.extra_data, len(self.verification_key),
                len(self.internal), len(self.external),
                [(scheme, len(signature)) for scheme, signature in self.typed])

    def check(self, asked, party):
        """None, or why it is no answer of this party to a question."""
        if self.request_id != asked.request_id or self.extra_data != asked.extra_data:
            return "another question"
        if self.verification_key != bytes([33]) + bytes(7) + party.point:
            return "another key"
        payload = SEPARATOR + bincode(self.verification_key, self.plaintexts, self.request_id)
        digest = eip712(asked.domain, [entry.handle for entry in asked.ciphertexts],
                        self.plaintexts, self.extra_data)
        checks = [("internal", lambda: verify_ecdsa(party, self.internal, payload, False)),
                  ("external", lambda: verify_ecdsa(party, self.external, digest, True))]
        for scheme, signature in self.typed:
            if scheme == ECDSA:
                checks.append(("typed", lambda given=signature: verify_ecdsa(party, given, digest,
                                                                             True)))
            elif scheme == ED25519:
                key = ed25519.Ed25519PublicKey.from_public_bytes(party.ed25519)
                checks.append(("ed25519", lambda given=signature: key.verify(given, payload)))
        for name, check in checks:
            try:
                check()
            except InvalidSignature:
                return name
        return None


def typed_message(asked, answer):
    """What the external signature signs, as eth-account makes it (environments.py)."""
    from eth_account.messages import encode_typed_data
    domain = {"name": asked.domain.name, "version": asked.domain.version,
              "chainId": int.from_bytes(asked.domain.chain_id, "big"),
              "verifyingContract": asked.domain.verifying_contract}
    if asked.domain.salt is not None:
        domain["salt"] = asked.domain.salt
    result = b"".join(value[::-1].rjust(32, b"\0") for value in answer.values())
    return encode_typed_data(domain, {"PublicDecryptVerification": [
        {"name": "ctHandles", "type": "bytes32[]"}, {"name": "decryptedResult", "type": "bytes"},
        {"name": "extraData", "type": "bytes"}]}, {
            "ctHandles": [entry.handle.rjust(32, b"\0") for entry in asked.ciphertexts],
            "decryptedResult": result, "extraData": answer.extra_data})


def verify_ecdsa(party, signature, data, is_digest):
    r, s = (int.from_bytes(signature[at:at + 32], "big") for at in (0, 32))
    if s > ORDER // 2:
        raise InvalidSignature
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), party.point)
    kind = utils.Prehashed(hashes.SHA256()) if is_digest else hashes.SHA256()
    key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(kind))
