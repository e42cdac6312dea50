#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A KES as a slot: what the module and the tool do with its keys, KES's own clients undo, and the
reverse. The KES is the double, which answers as a real one was recorded to."""

import base64
import ctypes
import unittest

from harness import CK, HarnessTestCase, TempConfig
from kes_server import KesDouble, api_key_identity, new_api_key
from p11_types import Struct, Ulong, mechanism_of, template

AEAD = 0x80000000 | 0x48534201
DATA_KEY = 0x80000000 | 0x48534202
SECRET = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
          "CKA_SENSITIVE": False}
VALUE = b"0123456789abcdef0123456789abcdef"
LARGEST = 749941  # bytes that KES encrypts and takes back
LARGEST_MESSAGE = 749988


class DataKeyParams(Struct):
    _fields_ = [("hKey", Ulong), ("pSealed", ctypes.c_void_p), ("ulSealedLen", Ulong)]


class AadParameter:
    """An AEAD mechanism with associated data."""

    def __new__(cls, aad):
        return (AEAD, ctypes.create_string_buffer(aad, len(aad)))


class KesTestCase(HarnessTestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.kes = KesDouble(*cls.options)
        cls.addClassCleanup(cls.kes.__exit__)
        cls.api_key = new_api_key()
        cls.kes.allow("app", cls.api_key, "/v1/key/*", "/v1/ready")
        cls.kes.admin.create("app")

    def setUp(self):
        self.kes.clear()
        self.kes.state(away=False, unready=None, hmac=True, kind="AES256")
        self.config = self.enter(TempConfig())
        self.secrets = [self.api_key.split(":")[2], base64.b64encode(VALUE).decode(),
                        VALUE.decode()]
        self.addCleanup(self.assert_log_keeps_secrets)

    def assert_log_keeps_secrets(self):
        log = self.config.log()
        for secret in self.secrets:
            self.assertNotIn(secret, log)

    def slot(self, name="kes", **options):
        section = {"backend": "kes", "url": self.kes.url, "ca_file": self.kes.ca,
                   "api_key_file": self.config.secret("api-key", self.api_key + "\n"),
                   "allow": "generate import destroy"}
        section.update(options)
        self.config.slot(name, None, **section)

    def open(self, **options):
        self.slot(**options)
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot("kes"), read_write=True))

    def cli(self, *args, code=0, **options):
        done = self.run_cli(self.config, *args, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    @staticmethod
    def cipher(session, label="app", kind=CK.CKK_AES):
        return session.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_LABEL=label, CKA_KEY_TYPE=kind)

    @staticmethod
    def mac_key(session, label="app"):
        return session.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_LABEL=label,
                                CKA_KEY_TYPE=CK.CKK_GENERIC_SECRET)


class ModuleTest(KesTestCase):
    def make(self, session, name, *args):
        handle = Ulong()
        session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def test_encrypt_when_done_here_then_kes_opens_it_and_the_reverse(self):
        session = self.open()
        key = self.cipher(session)
        for context in (b"", b"bucket/object"):
            mechanism = AadParameter(context) if context else AEAD
            for plain in (b"", b"hello", bytes(1000)):
                sealed = session.encrypt(key, mechanism, plain)
                self.assertEqual(len(sealed), len(plain) + 44)
                self.assertEqual(self.kes.admin.decrypt("app", sealed, context), plain)
                theirs = self.kes.admin.encrypt("app", plain, context)
                self.assertEqual(session.decrypt(key, mechanism, theirs), plain)

    def test_decrypt_when_tampered_or_of_another_context_then_one_code(self):
        session = self.open()
        key = self.cipher(session)
        sealed = session.encrypt(key, AadParameter(b"right"), b"hello")
        wrong = bytes([sealed[0] ^ 1]) + sealed[1:]
        for mechanism, data in ((AadParameter(b"right"), wrong), (AadParameter(b"other"), sealed),
                                (AEAD, sealed), (AadParameter(b"right"), sealed[:-1]),
                                (AadParameter(b"right"), b"")):
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, mechanism, data)

    def test_chacha20_key_when_used_then_the_same_both_ways(self):
        self.kes.admin.import_key("stream", VALUE, "ChaCha20")
        session = self.open()
        key = self.cipher(session, "stream", CK.CKK_CHACHA20)
        sealed = session.encrypt(key, AadParameter(b"c"), b"hello")
        self.assertEqual(self.kes.admin.decrypt("stream", sealed, b"c"), b"hello")

    def test_mac_when_made_then_kes_own_and_verified_here(self):
        session = self.open()
        key = self.mac_key(session)
        mac = session.sign(key, CK.CKM_SHA256_HMAC, b"msg")
        self.assertEqual(mac, self.kes.admin.hmac("app", b"msg"))
        self.assertEqual(session.sign_parts(key, CK.CKM_SHA256_HMAC, b"m", b"sg"), mac)
        session.verify(key, CK.CKM_SHA256_HMAC, b"msg", mac)
        self.assert_rv(CK.CKR_SIGNATURE_INVALID, session.verify, key, CK.CKM_SHA256_HMAC, b"msg",
                       bytes(32))

    def test_objects_when_listed_then_two_for_each_name(self):
        session = self.open(keys="app")
        cipher, mac = self.cipher(session), self.mac_key(session)
        self.assertNotEqual(session.attribute(cipher, "CKA_ID"),
                            session.attribute(mac, "CKA_ID"))
        self.assertEqual(session.attribute(cipher, "CKA_LABEL"), b"app")
        self.assertEqual(session.attribute(mac, "CKA_LABEL"), b"app")
        self.assertEqual(session.number(cipher, "CKA_VALUE_LEN"), 32)
        self.assertEqual(len(session.find(CKA_CLASS=CK.CKO_SECRET_KEY)), 2)
        self.assert_rv(CK.CKR_KEY_TYPE_INCONSISTENT, session.init, "Encrypt", mac, AEAD)
        by_id = session.find_one(CKA_ID=session.attribute(mac, "CKA_ID"))
        self.assertEqual(by_id, mac)

    def test_mechanisms_when_listed_then_what_kes_can_do_with_a_callers_iv_is_not_there(self):
        self.open()
        listed = self.p11.mechanisms(self.p11.slot("kes"))
        self.assertIn(AEAD, listed)
        self.assertIn(DATA_KEY, listed)
        session = self.enter(self.p11.session(self.p11.slot("kes")))
        iv = ctypes.create_string_buffer(16)
        self.assert_rv(CK.CKR_MECHANISM_INVALID, session.init, "Encrypt", self.cipher(session),
                       (CK.CKM_AES_CBC, iv))

    def test_data_key_when_made_then_kes_opens_its_sealed_part(self):
        session = self.open()
        sealed = ctypes.create_string_buffer(256)
        params = DataKeyParams(self.cipher(session), ctypes.addressof(sealed), 256)
        wanted = {"CKA_KEY_TYPE": CK.CKK_AES, "CKA_VALUE_LEN": 32, "CKA_EXTRACTABLE": True,
                  "CKA_SENSITIVE": False}
        key = self.make(session, "C_GenerateKey",
                        ctypes.byref(mechanism_of((DATA_KEY, params))), template(wanted),
                        len(wanted))
        self.assertEqual(params.ulSealedLen, 76)
        self.assertEqual(self.kes.admin.decrypt("app", sealed.raw[:params.ulSealedLen]),
                         session.attribute(key, "CKA_VALUE"))

    def test_wrap_when_done_then_the_data_keys_of_other_clients_unwrap_too(self):
        session = self.open()
        box = self.cipher(session)
        key = self.make(session, "C_CreateObject", template(dict(SECRET, CKA_VALUE=VALUE)),
                        len(SECRET) + 1)
        mechanism = ctypes.byref(mechanism_of(AEAD))
        wrapped = session._output("C_WrapKey", mechanism, box, key)
        self.assertEqual(self.kes.admin.decrypt("app", wrapped), VALUE)
        theirs = self.kes.admin.json("PUT", "/v1/key/generate/app")
        sealed = base64.b64decode(theirs["ciphertext"])
        back = self.make(session, "C_UnwrapKey", mechanism, box, sealed, len(sealed),
                         template(SECRET), len(SECRET))
        self.assertEqual(session.attribute(back, "CKA_VALUE"),
                         base64.b64decode(theirs["plaintext"]))

    def test_keys_when_made_and_destroyed_by_pkcs11_then_both_objects_come_and_go(self):
        session = self.open()
        wanted = {"CKA_TOKEN": True, "CKA_LABEL": "made", "CKA_KEY_TYPE": CK.CKK_AES,
                  "CKA_VALUE_LEN": 32}
        self.make(session, "C_GenerateKey", ctypes.byref(mechanism_of(CK.CKM_AES_KEY_GEN)),
                  template(wanted), len(wanted))
        self.assertEqual(self.kes.admin.json("GET", "/v1/key/describe/made")["created_by"],
                         api_key_identity(self.api_key))
        self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.make, session, "C_GenerateKey",
                       ctypes.byref(mechanism_of(CK.CKM_AES_KEY_GEN)), template(wanted),
                       len(wanted))
        session.destroy(self.mac_key(session, "made"))
        self.assertEqual(session.find(CKA_LABEL="made"), [])
        self.assertEqual(self.kes.admin.call("GET", "/v1/key/describe/made").status, 404)

    def test_import_when_by_create_object_then_kes_has_those_bytes(self):
        session = self.open()
        wanted = dict(SECRET, CKA_TOKEN=True, CKA_LABEL="brought", CKA_VALUE=VALUE,
                      CKA_SENSITIVE=True, CKA_EXTRACTABLE=False)
        self.make(session, "C_CreateObject", template(wanted), len(wanted))
        sealed = session.encrypt(self.cipher(session, "brought"), AEAD, b"x")
        self.kes.admin.import_key("twin", VALUE)
        self.assertEqual(self.kes.admin.decrypt("twin", sealed), b"x")

    def test_sizes_when_at_the_limit_then_served_and_one_more_is_refused_here(self):
        session = self.open()
        key, mac = self.cipher(session), self.mac_key(session)
        sealed = self.seal(session, key, bytes(LARGEST))
        self.assertEqual(len(self.open_sealed(session, key, sealed)), LARGEST)
        self.assertEqual(len(session.sign(mac, CK.CKM_SHA256_HMAC, bytes(LARGEST_MESSAGE))), 32)
        self.kes.reset()
        session.init("Encrypt", key, AEAD)
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.seal, session, key, bytes(LARGEST + 1), False)
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.sign, mac, CK.CKM_SHA256_HMAC,
                       bytes(LARGEST_MESSAGE + 1))
        self.assertEqual(self.kes.count("PUT"), 0)

    def seal(self, session, key, plain, init=True):
        if init:
            session.init("Encrypt", key, AEAD)
        return session._output("C_Encrypt", plain, len(plain), size=len(plain) + 44)

    def open_sealed(self, session, key, sealed):
        session.init("Decrypt", key, AEAD)
        return session._output("C_Decrypt", sealed, len(sealed), size=len(sealed))

    def test_keys_of_an_old_kes_when_used_then_no_mac_and_old_ciphertexts_open(self):
        self.kes.put_stored("old", '{"bytes":"%s"}' % base64.b64encode(bytes(range(32))).decode())
        session = self.open()
        sealed = base64.b64decode(
            "eyJhZWFkIjogIkFFUy0yNTYtR0NNLUhNQUMtU0hBLTI1NiIsICJpdiI6ICJoQ3V0VkdjR0l4ejRoenpmMzBJZm"
            "13PT0iLCAibm9uY2UiOiAibVEyTVdCVjBTc2tTY3lXZyIsICJieXRlcyI6ICJwd3oxamx4WkZKUVZCWFBGTW4v"
            "djJPZzJ1Rzh6RFE9PSJ9")
        self.assertEqual(session.decrypt(self.cipher(session, "old"), AadParameter(b"ctx"),
                                         sealed), b"legacy")
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.sign,
                       self.mac_key(session, "old"), CK.CKM_SHA256_HMAC, b"m")
        self.assertIn("without an HMAC key", self.config.log())

    def test_connection_when_warm_then_no_further_handshake(self):
        session = self.open()
        key = self.cipher(session)
        session.encrypt(key, AEAD, b"x")
        self.kes.reset()
        for _ in range(200):
            session.encrypt(key, AEAD, b"x")
        stats = self.kes.stats()
        self.assertEqual((stats["requests"], stats["handshakes"]), (200, 0))

    def test_listing_when_longer_than_kes_answers_then_complete(self):
        kes = self.enter(KesDouble())
        kes.admin.create("k0-a")
        stored = kes.stored("k0-a")
        names = ["%s%04d" % (stem, number) for stem in ("k-", "k--x", "kZ", "k") for number in
                 range(600)] + ["_a", "a", "k"]
        for name in names:
            kes.put_stored(name, stored)
        api_key = new_api_key()
        kes.allow("app", api_key, "/v1/key/*")
        session = self.open(url=kes.url, ca_file=kes.ca, list_timeout="120s", key_types="aes",
                            api_key_file=self.config.secret("other", api_key))
        found = session.find(CKA_CLASS=CK.CKO_SECRET_KEY)
        self.assertEqual(len(found), len(names) + 1)
        labels = {session.attribute(key, "CKA_LABEL").decode() for key in found[::97]}
        self.assertLessEqual(labels, set(names) | {"k0-a"})


class CredentialsTest(KesTestCase):
    def pin_session(self):
        self.slot(api_key_file=None, pin="apikey")
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot("kes"), read_write=True))

    def test_certificate_when_in_files_then_it_is_the_identity(self):
        client = self.kes.client("files")
        self.kes.allow("files", client.identity, "/v1/key/*")
        session = self.open(api_key_file=None, client_cert_file=client.cert,
                            client_key_file=client.key)
        self.cli("generate", "--key", "by-cert", "--type", "aes-256")
        self.assertEqual(self.kes.admin.json("GET", "/v1/key/describe/by-cert")["created_by"],
                         client.identity)
        self.cipher(session, "by-cert")

    def test_pin_when_an_api_key_then_each_login_is_its_own_identity(self):
        other = new_api_key()
        self.secrets.append(other.split(":")[2])
        self.kes.allow("other", other, "/v1/key/describe/*")
        session = self.pin_session()
        session.login(self.api_key)
        key = self.cipher(session)
        sealed = session.encrypt(key, AEAD, b"x")
        session.logout()
        session.login(other)
        key = self.cipher(session)
        self.assert_rv(CK.CKR_FUNCTION_REJECTED, session.decrypt, key, AEAD, sealed)
        self.assertIn(api_key_identity(other), self.config.log())
        session.logout()
        session.login(self.api_key)
        self.assertEqual(session.decrypt(self.cipher(session), AEAD, sealed), b"x")

    def test_pin_when_not_of_the_form_then_no_packet(self):
        session = self.pin_session()
        self.kes.reset()
        for pin in ("hvs.CAESIIcfN3djbTHoNCDAvjfklMfpmf7l2X5w", "kes:v1:short", "1234",
                    self.api_key + "A", "kes:v1:" + "A" * 43 + "!",
                    "kes:v1:" + base64.b64encode(b"\1" + bytes(32)).decode()):
            self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, pin)
        self.assertEqual(self.kes.stats()["connections"], 0)

    def test_policy_when_it_denies_then_the_line_names_the_identity(self):
        stranger = new_api_key()
        session = self.open(api_key_file=self.config.secret("stranger", stranger))
        self.assert_rv(CK.CKR_FUNCTION_REJECTED, session.find, CKA_LABEL="app")
        self.assertIn("does not allow this to identity " + api_key_identity(stranger),
                      self.config.log())

    def test_api_key_file_when_changed_then_used_by_the_next_process(self):
        self.slot()
        self.cli("list")
        self.config.secret("api-key", new_api_key())
        self.assertIn("does not allow this", self.cli("list", code=1))

    def test_configuration_when_wrong_then_one_line_says_what_would_be_right(self):
        client = self.kes.client("wrong")
        certificate = {"client_cert_file": client.cert, "client_key_file": client.key}
        cases = [({"api_key_file": None}, "api_key_file: missing; KES needs an API key"),
                 ({"api_key_file": self.config.secret("junk", "hvs.junk")},
                  "not an API key of KES, which begins with kes:v1:"),
                 (certificate, "a connection has one identity"),
                 ({"pin": "apikey"}, "a connection has one identity"),
                 ({"pin": "token", "api_key_file": None}, "pin"),
                 ({"url": "http://127.0.0.1:1", "insecure_transport": "yes"},
                  "must begin with https://")]
        for options, text in cases:
            with self.subTest(text=text):
                self.slot(**options)
                said = self.cli("list", code=3)
                self.assertIn(text, said)
                self.assertNotIn("hvs.junk", said)

    def test_ca_certificate_when_given_as_the_clients_then_refused_before_kes_does(self):
        client = self.kes.client("authority", ca=True)
        self.slot(api_key_file=None, client_cert_file=client.cert, client_key_file=client.key)
        self.assertIn("make one with basicConstraints CA:FALSE", self.cli("list", code=3))


class ToolTest(KesTestCase):
    def setUp(self):
        super().setUp()
        self.slot()

    def test_check_when_all_is_well_then_says_that_the_store_is_ready(self):
        self.assertIn("its key store is ready", self.cli("check"))
        self.kes.state(unready=[504, 0])
        self.assertIn("does not reach its key store", self.cli("check", code=4))

    def test_check_when_ready_is_not_allowed_then_still_well(self):
        narrow = new_api_key()
        self.kes.allow("narrow", narrow, "/v1/key/*")
        self.slot(api_key_file=self.config.secret("narrow", narrow))
        self.assertIn("does not allow /v1/ready", self.cli("check"))

    def test_kinds_when_generated_then_each_is_what_it_says(self):
        for kind, shown in (("aes-256", "version 1, aes 256"), ("hmac", "version 2, hmac 256"),
                            ("chacha20", "version 1, chacha20 256")):
            self.assertIn(shown, self.cli("generate", "--key", "k-" + kind, "--type", kind))
        self.assertIn("no aes keys of 128 bits",
                      self.cli("generate", "--key", "small", "--type", "aes-128", code=1))
        self.assertEqual(self.kes.admin.json("GET", "/v1/key/describe/k-chacha20")["algorithm"],
                         "ChaCha20")

    def test_generate_when_the_server_chooses_another_cipher_then_says_so(self):
        self.kes.state(kind="ChaCha20")
        self.assertIn("another key 'arm'",
                      self.cli("generate", "--key", "arm", "--type", "aes-256", code=1))

    def test_names_when_kes_would_not_take_them_then_refused_without_a_request(self):
        self.kes.reset()
        for name in ("a.b", "-a", "a-", "_", "a" * 81):
            self.assertIn("KES takes no key called",
                          self.cli("generate", "--key=" + name, "--type", "aes-256", code=1))
        self.assertEqual(self.kes.count("PUT"), 0)

    def test_sign_when_the_name_has_two_keys_then_the_one_for_it(self):
        message = self.config.secret("message", "msg")
        mac = self.kes.admin.hmac("app", b"msg").hex()
        self.assertIn(mac, self.cli("sign", "--key", "app", "--hex", "--in", message))
        self.assertIn(mac, self.cli("sign", "--key", "app@v2", "--hex", "--in", message))

    def test_destroy_when_confirmed_then_gone(self):
        self.kes.admin.create("doomed")
        self.cli("destroy", "--key", "doomed", input="doomed\n")
        self.assertEqual(self.kes.admin.call("GET", "/v1/key/describe/doomed").status, 404)


class WeatherTest(KesTestCase):
    """Each fault has its code and its line; the next operation succeeds."""

    def setUp(self):
        super().setUp()
        self.session = self.open(timeout="1s")
        self.key = self.cipher(self.session)
        self.sealed = self.session.encrypt(self.key, AEAD, b"x")

    def encrypt(self):
        return self.session.encrypt(self.key, AEAD, b"x")

    def assert_fault(self, rv, *words, within=2.5):
        self.assert_told(self.config, rv, self.encrypt, *words, within=within)

    def assert_works(self):
        self.kes.clear()
        self.assertEqual(self.session.decrypt(self.key, AEAD, self.sealed), b"x")

    def test_statuses_mean_what_they_say(self):
        cases = [(502, "failed to read key", CK.CKR_DEVICE_ERROR, "cannot use its key store"),
                 (504, "key store is not reachable", CK.CKR_DEVICE_ERROR, "does not reach"),
                 (503, "busy", CK.CKR_DEVICE_ERROR, "not available"),
                 (500, "oops", CK.CKR_DEVICE_ERROR, "not expected"),
                 (403, "not authorized: insufficient permissions", CK.CKR_FUNCTION_REJECTED,
                  "does not allow this"),
                 (400, "invalid request body", CK.CKR_DEVICE_ERROR, "not understood")]
        for status, message, rv, words in cases:
            with self.subTest(status=status):
                self.kes.fault("status", "/v1/key/encrypt/", 0, status=status,
                               text='{"message":"%s"\n}' % message)
                self.assert_fault(rv, words, self.kes.url)
                self.assert_works()

    def test_unavailable_when_it_passes_then_nobody_notices(self):
        self.kes.fault("status", "/v1/key/encrypt/", 1, status=502,
                       text='{"message":"failed to read key"\n}')
        self.encrypt()

    def test_hostile_answers_are_refused(self):
        for text, words in (('{"ciphertext":5}', "no \"ciphertext\""), ("{", "not JSON"),
                            ('{"ciphertext":"%%%"}', "not base64"), ("<html>", "not JSON"),
                            ("", "no \"ciphertext\"")):
            with self.subTest(text=text):
                self.kes.fault("status", "/v1/key/encrypt/", 0, status=200, text=text)
                self.assert_fault(CK.CKR_DEVICE_ERROR, words)
                self.assert_works()

    def test_answers_that_do_not_come(self):
        for action, order in (("hang", {}), ("trickle", {"every": 0.5}), ("cut", {"after": 30}),
                              ("cut", {"after": 0, "rst": True}), ("huge", {"chunked": True})):
            with self.subTest(action=action):
                self.kes.fault(action, "/v1/key/encrypt/", 0, **order)
                self.assert_fault(CK.CKR_DEVICE_ERROR, "slot 'kes'")
                self.assert_works()

    def test_key_gone_when_deleted_behind_us_then_the_handle_dies(self):
        self.kes.admin.create("gone")
        key = self.cipher(self.session, "gone")
        self.kes.admin.json("DELETE", "/v1/key/delete/gone")
        self.assert_rv(CK.CKR_FUNCTION_FAILED, self.session.encrypt, key, AEAD, b"x")
        self.assertIn("the key is gone, or KES's key store is away", self.config.log())

    def test_store_away_when_it_comes_back_then_the_key_is_found_again(self):
        self.kes.forget()
        self.kes.state(away=True)
        self.assert_fault(CK.CKR_FUNCTION_FAILED, "the key is gone, or KES's key store is away")
        self.kes.state(away=False)
        self.key = self.cipher(self.session)
        self.assert_works()

    def test_server_without_hmac_then_not_offered_any_more(self):
        mac = self.mac_key(self.session)
        self.kes.state(hmac=False)
        self.assertIn(CK.CKM_SHA256_HMAC, self.p11.mechanisms(self.p11.slot("kes")))
        self.assert_rv(CK.CKR_MECHANISM_INVALID, self.session.sign, mac, CK.CKM_SHA256_HMAC, b"x")
        self.assertIn("this KES has no such operation", self.config.log())
        self.config.clear_log()
        self.kes.reset()
        self.assert_rv(CK.CKR_MECHANISM_INVALID, self.session.sign, mac, CK.CKM_SHA256_HMAC, b"x")

    def test_create_when_its_answer_is_lost_then_not_repeated(self):
        self.kes.reset()
        self.kes.fault("cut", "/v1/key/create/", 0, after=0)
        self.assertIn("slot 'kes'", self.cli("generate", "--key", "lost", "--type", "aes-256",
                                             code=4))
        self.assertEqual(self.kes.count("PUT /v1/key/create/"), 1)


class FailoverTest(KesTestCase):
    def test_encrypt_when_one_of_two_goes_away_then_the_other_serves(self):
        other = self.enter(KesDouble(authority=self.kes.authority))
        other.allow("app", self.api_key, "/v1/key/*")
        other.put_stored("app", self.kes.stored("app"))
        session = self.open(url=[self.kes.url, other.url])
        key = self.cipher(session)
        sealed = session.encrypt(key, AEAD, b"x")
        self.kes.refuse_connections()
        self.addCleanup(self.kes.accept_connections)
        self.kes.drop_connections()
        self.assertEqual(session.decrypt(key, AEAD, sealed), b"x")
        self.assertGreater(other.count("PUT /v1/key/decrypt/app"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
