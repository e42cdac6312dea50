#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A BigDL KMS as a slot: what its own client made, the module and the tool use, and the reverse.
The service is the double, which answers as a real one was recorded to."""

import ctypes
import subprocess
import unittest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness import CK
from bigdl_case import (DATA_KEY, NAME, OPEN, TOKEN, BigdlTestCase, CtrParams, cbc, gcm)
from bigdl_server import quote
from p11_types import mechanism_of, template

NONCE, IV = b"nonce of 12b", b"sixteen byte iv!"


def openssl(cipher, key, iv, data):
    """Encrypted by the openssl program with the same bytes."""
    return subprocess.run(["openssl", "enc", "-" + cipher, "-K", key.hex(), "-iv", iv.hex()],
                          input=data, capture_output=True, check=True).stdout


class PrimaryKeyTest(BigdlTestCase):
    def test_attributes_when_asked_then_a_key_that_only_unwraps(self):
        session = self.open()
        key = self.key(session, "p1")
        self.assertEqual(session.number(key, "CKA_VALUE_LEN"), 32)
        for name, value in (("SENSITIVE", 1), ("EXTRACTABLE", 0), ("ENCRYPT", 0), ("DECRYPT", 0),
                            ("SIGN", 0), ("WRAP", 0), ("UNWRAP", 1), ("DESTROYABLE", 0)):
            self.assertEqual(session.attribute(key, "CKA_" + name), bytes([value]), name)
        self.assert_rv(CK.CKR_ATTRIBUTE_SENSITIVE, session.attribute, key, "CKA_VALUE")
        allowed = session.attribute(key, "CKA_ALLOWED_MECHANISMS")
        self.assertEqual(allowed, NAME.to_bytes(8, "little"))

    def test_use_when_anything_but_unwrapping_then_not_permitted_and_no_request(self):
        session = self.open()
        key = self.key(session, "p1")
        self.kms.reset()
        for name in ("Encrypt", "Decrypt"):
            for mechanism in (gcm(NONCE), cbc(IV)):
                self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.init, name, key,
                               mechanism)
        self.assert_rv(CK.CKR_ACTION_PROHIBITED, session.destroy, key)
        self.assertEqual(self.kms.stats()["requests"], 0)

    def test_unwrap_when_by_name_then_the_data_key_of_bigdls_own_client(self):
        session = self.open()
        key = self.unwrap(session, self.key(session, "p1"), b"d1")
        self.assertEqual(session.attribute(key, "CKA_VALUE"), self.value)
        self.assertEqual(session.encrypt(key, cbc(IV), b"text"),
                         openssl("aes-128-cbc", self.value, IV, b"text"))

    def test_unwrap_when_names_are_odd_then_they_arrive(self):
        session = self.open()
        primary = self.key(session, "p1")
        for name in ("a+b", "a b", "a/b", "grün", "100%", "a&b=c", "?#"):
            self.alice.data(name, "p1")
            key = self.unwrap(session, primary, name.encode())
            self.assertEqual(session.attribute(key, "CKA_VALUE"), self.alice.get(name, "p1"))

    def test_unwrap_when_the_name_is_wrong_then_one_code(self):
        session = self.open()
        primary = self.key(session, "p1")
        for java8 in (False, True):
            self.kms.state(java8=java8)
            for name in (b"none", b"d2", b"p2"):
                self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, session, primary, name)
        self.assert_rv(CK.CKR_WRAPPED_KEY_LEN_RANGE, self.unwrap, session, primary, b"a" * 257)
        self.assert_rv(CK.CKR_TEMPLATE_INCONSISTENT, self.unwrap, session, primary, b"d1",
                       CKA_VALUE_LEN=32)

    def test_find_when_not_configured_then_by_its_name_all_the_same(self):
        session = self.open(primary_keys=None, data_keys="p1/d1")
        self.assertEqual(session.number(self.key(session, "p2"), "CKA_VALUE_LEN"), 32)
        self.assertEqual(session.find(CKA_LABEL="none"), [])
        self.assertEqual(session.find(CKA_LABEL="d2"), [])  # a data key that is not named
        self.assertIn("data_keys must name it", self.config.log())

    def test_generate_when_new_then_made_and_when_taken_then_refused(self):
        session = self.open()
        wanted = {"CKA_TOKEN": True, "CKA_LABEL": "new", "CKA_VALUE_LEN": 32}
        self.generate(session, CK.CKM_AES_KEY_GEN, **wanted)
        self.alice.data("under-new", "new")
        self.unwrap(session, self.key(session, "new"), b"under-new")
        self.kms.reset()
        for label in ("new", "p1", "d1", "under-new"):
            self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.generate, session,
                           CK.CKM_AES_KEY_GEN, **dict(wanted, CKA_LABEL=label))
        self.assertEqual(self.kms.count("POST"), 0)

    def test_generate_when_the_template_does_not_fit_then_refused_without_a_request(self):
        session = self.open()
        wanted = {"CKA_TOKEN": True, "CKA_LABEL": "never", "CKA_VALUE_LEN": 32}
        self.kms.reset()
        self.assert_rv(CK.CKR_KEY_SIZE_RANGE, self.generate, session, CK.CKM_AES_KEY_GEN,
                       **dict(wanted, CKA_VALUE_LEN=16))
        del wanted["CKA_LABEL"]
        self.assert_rv(CK.CKR_TEMPLATE_INCOMPLETE, self.generate, session, CK.CKM_AES_KEY_GEN,
                       **wanted)
        self.assertEqual(self.kms.stats()["requests"], 0)

    def test_generate_when_not_allowed_then_prohibited(self):
        session = self.open(allow=None)
        primary = self.key(session, "p1")
        self.kms.reset()
        self.assert_rv(CK.CKR_TOKEN_WRITE_PROTECTED, self.generate, session, CK.CKM_AES_KEY_GEN,
                       CKA_TOKEN=True, CKA_LABEL="no", CKA_VALUE_LEN=32)
        self.assert_rv(CK.CKR_TOKEN_WRITE_PROTECTED, self.generate_data, session, primary)
        self.assertEqual(self.kms.stats()["requests"], 0)


class DataKeyTest(BigdlTestCase):
    def test_listing_when_made_then_no_data_key_is_fetched(self):
        session = self.open()
        self.kms.reset()
        labels = {session.attribute(key, "CKA_LABEL").decode() for key in session.find()}
        self.assertEqual(labels, {"p1", "p2", "d1", "d2"})
        for key in session.find(CKA_LABEL="d1", CKA_VALUE=self.value) + session.find():
            session.number(key, "CKA_VALUE_LEN")
        for name in ("d1", "d2"):
            self.assertEqual(self.kms.count("GET /dataKey/" + name), 0)

    def test_key_when_used_then_fetched_once(self):
        session = self.open()
        key = self.key(session, "d1")
        self.kms.reset()
        for _ in range(20):
            session.encrypt(key, cbc(IV), b"text")
        self.assertEqual(self.kms.count("GET /dataKey/d1"), 1)
        self.assertEqual(self.kms.stats()["requests"], 1)

    def test_ciphers_when_used_then_as_openssl_does_with_the_same_bytes(self):
        session = self.open()
        key = self.key(session, "d1")
        counter = CtrParams(128)
        counter.cb[:] = IV
        text = bytes(range(48))
        for mechanism, expected in (
                (gcm(NONCE), AESGCM(self.value).encrypt(NONCE, text, b"aad")),
                (cbc(IV), openssl("aes-128-cbc", self.value, IV, text)),
                (cbc(IV, CK.CKM_AES_CBC), openssl("aes-128-cbc", self.value, IV, text)[:48]),
                ((CK.CKM_AES_CTR, counter), openssl("aes-128-ctr", self.value, IV, text))):
            self.assertEqual(session.encrypt(key, mechanism, text), expected)
            self.assertEqual(session.decrypt(key, mechanism, expected), text)
        wrong = AESGCM(bytes(16)).encrypt(NONCE, text, b"aad")
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, gcm(NONCE), wrong)

    def test_attributes_when_asked_then_its_value_too(self):
        session = self.open()
        key = self.key(session, "d1")
        self.assertEqual(session.attribute(key, "CKA_VALUE"), self.value)
        for name, value in (("SENSITIVE", 0), ("EXTRACTABLE", 1), ("ALWAYS_SENSITIVE", 0),
                            ("LOCAL", 0), ("TOKEN", 1), ("ENCRYPT", 1), ("UNWRAP", 1)):
            self.assertEqual(session.attribute(key, "CKA_" + name), bytes([value]), name)
        allowed = session.attribute(key, "CKA_ALLOWED_MECHANISMS")
        numbers = [int.from_bytes(allowed[at:at + 8], "little")
                   for at in range(0, len(allowed), 8)]
        self.assertIn(CK.CKM_AES_CTR, numbers)
        self.assertNotIn(NAME, numbers)
        self.assert_rv(CK.CKR_MECHANISM_INVALID, self.unwrap, session, key, b"d1")

    def test_key_when_made_under_a_primary_then_its_name_comes_out(self):
        session = self.open()
        primary = self.key(session, "p2")
        key, name = self.generate_data(session, primary, CKA_LABEL="made here")
        self.assertEqual(name, "made here")
        self.assertEqual(session.attribute(key, "CKA_VALUE"), self.alice.get("made here", "p2"))
        key, name = self.generate_data(session, primary)
        self.assertRegex(name, r"\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]")
        back = self.unwrap(session, primary, name.encode())
        self.assertEqual(session.attribute(back, "CKA_VALUE"),
                         session.attribute(key, "CKA_VALUE"))

    def test_key_when_its_name_is_taken_then_refused_and_the_old_one_stays(self):
        session = self.open()
        primary = self.key(session, "p1")
        self.kms.reset()
        for label in ("d1", "d2", "p1"):
            self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.generate_data, session, primary,
                           CKA_LABEL=label)
        self.assertEqual(self.kms.count("POST"), 0)
        self.assertEqual(self.alice.get("d1", "p1"), self.value)

    def test_key_when_of_another_length_or_no_room_then_none_is_made(self):
        session = self.open()
        primary = self.key(session, "p1")
        self.kms.reset()
        self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.generate_data, session, primary,
                       CKA_VALUE_LEN=32)
        self.assertIn("data keys of 16 bytes, not 32", self.config.log())
        self.assert_rv(CK.CKR_BUFFER_TOO_SMALL, self.generate_data, session, primary, room=8)
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, self.generate_data, session,
                       self.key(session, "d1"))
        self.assertEqual(self.kms.count("POST"), 0)

    def test_key_when_configured_wrongly_then_its_handle_dies_at_first_use(self):
        session = self.open(primary_keys=None, data_keys="p1/d2 none/d1")
        for label, words in (("d2", "made under another primary key"),
                             ("d1", "no such primary key")):
            self.assert_rv(CK.CKR_KEY_HANDLE_INVALID, session.init, "Encrypt",
                           self.key(session, label), cbc(IV))
            self.assertIn(words, self.config.log())

    def test_mechanisms_when_listed_then_ours_are_there(self):
        self.open()
        listed = self.p11.mechanisms(self.p11.slot("ppml"))
        self.assertLessEqual({NAME, DATA_KEY, CK.CKM_AES_GCM, CK.CKM_AES_KEY_GEN}, set(listed))

    def test_connection_when_warm_then_no_further_handshake(self):
        session = self.open()
        primary = self.key(session, "p1")
        self.unwrap(session, primary, b"d1")
        self.kms.reset()
        for _ in range(100):
            self.unwrap(session, primary, b"d1")
        stats = self.kms.stats()
        self.assertEqual((stats["requests"], stats["handshakes"]), (100, 0))


class CredentialsTest(BigdlTestCase):
    def pin_session(self, **options):
        return self.open(user_token_file=None, pin="user_token", **options)

    def test_pin_when_right_then_in_and_when_wrong_then_incorrect_and_nothing_is_changed(self):
        session = self.pin_session()
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "wrong")
        session.login(TOKEN)
        key = self.key(session, "d1")
        self.assertEqual(session.attribute(key, "CKA_VALUE"), self.value)
        session.logout()
        self.assert_rv(CK.CKR_USER_NOT_LOGGED_IN, session.init, "Encrypt", key, cbc(IV))
        self.assertEqual(self.kms.count("POST"), 0)

    def test_pin_when_the_user_is_unknown_then_incorrect(self):
        session = self.pin_session(user="nobody")
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, TOKEN)

    def test_pin_when_of_another_services_form_then_no_packet(self):
        session = self.pin_session()
        self.kms.reset()
        for pin in ("hvs.CAESIIcfN3djbTHoNCDAvjfklMfpmf7l2X5w", "two\nlines", "kes:v1:" + "A" * 44,
                    "x" * 1025):
            self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, pin)
        self.assertEqual(self.kms.stats()["connections"], 0)

    def test_user_and_token_when_odd_then_they_arrive(self):
        for odd in ("a+b", "a b", "a/b", "grün", "100%", "a&b=c"):
            self.kms.enroll("u" + odd, odd).primary("p")
            self.slot(user="u" + odd, user_token_file=self.config.secret("odd", odd + "\n"),
                      primary_keys="p", data_keys=None)
            self.assertIn("aes 256", self.cli("list"))
            self.assertNotIn(quote(odd) if quote(odd) != odd else "token=", self.config.log())

    def test_token_file_when_wrong_then_one_line_without_it(self):
        session = self.open(user_token_file=self.config.secret("other", "not-the-token"))
        self.assert_rv(CK.CKR_DEVICE_ERROR, session.find, CKA_LABEL="p1")
        self.assertIn("wrong token, or no such user", self.config.log())
        self.assertNotIn("not-the-token", self.config.log())

    def test_configuration_when_wrong_then_one_line_says_what_would_be_right(self):
        cases = [({"user": None}, "user: missing"),
                 ({"user_token_file": None}, "user_token_file: missing"),
                 ({"pin": "user_token"}, "one of user_token_file and pin = user_token"),
                 ({"user_token_file": self.config.secret("junk", "hvs.junk")},
                  "not a token of BigDL KMS"),
                 ({"data_keys": "d1"}, "which primary key is it under? Write PRIMARY/NAME"),
                 ({"data_keys": "p1/a/b"}, "Write PRIMARY/NAME"),
                 ({"data_keys": "p1/p2"}, "'p2' is named twice"),
                 ({"data_keys": "p1/d1 p2/d1"}, "'d1' is named twice")]
        for options, text in cases:
            with self.subTest(text=text):
                self.slot(**options)
                said = self.cli("list", code=3)
                self.assertIn(text, said)
                self.assertNotIn("hvs.junk", said)

    def test_data_key_when_one_primary_is_named_then_its_name_is_enough(self):
        session = self.open(primary_keys="p1", data_keys="d1")
        self.assertEqual(session.attribute(self.key(session, "d1"), "CKA_VALUE"), self.value)


class ToolTest(BigdlTestCase):
    def setUp(self):
        super().setUp()
        self.slot()

    def test_check_when_all_is_well_then_says_which_generation(self):
        self.assertIn("BigDL KMS, second generation", self.cli("check"))

    def test_user_when_new_then_enrolled_and_when_taken_then_told(self):
        self.slot(user="bob")
        self.assertIn("user 'bob' is enrolled", self.cli("bigdl", "user", "--slot", "ppml"))
        self.assertIn("user 'bob' is enrolled", self.cli("bigdl", "user", "--slot", "ppml"))
        self.slot(user="bob", user_token_file=self.config.secret("mine", "another"))
        self.assertIn("with another token; nothing was changed",
                      self.cli("bigdl", "user", "--slot", "ppml", code=1))

    def test_user_when_the_token_is_the_pin_then_from_its_file(self):
        self.slot(user="carol", user_token_file=None, pin="user_token")
        pin = self.config.secret("pin", TOKEN)
        self.cli("bigdl", "user", "--slot", "ppml", "--pin-file", pin)
        self.assertIn("made", self.cli("bigdl", "primary", "--slot", "ppml", "--key", "cp",
                                       "--pin-file", pin))

    def test_primary_and_data_when_made_then_bigdls_own_client_has_them(self):
        self.assertIn("made", self.cli("bigdl", "primary", "--key", "tp"))
        self.assertEqual(self.cli("bigdl", "data", "--key", "tp", "--label", "td"), "td\n")
        self.assertEqual(len(self.alice.get("td", "tp")), 16)
        name = self.cli("bigdl", "data", "--key", "tp").strip()
        self.assertEqual(len(self.alice.get(name, "tp")), 16)
        self.assertIn("already", self.cli("bigdl", "primary", "--key", "tp", code=1))
        self.assertIn("there is a key 'td' already",
                      self.cli("bigdl", "data", "--key", "tp", "--label", "td", code=1))
        self.assertIn('"name": "tj"', self.cli("bigdl", "data", "--key", "tp", "--label", "tj",
                                               "--json"))

    def test_make_when_not_allowed_or_another_backend_then_told(self):
        self.slot(allow=None)
        self.assertIn("allow = generate", self.cli("bigdl", "primary", "--key", "x", code=1))
        self.assertIn("allow = generate", self.cli("bigdl", "data", "--key", "p1", code=1))
        self.config.slot("other", None, backend="kes", url=self.kms.url, ca_file=self.kms.ca,
                         api_key_file=self.config.secret("k", "kes:v1:" + "A" * 43 + "="))
        self.assertIn("its backend is kes, not bigdl",
                      self.cli("bigdl", "user", "--slot", "other", code=1))
        self.assertIn("what to make?", self.cli("bigdl", code=2))

    def test_encrypt_when_with_a_data_key_then_here_in_software(self):
        plain = self.config.secret("plain", "text")
        sealed = self.config.path("sealed")
        self.cli("encrypt", "--key", "d1", "--in", plain, "--out", sealed, "--aad", "x")
        with open(sealed, "rb") as file:
            data = file.read()
        self.assertEqual(AESGCM(self.value).decrypt(data[:12], data[12:], b"x"), b"text")
        self.assertIn("text", self.cli("decrypt", "--key", "d1", "--in", sealed, "--aad", "x"))
        self.assertIn("does not open", self.cli("decrypt", "--key", "d1", "--in", sealed,
                                                "--aad", "y", code=1))
        self.assertIn("key 'p1' is not for encrypt",
                      self.cli("encrypt", "--key", "p1", "--in", plain, code=1))

    def test_list_when_all_is_well_then_kinds(self):
        text = self.cli("list")
        for name, kind in (("p1", "aes 256"), ("d1", "aes 128")):
            self.assertRegex(text, r"(?m)^.*\b%s\b.*%s" % (name, kind))


class ObjectsTest(BigdlTestCase):
    def test_calls_when_the_service_has_no_such_operation_then_refused(self):
        session = self.open()
        primary = self.key(session, "p1")
        wanted = dict(OPEN, CKA_TOKEN=True, CKA_LABEL="brought", CKA_VALUE=bytes(32),
                      CKA_SENSITIVE=True, CKA_EXTRACTABLE=False)
        self.assert_rv(CK.CKR_ACTION_PROHIBITED, self.make, session, "C_CreateObject",
                       template(wanted), len(wanted))
        self.assert_rv(CK.CKR_RANDOM_NO_RNG, session.random, 16)
        self.assert_rv(CK.CKR_KEY_UNEXTRACTABLE, session._output, "C_WrapKey",
                       ctypes.byref(mechanism_of(cbc(IV))), self.key(session, "d1"), primary)


if __name__ == "__main__":
    unittest.main(verbosity=2)
