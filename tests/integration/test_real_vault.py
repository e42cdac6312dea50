#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that a real Vault can show, through the module: verified by OpenSSL and by Vault."""

import base64
import hashlib
import hmac
import os
import threading
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

from harness import CK, Double, HarnessTestCase, RealVault, TempConfig, oaep, pss
from weather import main, verify_ecdsa

SIZES = {"SHA1": 20, **{family + str(8 * size): size for family in ("SHA", "SHA3_")
                        for size in (28, 32, 48, 64)}}
BEYOND_SHA1 = [name for name in SIZES if name != "SHA1"]
MESSAGE = b"attack at dawn" * 1000
PARTS = MESSAGE[:1], MESSAGE[1:4000], b"", MESSAGE[4000:]
DIGEST_INFO = {
    "SHA1": "3021300906052b0e03021a05000414", "SHA224": "302d300d06096086480165030402040500041c",
    "SHA256": "3031300d060960864801650304020105000420",
    "SHA384": "3041300d060960864801650304020205000430",
    "SHA512": "3051300d060960864801650304020305000440"}
RSA, CURVES = ["rsa-2048", "rsa-3072", "rsa-4096"], ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"]


def b64(data):
    return base64.b64encode(data).decode()


def algorithm(name):
    return getattr(hashes, name)()


def digest(name, message=MESSAGE):
    return hashlib.new(name.lower(), message).digest()


def wire_hash(name):
    return "sha1" if name == "SHA1" else "sha%s-%s" % ("3" if "_" in name else "2", name[-3:])


def mechanism(prefix, name):
    return getattr(CK, "CKM_%s%s" % (prefix, name))


class RealVaultTestCase(HarnessTestCase):
    vault = None  # one for all: its RSA keys take a while

    @classmethod
    def setUpClass(cls):
        if RealVaultTestCase.vault is None:
            vault = RealVaultTestCase.vault = RealVault()
            unittest.addModuleCleanup(vault.__exit__)
            vault.setup_transit(**{kind: kind for kind in RSA + CURVES}, ed25519="ed25519",
                                hmac="hmac")

    def setUp(self):
        config = self.enter(TempConfig())
        config.slot("web", self.vault, timeout="10s")
        self.p11 = self.open_module(config)
        self.slot = self.p11.slot("web")
        self.session = self.enter(self.p11.session(self.slot))

    def assert_vault_agrees(self, key, signature, message, path="", **body):
        """By Vault's own verify endpoint."""
        valid = self.vault.write("transit/verify/%s%s" % (key, path), dict(
            body, input=b64(message), signature="vault:v1:" + b64(signature)))["valid"]
        self.assertTrue(valid, (key, path, body))

    def each(self, names):
        for name in names:
            with self.subTest(name):
                yield (name, self.session.private_key(name), self.session.public_key(name),
                       self.vault.public_key(name))


