#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keys of a vault and of a Managed HSM through the module and the command line tool: what the
stand-in itself, or python3-cryptography with its public keys, says of the result counts."""

import hashlib
import json
import os
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from azure_case import HSM, AzureTestCase
from harness import CK, oaep, pss
from session_keys import gcm

IV = bytes(range(16))
TEXT = b"0123456789abcdef" * 2
SECRET = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
          "CKA_SENSITIVE": False}
DIGESTS = {"sha1": hashes.SHA1(), "sha224": hashes.SHA224(), "sha256": hashes.SHA256(),
           "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def verify_ecdsa(public, signature, digest, hash_):
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"),
                               int.from_bytes(signature[half:], "big"))
    public.verify(der, digest, ec.ECDSA(Prehashed(hash_)))


class VaultTest(AzureTestCase):
    @classmethod
    def set_up_azure(cls):
        cls.azure.make_key("rsa", "RSA", key_size=2048)
        for curve in ("P-256", "P-384", "P-521"):
            cls.azure.make_key("ec-" + curve[2:], "EC", crv=curve)
        cls.azure.make_key("odd", "EC", crv="P-256K")

    # ---- finding ----

    def test_list_when_all_kinds_then_shows_what_it_can_serve(self):
        session = self.open_slot()
        labels = sorted(session.attribute(key, "CKA_LABEL").decode()
                        for key in session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY))
        self.assertTrue({"ec-256", "ec-384", "ec-521", "rsa"} <= set(labels))
        self.assertNotIn("odd", labels)
        self.assert_log_says("P-256K")

    def test_find_when_plain_names_then_no_right_to_list_is_needed(self):
        self.azure.allow("keys/get", "keys/sign")
        session = self.open_slot(keys="ec-256 rsa")
        self.assertEqual(len(session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)), 2)
        key = session.private_key("ec-256")
        self.assertEqual(len(session.sign(key, CK.CKM_ECDSA, bytes(32))), 64)

    def test_list_when_many_keys_then_all_pages_are_read(self):
        self.azure.make_keys(60, vault="big.vault.azure.net")
        session = self.open_slot("big", "big.vault.azure.net")
        self.assertEqual(len(session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)), 60)

    def test_find_when_no_name_of_azure_then_nothing_is_asked(self):
        session = self.open_slot()
        self.assertEqual(session.find(CKA_LABEL="no such name"), [])
        self.assertEqual(self.azure.count("GET /keys"), 0)

    # ---- signing and opening ----

    def test_sign_when_rsa_then_verifies(self):
        session = self.open_slot()
        key, public = session.private_key("rsa"), self.azure.public_key("rsa")
        for name in ("sha256", "sha384", "sha512"):
            digest = hashlib.new(name, TEXT).digest()
            ckm = getattr(CK, "CKM_%s_RSA_PKCS" % name.upper())
            public.verify(session.sign(key, ckm, TEXT), TEXT, padding.PKCS1v15(), DIGESTS[name])
            signature = session.sign(key, pss(name.upper()), digest)
            public.verify(signature, TEXT, padding.PSS(padding.MGF1(DIGESTS[name]), len(digest)),
                          DIGESTS[name])

    def test_sign_when_azure_cannot_then_refused_at_init(self):
        session = self.open_slot()
        key = session.private_key("rsa")
        self.assert_rv(CK.CKR_MECHANISM_INVALID, session.init, "Sign", key, CK.CKM_SHA1_RSA_PKCS)
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Sign", key,
                       pss("SHA256", salt=20))
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.init, "Decrypt", key,
                       oaep("SHA384"))
        self.assertEqual(self.azure.count("POST /keys"), 0)

    def test_sign_when_raw_pkcs1_then_only_digestinfos_of_sha2(self):
        session = self.open_slot()
        key, digest = session.private_key("rsa"), hashlib.sha256(TEXT).digest()
        info = bytes.fromhex("3031300d060960864801650304020105000420") + digest
        self.azure.public_key("rsa").verify(session.sign(key, CK.CKM_RSA_PKCS, info), TEXT,
                                            padding.PKCS1v15(), hashes.SHA256())
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.sign, key, CK.CKM_RSA_PKCS, digest)

    def test_sign_when_any_digest_on_any_curve_then_verifies(self):
        session = self.open_slot()
        for curve in ("256", "384", "521"):
            key, public = session.private_key("ec-" + curve), self.azure.public_key("ec-" + curve)
            for name, hash_ in DIGESTS.items():
                with self.subTest(curve=curve, hash=name):
                    digest = hashlib.new(name, TEXT).digest()
                    verify_ecdsa(public, session.sign(key, CK.CKM_ECDSA, digest), digest, hash_)

    def test_decrypt_when_sealed_with_the_public_key_then_opens(self):
        session = self.open_slot()
        key, public = session.private_key("rsa"), self.azure.public_key("rsa")
        for hash_, mechanism in ((hashes.SHA1(), oaep("SHA1")),
                                 (hashes.SHA256(), oaep("SHA256"))):
            sealed = public.encrypt(TEXT, padding.OAEP(padding.MGF1(hash_), hash_, None))
            self.assertEqual(session.decrypt(key, mechanism, sealed), TEXT)
        sealed = public.encrypt(TEXT, padding.PKCS1v15())
        self.assertEqual(session.decrypt(key, CK.CKM_RSA_PKCS, sealed), TEXT)
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, oaep("SHA256"),
                       bytes(256))

    def test_unwrap_when_key_is_for_wrapping_alone_then_unwrapkey_is_asked(self):
        self.azure.make_key("kek", "RSA", key_size=2048, key_ops=["wrapKey", "unwrapKey"])
        self.azure.allow("keys/get", "keys/unwrapkey")
        session = self.open_slot(keys="kek")
        value = self.create(session, dict(SECRET, CKA_TOKEN=False, CKA_VALUE=TEXT))
        wrapped = self.wrap(session, oaep("SHA256"), session.public_key("kek"), value)
        back = self.unwrap(session, oaep("SHA256"), session.private_key("kek"), wrapped,
                           dict(SECRET, CKA_TOKEN=False))
        self.assertEqual(session.attribute(back, "CKA_VALUE"), TEXT)
        self.assertEqual(self.azure.count("POST /keys/kek/%s/unwrapkey" %
                                          self.azure.version("kek")), 1)

    # ---- versions and attributes ----

    def test_versions_when_rotated_then_each_is_numbered_and_pinned(self):
        self.azure.make_key("turn", "EC", crv="P-256")
        first = self.azure.version("turn")
        self.azure.make_key("turn", "EC", crv="P-256")
        session = self.open_slot(versions="all")
        labels = sorted(session.attribute(key, "CKA_LABEL").decode() for key in
                        session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)
                        if session.attribute(key, "CKA_LABEL").startswith(b"turn"))
        self.assertEqual(labels, ["turn", "turn@v1"])
        old = session.sign(session.private_key("turn@v1"), CK.CKM_ECDSA, bytes(32))
        verify_ecdsa(self.azure.public_key("turn", first), old, bytes(32), hashes.SHA256())

    def test_decrypt_when_sealed_before_a_rotation_then_an_older_version_opens(self):
        self.azure.make_key("data", "RSA", key_size=2048)
        sealed = self.azure.public_key("data").encrypt(
            TEXT, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        self.azure.make_key("data", "RSA", key_size=2048)
        session = self.open_slot()
        self.assertEqual(session.decrypt(session.private_key("data"), oaep("SHA256"), sealed),
                         TEXT)

    def test_sign_when_disabled_or_outside_its_dates_then_refused_at_init(self):
        self.azure.make_key("old", "RSA", key_size=2048, attributes={"exp": 1600000000})
        self.azure.make_key("soon", "EC", crv="P-256", attributes={"nbf": 4000000000})
        self.azure.make_key("off", "EC", crv="P-256", attributes={"enabled": False})
        session = self.open_slot()
        for name in ("old", "soon", "off"):
            key = session.private_key(name)
            mechanism = CK.CKM_SHA256_RSA_PKCS if name == "old" else CK.CKM_ECDSA
            self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.init, "Sign", key, mechanism)
        old = session.private_key("old")
        self.assertEqual(session.attribute(old, "CKA_END_DATE"), b"20200913")
        sealed = self.azure.public_key("old").encrypt(TEXT, padding.PKCS1v15())
        self.assertEqual(session.decrypt(old, CK.CKM_RSA_PKCS, sealed), TEXT)
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.init, "Encrypt",
                       session.public_key("old"), oaep("SHA256"))

    def test_sign_when_key_ops_leave_it_out_then_refused_at_init(self):
        self.azure.make_key("only", "RSA", key_size=2048, key_ops=["decrypt"])
        session = self.open_slot()
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.init, "Sign",
                       session.private_key("only"), CK.CKM_SHA256_RSA_PKCS)

    # ---- certificates ----

    def test_certificate_when_the_vault_has_one_then_it_goes_with_its_key(self):
        der = self.azure.make_certificate("site", "CN=site.test", vault="crt.vault.azure.net")
        session = self.open_slot("crt", "crt.vault.azure.net")
        cert = session.find_one(CKA_CLASS=CK.CKO_CERTIFICATE, CKA_LABEL="site")
        self.assertEqual(session.attribute(cert, "CKA_VALUE"), der)
        key = session.private_key("site")
        self.assertEqual(session.attribute(key, "CKA_ID"), session.attribute(cert, "CKA_ID"))
        self.assertEqual(session.attribute(key, "CKA_SUBJECT"),
                         session.attribute(cert, "CKA_SUBJECT"))

    def test_certificate_when_not_allowed_or_not_wanted_then_the_key_alone(self):
        self.azure.make_certificate("site", vault="crt.vault.azure.net")
        session = self.open_slot("crt", "crt.vault.azure.net", vault_certificates="no")
        self.assertEqual(session.find(CKA_CLASS=CK.CKO_CERTIFICATE), [])
        self.assertEqual(len(session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)), 1)
        self.assertEqual(self.azure.count("GET /certificates"), 0)

    # ---- what changes keys ----

    def test_life_of_a_key_by_the_command_line(self):
        self.add_slot(allow="generate import rotate destroy")
        made = self.run_cli(self.config, "generate", "--slot", "kv", "--key", "mine", "--type",
                            "ecdsa-p384")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(self.azure.key("mine")["key"]["kty"], "EC")
        self.run_cli(self.config, "rotate", "--slot", "kv", "--key", "mine")
        listed = json.loads(self.run_cli(self.config, "list", "--slot", "kv", "--json").stdout)
        mine = next(key for key in listed["slots"][0]["keys"] if key["name"] == "mine")
        self.assertEqual((mine["version"], mine["kind"]), (2, "ec P-384"))
        again = self.run_cli(self.config, "generate", "--slot", "kv", "--key", "mine", "--type",
                             "ecdsa-p256")
        self.assertIn("already", again.stderr)
        gone = self.run_cli(self.config, "destroy", "--slot", "kv", "--key", "mine",
                            input="mine\n")
        self.assertEqual(gone.returncode, 0, gone.stderr)
        self.assert_log_says("its name taken, until")
        taken = self.run_cli(self.config, "generate", "--slot", "kv", "--key", "mine", "--type",
                             "ecdsa-p256")
        self.assertEqual(taken.returncode, 1)
        self.assertIn("a deleted key still has this name; recover it, or purge it", taken.stderr)

    def test_import_when_pairs_then_the_vaults_copy_signs_as_ours(self):
        self.add_slot(allow="import")
        pairs = {"in-rsa": rsa.generate_private_key(65537, 2048),
                 "in-ec": ec.generate_private_key(ec.SECP521R1())}
        for name, pair in pairs.items():
            path = self.config.secret(name, pair.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()).decode())
            done = self.run_cli(self.config, "import", "--slot", "kv", "--key", name, "--in", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.azure.public_key(name).public_numbers(),
                             pair.public_key().public_numbers())
        session = self.open_session()
        signature = session.sign(session.private_key("in-ec"), CK.CKM_ECDSA, bytes(64))
        verify_ecdsa(pairs["in-ec"].public_key(), signature, bytes(64), hashes.SHA512())

    def test_generate_when_aes_in_a_vault_then_says_who_has_them(self):
        self.add_slot(allow="generate")
        done = self.run_cli(self.config, "generate", "--slot", "kv", "--key", "x", "--type",
                            "aes-256")
        self.assertEqual(done.returncode, 1)
        self.assertIn("only a Managed HSM has AES keys", done.stderr)

    def test_random_when_a_vault_then_it_has_none(self):
        self.open_slot()
        self.assertFalse(self.p11.token_info(self.p11.slot("kv")).flags & CK.CKF_RNG)


class ManagedHsmTest(AzureTestCase):
    @classmethod
    def set_up_azure(cls):
        cls.azure.make_key("box", "oct-HSM", vault=HSM, key_size=256)
        cls.azure.make_key("small", "oct-HSM", vault=HSM, key_size=128, tags={"key_size": "128"})
        cls.azure.make_key("pair", "RSA-HSM", vault=HSM, key_size=3072)

    def open_hsm(self, **options):
        return self.open_slot("hsm", HSM, read_write=True, **options)

    def test_sign_when_rsa_hsm_then_verifies(self):
        session = self.open_hsm()
        signature = session.sign(session.private_key("pair"), CK.CKM_SHA384_RSA_PKCS, TEXT)
        self.azure.public_key("pair", vault=HSM).verify(signature, TEXT, padding.PKCS1v15(),
                                                        hashes.SHA384())

    def test_aes_when_cbc_then_there_and_back(self):
        session = self.open_hsm()
        for name in ("box", "small"):
            key = session.secret_key(name)
            for mechanism, text in (((CK.CKM_AES_CBC, IV), TEXT),
                                    ((CK.CKM_AES_CBC_PAD, IV), TEXT[:21])):
                sealed = session.encrypt(key, mechanism, text)
                self.assertNotEqual(sealed[:16], text[:16])
                self.assertEqual(session.decrypt(key, mechanism, sealed), text)
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.encrypt, session.secret_key("box"),
                       (CK.CKM_AES_CBC, IV), b"short")

    def test_aes_when_gcm_then_the_service_makes_the_iv(self):
        session = self.open_hsm()
        key = session.secret_key("box")
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, session.encrypt, key, gcm(), TEXT)
        path = self.config.secret("text", "geheim")
        sealed = os.path.join(self.config.dir, "sealed")
        done = self.run_cli(self.config, "encrypt", "--slot", "hsm", "--key", "box", "--in", path,
                            "--out", sealed)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(sealed, "rb") as file:
            data = file.read()
        self.assertEqual(session.decrypt(key, gcm(iv=data[:12], aad=b""), data[12:]), b"geheim")
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key,
                       gcm(iv=data[:12], aad=b"other"), data[12:])

    def test_wrap_when_a_session_key_then_unwraps(self):
        session = self.open_hsm()
        key = session.secret_key("box")
        value = self.create(session, dict(SECRET, CKA_TOKEN=False, CKA_VALUE=TEXT))
        wrapped = self.wrap(session, CK.CKM_AES_KEY_WRAP, key, value)
        self.assertEqual(len(wrapped), len(TEXT) + 8)
        back = self.unwrap(session, CK.CKM_AES_KEY_WRAP, key, wrapped,
                           dict(SECRET, CKA_TOKEN=False))
        self.assertEqual(session.attribute(back, "CKA_VALUE"), TEXT)
        bad = bytes([wrapped[0] ^ 1]) + wrapped[1:]
        self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, session, CK.CKM_AES_KEY_WRAP, key,
                       bad, dict(SECRET, CKA_TOKEN=False))

    def test_make_when_aes_then_its_size_is_known_later(self):
        self.add_slot("hsm", HSM, allow="generate")
        done = self.run_cli(self.config, "generate", "--slot", "hsm", "--key", "made", "--type",
                            "aes-128")
        self.assertEqual(done.returncode, 0, done.stderr)
        session = self.open_session("hsm")
        key = session.secret_key("made")
        self.assertEqual(session.number(key, "CKA_VALUE_LEN"), 16)
        self.assertEqual(session.decrypt(key, (CK.CKM_AES_CBC, IV),
                                         session.encrypt(key, (CK.CKM_AES_CBC, IV), TEXT)), TEXT)

    def test_create_when_a_token_secret_then_it_is_imported(self):
        session = self.open_hsm(allow="import")
        self.create(session, {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES,
                              "CKA_TOKEN": True, "CKA_LABEL": "brought", "CKA_VALUE": TEXT})
        key = session.secret_key("brought")
        sealed = session.encrypt(key, (CK.CKM_AES_CBC, IV), TEXT)
        back = self.create(session, dict(SECRET, CKA_TOKEN=False, CKA_VALUE=TEXT, CKA_DECRYPT=True,
                                         CKA_ENCRYPT=True))
        self.assertEqual(session.decrypt(back, (CK.CKM_AES_CBC, IV), sealed), TEXT)

    def test_random_when_more_than_one_request_holds_then_several(self):
        session = self.open_hsm()
        data = session.random(300)
        self.assertEqual(self.azure.count("POST /rng"), 3)
        self.assertGreater(len(set(data)), 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
