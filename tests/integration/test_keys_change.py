#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keys that are deleted, rotated or disabled while they are in use, on a real Vault."""

import os
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from harness import CK, Double, RealVault, oaep
from weather import DIGEST, WeatherTestCase, complaints, main, verify_ecdsa

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
FRESH = "200ms"  # for how long what is known of a key is good


class KeysChangeTestCase(WeatherTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit()

    def key_scene(self, label, kind="ecdsa-p256", **options):
        self.vault.make_key(label, kind)
        return self.scene(self.vault, label, warm=kind.startswith("ecdsa"), **options)

    def disable_below(self, label, version):
        self.vault.write("transit/keys/%s/config" % label, {"min_decryption_version": version,
                                                            "min_encryption_version": version})

    def assert_signs_with(self, web, key, version):
        signature = web.session.sign(key, CK.CKM_ECDSA, DIGEST)
        verify_ecdsa(self.vault.public_key(web.label, version), DIGEST, signature)


class DeletedTest(KeysChangeTestCase):
    def test_sign_when_key_deleted_then_function_failed_and_handle_dies(self):
        web = self.key_scene("gone")
        self.vault.delete_key("gone")
        self.assert_fault(web, CK.CKR_FUNCTION_FAILED, web.sign, "slot 'web'", "key 'gone'",
                          self.vault.url, "gone")
        self.assert_rv(CK.CKR_KEY_HANDLE_INVALID, web.session.init, "Sign", web.key, CK.CKM_ECDSA)
        self.assertEqual(web.session.find(CKA_LABEL="gone"), [])

    def test_find_when_key_deleted_and_made_anew_then_the_new_one_signs(self):
        web = self.key_scene("phoenix")
        self.vault.delete_key("phoenix")
        self.assert_fault(web, CK.CKR_FUNCTION_FAILED, web.sign, "key 'phoenix'")
        self.vault.make_key("phoenix")
        web.key = None
        self.assert_works(web)

    def test_sign_when_key_replaced_by_its_namesake_then_found_again_after_refresh(self):
        web = self.key_scene("twin", cache=FRESH)
        old_id = web.session.attribute(web.key, "CKA_ID")
        self.vault.delete_key("twin")
        self.vault.make_key("twin")
        time.sleep(0.3)
        web.key = None
        self.assert_works(web)
        self.assertNotEqual(web.session.attribute(web.key, "CKA_ID"), old_id)
        self.assertEqual(web.session.find(CKA_ID=old_id), [])

    def test_decrypt_when_key_deleted_then_function_failed(self):
        web = self.key_scene("shredded", "rsa-2048")
        sealed = self.vault.public_key("shredded").encrypt(b"x", OAEP)
        key = web.find()
        self.assertEqual(web.session.decrypt(key, oaep(), sealed), b"x")
        self.vault.delete_key("shredded")
        self.assert_fault(web, CK.CKR_FUNCTION_FAILED,
                          lambda: web.session.decrypt(key, oaep(), sealed), "key 'shredded'",
                          "gone")

    def test_find_when_key_is_made_after_a_miss_then_found_soon(self):
        web = self.key_scene("first")
        self.assertEqual(web.session.find(CKA_LABEL="late"), [])
        self.vault.make_key("late")
        end = time.monotonic() + 4
        while not web.session.find(CKA_LABEL="late"):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)


class RotatedTest(KeysChangeTestCase):
    def test_sign_when_rotated_then_handle_keeps_its_version(self):
        web = self.key_scene("pinned", cache=FRESH)
        old = web.find()
        old_id = web.session.attribute(old, "CKA_ID")
        self.vault.rotate_key("pinned")
        self.assert_signs_with(web, old, 1)
        time.sleep(0.3)
        new = web.session.private_key("pinned")
        self.assertNotEqual(new, old)
        self.assert_signs_with(web, new, 2)
        self.assert_signs_with(web, old, 1)
        by_id = web.session.find_one(CKA_CLASS=CK.CKO_PRIVATE_KEY, CKA_ID=old_id)
        self.assert_signs_with(web, by_id, 1)
        self.assertEqual(complaints(web.config.log()), [])

    def test_find_when_cache_is_fresh_then_no_request_and_old_version(self):
        web = self.key_scene("cached")
        self.vault.rotate_key("cached")
        self.assertEqual(web.session.private_key("cached"), web.key)
        self.assert_signs_with(web, web.key, 1)

    def test_find_when_versions_all_then_older_ones_have_a_label_of_their_own(self):
        self.vault.make_key("many")
        for _ in range(2):
            self.vault.rotate_key("many")
        web = self.scene(self.vault, "many", versions="all", keys="many")
        labels = {web.session.attribute(key, "CKA_LABEL").decode(): key
                  for key in web.session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)}
        self.assertEqual(set(labels), {"many", "many@v2", "many@v1"})
        for label, version in (("many", 3), ("many@v2", 2), ("many@v1", 1)):
            self.assert_signs_with(web, labels[label], version)
            self.assertEqual(web.session.private_key(label), labels[label])

    def test_find_when_version_named_then_that_one(self):
        self.vault.make_key("named")
        self.vault.rotate_key("named")
        web = self.scene(self.vault, "named")
        self.assert_signs_with(web, web.session.private_key("named@v1"), 1)
        self.assertEqual(web.session.find(CKA_LABEL="named@v3"), [])

    def test_find_when_certificate_carries_a_version_then_that_one_is_pinned(self):
        self.vault.make_key("cert")
        pem = os.path.join(self.vault.dir, "pinned.pem")
        self.vault.authority.certify(pem, self.vault.public_key("cert"), "www.test")
        self.vault.rotate_key("cert")
        with self.scene_once(self.vault, "cert", cache=FRESH, certificates=pem) as web:
            self.assert_signs_with(web, web.find(), 1)
            self.vault.rotate_key("cert")
            time.sleep(0.3)
            self.assertEqual(web.session.private_key("cert"), web.key)
            self.assert_signs_with(web, web.key, 1)
            certificate = web.session.find_one(CKA_CLASS=CK.CKO_CERTIFICATE)
            self.assertEqual(web.session.attribute(certificate, "CKA_ID"),
                             web.session.attribute(web.key, "CKA_ID"))
        with self.scene_once(self.vault, "cert") as web:
            self.assert_signs_with(web, web.find(), 3)