class EcdsaTest(RealVaultTestCase):
    def agrees(self, name, signature, prehashed, hash_name):
        half = len(signature) // 2
        der = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"),
                                         int.from_bytes(signature[half:], "big"))
        self.assert_vault_agrees(name, der, prehashed, "/" + wire_hash(hash_name), prehashed=True)

    def test_sign_when_raw_then_any_digest(self):
        for name, key, public, known in self.each(CURVES):
            for hash_name in SIZES:
                value = digest(hash_name)
                signature = self.session.sign(key, CK.CKM_ECDSA, value)
                verify_ecdsa(known, value, signature, algorithm(hash_name))
                self.session.verify(public, CK.CKM_ECDSA, value, signature)
                self.agrees(name, signature, value, hash_name)
                self.assert_rv(CK.CKR_SIGNATURE_INVALID, self.session.verify, public, CK.CKM_ECDSA,
                               value[::-1], signature)
                self.assert_rv(CK.CKR_SIGNATURE_LEN_RANGE, self.session.verify, public,
                               CK.CKM_ECDSA, value, signature[:-1])

    def test_sign_when_hashed_then_whole_and_in_parts(self):
        for _, key, public, known in self.each(CURVES):
            for hash_name in SIZES:
                how = mechanism("ECDSA_", hash_name)
                for signature in (self.session.sign(key, how, MESSAGE),
                                  self.session.sign_parts(key, how, *PARTS)):
                    verify_ecdsa(known, digest(hash_name), signature, algorithm(hash_name))
                    self.session.verify(public, how, MESSAGE, signature)

    def test_sign_when_input_has_no_digests_length_then_data_len_range(self):
        key = self.session.private_key("ecdsa-p256")
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.session.sign, key, CK.CKM_ECDSA, bytes(129))
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.session.sign, key, CK.CKM_ECDSA, b"")
        verify_ecdsa(self.vault.public_key("ecdsa-p256"), digest("SHA256"),
                     self.session.sign(key, CK.CKM_ECDSA, digest("SHA256")))

    def test_public_key_when_read_then_point_and_curve_are_vaults(self):
        for _, _, public, known in self.each(CURVES):
            numbers = known.public_numbers()
            size = (known.curve.key_size + 7) // 8
            point = b"\4" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
            self.assertTrue(self.session.attribute(public, "CKA_EC_POINT").endswith(point))
            self.assertEqual(self.session.attribute(public, "CKA_EC_PARAMS")[0], 6)


class EddsaTest(RealVaultTestCase):
    def test_sign_when_ed25519_then_pure(self):
        for name, key, public, known in self.each(["ed25519"]):
            for message in (b"", b"x", MESSAGE):
                signature = self.session.sign(key, CK.CKM_EDDSA, message)
                known.verify(signature, message)
                self.session.verify(public, CK.CKM_EDDSA, message, signature)
                self.assert_vault_agrees(name, signature, message)
            known.verify(self.session.sign_parts(key, CK.CKM_EDDSA, *PARTS), MESSAGE)
            self.assert_rv(CK.CKR_SIGNATURE_INVALID, self.session.verify, public, CK.CKM_EDDSA,
                           b"y", signature)


