#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge-kes with its keys in the K/V engine of a real Vault, where a KES has them: with a KES
beside it, with a second one of its own, clear, wrapped and sealed, and while Vault is away."""

import base64
import json
import threading
import time
import unittest

from harness import RealVault, TempConfig
from kes_server import KesDouble
from kes_server_case import SEALED, KesServerCase

PREFIX = "kes/prod"
WRAPPED = "vault:v"
ROUNDS = 4  # of a race


class VaultCase(KesServerCase):
    """Slot `login` has an AppRole that may do what a KES needs, slot `kek` a key that seals."""

    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit(wrapper="aes256-gcm96", kek="aes256-gcm96")
        for version in ("1", "2"):
            cls.vault.write("sys/mounts/kv" + version,
                            {"type": "kv", "options": {"version": version}})
        cls.vault.setup_policy("kes", {
            "kv1/kes/*": "create read list",
            "kv2/data/kes/*": "create read", "kv2/metadata/kes/*": "list delete",
            "transit/keys": "list", "transit/keys/*": "read",
            "transit/encrypt/*": "update", "transit/decrypt/*": "update"})
        cls.role_id, cls.secret_id = cls.vault.setup_approle("kes", role="kes")

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.prefix = "%s-%d" % (PREFIX, time.monotonic_ns())  # each test has a place of its own
        self.login()

    def login(self):
        self.config.slot("login", self.vault, auth="approle", timeout="2s",
                         role_id_file=self.config.secret("role-id", self.role_id),
                         secret_id_file=self.config.secret("secret-id", self.secret_id))

    def on_vault(self, version, **options):
        return self.serve(self.config, **dict({
            "store": "vault", "directory": "", "vault_slot": "login", "vault_mount": "kv" + version,
            "vault_version": version, "vault_prefix": self.prefix}, **options))

    def kes_on_vault(self, version, **settings):
        """A KES with the same keys."""
        settings = dict({"url": self.vault.url, "ca": self.vault.ca, "role_id": self.role_id,
                         "secret_id": self.secret_id, "engine": "kv" + version,
                         "version": "v" + version, "prefix": self.prefix}, **settings)
        return self.enter(KesDouble("--vault", self.config.secret("vault.json",
                                                                  json.dumps(settings))))

    def stored_in_vault(self, version, name):
        middle = "data/" if version == "2" else ""
        data = self.vault.read("kv%s/%s%s/%s" % (version, middle, self.prefix, name))
        return (data["data"] if version == "2" else data)[name]

    def assert_side_by_side(self, ours, theirs):
        """What either made, both use, and so the ciphertexts."""
        ours.admin.create("ours")
        theirs.admin.create("theirs")
        for name in ("ours", "theirs"):
            self.assertEqual(theirs.admin.decrypt(name, ours.admin.encrypt(name, b"x", b"c"), b"c"),
                             b"x")
            self.assertEqual(ours.admin.decrypt(name, theirs.admin.encrypt(name, b"y", b"c"), b"c"),
                             b"y")
            self.assertEqual(ours.admin.hmac(name, b"msg"), theirs.admin.hmac(name, b"msg"))
            one, two = (kes.admin.json("GET", "/v1/key/describe/" + name) for kes in (ours, theirs))
            self.assertEqual(one, two)
            for kes in (ours, theirs):
                self.assert_refused(kes.admin.call("PUT", "/v1/key/create/" + name), 400,
                                    "key already exists")
        for kes in (ours, theirs):
            self.assertEqual(kes.admin.json("GET", "/v1/key/list/")["names"], ["ours", "theirs"])


class BesideKesTest(VaultCase):
    def test_clear_keys_of_both_engines(self):
        for version in ("1", "2"):
            with self.subTest(version=version):
                kes = self.on_vault(version)
                self.assertEqual(kes.admin.json("GET", "/v1/key/list/")["names"], [])
                self.assert_side_by_side(kes, self.kes_on_vault(version))

    def test_wrapped_keys_of_both_engines(self):
        for version in ("1", "2"):
            with self.subTest(version=version):
                kes = self.on_vault(version, vault_transit="wrapper")
                self.assert_side_by_side(kes, self.kes_on_vault(version, transit="wrapper"))
                self.assertTrue(self.stored_in_vault(version, "ours").startswith(WRAPPED))

    def test_wrapping_key_when_rotated_then_we_go_on_where_kes_does_not(self):
        self.vault.make_key("turned", "aes256-gcm96")
        kes = self.on_vault("1", vault_transit="turned")
        kes.admin.create("before")
        self.vault.rotate_key("turned")
        theirs = self.kes_on_vault("1", transit="turned")
        self.assert_refused(theirs.admin.call("PUT", "/v1/key/create/theirs"), 502,
                            "failed to create key")
        self.restart(kes)
        kes.admin.create("after")
        self.assertTrue(self.stored_in_vault("1", "after").startswith("vault:v2:"))
        for name in ("before", "after"):
            self.assert_works(kes.admin, name)

    def test_entries_when_not_kes_own_then_no_keys_and_not_absent(self):
        kes = self.on_vault("1")
        for name, data in {"other": {"another": "x"}, "number": {"number": 5},
                           "text": {"text": "garbage"}}.items():
            self.vault.write("kv1/%s/%s" % (self.prefix, name), data)
            with self.subTest(name=name):
                self.assert_refused(kes.admin.call("PUT", "/v1/key/generate/" + name), 502,
                                    "failed to read key")

    def test_delete_when_the_policy_allows_it_then_gone_else_told(self):
        for version, status in (("1", 502), ("2", 200)):
            with self.subTest(version=version):
                kes = self.on_vault(version)
                kes.admin.create("app")
                reply = kes.admin.call("DELETE", "/v1/key/delete/app")
                self.assertEqual(reply.status, status, reply)
                self.assertEqual(kes.admin.call("PUT", "/v1/key/generate/app").status,
                                 200 if status == 502 else 404)
                if status == 502:
                    self.assertIn("failed to delete key", reply.body.decode())


class ReplicasTest(VaultCase):
    def assert_one_winner(self, version, **options):
        first = self.on_vault(version, **options)
        second = self.replica(first)
        for number in range(ROUNDS):
            name = "race-%d" % number
            replies = self.race([first.admin, second.admin] * 4, "PUT", "/v1/key/create/" + name)
            told = sorted((reply.status, reply.body) for reply in replies)
            self.assertEqual([status for status, _ in told], [200] + [400] * 7, told)
            self.assertIn(b"key already exists", told[-1][1])
            sealed = second.admin.encrypt(name, b"hello")
            self.assertEqual(first.admin.decrypt(name, sealed), b"hello")
        return first, second

    def test_one_name_made_at_once_is_made_once(self):
        for version in ("1", "2"):
            with self.subTest(version=version):
                self.assert_one_winner(version)

    def test_name_when_vault_would_let_it_be_overwritten_then_one_server_makes_it_once(self):
        self.vault.setup_policy("overwrites", {"kv1/kes/*": "create read list update"})
        ids = self.vault.setup_approle("overwrites", role="overwrites")
        for name, value in zip(("role-id", "secret-id"), ids):
            self.config.secret(name, value)
        kes = self.on_vault("1")
        for number in range(ROUNDS):
            replies = self.race([kes.admin] * 8, "PUT", "/v1/key/create/race-%d" % number)
            self.assertEqual(sorted(reply.status for reply in replies), [200] + [400] * 7)

    def replace_once_it_is_there(self, path, record):
        """What another server does that Vault has let through at the same moment."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if self.vault.request("GET", path).status == 200:
                self.vault.write(path, record)
                return

    def test_name_when_replaced_at_the_same_moment_then_not_said_to_be_made(self):
        """Version 1 looks first and writes then, whatever the policy says."""
        kes = self.on_vault("1")
        kes.admin.create("other")
        record = self.stored_in_vault("1", "other")
        replies = []
        for number in range(8):  # a busy machine may miss the moment now and then
            name = "race-%d" % number
            other = threading.Thread(target=self.replace_once_it_is_there, args=(
                "kv1/%s/%s" % (self.prefix, name), {name: record}))
            other.start()
            replies.append(kes.admin.call("PUT", "/v1/key/create/" + name))
            other.join()
        self.assertIn((400, b"key already exists"),
                      [(reply.status, reply.body[12:30]) for reply in replies], replies)

    def test_sealed_records_are_both_replicas(self):
        self.config.slot("kek", self.vault)
        for version in ("1", "2"):
            with self.subTest(version=version):
                first, second = self.assert_one_winner(version, store_format="sealed", slot="kek",
                                                       sealing_key="kek")
                self.assertTrue(self.stored_in_vault(version, "race-0").startswith(SEALED.decode()))
                sealed = self.assert_works(first.admin, "race-0")
                self.assertEqual(second.admin.decrypt("race-0", sealed, b"bucket/object"),
                                 b"hello")
                self.assert_sdk_takes_metrics(first)

    def test_key_when_deleted_at_one_then_gone_at_both_after_the_cache(self):
        first = self.on_vault("2", cache_any="1s")
        second = self.replica(first)
        first.admin.create("app")
        self.assert_works(second.admin, "app")
        self.assertEqual(first.admin.call("DELETE", "/v1/key/delete/app").status, 200)
        self.assert_refused(first.admin.call("PUT", "/v1/key/generate/app"), 404,
                            "key does not exist")
        deadline = time.monotonic() + 20
        while second.admin.call("PUT", "/v1/key/generate/app").status != 404:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