class DisabledTest(KeysChangeTestCase):
    def test_sign_when_version_disabled_then_not_permitted_until_enabled(self):
        web = self.key_scene("retired", cache=FRESH)
        old = web.find()
        self.vault.rotate_key("retired")
        self.disable_below("retired", 2)
        self.assert_fault(web, CK.CKR_KEY_FUNCTION_NOT_PERMITTED, web.sign, "slot 'web'",
                          "key 'retired'", self.vault.url, "disabled")
        time.sleep(0.3)
        self.assert_signs_with(web, web.session.private_key("retired"), 2)
        self.vault.write("transit/keys/retired/config", {"min_encryption_version": 0})
        self.vault.write("transit/keys/retired/config", {"min_decryption_version": 1})
        self.assert_signs_with(web, old, 1)

    def test_sign_init_when_version_known_to_be_disabled_then_not_permitted_without_request(self):
        self.vault.make_key("old")
        self.vault.rotate_key("old")
        self.vault.write("transit/keys/old/config", {"min_encryption_version": 2})
        web = self.scene(self.vault, "old")
        old = web.session.private_key("old@v1")
        self.assert_fault(web, CK.CKR_KEY_FUNCTION_NOT_PERMITTED,
                          lambda: web.session.init("Sign", old, CK.CKM_ECDSA), "key 'old'")

    def test_find_when_certificates_version_is_disabled_then_newest_is_pinned(self):
        self.vault.make_key("lapsed")
        pem = os.path.join(self.vault.dir, "lapsed.pem")
        self.vault.authority.certify(pem, self.vault.public_key("lapsed"), "www.test")
        self.vault.rotate_key("lapsed")
        self.disable_below("lapsed", 2)
        web = self.scene(self.vault, "lapsed", certificates=pem)
        self.assert_signs_with(web, web.find(), 2)


class DecryptTest(KeysChangeTestCase):
    def test_decrypt_when_sealed_for_an_older_version_then_opens(self):
        web = self.key_scene("box", "rsa-2048")
        sealed = {1: self.vault.public_key("box", 1).encrypt(b"one", OAEP)}
        self.vault.rotate_key("box")
        sealed[2] = self.vault.public_key("box", 2).encrypt(b"two", OAEP)
        key = web.session.private_key("box")
        self.assertEqual(web.session.decrypt(key, oaep(), sealed[2]), b"two")
        self.assertEqual(web.session.decrypt(key, oaep(), sealed[1]), b"one")
        self.disable_below("box", 2)
        self.assert_fault(web, CK.CKR_ENCRYPTED_DATA_INVALID,
                          lambda: web.session.decrypt(key, oaep(), b"\1" * 256), "key 'box'",
                          "does not open")

    def test_decrypt_when_nothing_opens_it_then_one_error_after_few_tries(self):
        double = self.enter(Double())
        double.setup_transit(box="rsa-2048")
        for _ in range(4):
            double.rotate_behind("box")
        double.read("transit/keys/box")  # it makes its RSA keys when they are first asked for
        web = self.scene(double, "box", warm=False, timeout=3.0)
        key = web.find()
        double.reset()
        self.assert_fault(web, CK.CKR_ENCRYPTED_DATA_INVALID,
                          lambda: web.session.decrypt(key, oaep(), b"\1" * 256), "slot 'web'",
                          "key 'box'", "does not open")
        self.assertEqual(double.count("POST /v1/transit/decrypt/box"), 4)

    def test_decrypt_when_second_version_hangs_then_within_the_deadline(self):
        double = self.enter(Double())
        double.setup_transit(box="rsa-2048")
        double.rotate_behind("box")
        double.read("transit/keys/box")
        web = self.scene(double, "box", warm=False)
        key = web.find()
        double.fault("delay", "/v1/transit/decrypt/", count=2, delay=0.8)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR,
                          lambda: web.session.decrypt(key, oaep(), b"\1" * 256), "slot 'web'",
                          "key 'box'")


if __name__ == "__main__":
    main()
