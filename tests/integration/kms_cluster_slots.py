#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver and etcd over the other slots: an HSM, a quorum, and an Azure vault whose
Secrets Azure's own plugin would have written the same way."""

import unittest

from azure_case import AzureTestCase
from harness import Double
from kms_plugin import Plugin
from kms_slots import SHARES, add_hsm, make_aes
from kubernetes_server import Cluster

VALUE = "the plaintext of a secret"


class ClusterSlotsTest(AzureTestCase):
    @classmethod
    def set_up_azure(cls):
        cls.azure.make_key("kek", "RSA", key_size=2048)

    def setUp(self):
        super().setUp()
        self.cluster = self.enter(Cluster(self.config.path("kms.sock")))

    def use(self, slot, key):
        """Writes through one plugin and API server, reads through the next ones: Secrets by KMS v2,
        ConfigMaps by v1."""
        name = "by-" + slot
        with Plugin(self.config, "--slot", slot, "--key", key) as plugin:
            plugin.client.status()
            self.cluster.start("both")
            self.cluster.wait_ready()
            self.assertEqual(self.cluster.create_secret(name, VALUE), 201)
            self.assertEqual(self.cluster.create_config_map(name, VALUE), 201)
            stored = self.cluster.stored(name)
            by_v1 = self.cluster.stored(name, "configmaps")
            self.assertTrue(stored.startswith(b"k8s:enc:kms:v2:hsmbridge:"), stored[:60])
            self.assertTrue(by_v1.startswith(b"k8s:enc:kms:v1:hsmbridge-configmaps:"), by_v1[:60])
            self.assertNotIn(VALUE.encode(), stored + by_v1)
            plugin.stop()
            plugin.start()
            self.cluster.stop_server()
            self.cluster.start("both")
            self.cluster.wait_ready()
            self.assertEqual(self.cluster.read_secret(name), VALUE)
            self.assertEqual(self.cluster.read_config_map(name), VALUE)
            self.cluster.stop_server()
        return stored

    def test_hsm(self):
        make_aes(add_hsm(self.config), "kek", "01")
        self.assertIn(b"algorithm.kms.hsmbridge", self.use("hsm", "kek"))

    def test_quorum(self):
        for name in ("v0", "v1"):
            vault = self.enter(Double())
            vault.setup_transit(kek="aes256-gcm96")
            self.config.slot(name, vault, timeout="2s")
        make_aes(add_hsm(self.config), "kek", "01")
        self.config.slot("all", backend="quorum", members="v0/kek v1/kek hsm/kek", threshold="2",
                         timeout="3s")
        self.assertIn(SHARES.encode(), self.use("all", "all"))

    def test_azure(self):
        self.add_slot("kv")
        self.assertIn(b"rsa-oaep-256", self.use("kv", "kek"))


if __name__ == "__main__":
    unittest.main()
