#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where the KES-compatible server keeps keys: a directory and a real Vault, side by side with a KES
that keeps its own there; sealed under keys of every kind of slot; and keys of slots themselves."""

import base64
import concurrent.futures
import json
import os
import time
import unittest

from bigdl_case import TOKEN
from bigdl_server import BigdlDouble
from harness import Double, HarnessTestCase, RealVault, TempConfig
from kes_program import KesProgram
from kes_server import KesDouble, new_api_key
from kms_slots import add_hsm, make_aes

VALUE = bytes(range(32))


class StoreTestCase(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig())

    def serve(self, config=None, **options):
        return self.enter(KesProgram(config or self.config, **options))

    def message(self, server, method, path, body=None):
        reply = server.admin.call(method, path, body)
        return reply.status, json.loads(reply.body or b"{}").get("message")

    def generate(self, server, name, context=b""):
        """(data key, its ciphertext)"""
        answer = server.admin.json("PUT", "/v1/key/generate/" + name,
                                   {"context": base64.b64encode(context).decode()})
        return base64.b64decode(answer["plaintext"]), base64.b64decode(answer["ciphertext"])

    def names(self, server):
        return server.admin.json("GET", "/v1/key/list/")["names"]

    def assert_works(self, server, name):
        plain, sealed = self.generate(server, name, b"there")
        self.assertEqual(len(plain), 32)
        self.assertEqual(server.admin.decrypt(name, sealed, b"there"), plain)
        body = {"ciphertext": base64.b64encode(sealed).decode()}
        self.assertEqual(self.message(server, "PUT", "/v1/key/decrypt/" + name, body),
                         (400, "decryption failed: ciphertext is not authentic"))

    def assert_side_by_side(self, ours, theirs):
        """Each opens what the other made, keys and ciphertexts."""
        ours.admin.create("from-us")
        theirs.admin.create("from-kes")
        theirs.admin.import_key("stream", VALUE, "ChaCha20")
        for name in ("from-us", "from-kes", "stream"):
            for maker, opener in ((ours, theirs), (theirs, ours)):
                sealed = maker.admin.encrypt(name, b"hello", b"ctx")
                self.assertEqual(opener.admin.decrypt(name, sealed, b"ctx"), b"hello", name)
            self.assertEqual(ours.admin.hmac(name, b"m"), theirs.admin.hmac(name, b"m"), name)
        self.assertEqual(self.names(ours), ["from-kes", "from-us", "stream"])
        self.assertEqual(self.message(ours, "PUT", "/v1/key/create/from-kes"),
                         (400, "key already exists"))


class DirectoryTest(StoreTestCase):
    def setUp(self):
        super().setUp()
        self.dir = self.config.path("keys")

    def test_store_of_a_kes_when_shared_then_each_opens_what_the_other_made(self):
        ours = self.serve()
        self.assert_side_by_side(ours, self.enter(KesDouble("--files", self.dir)))
        self.assertEqual(sorted(os.listdir(self.dir)), ["from-kes", "from-us", "stream"])
        self.assertEqual(os.stat(os.path.join(self.dir, "from-us")).st_mode & 0o777, 0o600)

    def test_directory_when_gone_then_unavailable_and_never_taken_for_empty(self):
        ours = self.serve()
        ours.admin.create("app")
        _, sealed = self.generate(ours, "app")
        os.rename(self.dir, self.dir + ".away")
        self.assertEqual(self.message(ours, "GET", "/v1/ready"),
                         (504, "key store is not reachable"))
        ours.admin.decrypt("app", sealed)  # at hand
        ours.stop()
        ours.start()
        for method, path in (("GET", "/v1/key/describe/app"), ("PUT", "/v1/key/generate/app"),
                             ("GET", "/v1/key/list/"), ("DELETE", "/v1/key/delete/app"),
                             ("PUT", "/v1/key/create/new")):
            self.assertIn(self.message(ours, method, path)[0], (502, 504), path)
        os.rename(self.dir + ".away", self.dir)
        ours.admin.decrypt("app", sealed)
        self.assertEqual(self.message(ours, "GET", "/v1/key/describe/none"),
                         (404, "key does not exist"))

    def test_key_when_deleted_on_one_replica_then_gone_on_the_other_within_the_cache_time(self):
        replicas = [self.serve(config, directory=self.dir, cache_any="2s")
                    for config in (self.config, self.enter(TempConfig()))]
        replicas[0].admin.create("app")
        self.assert_works(replicas[1], "app")
        replicas[0].admin.json("DELETE", "/v1/key/delete/app")
        gone = (404, "key does not exist")
        self.assertEqual(self.message(replicas[0], "PUT", "/v1/key/generate/app"), gone)
        time.sleep(2.1)
        self.assertEqual(self.message(replicas[1], "PUT", "/v1/key/generate/app"), gone)

    def test_name_when_made_by_many_at_once_then_one_wins(self):
        replicas = [self.serve(config, directory=self.dir)
                    for config in (self.config, self.enter(TempConfig()))]
        assert_one_winner(self, replicas, 5)


def assert_one_winner(test, replicas, rounds):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for i in range(rounds):
            path = "/v1/key/create/raced-%d" % i
            answers = list(pool.map(lambda at: test.message(  # pylint: disable=cell-var-from-loop
                replicas[at % len(replicas)], "PUT", path), range(8)))
            test.assertEqual(sorted(status for status, _ in answers), [200] + 7 * [400], answers)
            test.assertEqual({text for status, text in answers if status == 400},
                             {"key already exists"})


class VaultCase(StoreTestCase):
    """AppRole and the least policy there is: no update on version 1."""

    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit()
        cls.vault.make_key("wrapper", "aes256-gcm96")
        cls.vault.make_key("kek", "aes256-gcm96")
        for version in ("1", "2"):
            cls.vault.write("sys/mounts/kv" + version,
                            {"type": "kv", "options": {"version": version}})
        rules = {"transit/keys/*": "read", "transit/encrypt/*": "update",
                 "transit/decrypt/*": "update"}
        for place in ("kes/one", "kes/two", "kes/three", "kes/four"):
            rules.update({
                "kv1/" + place: "list", "kv1/%s/*" % place: "create read delete",
                "kv2/metadata/" + place: "list", "kv2/metadata/%s/*" % place: "list delete",
                "kv2/data/%s/*" % place: "create read"})
        cls.vault.setup_policy("kes", rules)
        cls.role_id, cls.secret_id = cls.vault.setup_approle("kes", role="kes")

    def serve_on(self, version, prefix, config=None, **options):
        config = config or self.config
        config.slot("vault", self.vault, auth="approle",
                    role_id_file=config.secret("role-id", self.role_id),
                    secret_id_file=config.secret("secret-id", self.secret_id))
        options = dict({"store": "vault", "directory": None, "vault_slot": "vault",
                        "vault_mount": "kv" + version, "vault_version": version,
                        "vault_prefix": prefix}, **options)
        return self.serve(config, **options)

    def kes_on(self, version, prefix):
        settings = {"url": self.vault.url, "ca": self.vault.ca, "role_id": self.role_id,
                    "secret_id": self.secret_id, "engine": "kv" + version,
                    "version": "v" + version, "prefix": prefix}
        return self.enter(KesDouble("--vault", self.config.secret("vault.json",
                                                                  json.dumps(settings))))


class VaultTest(VaultCase):
    def test_store_of_a_kes_when_shared_then_each_opens_what_the_other_made(self):
        for version in ("1", "2"):
            with self.subTest(version=version):
                config = self.enter(TempConfig())
                ours = self.serve_on(version, "kes/one", config)
                self.assertEqual(self.names(ours), [])  # a KES says 502 to this
                self.assert_side_by_side(ours, self.kes_on(version, "kes/one"))
                ours.admin.json("DELETE", "/v1/key/delete/from-kes")
                self.assertEqual(self.message(ours, "GET", "/v1/key/describe/from-kes"),
                                 (404, "key does not exist"))
                self.assertEqual(self.names(ours), ["from-us", "stream"])
                self.assertEqual(self.message(ours, "GET", "/v1/ready"), (200, None))

    def test_name_when_made_by_many_at_once_then_one_wins(self):
        for version in ("1", "2"):
            with self.subTest(version=version):
                replicas = [self.serve_on(version, "kes/two", self.enter(TempConfig()))
                            for _ in range(2)]
                assert_one_winner(self, replicas, 5)

    def test_keys_when_wrapped_then_a_rotation_of_the_wrapping_key_harms_nobody(self):
        ours = self.serve_on("2", "kes/three", vault_transit="wrapper")
        ours.admin.create("before")
        self.vault.rotate_key("wrapper")
        ours.stop()
        ours.start()
        ours.admin.create("after")  # a KES says 502 to this
        for name, version in (("before", 1), ("after", 2)):
            self.assert_works(ours, name)
            kept = self.vault.read("kv2/data/kes/three/" + name)["data"][name]
            self.assertTrue(kept.startswith("vault:v%d:" % version), kept)
        opened = self.vault.write("transit/decrypt/wrapper", {"ciphertext": kept})["plaintext"]
        self.assertTrue(base64.b64decode(opened).startswith(b"CiQKI"))  # as a KES wraps it


class VaultAwayTest(VaultCase):
    def test_keys_when_sealed_then_nothing_in_the_store_opens_without_the_slot(self):
        ours = self.serve_on("1", "kes/four", store_format="sealed", slot="vault",
                             sealing_key="kek", cache_any="1s", cache_offline="60s")
        ours.admin.create("app")
        kept = self.vault.read("kv1/kes/four/app")["app"]
        self.assertTrue(kept.startswith("hsmbridge-kes:v1:"), kept)
        self.vault.rotate_key("kek")
        ours.stop()
        ours.start()
        _, sealed = self.generate(ours, "app")
        self.vault.write("kv1/kes/four/moved", {"moved": kept})
        self.assertEqual(self.message(ours, "PUT", "/v1/key/generate/moved")[0], 502)
        self.vault.stop()  # it forgets everything, hence a class of its own
        time.sleep(1.1)
        ours.admin.decrypt("app", sealed)  # offline
        self.assertIn(self.message(ours, "GET", "/v1/key/describe/none")[0], (502, 504))
        self.assertIn(self.message(ours, "GET", "/v1/ready")[0], (502, 504))


class SealedTest(StoreTestCase):
    """Under keys of an HSM, which are of other kinds than Vault's, and under a quorum."""

    def assert_seals_with(self, key, slot="hsm"):
        ours = self.serve(store_format="sealed", slot=slot, sealing_key=key)
        ours.admin.create("app")
        plain, sealed = self.generate(ours, "app")
        with open(self.config.path("keys/app"), encoding="ascii") as file:
            self.assertTrue(file.read().startswith("hsmbridge-kes:v1:"))
        ours.stop()
        ours.start()
        self.assertEqual(ours.admin.decrypt("app", sealed), plain)

    def test_aes_key(self):
        make_aes(add_hsm(self.config), "kek", "01")
        self.assert_seals_with("kek")

    def test_rsa_key(self):
        add_hsm(self.config).tool("--keypairgen", "--key-type", "rsa:2048", "--label", "kek",
                                  "--id", "01", "--usage-decrypt")
        self.assert_seals_with("kek")

    def test_quorum(self):
        make_aes(add_hsm(self.config), "kek", "01")
        for name in ("v0", "v1"):
            vault = self.enter(Double())
            vault.setup_transit(kek="aes256-gcm96")
            self.config.slot(name, vault, timeout="2s")
        self.config.slot("all", backend="quorum", members="v0/kek v1/kek hsm/kek", threshold="2",
                         wrap_min="2", timeout="3s")
        self.assert_seals_with("all", "all")


