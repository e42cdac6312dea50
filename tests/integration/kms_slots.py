#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The KMS plugin over the other kinds of slots: an HSM (SoftHSM2), a quorum of three, and an Azure
vault, with the flags and the data of Azure's own plugin."""

import base64
import hashlib
import json
import time
import unittest

import grpc
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from azure_case import WEB, AzureTestCase
from harness import Double, HarnessTestCase, TempConfig
from hsm_slot import PIN, SOFTHSM, Token
from kms_plugin import Plugin, Sealed

SEED = bytes(range(32))
SHARES = "shares.kms.hsmbridge"


def add_hsm(config, name="hsm"):
    """A slot over a SoftHSM2 token of its own."""
    token = Token(config)
    config.slot(name, backend="pkcs11", module=SOFTHSM, token="pkcs11:token=hsm",
                pin_file=config.secret("pin", PIN + "\n"))
    return token


def make_aes(token, label, number):
    token.tool("--keygen", "--key-type", "AES:32", "--label", label, "--id", number,
               "--usage-decrypt", "--sensitive")


class SlotCase(HarnessTestCase):
    def assert_round_trips(self, client):
        status = client.status()
        self.assertEqual(status.healthz, "ok")
        sealed = client.encrypt(SEED)
        self.assertEqual(sealed.key_id, status.key_id)
        self.assertLessEqual(len(sealed.ciphertext), 1024)
        self.assertNotIn(SEED, sealed.ciphertext)
        self.assertEqual(client.decrypt(sealed), SEED)
        self.assertEqual(client.v1_decrypt(client.v1_encrypt(SEED)), SEED)
        return sealed

    def assert_does_not_open(self, client, sealed):
        with self.assertRaises(grpc.RpcError) as caught:
            client.decrypt(sealed)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT,
                         caught.exception.details())


