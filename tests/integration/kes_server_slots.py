#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge-kes over each kind of slot: keys in a directory, sealed by a key of the slot, and keys
that are the slot's own."""

import base64
import os
import unittest

from azure_case import AzureTestCase
from ehsm_case import EhsmTestCase
from harness import Double, TempConfig
from kes_server_case import SEALED, KesServerCase
from kms_slots import add_hsm, make_aes

VALUE = bytes(range(32))


class SealedCase(KesServerCase):
    def check_seals(self, slot, key):
        """Keys are made, kept sealed, and open again in another process, under their own names."""
        kes = self.serve(self.config, store_format="sealed", slot=slot, sealing_key=key)
        kes.admin.create("app")
        kes.admin.import_key("brought", VALUE)
        sealed = {name: self.assert_works(kes.admin, name) for name in ("app", "brought")}
        mac = kes.admin.hmac("app", b"msg")
        text = self.stored(self.config, "brought")
        self.assertTrue(text.startswith(SEALED), text[:40])
        self.assertNotIn(VALUE, base64.b64decode(text[len(SEALED):]))
        self.restart(kes)
        for name, ciphertext in sealed.items():
            self.assertEqual(kes.admin.decrypt(name, ciphertext, b"bucket/object"), b"hello")
        self.assertEqual(kes.admin.hmac("app", b"msg"), mac)
        self.assertEqual(kes.admin.json("GET", "/v1/key/list/")["names"], ["app", "brought"])
        self.assert_name_binds(kes)
        return kes

    def assert_name_binds(self, kes):
        keys = self.config.path("keys")
        os.link(os.path.join(keys, "app"), os.path.join(keys, "moved"))
        self.assert_refused(kes.admin.call("PUT", "/v1/key/generate/moved"), 502,
                            "failed to read key")
        self.assertIn("moved", kes.output())
        os.unlink(os.path.join(keys, "moved"))