class AwayTest(VaultCase):
    REQUESTS = (("PUT", "generate/other"), ("GET", "describe/other"), ("GET", "describe/absent"),
                ("PUT", "create/new"), ("GET", "list/"), ("DELETE", "delete/other"))

    def assert_all_away(self, kes):
        begin = time.monotonic()
        for method, path in self.REQUESTS:
            with self.subTest(path=path):
                self.assert_away(kes.admin.call(method, "/v1/key/" + path))
        self.assertIn(kes.admin.call("GET", "/v1/ready").status, (502, 504))
        self.assertTrue(kes.admin.json("GET", "/v1/status").get("keystore_unreachable"))
        self.assertLess(time.monotonic() - begin, 60)

    def assert_comes_back(self, kes):
        deadline = time.monotonic() + 30
        while kes.admin.call("GET", "/v1/ready").status != 200:
            self.assertLess(time.monotonic(), deadline, kes.output())
            time.sleep(0.1)
        self.assert_works(kes.admin, "other")
        self.assert_refused(kes.admin.call("GET", "/v1/key/describe/absent"), 404,
                            "key does not exist")
        kes.admin.create("new")

    def start(self, version, **options):
        kes = self.on_vault(version, **options)
        for name in ("cached", "other"):
            kes.admin.create(name)
        self.restart(kes)
        self.assert_works(kes.admin, "cached")
        return kes

    def test_vault_when_sealed_then_keys_at_hand_work_and_all_come_back(self):
        for version in ("1", "2"):
            kes = self.start(version)
            self.vault.seal()
            try:
                self.assert_works(kes.admin, "cached")
                self.assert_all_away(kes)
            finally:
                self.vault.unseal()
            self.assert_comes_back(kes)

    def test_vault_when_frozen_then_answered_in_time(self):
        kes = self.start("2")
        self.vault.freeze()
        try:
            self.assert_works(kes.admin, "cached")
            self.assert_all_away(kes)
        finally:
            self.vault.thaw()
        self.assert_comes_back(kes)

    def test_offline_keys_when_vault_is_sealed_then_work_beyond_the_cache(self):
        offline = self.start("2", cache_any="1s", cache_offline="10m")
        at_once = self.enter_other(offline)
        self.assert_works(at_once.admin, "cached")
        self.vault.seal()
        try:
            time.sleep(2.5)
            self.assert_away(at_once.admin.call("PUT", "/v1/key/generate/cached"))
            self.assert_works(offline.admin, "cached")
            self.assert_away(offline.admin.call("PUT", "/v1/key/generate/other"))
        finally:
            self.vault.unseal()

    def enter_other(self, kes):
        """A second server, whose keys are not used while Vault is away."""
        kes.options = dict(kes.options, cache_offline="0s")
        kes.write()
        return self.replica(kes)

    def test_login_when_refused_then_told_and_not_absent(self):
        self.config.secret("secret-id", "wrong")
        kes = self.on_vault("1")
        self.assert_away(kes.admin.call("PUT", "/v1/key/generate/other"))
        self.assertNotIn("wrong", kes.output() + kes.errors() + self.config.log())
        self.config.secret("secret-id", self.secret_id)

    def test_stored_text_of_kes_is_what_vault_holds(self):
        kes = self.on_vault("1")
        kes.admin.import_key("app", bytes(range(32)))
        text = base64.b64decode(self.stored_in_vault("1", "app"))
        self.assertTrue(text.startswith(b"\x0a\x24\x0a\x20" + bytes(range(32)) + b"\x10\x01"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
