#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KMS plugin's calls, over a slot of the stand-in for Vault: what is sealed, how key_id and
associated data bind it, rotation, outages, and the status of every failure."""

import threading
import time
import unittest

import grpc

from harness import Double, HarnessTestCase, TempConfig
from kms_plugin import KmsClient, Plugin, Sealed, field

Code = grpc.StatusCode
SEED = bytes(range(32))


class KmsCase(HarnessTestCase):
    options = {}

    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit(kek="aes256-gcm96")
        self.config = self.enter(TempConfig())
        self.config.slot("kms", self.vault, timeout="2s", **self.options)

    def serve(self, *args, **options):
        self.plugin = self.enter(Plugin(self.config, "--slot", "kms", "--key", "kek", "-v", "4",
                                        *args, **options))
        return self.plugin.client

    def assert_fails(self, code, pattern, function, *args, **options):
        with self.assertRaises(grpc.RpcError) as caught:
            function(*args, **options)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertRegex(caught.exception.details(), pattern)

    def wait_for(self, condition, seconds=15):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "nothing changed: " + self.config.log())
            time.sleep(0.1)


class SealedTest(KmsCase):
    def test_v2_round_trip_with_one_request_for_each_call(self):
        client = self.serve()
        status = client.status()
        self.assertEqual((status.version, status.healthz), ("v2", "ok"))
        self.assertRegex(status.key_id, "^[0-9a-f]{64}$")
        before = len(self.config.log().splitlines())
        sealed = client.encrypt(SEED)
        self.assertEqual(sealed.key_id, status.key_id)
        self.assertTrue(sealed.ciphertext.startswith(b"vault:v1:"), sealed.ciphertext)
        self.assertEqual(sealed.annotations, {"algorithm.kms.hsmbridge": b"aead"})
        self.assertEqual(client.decrypt(sealed), SEED)
        client.status()
        requests = [line for line in self.config.log().splitlines()[before:] if "transit/" in line]
        self.assertEqual(len(requests), 2, requests)

    def test_v1_round_trip(self):
        client = self.serve()
        self.assertEqual(client.v1_version()[0], "v1beta1")
        cipher = client.v1_encrypt(SEED)
        self.assertNotIn(SEED, cipher)
        self.assertEqual(client.v1_decrypt(cipher), SEED)

    def test_ciphertext_is_the_services_own_bound_to_the_key_id(self):
        client = self.serve()
        sealed = client.encrypt(SEED)
        path = self.config.path("sealed")
        with open(path, "wb") as out:
            out.write(sealed.ciphertext)
        opened = self.run_cli(self.config, "decrypt", "--key", "kek", "--aad", sealed.key_id,
                              "--in", path, "--hex")
        self.assertEqual(opened.stdout.strip(), SEED.hex(), opened.stderr)
        other = sealed._replace(key_id="0" * 64)
        self.assert_fails(Code.INVALID_ARGUMENT, "does not open", client.decrypt, other)

    def test_changed_ciphertext_and_annotations_do_not_open(self):
        client = self.serve()
        sealed = client.encrypt(SEED)
        changed = bytearray(sealed.ciphertext)
        changed[-5] ^= 1
        for wrong, pattern in (
                (sealed._replace(ciphertext=bytes(changed)), "does not open"),
                (sealed._replace(ciphertext=b""), "does not open"),
                (sealed._replace(annotations={}), "no annotation"),
                (sealed._replace(annotations={"algorithm.kms.hsmbridge": b"rot13"}), "no value")):
            self.assert_fails(Code.INVALID_ARGUMENT, pattern, client.decrypt, wrong)

    def test_v1_cipher_of_nobody_is_refused(self):
        client = self.serve()
        for cipher in (b"", b"HBK\1", b"HBK\1" + bytes(33), b"HBK\1\x63" + bytes(64), bytes(300)):
            self.assert_fails(Code.INVALID_ARGUMENT, "form|open", client.v1_decrypt, cipher)

    def test_chacha20_key_is_served(self):
        self.vault.make_key("other", "chacha20-poly1305")
        plugin = self.enter(Plugin(self.config, "--slot", "kms", "--key", "other"))
        self.assertEqual(plugin.client.decrypt(plugin.client.encrypt(SEED)), SEED)

    def test_rsa_key_seals_with_oaep_and_older_versions_open(self):
        self.vault.make_key("rsa", "rsa-2048")
        plugin = self.enter(Plugin(self.config, "--slot", "kms", "--key", "rsa",
                                   "--rotation-check", "1s"))
        old, old_v1 = plugin.client.encrypt(SEED), plugin.client.v1_encrypt(SEED)
        self.assertEqual(old.annotations, {"algorithm.kms.hsmbridge": b"rsa-oaep-256"})
        self.vault.rotate_behind("rsa")
        self.wait_for(lambda: plugin.client.status().key_id != old.key_id)
        self.assertEqual(plugin.client.decrypt(old), SEED)
        self.assertEqual(plugin.client.v1_decrypt(old_v1), SEED)
        self.assertEqual(plugin.client.decrypt(plugin.client.encrypt(SEED)), SEED)


class RotationTest(KmsCase):
    def test_rotation_is_followed_and_older_versions_decrypt(self):
        client = self.serve("--rotation-check", "1s")
        old = client.encrypt(SEED)
        self.vault.rotate_behind("kek")
        self.wait_for(lambda: client.status().key_id != old.key_id)
        new = client.encrypt(SEED)
        self.assertEqual(new.key_id, client.status().key_id)
        self.assertTrue(new.ciphertext.startswith(b"vault:v2:"))
        self.assertEqual([client.decrypt(sealed) for sealed in (old, new)], [SEED, SEED])
        self.assertEqual(self.plugin.metric("hsmbridge_kms_key_version"), 2)
        self.assertEqual(self.plugin.metric("hsmbridge_kms_key_versions"), 2)

    def test_encrypt_uses_the_version_that_status_tells_until_it_tells_another(self):
        client = self.serve("--rotation-check", "1h")
        before = client.status().key_id
        self.vault.rotate_behind("kek")
        sealed = client.encrypt(SEED)
        self.assertEqual((sealed.key_id, client.status().key_id), (before, before))
        self.assertTrue(sealed.ciphertext.startswith(b"vault:v1:"))

    def test_key_made_anew_under_the_same_name_has_another_key_id(self):
        client = self.serve("--rotation-check", "1s")
        before = client.status().key_id
        self.vault.delete_key("kek")
        time.sleep(1.1)  # Vault tells seconds
        self.vault.make_key("kek", "aes256-gcm96")
        self.wait_for(lambda: self.status_or_none(client) not in (None, before))

    @staticmethod
    def status_or_none(client):
        try:
            return client.status().key_id
        except grpc.RpcError:
            return None

    def test_pinned_version_stays(self):
        self.vault.rotate_behind("kek")
        client = self.serve("--key-version", "1")
        self.assertTrue(client.encrypt(SEED).ciphertext.startswith(b"vault:v1:"))

    def test_version_that_is_not_there_is_told(self):
        client = self.serve("--key-version", "7")
        self.assert_fails(Code.NOT_FOUND, "no version '7'", client.status)

    def test_seal_of_another_plugin_with_a_newer_version_opens(self):
        client = self.serve("--rotation-check", "1h")
        client.status()
        self.vault.rotate_behind("kek")
        other = self.enter(Plugin(self.config, "--slot", "kms", "--key", "kek",
                                  path=self.config.path("other.sock")))
        self.assertEqual(client.decrypt(other.client.encrypt(SEED)), SEED)


class FaultTest(KmsCase):
    def test_outage_is_told_and_writes_may_go_on(self):
        client = self.serve("--rotation-check", "1s")
        key_id = client.status().key_id
        sealed = client.encrypt(SEED)
        port = self.vault.port
        self.vault.stop()
        self.wait_for(lambda: client.status().healthz != "ok")
        status = client.status()
        self.assertEqual(status.key_id, key_id)
        self.assertRegex(status.healthz, "slot 'kms'")
        self.assertEqual(self.plugin.get("/healthz")[0], 503)
        self.assertEqual(self.plugin.get("/livez"), (200, "ok\n"))
        self.assert_fails(Code.UNAVAILABLE, "slot 'kms'", client.decrypt, sealed)
        self.vault.start(port)
        self.vault.setup_transit(kek="aes256-gcm96")
        self.config.secret("token-kms", self.vault.token)
        self.wait_for(lambda: client.status().healthz == "ok")
        self.assertEqual(self.plugin.get("/healthz")[0], 200)

    def test_late_start_of_the_service(self):
        port = self.vault.port
        self.vault.stop()
        client = self.serve()
        self.assert_fails(Code.UNAVAILABLE, "slot 'kms'", client.status)
        self.assert_fails(Code.UNAVAILABLE, "slot 'kms'", client.encrypt, SEED)
        self.vault.start(port)
        self.vault.setup_transit(kek="aes256-gcm96")
        self.config.secret("token-kms", self.vault.token)
        self.wait_for(lambda: RotationTest.status_or_none(client) is not None)

    def test_key_that_is_gone_stops_writes(self):
        client = self.serve("--rotation-check", "1s")
        client.status()
        self.vault.delete_key("kek")
        self.wait_for(lambda: RotationTest.status_or_none(client) is None)
        self.assert_fails(Code.NOT_FOUND, "no key 'kek'", client.status)
        self.assert_fails(Code.NOT_FOUND, "no key 'kek'", client.encrypt, SEED)

    def test_rights_that_are_taken_away_stop_writes(self):
        self.vault.setup_policy("kms", {"transit/keys/kek": "read", "transit/encrypt/kek": "update",
                                        "transit/decrypt/kek": "update"})
        self.config.slot("kms", self.vault, timeout="2s", token_file=self.config.secret(
            "limited", self.vault.make_token("kms")))
        client = self.serve("--rotation-check", "1s", "--proof-interval", "1s")
        client.status()
        self.vault.setup_policy("kms", {"transit/keys/kek": "read"})
        self.wait_for(lambda: RotationTest.status_or_none(client) is None)
        self.assert_fails(Code.PERMISSION_DENIED, "kek", client.status)

    def test_key_that_cannot_encrypt_is_told(self):
        self.vault.make_key("signing", "ecdsa-p256")
        plugin = self.enter(Plugin(self.config, "--slot", "kms", "--key", "signing"))
        self.assert_fails(Code.FAILED_PRECONDITION, "not for encryption", plugin.client.status)

    def test_callers_deadline_is_kept(self):
        client = self.serve()
        client.status()
        self.vault.freeze()
        try:
            began = time.monotonic()
            self.assert_fails(Code.DEADLINE_EXCEEDED, ".", client.encrypt, SEED, timeout=1)
            self.assertLess(time.monotonic() - began, 2.5)
            self.wait_for(lambda: "'kms/kek': timeout" in self.config.log())
        finally:
            self.vault.thaw()

    def test_status_is_answered_while_the_service_hangs(self):
        client = self.serve("--rotation-check", "1s")
        client.status()
        self.vault.freeze()
        try:
            time.sleep(1.1)
            began = time.monotonic()
            self.assertEqual(client.status(timeout=3).version, "v2")
            self.assertLess(time.monotonic() - began, 3)
        finally:
            self.vault.thaw()

    def test_calls_that_hang_block_neither_status_nor_liveness(self):
        client = self.serve("--rotation-check", "1h", "--workers", "2")
        client.status()
        self.vault.freeze()
        threads = [threading.Thread(target=self.try_encrypt) for _ in range(4)]
        try:
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            began = time.monotonic()
            client.status()
            self.assertLess(time.monotonic() - began, 2)
        finally:
            self.vault.thaw()
            for thread in threads:
                thread.join()

    def try_encrypt(self):
        client = KmsClient(self.plugin.path)
        try:
            client.encrypt(SEED, timeout=5)
        except grpc.RpcError:
            pass
        client.close()


class WrongCallTest(KmsCase):
    def test_unknown_methods_and_broken_messages(self):
        client = self.serve()
        client.status()
        self.assert_fails(Code.UNIMPLEMENTED, "no such method", client.call, "/v3.Service/Status")
        self.assert_fails(Code.UNIMPLEMENTED, "no such method", client.call, "/" + "a" * 300)
        for method in ("v2.KeyManagementService/Encrypt", "v2.KeyManagementService/Decrypt",
                       "v1beta1.KeyManagementService/Encrypt",
                       "v1beta1.KeyManagementService/Decrypt"):
            self.assert_fails(Code.INTERNAL, "malformed", client.call, "/" + method, b"\x0a\xff")
        self.assertEqual(client.status().healthz, "ok")

    def test_sizes(self):
        client = self.serve()
        self.assert_fails(Code.RESOURCE_EXHAUSTED, "1 MiB", client.encrypt, bytes(1 << 20))
        self.assert_fails(Code.FAILED_PRECONDITION, "1024", client.encrypt, bytes(2000))
        self.assertEqual(client.v1_decrypt(client.v1_encrypt(bytes(200000))), bytes(200000))
        self.assertEqual(client.decrypt(client.encrypt(b"")), b"")

    def test_foreign_fields_and_text_are_harmless(self):
        client = self.serve()
        extra = field(1, SEED) + field(2, "uid\n\x7f" + chr(0xfc)) + field(99, b"x" * 100)
        self.assertTrue(client.call("/v2.KeyManagementService/Encrypt", extra))
        sealed = client.encrypt(SEED)
        self.assert_fails(Code.INVALID_ARGUMENT, "open", client.decrypt,
                          Sealed(sealed.ciphertext, "%n%s%%" + chr(0x20ac), sealed.annotations))


class SeveralKeysTest(KmsCase):
    def test_keys_on_sockets_of_their_own(self):
        self.vault.make_key("two", "aes256-gcm96")
        other = self.config.path("two.sock")
        client = self.serve("--listen", "unix://" + self.config.path("kms.sock"), "--key", "two",
                            "--listen", "unix://" + other, listen=False)
        second = KmsClient(other)
        self.addCleanup(second.close)
        self.assertNotEqual(client.status().key_id, second.status().key_id)
        sealed = client.encrypt(SEED)
        self.assertEqual(client.decrypt(sealed), SEED)
        with self.assertRaises(grpc.RpcError):
            second.decrypt(sealed)
        self.assertRegex(self.plugin.get("/healthz")[1], "(?s)kms/kek: ok.*kms/two: ok")


if __name__ == "__main__":
    unittest.main()
