#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The eHSM-KMS double against what the real front end answered (tests/fixtures/ehsm/vectors.json,
in its order), and its enclave against facts that were read in the real one's source."""

import base64
import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402

from ehsm.enclave import CURVES, ENCRYPT, SIGN  # noqa: E402
from ehsm.signing import sign, sign_string, signed_members  # noqa: E402
from ehsm_server import EhsmDouble  # noqa: E402

FIXTURES = os.path.join(os.path.dirname(HERE), "fixtures", "ehsm", "vectors.json")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOW = re.compile(r'("(?:creationDate|expireTime)": ?)\d+')
DIGEST = bytes(range(32))


def load():
    with open(FIXTURES, encoding="utf-8") as file:
        return json.load(file)


def neutral(text):
    """Without what differs from run to run."""
    return NOW.sub(r"\1 0", UUID.sub("UUID", text))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


class RecordedTest(unittest.TestCase):
    def setUp(self):
        self.cases = load()
        self.ehsm = EhsmDouble("--clock-ms", str(self.cases["clock_ms"]))
        self.addCleanup(self.ehsm.__exit__)
        vector = self.cases["vectors"][0]
        self.app = self.ehsm.app(vector["appid"], vector["apikey"])

    def send(self, case):
        body = case["request_body"]
        text = "{not json" if body is None else json.dumps(body)
        return self.app.raw("POST", case["action"], text)

    def test_vectors_when_signed_here_then_the_same_string_and_signature(self):
        for vector in self.cases["vectors"]:
            with self.subTest(vector["name"]):
                members = signed_members(vector["request_body"])
                self.assertEqual(sign_string(members), vector["sign_string"])
                self.assertEqual(sign(vector["apikey"], members), vector["sign"])

    def test_cases_when_replayed_in_order_then_the_recorded_answers(self):
        for vector in self.cases["vectors"]:
            with self.subTest(vector["name"]):
                status, body = self.send(vector)
                self.assertEqual(status, vector["node_server_http"])
                self.assertEqual(neutral(body.decode()),
                                 neutral(compact(vector["node_server_verdict"])))
        for case in self.cases["negatives"]:
            with self.subTest(case["name"]):
                status, body = self.send(self.placed(case) if case["stateful"] else case)
                self.assertEqual(status, case["http"])
                self.assertEqual(neutral(body.decode()), neutral(case["response"]))

    def placed(self, case):
        """The same with a key of ours in the state that the case wants, signed anew."""
        self.app.with_nonce = True
        created = self.app.raw("POST", "CreateKey", json.dumps(self.sealed_body(
            {"keyspec": "EH_AES_GCM_256", "origin": "EH_INTERNAL_KEY", "keyusage": ENCRYPT},
            "setup-" + case["name"])))
        keyid = json.loads(created[1])["result"]["keyid"]
        if "disabled" in case["name"]:
            self.ehsm.change(keyid, enabled=False)
        return dict(case, request_body=self.sealed_body(
            dict(case["request_body"]["payload"], keyid=keyid), case["name"]))

    def sealed_body(self, payload, nonce):
        body = {"appid": self.app.appid, "timestamp": str(self.cases["clock_ms"] + 4000),
                "nonce": nonce, "payload": payload}
        return dict(body, sign=sign(self.app.apikey, signed_members(body)))


class LiveTest(unittest.TestCase):
    options = ()

    def setUp(self):
        self.ehsm = EhsmDouble(*self.options)
        self.addCleanup(self.ehsm.__exit__)
        self.app = self.ehsm.app()

    def assert_refused(self, code, words, action, **payload):
        answer = self.app.call(action, payload)
        self.assertEqual((answer["code"], answer.get("message")), (code, words))
        return answer


def text(data):
    return base64.b64encode(data).decode()