class HsmTest(SlotCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.token = add_hsm(self.config)

    def serve(self, key, *more):
        return self.enter(Plugin(self.config, "--key", key, *more)).client

    def test_aes_key_seals_with_gcm_bound_to_the_key_id(self):
        make_aes(self.token, "kek", "01")
        client = self.serve("kek")
        sealed = self.assert_round_trips(client)
        self.assertIn(sealed.annotations["algorithm.kms.hsmbridge"], (b"aead", b"aes-gcm"))
        self.assert_does_not_open(client, sealed._replace(key_id="0" * 64))

    def test_rsa_key_seals_with_oaep(self):
        self.token.tool("--keypairgen", "--key-type", "rsa:2048", "--label", "kek", "--id", "01",
                        "--usage-decrypt")
        sealed = self.assert_round_trips(self.serve("kek"))
        self.assertIn(sealed.annotations["algorithm.kms.hsmbridge"], (b"rsa-oaep", b"rsa-oaep-256"))

    def test_new_key_of_the_same_label_has_another_key_id_and_the_old_one_opens(self):
        make_aes(self.token, "kek", "01")
        client = self.serve("kek", "--rotation-check", "1s")
        old = client.encrypt(SEED)
        make_aes(self.token, "kek", "02")
        deadline = time.monotonic() + 20
        while client.status().key_id == old.key_id:
            self.assertLess(time.monotonic(), deadline, self.config.log())
            time.sleep(0.2)
        self.assertEqual(client.decrypt(old), SEED)
        self.assert_round_trips(client)


class QuorumTest(SlotCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.vaults = [self.enter(Double()) for _ in range(2)]
        for i, vault in enumerate(self.vaults):
            vault.setup_transit(kek="aes256-gcm96")
            self.config.slot("v%d" % i, vault, timeout="2s")
        make_aes(add_hsm(self.config), "kek", "01")
        self.config.slot("all", backend="quorum", members="v0/kek v1/kek hsm/kek", threshold="2",
                         wrap_min="2", timeout="3s")
        self.client = self.enter(Plugin(self.config, "--slot", "all", "--key", "all",
                                        "--rotation-check", "1s")).client

    def test_shares_are_annotations_and_the_ciphertext_is_small(self):
        sealed = self.assert_round_trips(self.client)
        self.assertLess(len(sealed.ciphertext), 200)
        self.assertEqual(sealed.annotations["algorithm.kms.hsmbridge"], b"quorum")
        self.assertTrue(sealed.annotations[SHARES].startswith(b"HSMBQRM"))
        self.assertEqual(sealed.ciphertext[:32], hashlib.sha256(sealed.annotations[SHARES]).digest())
        self.assertLess(sum(map(len, sealed.annotations.values())), 32 << 10)

    def test_one_member_away_is_no_matter(self):
        sealed = self.client.encrypt(SEED)
        self.vaults[0].stop()
        self.assertEqual(self.client.decrypt(sealed), SEED)
        self.assertEqual(self.client.decrypt(self.client.encrypt(SEED)), SEED)

    def test_shares_of_another_ciphertext_do_not_open_it(self):
        one, two = self.client.encrypt(SEED), self.client.encrypt(SEED)
        self.assert_does_not_open(self.client, one._replace(annotations=two.annotations))
        self.assert_does_not_open(self.client, one._replace(
            annotations={"algorithm.kms.hsmbridge": b"quorum"}))
        self.assert_does_not_open(self.client, one._replace(key_id="1" * 64))


class AzureTest(AzureTestCase, SlotCase):
    """The data of Azure's own plugin is made here, as its version 0.11.0 does."""

    @classmethod
    def set_up_azure(cls):
        cls.azure.make_key("kek", "RSA", key_size=2048)
        cls.version = cls.azure.version("kek")
        cls.azure.make_key("other", "RSA", key_size=2048)

    def flags(self, *more):
        secret = self.config.secret("azure.json", json.dumps({
            "cloud": "AzurePublicCloud", "tenantId": self.azure.tenant,
            "aadClientId": self.azure.client_id, "aadClientSecret": self.azure.client_secret}))
        return ["--keyvault-name=" + WEB.partition(".")[0], "--key-name=kek",
                "--key-version=" + self.version, "-config-file-path", secret, "-v=1",
                "--listen-addr=unix://" + self.config.path("kms.sock"),
                "--slot-option", "ca_file=" + self.azure.ca,
                "--slot-option", "connect_to=::" + self.azure.connect_to, *more]

    def serve(self, *more):
        self.plugin = self.enter(Plugin(self.config, *self.flags(*more), listen=False))
        return self.plugin.client

    def legacy_id(self, version=None):
        text = "https://%s/keys/kek/%s" % (WEB, version or self.version)
        return hashlib.sha256(text.encode()).hexdigest()

    def legacy_v2(self, **annotations):
        block = self.azure.public_key("kek", self.version).encrypt(SEED, padding.OAEP(
            padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        return Sealed(base64.urlsafe_b64encode(block).rstrip(b"="), self.legacy_id(), dict({
            "date.azure.akv.io": b"now", "x-ms-request-id.azure.akv.io": b"id",
            "x-ms-keyvault-region.azure.akv.io": b"westeurope", "version.azure.akv.io": b"1",
            "algorithm.azure.akv.io": b"RSA-OAEP-256"}, **annotations))

    def legacy_v1(self):
        block = self.azure.public_key("kek", self.version).encrypt(SEED, padding.PKCS1v15())
        return base64.urlsafe_b64encode(block).rstrip(b"=")

    def test_flags_of_azures_plugin_serve_with_its_key_ids(self):
        client = self.serve()
        sealed = self.assert_round_trips(client)
        self.assertEqual(sealed.key_id, self.legacy_id())

    def test_data_of_azures_plugin_opens(self):
        client = self.serve()
        self.assertEqual(client.decrypt(self.legacy_v2()), SEED)
        self.assertEqual(client.v1_decrypt(self.legacy_v1()), SEED)

    def test_data_of_azures_plugin_opens_in_a_configured_slot(self):
        self.add_slot("kv")
        client = self.enter(Plugin(self.config, "--slot", "kv", "--key", "kek")).client
        sealed = self.assert_round_trips(client)
        self.assertNotEqual(sealed.key_id, self.legacy_id())
        self.assertEqual(client.decrypt(self.legacy_v2()), SEED)
        self.assertEqual(client.v1_decrypt(self.legacy_v1()), SEED)

    def test_changed_data_of_azures_plugin_does_not_open(self):
        client = self.serve()
        for wrong in (self.legacy_v2(**{"algorithm.azure.akv.io": b"RSA1_5"}),
                      self.legacy_v2(**{"version.azure.akv.io": b"2"}),
                      self.legacy_v2()._replace(ciphertext=b"AAAA"),
                      self.legacy_v2()._replace(ciphertext=b"!" * 342)):
            self.assert_does_not_open(client, wrong)
        with self.assertRaises(grpc.RpcError) as caught:
            client.decrypt(self.legacy_v2()._replace(key_id="0" * 64))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        with self.assertRaises(grpc.RpcError):
            client.v1_decrypt(base64.urlsafe_b64encode(bytes(256)).rstrip(b"="))

    def test_pinned_version_seals_and_others_open(self):
        client = self.serve()
        before = client.status().key_id
        self.azure.rotate_key("kek")
        self.addCleanup(setattr, type(self), "version", self.version)
        other = self.enter(Plugin(self.config, *[
            flag.replace(self.version, self.azure.version("kek")).replace("kms.sock", "two.sock")
            for flag in self.flags()], listen=False, path=self.config.path("two.sock")))
        sealed = other.client.encrypt(SEED)
        self.assertNotEqual(sealed.key_id, before)
        self.assertEqual(client.status().key_id, before)
        deadline = time.monotonic() + 20
        while True:  # a key_id that is not known asks the service every 5 s at most
            try:
                self.assertEqual(client.decrypt(sealed), SEED)
                break
            except grpc.RpcError:
                self.assertLess(time.monotonic(), deadline, self.plugin.errors())
                time.sleep(0.5)


if __name__ == "__main__":
    unittest.main()