class RsaSignTest(RealVaultTestCase):
    def test_sign_when_pkcs1_raw_then_any_block(self):
        for name, key, public, known in self.each(RSA):
            for hash_name, prefix in DIGEST_INFO.items():
                block = bytes.fromhex(prefix) + digest(hash_name)
                signature = self.session.sign(key, CK.CKM_RSA_PKCS, block)
                known.verify(signature, digest(hash_name), padding.PKCS1v15(),
                             utils.Prehashed(algorithm(hash_name)))
                self.session.verify(public, CK.CKM_RSA_PKCS, block, signature)
            size = known.key_size // 8
            for block in (b"no digest info", digest("SHA256") + digest("SHA1"), bytes(size - 11)):
                signature = self.session.sign(key, CK.CKM_RSA_PKCS, block)
                self.assertEqual(known.recover_data_from_signature(
                    signature, padding.PKCS1v15(), None), block)
                self.session.verify(public, CK.CKM_RSA_PKCS, block, signature)
            self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.session.sign, key, CK.CKM_RSA_PKCS,
                           bytes(size - 10))

    def test_sign_when_pkcs1_hashed_then_whole_and_in_parts(self):
        for name, key, public, known in self.each(["rsa-2048", "rsa-4096"]):
            for hash_name in SIZES:
                how = mechanism("", "%s_RSA_PKCS" % hash_name)
                signature = self.session.sign(key, how, MESSAGE)
                self.assertEqual(self.session.sign_parts(key, how, *PARTS), signature)
                known.verify(signature, MESSAGE, padding.PKCS1v15(), algorithm(hash_name))
                self.session.verify(public, how, MESSAGE, signature)
                self.assert_vault_agrees(name, signature, MESSAGE, "/" + wire_hash(hash_name),
                                         signature_algorithm="pkcs1v15")

    def test_sign_when_pss_then_salts_as_asked(self):
        for name, key, public, known in self.each(["rsa-2048", "rsa-3072"]):
            for hash_name, size in SIZES.items():
                most = known.key_size // 8 - size - 2
                for salt in sorted({1, 20, size, most}):
                    raw = pss(hash_name, salt)
                    hashed = pss(hash_name, salt,
                                 mechanism=mechanism("", "%s_RSA_PKCS_PSS" % hash_name))
                    for signature in (self.session.sign(key, raw, digest(hash_name)),
                                      self.session.sign(key, hashed, MESSAGE)):
                        known.verify(signature, MESSAGE, padding.PSS(padding.MGF1(
                            algorithm(hash_name)), salt), algorithm(hash_name))
                        self.session.verify(public, raw, digest(hash_name), signature)
                        self.session.verify(public, hashed, MESSAGE, signature)
                    self.assert_vault_agrees(name, signature, MESSAGE, "/" + wire_hash(hash_name),
                                             signature_algorithm="pss", salt_length=str(salt))

    def test_sign_init_when_pss_cannot_be_honoured_then_mechanism_param_invalid(self):
        key = self.session.private_key("rsa-2048")
        for spec in (pss("SHA256", 0), pss("SHA256", 223), pss("SHA256", mgf="SHA1"),
                     pss("SHA384", mechanism=CK.CKM_SHA256_RSA_PKCS_PSS),
                     (CK.CKM_RSA_PKCS_PSS, b"short")):
            self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, self.session.init, "Sign", key, spec)
        self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, self.session.init, "Sign", key,
                       CK.CKM_RSA_PKCS_PSS)

    def test_sign_when_pss_digest_of_wrong_length_then_data_len_range(self):
        key = self.session.private_key("rsa-2048")
        for size in (0, 31, 33):
            self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.session.sign, key, pss(), bytes(size))

    def test_verify_when_pss_salt_zero_then_done_here(self):
        public = self.session.public_key("rsa-2048")
        self.assert_rv(CK.CKR_SIGNATURE_INVALID, self.session.verify, public, pss("SHA256", 0),
                       digest("SHA256"), bytes(256))

    def test_public_key_when_read_then_modulus_is_vaults(self):
        for _, key, public, known in self.each(RSA):
            modulus = known.public_numbers().n.to_bytes(known.key_size // 8, "big")
            for handle in (key, public):
                self.assertEqual(self.session.attribute(handle, "CKA_MODULUS"), modulus)


class RsaCryptTest(RealVaultTestCase):
    OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    def test_decrypt_when_sealed_locally_then_opens(self):
        for _, key, public, known in self.each(RSA):
            size = known.key_size // 8
            for plain in (b"", b"x", b"\0" * 16, os.urandom(size - 66)):
                self.assertEqual(self.session.decrypt(key, oaep(), known.encrypt(
                    plain, self.OAEP)), plain)
                self.assertEqual(self.session.decrypt(key, oaep(), self.session.encrypt(
                    public, oaep(), plain)), plain)
            for plain in (b"x", os.urandom(size - 11)):
                self.assertEqual(self.session.decrypt(key, CK.CKM_RSA_PKCS, known.encrypt(
                    plain, padding.PKCS1v15())), plain)
                self.assertEqual(self.session.decrypt(key, CK.CKM_RSA_PKCS, self.session.encrypt(
                    public, CK.CKM_RSA_PKCS, plain)), plain)

    def test_decrypt_when_vault_sealed_it_then_opens(self):
        sealed = self.vault.write("transit/encrypt/rsa-2048", {"plaintext": b64(b"x")})
        block = base64.b64decode(sealed["ciphertext"].split(":")[2])
        key = self.session.private_key("rsa-2048")
        self.assertEqual(self.session.decrypt(key, oaep(), block), b"x")

    def test_decrypt_when_it_does_not_open_then_one_error_whatever_the_cause(self):
        key, known = self.session.private_key("rsa-2048"), self.vault.public_key("rsa-2048")
        sha1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        for how, block in ((oaep(), known.encrypt(b"x", sha1)),
                           (oaep(), known.encrypt(b"x", padding.PKCS1v15())),
                           (oaep(), b"\1" * 256), (oaep(), b"\xff" * 256), (oaep(), bytes(256)),
                           (CK.CKM_RSA_PKCS, known.encrypt(b"x", self.OAEP)),
                           (CK.CKM_RSA_PKCS, b"\1" * 256), (CK.CKM_RSA_PKCS, b"\xff" * 256)):
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, self.session.decrypt, key, how, block)
        for size in (0, 255, 257):
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_LEN_RANGE, self.session.decrypt, key, oaep(),
                           bytes(size))

    def test_init_when_oaep_cannot_be_honoured_then_mechanism_param_invalid(self):
        key, public = (find("rsa-2048") for find in (self.session.private_key,
                                                     self.session.public_key))
        for spec in (oaep("SHA1"), oaep("SHA512"), oaep(mgf="SHA1"), oaep(label=b"label")):
            self.assert_rv(CK.CKR_MECHANISM_PARAM_INVALID, self.session.init, "Decrypt", key, spec)
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.session.encrypt, public, oaep(), bytes(191))