class VaultTest(SealedCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.vault = self.enter(Double())
        self.vault.setup_transit(kek="aes256-gcm96")
        self.config.slot("web", self.vault, timeout="2s", allow="generate import destroy")

    def test_key_of_vault_seals(self):
        self.check_seals("web", "kek")

    def test_sealing_key_when_rotated_then_old_and_new_records_open(self):
        kes = self.serve(self.config, store_format="sealed", slot="web", sealing_key="kek")
        kes.admin.create("before")
        sealed = kes.admin.encrypt("before", b"hello")
        self.vault.rotate_key("kek")
        self.restart(kes)
        kes.admin.create("after")
        self.assertEqual(kes.admin.decrypt("before", sealed), b"hello")
        heads = [base64.b64decode(self.stored(self.config, name)[len(SEALED):])[1:5]
                 for name in ("before", "after")]
        self.assertEqual(heads, [b"\0\0\0\1", b"\0\0\0\2"])
        self.restart(kes)
        for name in ("before", "after"):
            self.assert_works(kes.admin, name)

    def test_sealing_key_when_rotated_behind_a_running_server_then_goes_on(self):
        kes = self.serve(self.config, store_format="sealed", slot="web", sealing_key="kek")
        kes.admin.create("before")
        self.vault.rotate_key("kek")
        other = self.replica(kes)
        other.admin.create("after")  # with the version that the first has not seen
        self.assert_works(kes.admin, "after")
        self.assert_works(other.admin, "before")

    def test_sealing_slot_when_away_then_keys_at_hand_work_and_others_are_not_absent(self):
        kes = self.serve(self.config, store_format="sealed", slot="web", sealing_key="kek")
        for name in ("cached", "other"):
            kes.admin.create(name)
        self.restart(kes)
        self.assert_works(kes.admin, "cached")
        self.vault.refuse_connections()
        self.vault.drop_connections()
        self.assert_works(kes.admin, "cached")
        for method, path in (("PUT", "generate/other"), ("GET", "describe/other"),
                             ("PUT", "create/new")):
            self.assert_away(kes.admin.call(method, "/v1/key/" + path))
        self.assertEqual(os.listdir(self.config.path("keys")).count("new"), 0)
        self.assertEqual(kes.admin.call("GET", "/v1/key/describe/absent").status, 404)
        self.vault.accept_connections()
        self.wait_until_works(kes, "other")
        kes.admin.create("new")

    def test_sealing_slot_when_frozen_then_answered_in_time(self):
        kes = self.serve(self.config, store_format="sealed", slot="web", sealing_key="kek")
        kes.admin.create("other")
        self.restart(kes)
        self.vault.freeze()
        self.addCleanup(self.vault.thaw)
        replies = self.race([kes.admin] * 4, "PUT", "/v1/key/generate/other")
        for reply in replies:
            self.assert_refused(reply, 504, "key store is not reachable")
        self.vault.thaw()
        self.wait_until_works(kes, "other")

    def wait_until_works(self, kes, name):
        for _ in range(100):
            if kes.admin.call("PUT", "/v1/key/generate/" + name).status == 200:
                return
        self.fail(self.config.log()[-2000:])

    def test_keys_of_vault_are_the_keys(self):
        kes = self.serve(self.config, store="slot", store_format="", directory="", slot="web")
        kes.admin.create("app")
        kes.admin.import_key("brought", VALUE)
        sealed = self.assert_works(kes.admin, "app")
        self.assert_works(kes.admin, "brought")
        self.assertEqual(kes.admin.json("GET", "/v1/key/describe/app")["algorithm"], "AES256")
        self.assertEqual(kes.admin.json("GET", "/v1/key/list/")["names"],
                         ["app", "brought", "kek"])
        self.assert_refused(kes.admin.call("PUT", "/v1/key/hmac/app", {"message": "YQ=="}), 409,
                            "key does not support HMAC")
        self.assert_refused(kes.admin.call("PUT", "/v1/key/create/app"), 400, "key already exists")
        self.vault.rotate_key("app")
        self.restart(kes)
        self.assertEqual(kes.admin.decrypt("app", sealed, b"bucket/object"), b"hello")
        self.assert_works(kes.admin, "app")
        self.assertEqual(kes.admin.call("DELETE", "/v1/key/delete/app").status, 200)
        self.assert_refused(kes.admin.call("PUT", "/v1/key/generate/app"), 404,
                            "key does not exist")

    def test_keys_of_vault_when_made_at_once_then_one_is(self):
        kes = self.serve(self.config, store="slot", store_format="", directory="", slot="web")
        for number in range(5):
            replies = self.race([kes.admin] * 8, "PUT", "/v1/key/create/race-%d" % number)
            self.assertEqual(sorted(reply.status for reply in replies), [200] + [400] * 7)

    def test_keys_of_vault_when_away_then_not_absent(self):
        kes = self.serve(self.config, store="slot", store_format="", directory="", slot="web")
        kes.admin.create("app")
        self.vault.refuse_connections()
        self.vault.drop_connections()
        for method, path in (("PUT", "generate/app"), ("PUT", "create/new"),
                             ("DELETE", "delete/app"), ("PUT", "generate/absent")):
            self.assert_away(kes.admin.call(method, "/v1/key/" + path))
        self.assert_refused(kes.admin.call("GET", "/v1/ready"), 504, "key store is not reachable")
        self.assertTrue(kes.admin.json("GET", "/v1/status")["keystore_unreachable"])
        self.vault.accept_connections()
        self.wait_until_works(kes, "app")

    def test_slot_when_it_does_not_allow_it_then_says_which_option_would(self):
        self.config.slot("web", self.vault)
        kes = self.serve(self.config, store="slot", store_format="", directory="", slot="web")
        reply = kes.admin.call("PUT", "/v1/key/create/app")
        self.assert_refused(reply, 502, "failed to create key")
        self.assertIn("allow = generate", kes.output())


class HsmTest(SealedCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.token = add_hsm(self.config)

    def test_key_of_an_hsm_seals(self):
        make_aes(self.token, "kek", "01")
        self.check_seals("hsm", "kek")

    def test_keys_of_an_hsm_are_the_keys(self):
        make_aes(self.token, "app", "01")
        kes = self.serve(self.config, store="slot", store_format="", directory="", slot="hsm")
        sealed = self.assert_works(kes.admin, "app")
        self.assertEqual(kes.admin.json("GET", "/v1/key/list/")["names"], ["app"])
        self.restart(kes)
        self.assertEqual(kes.admin.decrypt("app", sealed, b"bucket/object"), b"hello")
        self.assert_refused(kes.admin.call("PUT", "/v1/key/hmac/app", {"message": "YQ=="}), 409,
                            "key does not support HMAC")
        self.token.tool("--keygen", "--key-type", "GENERIC:32", "--label", "app", "--id", "05",
                        "--usage-sign", "--sensitive")
        self.restart(kes)
        self.assertEqual(len(kes.admin.hmac("app", b"msg")), 32)

    def test_quorum_seals(self):
        make_aes(self.token, "kek", "01")
        for name in ("v0", "v1"):
            vault = self.enter(Double())
            vault.setup_transit(kek="aes256-gcm96")
            self.config.slot(name, vault, timeout="2s")
        self.config.slot("all", backend="quorum", members="v0/kek v1/kek hsm/kek", threshold="2",
                         timeout="3s")
        kes = self.check_seals("all", "all")
        vault.freeze()
        self.addCleanup(vault.thaw)
        self.restart(kes)
        self.assert_works(kes.admin, "app")  # two of three are enough


class AzureTest(SealedCase, AzureTestCase):
    @classmethod
    def set_up_azure(cls):
        cls.azure.make_key("kek", "RSA", key_size=2048)

    def test_key_of_azure_seals(self):
        self.add_slot("kv")
        self.check_seals("kv", "kek")


class EhsmTest(SealedCase, EhsmTestCase):
    def test_key_of_an_ehsm_seals(self):
        self.make("kek", "EH_AES_GCM_256")
        self.slot()
        self.check_seals("sgx", "kek")


if __name__ == "__main__":
    unittest.main(verbosity=2)