class FrontTest(LiveTest):
    def test_get_and_post_when_mixed_up_then_404_in_the_body(self):
        self.assertEqual(json.loads(self.app.raw("GET", "GetVersion")[1])["code"], 200)
        enrolled = json.loads(self.app.raw("GET", "Enroll")[1])["result"]
        self.assertRegex(enrolled["appid"], UUID)
        self.assertEqual(len(enrolled["apikey"]), 32)
        for method, action in (("POST", "Enroll"), ("POST", "GetVersion"), ("GET", "ListKey")):
            status, body = self.app.raw(method, action, "{}" if method == "POST" else None)
            self.assertEqual((status, body), (
                200, b'{"code":404,"message":"API Not Found","result":{}}'))

    def test_body_when_above_100_kb_then_413_in_html(self):
        status, body = self.app.raw("POST", "Encrypt", json.dumps({"payload": "A" * 110000}))
        self.assertEqual((status, body[:9]), (413, b"<!DOCTYPE"))

    def test_clock_when_599_seconds_off_then_taken_and_601_refused(self):
        for skew, code in ((599000, 200), (-599000, 200), (601000, 400), (-601000, 400)):
            self.ehsm.state(skew_ms=skew)
            self.assertEqual(self.app.call("ListKey")["code"], code)

    def test_payload_when_wrong_then_told_before_the_signature(self):
        self.app.apikey = "x" * 32
        self.assert_refused(400, "Parameter invalid, The keyid length error.", "Encrypt",
                            keyid="short", plaintext="YWJj")
        self.assert_refused(400, "sign error", "DeleteKey", keyid=DEAD)

    def test_lengths_when_at_the_limit_then_taken_and_above_refused(self):
        keyid = self.app.create("EH_AES_GCM_256")
        sealed = self.app.encrypt(keyid, bytes(6144), bytes(6144))
        self.assertEqual(self.app.decrypt(keyid, sealed, bytes(6144)), bytes(6144))
        self.assert_refused(400, "Parameter invalid, The plaintext length error.", "Encrypt",
                            keyid=keyid, plaintext=text(bytes(6147)))

    def test_key_when_of_another_or_expired_or_gone_then_its_own_words(self):
        keyid = self.ehsm.app().create("EH_AES_GCM_128")
        self.assert_refused(400, "appid error", "Encrypt", keyid=keyid, plaintext="YWJj")
        mine = self.app.create("EH_AES_GCM_128")
        self.ehsm.change(mine, expires=1)
        self.assert_refused(400, "keyid expire", "Encrypt", keyid=mine, plaintext="YWJj")
        self.assertEqual(self.app.call("DeleteKey", {"keyid": DEAD})["code"], 200)
        self.assert_refused(400, "not find this keyid", "EnableKey", keyid=DEAD)


DEAD = "aac3e45a-d3dc-4791-89b6-4ada0e38e6ef"