class HmacTest(RealVaultTestCase):
    def test_sign_when_hmac_then_equal_to_vaults(self):
        key = self.session.secret_key("hmac")
        for hash_name in BEYOND_SHA1:
            how = mechanism("", hash_name + "_HMAC")
            for message in (b"", MESSAGE):
                mac = self.session.sign(key, how, message)
                told = self.vault.write("transit/hmac/hmac/" + wire_hash(hash_name),
                                        {"input": b64(message)})["hmac"]
                self.assertEqual("vault:v1:" + b64(mac), told)
                self.session.verify(key, how, message, mac)
                self.assert_rv(CK.CKR_SIGNATURE_INVALID, self.session.verify, key, how, message,
                               bytes(len(mac)))
            self.assertEqual(self.session.sign_parts(key, how, *PARTS), mac)

    def test_sign_when_key_is_known_then_equal_to_a_local_one(self):
        self.vault.make_key("open", "hmac", exportable=True)
        exported = self.vault.read("transit/export/hmac-key/open")["keys"]["1"]
        mac = self.session.sign(self.session.secret_key("open"), CK.CKM_SHA256_HMAC, MESSAGE)
        self.assertEqual(mac, hmac.new(base64.b64decode(exported), MESSAGE, "sha256").digest())


class RestTest(RealVaultTestCase):
    def test_mechanisms_when_listed_then_these_tests_use_each(self):
        used = {CK.CKM_RSA_PKCS, CK.CKM_RSA_PKCS_PSS, CK.CKM_ECDSA, CK.CKM_EDDSA,
                CK.CKM_RSA_PKCS_OAEP}
        for hash_name in SIZES:
            used |= {mechanism("", hash_name + "_RSA_PKCS"), mechanism("ECDSA_", hash_name),
                     mechanism("", hash_name + "_RSA_PKCS_PSS")}
        used |= {mechanism("", hash_name + "_HMAC") for hash_name in BEYOND_SHA1}
        used |= {mechanism("", hash_name + "_HMAC_GENERAL") for hash_name in SIZES
                 if hash_name != "SHA1"} | {CK.CKM_SHA_1_HMAC, CK.CKM_SHA_1_HMAC_GENERAL}
        listed = {number for number in self.p11.mechanisms(self.slot)  # session keys' among them
                  if self.p11.mechanism_info(self.slot, number).flags & CK.CKF_SIGN}
        self.assertEqual([CK.name("CKM_", number) for number in listed - used], [])

    def test_random_when_long_then_as_long_and_not_constant(self):
        for size in (1, 64, 65, 4096, 4097, 60000):
            data = self.session.random(size)
            self.assertEqual(len(data), size)
            if size > 64:
                self.assertGreater(len(set(data)), 16)
        self.assertNotEqual(self.session.random(64), self.session.random(64))

    def test_init_when_key_is_of_another_kind_then_key_type_inconsistent(self):
        for name, how in (("rsa-2048", CK.CKM_ECDSA), ("ecdsa-p256", CK.CKM_RSA_PKCS),
                          ("ed25519", CK.CKM_ECDSA), ("rsa-2048", CK.CKM_EDDSA)):
            self.assert_rv(CK.CKR_KEY_TYPE_INCONSISTENT, self.session.init, "Sign",
                           self.session.private_key(name), how)
        for how in (CK.CKM_RSA_X_509, CK.CKM_AES_CBC):
            self.assert_rv(CK.CKR_MECHANISM_INVALID, self.session.init, "Sign",
                           self.session.private_key("rsa-2048"), how)

    def test_sign_when_large_then_up_to_the_service_limit(self):
        key = self.session.private_key("ed25519")
        most = bytes(768 << 10)
        self.vault.public_key("ed25519").verify(self.session.sign(key, CK.CKM_EDDSA, most), most)
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, self.session.sign, key, CK.CKM_EDDSA, most + b"x")

    def test_find_when_name_is_odd_then_read_as_it_is(self):
        for name in ("a.b-c_d", "A"):
            self.vault.make_key(name)
            verify_ecdsa(self.vault.public_key(name), digest("SHA256"), self.session.sign(
                self.session.private_key(name), CK.CKM_ECDSA, digest("SHA256")))
        for name in ("../keys/a", "a/b", "%61", "no such key", "..", "x" * 2000, "\u00e9"):
            self.assertEqual(self.session.find(CKA_LABEL=name), [], name)