class SlotTest(StoreTestCase):
    """Keys that never leave their service."""

    def assert_serves(self, ours):
        ours.admin.create("app")
        self.assertEqual(self.message(ours, "PUT", "/v1/key/create/app"),
                         (400, "key already exists"))
        self.assert_works(ours, "app")
        self.assertEqual(self.names(ours), ["app"])
        self.assertEqual(ours.admin.json("GET", "/v1/key/describe/app")["algorithm"], "AES256")
        sealed = ours.admin.encrypt("app", b"", b"c")
        self.assertEqual(ours.admin.decrypt("app", sealed, b"c"), b"")
        self.assertEqual(self.message(ours, "GET", "/v1/ready"), (200, None))
        assert_one_winner(self, [ours], 2)
        ours.admin.json("DELETE", "/v1/key/delete/app")
        self.assertEqual(self.message(ours, "PUT", "/v1/key/generate/app"),
                         (404, "key does not exist"))

    def test_keys_of_an_hsm(self):
        add_hsm(self.config)
        options = dict(self.config._slots["hsm"],  # pylint: disable=protected-access
                       allow="generate import destroy")
        self.config.slot("hsm", **options)
        ours = self.serve(store="slot", slot="hsm", store_format=None, directory=None)
        self.assert_serves(ours)

    def test_keys_of_a_vault(self):
        vault = self.enter(RealVault())
        vault.setup_transit()
        self.config.slot("vault", vault, allow="generate import destroy")
        ours = self.serve(store="slot", slot="vault", store_format=None, directory=None)
        self.assert_serves(ours)
        ours.admin.import_key("brought", VALUE)
        self.assert_works(ours, "brought")
        ours.admin.create("rotated")
        plain, sealed = self.generate(ours, "rotated", b"c")
        vault.rotate_key("rotated")
        self.assertEqual(ours.admin.decrypt("rotated", sealed, b"c"), plain)

    def test_keys_of_a_kes(self):
        kes = self.enter(KesDouble())
        api_key = new_api_key()
        kes.allow("us", api_key, "/v1/key/*", "/v1/ready")
        self.config.slot("kes", backend="kes", url=kes.url, ca_file=kes.ca,
                         allow="generate import destroy",
                         api_key_file=self.config.secret("api-key", api_key))
        ours = self.serve(store="slot", slot="kes", store_format=None, directory=None)
        self.assert_serves(ours)
        kes.admin.create("theirs")
        sealed = kes.admin.encrypt("theirs", b"hello", b"ctx")
        self.assertEqual(ours.admin.decrypt("theirs", sealed, b"ctx"), b"hello")
        self.assertEqual(ours.admin.hmac("theirs", b"m"), kes.admin.hmac("theirs", b"m"))

    def test_keys_that_their_service_gives_out(self):
        kms = self.enter(BigdlDouble())
        alice = kms.enroll("alice", TOKEN)
        alice.primary("primary")
        alice.data("orders", "primary")
        self.config.slot("bigdl", backend="bigdl", url=kms.url, ca_file=kms.ca, user="alice",
                         user_token_file=self.config.secret("token", TOKEN),
                         primary_keys="primary", data_keys="primary/orders")
        ours = self.serve(store="slot", slot="bigdl", store_format=None, directory=None)
        self.assert_works(ours, "orders")
        self.assertEqual(self.names(ours), ["orders"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