class EnclaveTest(LiveTest):
    def test_aes_when_encrypted_then_ciphertext_iv_tag_and_never_the_same(self):
        for bits in (128, 192, 256):
            keyid = self.app.create("EH_AES_GCM_%d" % bits)
            sealed = self.app.encrypt(keyid, b"hello", b"aad")
            self.assertNotEqual(sealed, self.app.encrypt(keyid, b"hello", b"aad"))
            body, nonce, tag = sealed[:-28], sealed[-28:-16], sealed[-16:]
            self.assertEqual(AESGCM(self.ehsm.secret(keyid)).decrypt(nonce, body + tag, b"aad"),
                             b"hello")

    def test_usage_when_wrong_then_server_exception(self):
        signer, opener = self.app.create("EH_RSA_2048", SIGN), self.app.create("EH_RSA_2048",
                                                                             ENCRYPT)
        answer = self.assert_refused(500, "Server exception.", "AsymmetricDecrypt", keyid=signer,
                                     ciphertext=text(bytes(256)), padding_mode="EH_RSA_PKCS1")
        self.assertIsNone(answer["result"])
        probe = {"message": text(bytes(32)), "message_type": "EH_DIGEST",
                 "digest_mode": "EH_SHA_256", "padding_mode": "EH_RSA_PKCS1",
                 "signature": text(bytes(256))}
        self.assertEqual(self.app.result("Verify", keyid=signer, **probe), {"result": False})
        self.assert_refused(500, "Server exception.", "Verify", keyid=opener, **probe)
        self.assert_refused(500, "Server exception.", "CreateKey", keyspec="EH_AES_GCM_128",
                            origin="EH_INTERNAL_KEY", keyusage=SIGN)

    def test_rsa_decrypt_when_it_does_not_open_then_success_with_the_length_of_the_modulus(self):
        keyid = self.app.create("EH_RSA_2048", ENCRYPT)
        for mode in ("EH_RSA_PKCS1", "EH_RSA_PKCS1_OAEP"):
            result = self.app.result("AsymmetricDecrypt", keyid=keyid, padding_mode=mode,
                                     ciphertext=text(b"\1" * 256))
            self.assertEqual(len(base64.b64decode(result["plaintext"])), 256)

    def test_oaep_when_of_this_version_then_sha256_and_of_an_older_sha1(self):
        keyid = self.app.create("EH_RSA_2048", ENCRYPT)
        probe = {"keyid": keyid, "plaintext": text(bytes(196)),
                 "padding_mode": "EH_RSA_PKCS1_OAEP"}
        self.assert_refused(500, "Server exception.", "AsymmetricEncrypt", **probe)
        self.ehsm.state(version="0.4.0")
        self.assertEqual(self.app.call("AsymmetricEncrypt", probe)["code"], 200)
        self.assert_refused(404, "API Not Found", "GetParametersForImport", keyid=keyid,
                            keyspec="EH_RSA_3072")

    def test_signatures_when_made_then_openssl_verifies_them(self):
        payload = {"message": text(DIGEST), "message_type": "EH_DIGEST",
                   "digest_mode": "EH_SHA_256"}
        prehashed = utils.Prehashed(hashes.SHA256())
        for spec in CURVES:
            keyid = self.app.create(spec)
            signature = base64.b64decode(self.app.result(
                "Sign", keyid=keyid, padding_mode="EH_PAD_NONE", **payload)["signature"])
            pem = self.app.public_key(keyid)
            self.assertTrue(pem.startswith(b"-----BEGIN PUBLIC KEY"))
            serialization.load_pem_public_key(pem).verify(signature, DIGEST, ec.ECDSA(prehashed))
        keyid = self.app.create("EH_RSA_3072")
        signature = base64.b64decode(self.app.result(
            "Sign", keyid=keyid, padding_mode="EH_RSA_PKCS1_PSS", **payload)["signature"])
        pem = self.app.public_key(keyid)
        self.assertTrue(pem.startswith(b"-----BEGIN RSA PUBLIC KEY"))
        serialization.load_pem_public_key(pem).verify(
            signature, DIGEST, padding.PSS(padding.MGF1(hashes.SHA256()), 32), prehashed)
        self.assert_refused(500, "Server exception.", "Sign", keyid=keyid,
                            padding_mode="EH_RSA_PKCS1", **dict(payload, message="YWJj"))

    def test_data_key_when_made_then_decrypt_opens_it_and_export_seals_it_for_another(self):
        keyid, to = self.app.create("EH_AES_GCM_256"), self.app.create("EH_RSA_2048", ENCRYPT)
        made = self.app.result("GenerateDataKey", keyid=keyid, keylen=32)
        plain = base64.b64decode(made["plaintext"])
        self.assertEqual(self.app.decrypt(keyid, base64.b64decode(made["ciphertext"])), plain)
        moved = self.app.result("ExportDataKey", keyid=keyid, ukeyid=to,
                                olddatakey_base=made["ciphertext"])["newdatakey"]
        opened = self.app.result("AsymmetricDecrypt", keyid=to, ciphertext=moved,
                                 padding_mode="EH_RSA_PKCS1_OAEP")
        self.assertEqual(opened["plaintext"], made["plaintext"])

    def test_import_when_done_then_the_key_seals_but_makes_no_data_keys(self):
        keyid = self.app.result("CreateKey", keyspec="EH_AES_GCM_256", origin="EH_EXTERNAL_KEY",
                                keyusage=ENCRYPT)["keyid"]
        self.assert_refused(500, "Server exception.", "Encrypt", keyid=keyid, plaintext="YWJj")
        given = self.app.result("GetParametersForImport", keyid=keyid, keyspec="EH_RSA_3072")
        wrapped = serialization.load_pem_public_key(given["pubkey"].encode()).encrypt(
            DIGEST, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        self.assertTrue(self.app.result("ImportKeyMaterial", keyid=keyid,
                                        key_material=text(wrapped), importToken=given["importToken"],
                                        padding_mode="EH_RSA_PKCS1_OAEP")["result"])
        self.assertEqual(self.ehsm.secret(keyid), DIGEST)
        self.assertEqual(self.app.decrypt(keyid, self.app.encrypt(keyid, b"x")), b"x")
        self.assert_refused(500, "Server exception.", "GenerateDataKey", keyid=keyid, keylen=32)


class AncientTest(LiveTest):
    options = ("--api", "0.3.2")

    def test_nonce_when_signed_then_sign_error_and_without_it_taken(self):
        self.assertEqual(self.app.call("ListKey")["message"], "sign error")
        self.app.with_nonce = False
        self.assertEqual(self.app.call("ListKey")["code"], 200)
        self.assert_refused(404, "API Not Found", "GetPublicKey", keyid=DEAD)


if __name__ == "__main__":
    unittest.main()
