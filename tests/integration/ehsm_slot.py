#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An eHSM-KMS as a slot: what the module and the tool do with its keys, its own clients undo, and
the reverse. The service is the double, which answers as the real front end was recorded to."""

import base64
import ctypes
import json
import os
import stat
import sys
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ehsm_case import (AEAD, CKG_GENERATE_RANDOM, CURVES, DATA_KEY, DIGEST, SECRET, VALUE,
                       DataKeyParams, EhsmTestCase, GcmMessageParams, aead, gcm)
from ehsm.enclave import ENCRYPT, SIGN
from harness import CK, oaep, pss
from p11_types import Ulong, mechanism_of, template


class AesTest(EhsmTestCase):
    def test_encrypt_when_done_here_then_the_service_opens_it_and_the_reverse(self):
        keyid = self.make("aes", "EH_AES_GCM_256")
        session = self.open()
        key = session.secret_key("aes")
        for aad in (b"", b"bucket/object"):
            mechanism = aead(aad) if aad else AEAD
            for plain in (b"hello", bytes(1000)):
                sealed = session.encrypt(key, mechanism, plain)
                self.assertEqual(len(sealed), len(plain) + 28)
                self.assertEqual(self.app.decrypt(keyid, sealed, aad), plain)
                theirs = self.app.encrypt(keyid, plain, aad)
                self.assertEqual(session.decrypt(key, mechanism, theirs), plain)

    def test_decrypt_when_by_aes_gcm_then_iv_and_tag_are_the_callers(self):
        keyid = self.make("gcm", "EH_AES_GCM_128")
        session = self.open()
        key, nonce = session.secret_key("gcm"), bytes(range(12))
        sealed = AESGCM(self.ehsm.secret(keyid)).encrypt(nonce, b"hello", b"aad")
        self.assertEqual(session.decrypt(key, gcm(nonce), sealed), b"hello")
        flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key,
                       gcm(nonce), flipped)
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.decrypt, key,
                       gcm(nonce, tag_bits=96), sealed)
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.encrypt, key,
                       gcm(nonce), b"hello")

    def test_message_when_encrypted_then_the_services_iv_and_tag(self):
        keyid = self.make("message", "EH_AES_GCM_192")
        session = self.open()
        key = session.secret_key("message")
        self.p11.use_interface_3_0()
        nonce, tag = ctypes.create_string_buffer(12), ctypes.create_string_buffer(16)
        params = GcmMessageParams(ctypes.addressof(nonce), 12, 0, CKG_GENERATE_RANDOM,
                                  ctypes.addressof(tag), 128)
        session.must("C_MessageEncryptInit", ctypes.byref(mechanism_of(CK.CKM_AES_GCM)), key)
        out, length = ctypes.create_string_buffer(64), Ulong(64)
        session.must("C_EncryptMessage", ctypes.byref(params), ctypes.sizeof(params), b"aad", 3,
                     b"hello", 5, out, ctypes.byref(length))
        session.must("C_MessageEncryptFinal")
        sealed = out.raw[:length.value] + tag.raw
        self.assertEqual(AESGCM(self.ehsm.secret(keyid)).decrypt(nonce.raw, sealed, b"aad"),
                         b"hello")

    def test_decrypt_when_tampered_or_too_short_then_refused(self):
        self.make("t", "EH_AES_GCM_256")
        session = self.open()
        key = session.secret_key("t")
        sealed = session.encrypt(key, aead(b"right"), b"hello")
        for mechanism, data in ((aead(b"right"), bytes([sealed[0] ^ 1]) + sealed[1:]),
                                (aead(b"other"), sealed), (AEAD, sealed),
                                (aead(b"right"), sealed[:-1])):
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, mechanism, data)
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_LEN_RANGE, session.decrypt, key, AEAD, sealed[:28])

    def test_sizes_when_at_the_limit_then_served_and_one_more_refused_here(self):
        self.make("size", "EH_AES_GCM_256")
        session = self.open()
        key = session.secret_key("size")
        session.init("Encrypt", key, AEAD)
        sealed = session._output("C_Encrypt", bytes(6144), 6144, size=8000)
        self.assertEqual(len(sealed), 6172)
        session.init("Decrypt", key, AEAD)
        self.assertEqual(session._output("C_Decrypt", sealed, 6172, size=8000), bytes(6144))
        self.ehsm.reset()
        for plain in (bytes(6145), b""):
            self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.encrypt, key, AEAD, plain)
        self.assertEqual(self.ehsm.actions(), [])

    def test_data_key_when_made_then_the_service_opens_its_sealed_part(self):
        keyid = self.make("box", "EH_AES_GCM_256")
        session = self.open()
        for size in (16, 24, 32):
            sealed = ctypes.create_string_buffer(128)
            params = DataKeyParams(session.secret_key("box"), ctypes.addressof(sealed), 128)
            wanted = {"CKA_KEY_TYPE": CK.CKK_AES, "CKA_VALUE_LEN": size, "CKA_EXTRACTABLE": True,
                      "CKA_SENSITIVE": False}
            key = self.generate(session, "C_GenerateKey",
                                ctypes.byref(mechanism_of((DATA_KEY, params))), template(wanted),
                                len(wanted))
            self.assertEqual(params.ulSealedLen, size + 28)
            self.assertEqual(self.app.decrypt(keyid, sealed.raw[:params.ulSealedLen]),
                             session.attribute(key, "CKA_VALUE"))

    def test_wrap_when_done_then_data_keys_of_other_clients_unwrap_too(self):
        keyid = self.make("wrap", "EH_AES_GCM_256")
        session = self.open()
        box, mechanism = session.secret_key("wrap"), ctypes.byref(mechanism_of(AEAD))
        key = self.generate(session, "C_CreateObject", template(dict(SECRET, CKA_VALUE=VALUE)),
                            len(SECRET) + 1)
        wrapped = session._output("C_WrapKey", mechanism, box, key)
        self.assertEqual(self.app.decrypt(keyid, wrapped), VALUE)
        made = self.app.result("GenerateDataKey", keyid=keyid, keylen=32, aad="QjVFQjJE")
        sealed = base64.b64decode(made["ciphertext"])
        bound = ctypes.byref(mechanism_of(aead(b"B5EB2D")))
        back = self.generate(session, "C_UnwrapKey", bound, box, sealed, len(sealed),
                             template(SECRET), len(SECRET))
        self.assertEqual(session.attribute(back, "CKA_VALUE"),
                         base64.b64decode(made["plaintext"]))
        self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.generate, session, "C_UnwrapKey",
                       mechanism, box, sealed, len(sealed), template(SECRET), len(SECRET))


class PairTest(EhsmTestCase):
    def test_ecdsa_when_signed_then_openssl_verifies_with_the_services_public_key(self):
        ids = {spec: self.make(spec, spec) for spec in CURVES}
        session = self.open()
        for spec, (oid, width) in CURVES.items():
            with self.subTest(spec):
                key = session.private_key(spec)
                self.assertEqual(session.attribute(key, "CKA_EC_PARAMS").hex(), oid)
                public = serialization.load_pem_public_key(self.app.public_key(ids[spec]))
                for size, hash_of in ((28, hashes.SHA224()), (32, hashes.SHA256()),
                                      (48, hashes.SHA384()), (64, hashes.SHA512())):
                    digest = bytes(range(size))
                    raw = session.sign(key, CK.CKM_ECDSA, digest)
                    self.assertEqual(len(raw), 2 * width)
                    self.verify(public, raw, digest, ec.ECDSA(utils.Prehashed(hash_of)))
                raw = session.sign_parts(key, CK.CKM_ECDSA_SHA384, b"mes", b"sage")
                self.verify(public, raw, b"message", ec.ECDSA(hashes.SHA384()))
                session.verify(session.public_key(spec), CK.CKM_ECDSA_SHA384, b"message", raw)
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.sign, key, CK.CKM_ECDSA, bytes(20))

    @staticmethod
    def verify(public, raw, data, scheme):
        half = len(raw) // 2
        der = utils.encode_dss_signature(int.from_bytes(raw[:half], "big"),
                                         int.from_bytes(raw[half:], "big"))
        public.verify(der, data, scheme)

    def test_ecdsa_when_r_is_short_then_padded(self):
        keyid = self.make("short", "EH_EC_P521")
        session = self.open()
        key = session.private_key("short")
        self.ehsm.state(short_signatures=True)
        raw = session.sign(key, CK.CKM_ECDSA, DIGEST)
        self.assertEqual((len(raw), raw[:2]), (132, bytes(2)))
        self.verify(serialization.load_pem_public_key(self.app.public_key(keyid)), raw, DIGEST,
                    ec.ECDSA(utils.Prehashed(hashes.SHA256())))

    def test_rsa_when_signed_in_all_ways_then_openssl_verifies(self):
        keyid = self.make("rsa", "EH_RSA_3072")
        session = self.open()
        key = session.private_key("rsa")
        public = serialization.load_pem_public_key(self.app.public_key(keyid))
        for digest, hash_of in (("SHA224", hashes.SHA224()), ("SHA256", hashes.SHA256()),
                                ("SHA384", hashes.SHA384()), ("SHA512", hashes.SHA512())):
            mechanism = getattr(CK, "CKM_%s_RSA_PKCS" % digest)
            public.verify(session.sign(key, mechanism, b"message"), b"message",
                          padding.PKCS1v15(), hash_of)
            scheme = pss(digest, mechanism=getattr(CK, "CKM_%s_RSA_PKCS_PSS" % digest))
            public.verify(session.sign(key, scheme, b"message"), b"message",
                          padding.PSS(padding.MGF1(hash_of), hash_of.digest_size), hash_of)
        info = bytes.fromhex("3031300d060960864801650304020105000420") + DIGEST
        public.verify(session.sign(key, CK.CKM_RSA_PKCS, info), DIGEST, padding.PKCS1v15(),
                      utils.Prehashed(hashes.SHA256()))
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.sign, key, CK.CKM_RSA_PKCS, DIGEST)
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Sign", key,
                       pss("SHA256", 20))
        self.assert_rv(CK.CKR_MECHANISM_INVALID, session.init, "Sign", key, CK.CKM_SHA1_RSA_PKCS)
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.init, "Decrypt", key,
                       oaep("SHA256"))

    def test_usage_when_first_asked_then_one_verify_and_never_again(self):
        self.make("probe", "EH_RSA_2048")
        session = self.open()
        self.ehsm.reset()
        session.private_key("probe")
        self.assertEqual([name for name in self.ehsm.actions()
                          if name not in ("ListKey", "GetParametersForImport")],
                         ["GetPublicKey", "Verify"])
        self.ehsm.reset()
        session.sign(session.private_key("probe"), CK.CKM_SHA256_RSA_PKCS, b"x")
        self.assertEqual(self.ehsm.actions(), ["Sign"])

    def test_rsa_when_it_decrypts_then_oaep_sha256_and_nothing_else(self):
        self.make("opener", "EH_RSA_2048", ENCRYPT)
        session = self.open()
        key, public = session.private_key("opener"), session.public_key("opener")
        sealed = session.encrypt(public, oaep("SHA256"), b"secret")
        self.assertEqual(session.decrypt(key, oaep("SHA256"), sealed), b"secret")
        self.ehsm.reset()
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Decrypt", key, oaep("SHA1"))
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Encrypt", public,
                       oaep("SHA1"))
        self.assert_rv(CK.CKR_MECHANISM_INVALID, session.init, "Decrypt", key, CK.CKM_RSA_PKCS)
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.init, "Sign", key,
                       CK.CKM_SHA256_RSA_PKCS)
        self.assertEqual(self.ehsm.actions(), [])

    def test_rsa_when_it_does_not_open_then_no_byte_of_the_answer_comes_out(self):
        self.make("garbage", "EH_RSA_2048", ENCRYPT)
        session = self.open(pkcs1_decrypt="yes")
        key, public = session.private_key("garbage"), session.public_key("garbage")
        for mechanism in (oaep("SHA256"), CK.CKM_RSA_PKCS):
            sealed = session.encrypt(public, mechanism, b"secret")
            self.assertEqual(session.decrypt(key, mechanism, sealed), b"secret")
            session.init("Decrypt", key, mechanism)
            out, length = ctypes.create_string_buffer(512), Ulong(512)
            tampered = sealed[:-1] + bytes([sealed[-1] ^ 1])
            self.assertEqual(session.call("C_Decrypt", tampered, 256, out, ctypes.byref(length)),
                             CK.CKR_ENCRYPTED_DATA_INVALID)
            self.assertEqual(out.raw, bytes(512))

    def test_key_of_an_older_server_when_it_decrypts_then_oaep_sha1(self):
        self.ehsm.state(version="0.4.0")
        self.addCleanup(self.ehsm.state, version="head")
        self.make("older", "EH_RSA_2048", ENCRYPT)
        session = self.open()
        key, public = session.private_key("older"), session.public_key("older")
        sealed = session.encrypt(public, oaep("SHA1"), b"secret")
        self.assertEqual(session.decrypt(key, oaep("SHA1"), sealed), b"secret")
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Decrypt", key,
                       oaep("SHA256"))


class LifeTest(EhsmTestCase):
    def test_aes_key_when_generated_then_named_and_of_that_size(self):
        session = self.open()
        for bits in (128, 192, 256):
            wanted = {"CKA_TOKEN": True, "CKA_LABEL": "made-%d" % bits, "CKA_KEY_TYPE": CK.CKK_AES,
                      "CKA_VALUE_LEN": bits // 8}
            key = self.generate(session, "C_GenerateKey",
                                ctypes.byref(mechanism_of(CK.CKM_AES_KEY_GEN)), template(wanted),
                                len(wanted))
            self.assertEqual(session.number(key, "CKA_VALUE_LEN"), bits // 8)
            session.encrypt(session.secret_key("made-%d" % bits), AEAD, b"x")
        self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.generate, session, "C_GenerateKey",
                       ctypes.byref(mechanism_of(CK.CKM_AES_KEY_GEN)), template(wanted),
                       len(wanted))

    def test_pair_when_generated_then_for_what_its_template_says(self):
        session = self.open()
        rsa = {"CKA_MODULUS_BITS": 2048}
        key = self.pair(session, CK.CKM_RSA_PKCS_KEY_PAIR_GEN, rsa,
                        {"CKA_LABEL": "signer", "CKA_SIGN": True})
        session.sign(key, CK.CKM_SHA256_RSA_PKCS, b"x")
        key = self.pair(session, CK.CKM_RSA_PKCS_KEY_PAIR_GEN, rsa,
                        {"CKA_LABEL": "opener", "CKA_DECRYPT": True})
        session.init("Decrypt", key, oaep("SHA256"))
        session.call("C_DecryptInit", None, 0)
        self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.pair, session,
                       CK.CKM_RSA_PKCS_KEY_PAIR_GEN, rsa,
                       {"CKA_LABEL": "both", "CKA_SIGN": True, "CKA_DECRYPT": True})
        self.assertIn("signs or decrypts, not both", self.config.log())
        for spec, (oid, width) in CURVES.items():
            key = self.pair(session, CK.CKM_EC_KEY_PAIR_GEN,
                            {"CKA_EC_PARAMS": bytes.fromhex(oid)},
                            {"CKA_LABEL": "new " + spec, "CKA_SIGN": True})
            self.assertEqual(len(session.sign(key, CK.CKM_ECDSA, DIGEST)), 2 * width)

    def test_import_when_by_create_object_then_those_bytes_and_destroyed_again(self):
        session = self.open()
        wanted = dict(SECRET, CKA_TOKEN=True, CKA_LABEL="brought", CKA_VALUE=VALUE,
                      CKA_SENSITIVE=True, CKA_EXTRACTABLE=False)
        before = set(self.app.ids())
        key = self.generate(session, "C_CreateObject", template(wanted), len(wanted))
        [keyid] = set(self.app.ids()) - before
        self.assertEqual(self.ehsm.secret(keyid), VALUE)
        self.assertEqual(self.app.decrypt(keyid, session.encrypt(key, AEAD, b"x")), b"x")
        session.destroy(session.secret_key("brought"))
        self.assertEqual(session.find(CKA_LABEL="brought"), [])
        self.assertNotIn(keyid, self.app.ids())

    def test_import_when_a_step_fails_then_no_empty_key_stays_behind(self):
        self.slot()
        secret = self.config.secret("material", VALUE.decode())
        for action in ("GetParametersForImport", "ImportKeyMaterial"):
            before = self.app.ids()
            self.cli("list")
            self.ehsm.fault("status", "/ehsm?Action=" + action, 0, status=200, skip=int(
                action == "GetParametersForImport"), body={
                    "code": 500, "message": "Server exception.", "result": None})
            self.assertIn("the enclave refused", self.cli(
                "import", "--key", "half", "--type", "aes-256", "--in", secret, code=1))
            self.ehsm.clear()
            self.assertEqual(self.app.ids(), before)

    def test_label_when_changed_then_found_by_it_alone(self):
        keyid = self.app.create("EH_AES_GCM_256")
        self.slot()
        self.cli("label", "--key", keyid, "--label", "first")
        self.cli("label", "--key", "first", "--label", "second")
        session = self.open()
        key = session.secret_key("second")
        self.assertEqual(session.find(CKA_LABEL="first"), [])
        self.assertEqual(self.app.decrypt(keyid, session.encrypt(key, AEAD, b"x")), b"x")

    def test_key_when_without_a_name_then_called_by_its_id(self):
        keyid = self.app.create("EH_AES_GCM_256")
        session = self.open(names_file=None)
        key = session.secret_key(keyid)
        self.assertEqual(session.attribute(key, "CKA_LABEL").decode(), keyid)
        self.assertTrue(session.attribute(key, "CKA_END_DATE"))
        self.assertIn("keeps no names", self.cli("generate", "--key", "x", "--type", "aes-256",
                                                 code=1))

    def test_create_when_its_answer_is_lost_then_not_repeated(self):
        self.slot()
        self.ehsm.reset()
        self.ehsm.fault("cut", "/ehsm?Action=CreateKey", 0, after=0)
        self.cli("generate", "--key", "lost", "--type", "aes-256", code=4)
        self.assertEqual(self.ehsm.actions().count("CreateKey"), 1)


class ListTest(EhsmTestCase):
    def test_listing_when_of_many_aes_keys_then_one_request(self):
        app = self.ehsm.app()
        self.secrets.append(app.apikey)
        self.ehsm.control("POST", "fill", {"appid": app.appid, "count": 1500})
        session = self.open(appid=app.appid, apikey_file=self.config.secret("other", app.apikey))
        self.ehsm.reset()
        self.assertEqual(len(session.find(limit=4096, CKA_CLASS=CK.CKO_SECRET_KEY)), 1500)
        self.assertLessEqual(self.ehsm.actions().count("ListKey"), 2)  # the login's own, too
        self.assertEqual(set(self.ehsm.actions()), {"ListKey", "GetParametersForImport"})

    def test_key_of_another_app_when_named_then_not_found(self):
        keyid = self.ehsm.app().create("EH_AES_GCM_128")
        self.name(keyid, "foreign")
        self.assertEqual(self.open().find(CKA_LABEL="foreign"), [])


class CredentialsTest(EhsmTestCase):
    def pin_session(self):
        self.slot(apikey_file=None, pin="apikey")
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot("sgx")))

    def test_pin_when_it_is_the_api_key_then_logged_in_and_another_is_incorrect(self):
        self.make("pin", "EH_AES_GCM_256")
        session = self.pin_session()
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "A" * 32)
        self.assertIn("the API key is not that of this appid", self.config.log())
        session.login(self.app.apikey)
        session.encrypt(session.secret_key("pin"), AEAD, b"x")

    def test_pin_when_not_of_the_form_then_no_packet(self):
        session = self.pin_session()
        self.ehsm.reset()
        for pin in ("1234", "A" * 31, "A" * 33, "hvs." + "A" * 28, "kes:v1:" + "A" * 25):
            self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, pin)
        self.assertEqual(self.ehsm.stats()["connections"], 0)

    def test_appid_when_unknown_then_pin_incorrect(self):
        self.slot(apikey_file=None, pin="apikey", appid="00000000-0000-0000-0000-000000000000")
        self.p11 = self.open_module(self.config)
        session = self.enter(self.p11.session(self.p11.slot("sgx")))
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, self.app.apikey)
        self.assertIn("does not know this appid", self.config.log())

    def test_file_when_its_key_is_wrong_then_device_error(self):
        session = self.open(apikey_file=self.config.secret("wrong", "B" * 32))
        self.assert_rv(CK.CKR_DEVICE_ERROR, session.find, CKA_LABEL="x")

    def test_enroll_when_run_then_a_slot_with_what_it_printed_works(self):
        self.slot(appid="enroll", apikey_file=None)
        out = self.config.path("enrolled")
        printed = dict(line.split(" = ") for line in self.cli(
            "ehsm", "enroll", "--slot", "sgx", "--out", out).splitlines())
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o600)
        with open(out, encoding="utf-8") as key:
            self.secrets.append(key.read().strip())
        self.assertIn("not enrolled yet", self.cli("list", code=3))
        self.slot(appid=printed["appid"], apikey_file=printed["apikey_file"])
        self.cli("generate", "--key", "own", "--type", "rsa-2048", "--use", "decrypt")
        self.assertIn("own", self.cli("list"))

    def test_quote_when_fetched_then_version_3_and_the_challenge_went_out(self):
        self.slot()
        self.ehsm.reset()
        out = self.config.path("quote")
        challenge = self.config.secret("challenge", "nonce of ours")
        self.cli("ehsm", "quote", "--in", challenge, "--out", out)
        with open(out, "rb") as quote:
            self.assertEqual(quote.read(4), b"\x03\x00\x02\x00")
        sent = json.loads(self.ehsm.requests()[-1]["body"])
        self.assertEqual(base64.b64decode(sent["payload"]["challenge"]), b"nonce of ours")
        self.ehsm.fault("status", "/ehsm?Action=GenerateQuote", 0, status=200, body={
            "code": 200, "result": {"challenge": "AAAA", "quote": "AwACAA=="}})
        self.assertIn("no challenge like ours", self.cli("ehsm", "quote", code=1))

    def test_check_when_all_is_well_then_says_what_answers(self):
        self.slot()
        self.assertIn("eHSM-KMS 0.3.2 (3454cac9e5b1)", self.cli("check"))


class AncientTest(EhsmTestCase):
    options = ("--api", "0.3.2")
    with_nonce = False

    def test_server_without_nonce_when_found_out_then_aes_keys_serve(self):
        keyid = self.app.result("CreateKey", keyspec="EH_AES_GCM_256",
                                origin="EH_INTERNAL_KEY")["keyid"]
        self.name(keyid, "old")
        self.app.result("CreateKey", keyspec="EH_RSA_2048", origin="EH_INTERNAL_KEY", purpose=SIGN)
        session = self.open()
        key = session.secret_key("old")
        sealed = session.encrypt(key, AEAD, b"x")
        self.assertEqual(session.decrypt(key, AEAD, sealed), b"x")
        for _ in range(50):
            session.encrypt(key, AEAD, b"x")
        self.assertEqual(session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY), [])
        self.assertIn("shows no public keys", self.config.log())
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.encrypt, key, AEAD, bytes(6117))

    def test_nonce_when_off_then_one_listing_logs_in_and_when_on_sign_error(self):
        self.slot(nonce="off")
        self.ehsm.reset()
        self.cli("check")
        self.assertEqual(self.ehsm.stats()["by_status"], {"200": len(self.ehsm.actions())})
        self.slot(nonce="on")
        self.assertIn("nonce is on", self.cli("list", code=1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
