#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the double to what a real Vault said.

    test_vault_double.py                  the double
    test_vault_double.py --real           the same cases on a real Vault core, built on first use
    test_vault_double.py --real URL --ca FILE [--token T] [--unseal-key K]    one that runs already
                                          (the cases make keys, mounts and policies in it)
"""

import argparse
import base64
import hashlib
import json
import os
import sys
import time
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

import transcript
from servers import Double, KubernetesStub, RealVault
from vault_client import VaultClient

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.join(os.path.dirname(HERE), "fixtures", "vault", "transcript.md")
HELLO = b"hello world"
INVALID_TOKEN = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
DENIED = "1 error occurred:\n\t* permission denied\n\n"
# What the double does not have.
LEFT_OUT = ("/v1/transit/backup", "/v1/transit/restore", "/v1/transit/hash", "/v1/sys/tools",
            "/v1/transit/cache-config", "/v1/sys/internal", "/v1/sys/quotas", "/v1/sys/wrapping",
            "/v1/sys/policies", "/csr", "/set-certificate")
# Sections about other tokens than the root's, or about headers that the transcript does not show.
BY_HAND = ("tokens, policies", "response wrapping", "rate limit quota -> 429")

options = None  # of the command line


def setUpModule():
    global server
    if options.real is None:
        server = Double()
    elif options.real == "":
        server = RealVault()
    else:
        server = VaultClient(options.real, options.ca, options.token, options.unseal_key)


def tearDownModule():
    if isinstance(server, (Double, RealVault)):
        server.__exit__()


def is_double():
    return isinstance(server, Double)


def b64(data):
    return base64.b64encode(data).decode()


def raw_of(text):
    """The bytes behind "vault:vN:", whichever of the two alphabets they are in."""
    body = text.split(":", 2)[2]
    body = body.replace("+", "-").replace("/", "_")
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


class ReplayTest(unittest.TestCase):
    """The transcript, exchange by exchange: status, error texts, fields and their values."""

    @classmethod
    def setUpClass(cls):
        server.write("sys/auth/userpass", {"type": "userpass"})

    def test_replay_when_asked_again_then_answers_as_recorded(self):
        pairs, problems, asked = transcript.Pairs(), [], 0
        for exchange in transcript.parse(FIXTURE):
            if self._is_left_out(exchange):
                continue
            asked += 1
            answer = self._ask(exchange, pairs)
            where = "line %d, %s %s: " % (exchange.line, exchange.method, exchange.path)
            problems += [where + text for text in self._compare(exchange, answer)]
            if answer.json is not None:
                pairs.learn(exchange.answer, answer.json)
        self.assertGreater(asked, 150)
        self.assertEqual(problems, [], "\n".join(problems))

    @staticmethod
    def _is_left_out(exchange):
        if exchange.section in BY_HAND or transcript.was_cut(exchange):
            return True
        if "k-imp" in exchange.path:  # depends on requests that were cut: ImportTest
            return True
        if is_double() and any(path in exchange.path for path in LEFT_OUT):
            return True
        return "soft-delete" not in exchange.path and "k-exp-copy" in exchange.path

    @staticmethod
    def _ask(exchange, pairs):
        body = exchange.body
        if body is not None:
            try:
                body = pairs.replace(json.loads(body))
            except ValueError:
                pass  # bad JSON on purpose
        if isinstance(body, dict):
            ReplayTest._give_live_values(exchange, body)
        return server.request(exchange.method, exchange.path, body)

    @staticmethod
    def _give_live_values(exchange, body):
        """Values whose origin the transcript does not show."""
        if exchange.path.endswith("sys/unseal"):
            body["key"] = server.unseal_key
        for item in body.get("batch_input", []) + [body]:
            if len(item.get("signature", "")) > 40 and "verify/k-ecdsa-p256" in exchange.path:
                signed = server.write("transit/sign/k-ecdsa-p256", {
                    "input": b64(hashlib.sha256(HELLO).digest()), "prehashed": True})
                item["signature"] = signed["signature"]

    @staticmethod
    def _compare(exchange, answer):
        if answer.status != exchange.status:
            return ["status %d, recorded %d: %s" % (answer.status, exchange.status, answer.text)]
        if not isinstance(exchange.answer, dict):
            return []
        if "/export/" in exchange.path and answer.status == 200:
            return sorted(set(exchange.answer["data"]) ^ set(answer.json["data"]))  # secrets differ
        return transcript.differences(exchange.answer, answer.json)


class CryptoTest(unittest.TestCase):
    """Results checked with OpenSSL, through python3-cryptography."""

    @classmethod
    def setUpClass(cls):
        server.setup_transit("c256", mount="crypto", c384="ecdsa-p384", c521="ecdsa-p521",
                             ed="ed25519", r2="rsa-2048", gcm128="aes128-gcm96",
                             gcm256="aes256-gcm96", chacha="chacha20-poly1305", mac="hmac")

    def sign(self, key, data, **more):
        return server.write("crypto/sign/" + key, dict(more, input=b64(data)))["signature"]

    def refuse(self, path, body, status, text):
        answer = server.request("POST", "crypto/" + path, body)
        self.assertEqual((answer.status, answer.json["errors"]), (status, [text]))

    def test_ecdsa_prehashed_when_any_digest_then_verifies(self):
        for key, size in (("c256", 32), ("c384", 48), ("c521", 66)):
            public = server.public_key(key, mount="crypto")
            for digest in (hashes.SHA1(), hashes.SHA256(), hashes.SHA512()):
                value = hashlib.new(digest.name, HELLO).digest()
                der = raw_of(self.sign(key, value, prehashed=True))
                public.verify(der, value, ec.ECDSA(Prehashed(digest)))
                jws = raw_of(self.sign(key, value, prehashed=True, marshaling_algorithm="jws"))
                self.assertEqual(len(jws), 2 * size)
                public.verify(encode_dss_signature(int.from_bytes(jws[:size], "big"),
                                                   int.from_bytes(jws[size:], "big")),
                              value, ec.ECDSA(Prehashed(digest)))

    def test_jws_when_verified_by_the_server_then_valid(self):
        value = bytes(range(31))
        signature = self.sign("c256", value, prehashed=True, marshaling_algorithm="jws")
        self.assertNotIn("=", signature)
        body = {"input": b64(value), "prehashed": True, "signature": signature}
        self.assertTrue(server.write("crypto/verify/c256", dict(
            body, marshaling_algorithm="jws"))["valid"])
        self.refuse("verify/c256", body, 400, "invalid base64 signature value")

    def test_ed25519_when_signed_then_verifies(self):
        server.public_key("ed", mount="crypto").verify(raw_of(self.sign("ed", HELLO)), HELLO)

    def test_pss_when_salt_length_given_then_salt_has_it(self):
        public = server.public_key("r2", mount="crypto")
        digest = hashes.SHA256()
        for asked, actual in (("auto", 222), ("hash", 32), ("20", 20), (20, 20), ("0", 222)):
            signature = raw_of(self.sign("r2", HELLO, salt_length=asked))
            public.verify(signature, HELLO, padding.PSS(padding.MGF1(digest), actual), digest)

    def test_pss_when_salt_length_impossible_then_refused(self):
        internal = "1 error occurred:\n\t* requested salt length 223 is invalid\n\n"
        self.refuse("sign/r2", {"input": "", "salt_length": "223"}, 500, internal)
        self.refuse("sign/r2", {"input": "", "salt_length": "-2"}, 400,
                    "salt length is invalid: -2")
        self.refuse("sign/r2", {"input": "", "salt_length": "x"}, 400,
                    "salt length neither 'auto', 'hash', nor an int: x")

    def test_rsa_when_every_hash_then_verifies(self):
        public = server.public_key("r2", mount="crypto")
        for name, digest in (("sha1", hashes.SHA1()), ("sha2-224", hashes.SHA224()),
                             ("sha2-384", hashes.SHA384()), ("sha2-512", hashes.SHA512()),
                             ("sha3-256", hashes.SHA3_256()), ("sha3-512", hashes.SHA3_512())):
            pkcs1 = raw_of(self.sign("r2", HELLO, hash_algorithm=name,
                                     signature_algorithm="pkcs1v15"))
            public.verify(pkcs1, HELLO, padding.PKCS1v15(), digest)
            pss = raw_of(self.sign("r2", HELLO, hash_algorithm=name, salt_length="hash"))
            scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
            public.verify(pss, HELLO, scheme, digest)

    def test_rsa_when_hash_none_then_signs_the_block_itself(self):
        numbers = server.public_key("r2", mount="crypto").public_numbers()
        for size in (0, 1, 36, 51, 245):
            data = os.urandom(size)
            signature = self.sign("r2", data, prehashed=True, hash_algorithm="none",
                                  signature_algorithm="pkcs1v15")
            block = pow(int.from_bytes(raw_of(signature), "big"), numbers.e, numbers.n)
            self.assertEqual(block.to_bytes(256, "big"),
                             b"\0\1" + b"\xff" * (253 - size) + b"\0" + data)
            self.assertTrue(server.write("crypto/verify/r2", {
                "input": b64(data), "prehashed": True, "hash_algorithm": "none",
                "signature_algorithm": "pkcs1v15", "signature": signature})["valid"])

    def test_rsa_when_length_is_wrong_then_internal_error(self):
        form = "1 error occurred:\n\t* crypto/rsa: %s\n\n"
        body = {"input": b64(bytes(20)), "prehashed": True}
        self.refuse("sign/r2", body, 500, form % "input must be hashed with given hash")
        self.refuse("sign/r2", dict(body, signature_algorithm="pkcs1v15"), 500,
                    form % "input must be hashed message")
        self.refuse("sign/r2", {"input": b64(bytes(246)), "prehashed": True,
                                "hash_algorithm": "none", "signature_algorithm": "pkcs1v15"},
                    500, form % "message too long for RSA key size")

    def test_verify_when_signature_is_wrong_then_false(self):
        wrong = {"c256": encode_dss_signature(1, 1), "ed": bytes(64), "r2": bytes(256)}
        for key, signature in wrong.items():
            body = {"input": b64(HELLO), "signature": "vault:v1:" + b64(signature)}
            self.assertFalse(server.write("crypto/verify/" + key, body)["valid"])

    def test_verify_when_signature_is_no_der_then_refused(self):
        self.refuse("verify/c256", {"input": "", "signature": "vault:v1:" + b64(bytes(64))}, 400,
                    "supplied signature is invalid")

    def test_rsa_decrypt_when_sealed_locally_then_only_oaep_sha256_and_pkcs1(self):
        public = server.public_key("r2", mount="crypto")
        for scheme, name in ((self.oaep(hashes.SHA256()), "oaep"),
                             (padding.PKCS1v15(), "pkcs1v15")):
            sealed = "vault:v1:" + b64(public.encrypt(b"abc", scheme))
            plain = server.write("crypto/decrypt/r2", {"ciphertext": sealed,
                                                       "padding_scheme": name})
            self.assertEqual(plain["plaintext"], b64(b"abc"))
        for digest in (hashes.SHA1(), hashes.SHA512()):
            sealed = "vault:v1:" + b64(public.encrypt(b"abc", self.oaep(digest)))
            self.refuse("decrypt/r2", {"ciphertext": sealed}, 500, "1 error occurred:\n\t* failed "
                        "to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n")

    @staticmethod
    def oaep(digest):
        return padding.OAEP(padding.MGF1(digest), digest, None)

    def test_aead_when_opened_again_then_same_plaintext(self):
        for key in ("gcm128", "gcm256", "chacha"):
            for extra in ({}, {"associated_data": b64(b"aad")}):
                sealed = server.write("crypto/encrypt/" + key, dict(extra, plaintext=b64(HELLO)))
                self.assertEqual(len(raw_of(sealed["ciphertext"])), len(HELLO) + 28)
                plain = server.write("crypto/decrypt/" + key,
                                     dict(extra, ciphertext=sealed["ciphertext"]))
                self.assertEqual(plain["plaintext"], b64(HELLO))

    def test_aead_when_tampered_then_refused(self):
        for key, name in (("gcm256", "cipher"), ("chacha", "chacha20poly1305")):
            for size in (12, 27, 40):
                self.refuse("decrypt/" + key, {"ciphertext": "vault:v1:" + b64(bytes(size))}, 400,
                            name + ": message authentication failed")

    def test_hmac_when_verified_then_valid(self):
        made = server.write("crypto/hmac/mac/sha2-384", {"input": b64(HELLO)})["hmac"]
        self.assertEqual(len(raw_of(made)), 48)
        body = {"input": b64(HELLO), "hmac": made, "hash_algorithm": "sha2-384"}
        self.assertTrue(server.write("crypto/verify/mac", body)["valid"])
        self.assertFalse(server.write("crypto/verify/mac", dict(body, input=""))["valid"])

    def test_versions_when_rotated_then_pinned_and_forbidden_ones(self):
        server.make_key("v", mount="crypto")
        first = server.public_key("v", mount="crypto")
        self.assertEqual(server.rotate_key("v", "crypto"), 2)
        old = self.sign("v", HELLO, key_version=1)
        self.assertTrue(old.startswith("vault:v1:"))
        first.verify(raw_of(old), HELLO, ec.ECDSA(hashes.SHA256()))
        with self.assertRaises(InvalidSignature):
            first.verify(raw_of(self.sign("v", HELLO)), HELLO, ec.ECDSA(hashes.SHA256()))
        server.write("crypto/keys/v/config", {"min_decryption_version": 2,
                                              "min_encryption_version": 2})
        self.refuse("sign/v", {"input": "", "key_version": 1}, 500, "1 error occurred:\n\t* "
                    "requested version for signing is less than the minimum encryption key version"
                    "\n\n")
        self.refuse("verify/v", {"input": "", "signature": old}, 400,
                    "ciphertext or signature version is disallowed by policy (too old)")
        self.assertEqual(list(server.read("crypto/keys/v")["keys"]), ["2"])
        server.write("crypto/keys/v/trim", {"min_available_version": 2})
        self.assertEqual(server.read("crypto/keys/v")["min_available_version"], 2)

    def test_batch_when_one_fails_then_only_that_one(self):
        items = [{"input": b64(HELLO), "reference": "a"}, {"input": "%"}, {}]
        results = server.write("crypto/sign/ed", {"batch_input": items})["batch_results"]
        server.public_key("ed", mount="crypto").verify(raw_of(results[0]["signature"]), HELLO)
        self.assertEqual(results[0]["reference"], "a")
        self.assertEqual(results[1:], [
            {"key_version": 0, "reference": "",
             "error": "unable to decode input: illegal base64 data at input byte 0"},
            {"key_version": 0, "reference": "", "error": "missing input"}])

    def test_encrypt_batch_when_all_good_then_200_with_references(self):
        answer = server.request("POST", "crypto/encrypt/gcm128", {
            "batch_input": [{"plaintext": "YQ=="}, {"plaintext": "Yg==", "reference": "x"}]})
        self.assertEqual(answer.status, 200)
        results = answer.json["data"]["batch_results"]
        self.assertEqual([sorted(result) for result in results],
                         [["ciphertext", "key_version", "reference"]] * 2)
        self.assertEqual([result["reference"] for result in results], ["", "x"])

    def test_random_when_asked_for_then_so_many_bytes(self):
        for path, size in (("random/17", 17), ("random/platform/18", 18), ("random/platform", 32)):
            data = server.write("crypto/" + path)["random_bytes"]
            self.assertEqual(len(base64.b64decode(data)), size)
        self.refuse("random/0", {}, 400, '"bytes" cannot be less than 1')

    def test_create_when_options_are_wrong_then_refused(self):
        self.refuse("keys/x", {"type": "hmac"}, 500, "1 error occurred:\n\t* invalid key size for "
                    "HMAC key, must be between 32 and 512 bytes\n\n")
        self.refuse("keys/x", {"auto_rotate_period": "30m"}, 400,
                    "auto rotate period must be 0 to disable or at least an hour")
        answer = server.request("GET", "crypto/sign/c256")
        self.assertEqual((answer.status, answer.json["errors"]),
                         (405, ["1 error occurred:\n\t* unsupported operation\n\n"]))


class ImportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server.setup_transit(mount="byok")
        text = server.read("byok/wrapping_key")["public_key"]
        cls.wrapping = serialization.load_pem_public_key(text.encode())

    def wrapped(self, secret, digest=None):
        digest = digest or hashes.SHA256()
        aes = os.urandom(32)
        return b64(self.wrapping.encrypt(aes, CryptoTest.oaep(digest))
                   + keywrap.aes_key_wrap_with_padding(aes, secret))

    @staticmethod
    def der(key):
        return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())

    def test_import_when_ec_key_wrapped_then_signs_and_may_not_rotate(self):
        key, newer = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        body = {"type": "ecdsa-p256", "ciphertext": self.wrapped(self.der(key))}
        server.write("byok/keys/e/import", body)
        data = server.read("byok/keys/e")
        self.assertEqual((data["imported_key"], data["imported_key_allow_rotation"]), (True, False))
        signature = server.write("byok/sign/e", {"input": b64(HELLO)})["signature"]
        key.public_key().verify(raw_of(signature), HELLO, ec.ECDSA(hashes.SHA256()))
        answer = server.request("POST", "byok/keys/e/rotate", {})
        self.assertEqual((answer.status, answer.json["errors"]), (500, [
            "1 error occurred:\n\t* imported key e does not allow rotation within Vault\n\n"]))
        answer = server.request("POST", "byok/keys/e/import", body)
        self.assertEqual(answer.status, 500)
        self.assertIn("cannot be used with an existing key", answer.json["errors"][0])
        server.write("byok/keys/e/import_version", {"ciphertext": self.wrapped(self.der(newer))})
        self.assertEqual(server.read("byok/keys/e")["latest_version"], 2)

    def test_import_when_secret_has_wrong_size_then_internal_error(self):
        body = {"type": "aes256-gcm96", "ciphertext": self.wrapped(bytes(31), hashes.SHA1()),
                "hash_function": "SHA1"}
        answer = server.request("POST", "byok/keys/a/import", body)
        self.assertEqual((answer.status, answer.json["errors"]), (500, [
            "1 error occurred:\n\t* error importing key: invalid key size 31 bytes for key type "
            "aes256-gcm96\n\n"]))

    def test_import_when_only_public_then_cannot_sign(self):
        public = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        server.write("byok/keys/p/import", {"type": "ecdsa-p256", "public_key": public})
        answer = server.request("POST", "byok/sign/p", {"input": ""})
        self.assertEqual((answer.status, answer.json["errors"]), (500, [
            "1 error occurred:\n\t* requested version for signing does not contain a private part"
            "\n\n"]))


class RightsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server.setup_transit("app", "other", mount="rights")
        server.setup_policy("app-only", {"rights/sign/app": "update", "rights/keys/app": "read",
                                         "rights/encrypt/*": "update"})

    def outcome(self, method, path, token, body=None):
        answer = server.request(method, path, body, token=token)
        return answer.status, (answer.json or {}).get("errors")

    def test_policy_when_path_not_allowed_then_denied(self):
        token = server.make_token("app-only")
        self.assertEqual(self.outcome("POST", "rights/sign/app", token, {})[0], 200)
        self.assertEqual(self.outcome("POST", "rights/sign/other", token, {}), (403, [DENIED]))
        self.assertEqual(self.outcome("LIST", "rights/keys", token), (403, [DENIED]))
        self.assertEqual(self.outcome("DELETE", "rights/keys/app", token), (403, [DENIED]))
        self.assertEqual(self.outcome("POST", "rights/encrypt/new", token, {"plaintext": ""}),
                         (403, [DENIED]))

    def test_token_when_bad_missing_or_revoked_then_its_own_text(self):
        token = server.make_token("app-only")
        path = "rights/keys/app"
        self.assertEqual(self.outcome("GET", path, "hvs.bad"), (403, [INVALID_TOKEN]))
        self.assertEqual(self.outcome("GET", path, ""), (403, ["permission denied"]))
        self.assertEqual(self.outcome("POST", "auth/token/revoke-self", token), (204, None))
        self.assertEqual(self.outcome("GET", path, token), (403, [INVALID_TOKEN]))

    def test_token_when_time_is_up_then_invalid(self):
        token = server.make_token("app-only", ttl="1s")
        self.assertEqual(self.outcome("GET", "rights/keys/app", token)[0], 200)
        time.sleep(1.3)
        self.assertEqual(self.outcome("GET", "rights/keys/app", token), (403, [INVALID_TOKEN]))

    def test_token_when_renewed_then_lives_as_long_as_asked(self):
        token = server.make_token("app-only")
        found = server.read("auth/token/lookup-self", token=token)
        self.assertIn(found["ttl"], (3599, 3600))
        self.assertEqual((found["renewable"], found["type"], found["policies"]),
                         (True, "service", ["app-only", "default"]))
        self.assertEqual(server.write("auth/token/renew-self", {"increment": "30m"},
                                      token=token)["lease_duration"], 1800)

    def test_batch_token_when_renewed_then_refused(self):
        token = server.make_token("app-only", type="batch")
        self.assertTrue(token.startswith("hvb."))
        self.assertFalse(server.read("auth/token/lookup-self", token=token)["renewable"])
        self.assertEqual(self.outcome("POST", "auth/token/renew-self", token, {}),
                         (400, ["batch tokens cannot be renewed"]))

    def test_token_when_uses_are_counted_then_dies_after_the_last(self):
        token = server.make_token("app-only", num_uses=2)
        statuses = [self.outcome("GET", "rights/keys/app", token)[0] for _ in range(3)]
        self.assertEqual(statuses, [200, 200, 403])

    def test_bearer_header_when_used_then_serves_as_token(self):
        answer = server.request("GET", "rights/keys/app", token="",
                                headers={"Authorization": "Bearer " + server.token})
        self.assertEqual(answer.status, 200)

    def test_cert_login_when_no_or_good_certificate_then_400_or_token(self):
        if not hasattr(server, "authority"):
            self.skipTest("that server's authority is not ours")
        server.setup_cert("app-only", path="mtls")
        leaf = server.authority.issue("client", ("client",), client=True)
        answer = server.request("POST", "auth/mtls/login", {}, token="")
        self.assertEqual((answer.status, answer.json["errors"]),
                         (400, ["client certificate must be supplied"]))
        answer = server.request("POST", "auth/mtls/login", {"name": "web"}, token="", client=leaf)
        self.assertEqual(answer.json["auth"]["policies"], ["app-only", "default"])

    def test_kubernetes_login_when_stub_vouches_then_token_else_403(self):
        with KubernetesStub() as stub:
            server.setup_kubernetes(stub, "app-only", path="cluster")
            login = {"role": "app", "jwt": stub.jwt}
            self.assertEqual(server.write("auth/cluster/login", login, token="")["policies"],
                             ["app-only", "default"])
            self.assertEqual(self.outcome("POST", "auth/cluster/login", "",
                                          dict(login, jwt=stub.make_jwt())),
                             (403, ["permission denied"]))
            self.assertEqual(self.outcome("POST", "auth/cluster/login", "", dict(login, role="x")),
                             (400, ['invalid role name "x"']))


def main():
    global options
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", nargs="?", const="", metavar="URL")
    parser.add_argument("--ca", metavar="FILE")
    parser.add_argument("--token", default="root")
    parser.add_argument("--unseal-key")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