class CoalescingTest(HarnessTestCase):
    THREADS, ROUNDS = 16, 30

    def sign_in_threads(self, p11, slot, label, how, check):
        """Each signs its own digests and has each signature checked."""
        faults = []

        def work(number):
            try:
                with p11.session(slot) as session:
                    key = session.private_key(label)
                    for turn in range(self.ROUNDS):
                        message = hashlib.sha256(b"%d %d" % (number, turn)).digest()
                        check(message, session.sign(key, how, message))
            except Exception as fault:  # reported by the test's own thread
                faults.append(fault)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(self.THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])

    def assert_batched(self, vault, batches_of=None):
        """batches_of: the server's counter of batches, where it has one."""
        vault.setup_transit("app", ed="ed25519", rsa="rsa-2048")
        config = self.enter(TempConfig())
        config.slot("web", vault, timeout="20s")
        p11 = self.open_module(config)
        slot, ecdsa, ed = p11.slot("web"), vault.public_key("app"), vault.public_key("ed")
        rsa = vault.public_key("rsa")
        cases = [("app", CK.CKM_ECDSA, lambda data, sig: verify_ecdsa(ecdsa, data, sig), True),
                 ("ed", CK.CKM_EDDSA, lambda data, sig: ed.verify(sig, data), True),
                 ("rsa", CK.CKM_SHA256_RSA_PKCS, lambda data, sig: rsa.verify(
                     sig, data, padding.PKCS1v15(), hashes.SHA256()), False)]
        for label, how, check, batched in cases:
            before = batches_of and batches_of()
            self.sign_in_threads(p11, slot, label, how, check)
            if batches_of:
                self.assertEqual(batches_of() > before, batched, label)

    def test_sign_when_16_threads_then_each_signature_is_right(self):
        self.assert_batched(self.enter(RealVault()))

    def test_sign_when_16_threads_then_counters_show_batches(self):
        vault = self.enter(Double())
        self.assert_batched(vault, lambda: vault.stats()["batches"])
        stats = vault.stats()
        self.assertLessEqual(stats["max_batch"], 32)
        self.assertLess(stats["requests"], 3 * self.THREADS * self.ROUNDS)

    def test_sign_when_one_thread_then_no_batch(self):
        vault = self.enter(Double())
        vault.setup_transit("app")
        config = self.enter(TempConfig())
        config.slot("web", vault)
        p11 = self.open_module(config)
        with p11.session(p11.slot("web")) as session:
            key = session.private_key("app")
            for _ in range(20):
                session.sign(key, CK.CKM_ECDSA, bytes(32))
        self.assertEqual(vault.stats()["batches"], 0)


if __name__ == "__main__":
    main()
