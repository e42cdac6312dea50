# SPDX-License-Identifier: Apache-2.0
"""What the tests with a real API server share: a real Vault with a key, a configuration with a slot
for it, and an API server that looks for the plugin at .config.path("kms.sock")."""

from harness import HarnessTestCase, RealVault, TempConfig
from kms_plugin import Plugin
from kubernetes_server import Cluster

VALUE = "the plaintext of a secret"


class ClusterCase(HarnessTestCase):
    def setUp(self):
        self.vault = self.enter(RealVault())
        self.vault.setup_transit(kek="aes256-gcm96")
        self.config = self.enter(TempConfig())
        self.config.slot("kms", self.vault, timeout="3s")
        self.cluster = self.enter(Cluster(self.config.path("kms.sock")))

    def serve(self, *more):
        plugin = self.enter(Plugin(self.config, "--slot", "kms", "--key", "kek", "-v", "1",
                                   "--rotation-check", "1s", *more))
        plugin.client.status()
        return plugin

    def assert_sealed(self, name, version):
        stored = self.cluster.stored(name)
        self.assertTrue(stored.startswith(b"k8s:enc:kms:%s:hsmbridge:" % version), stored[:60])
        self.assertNotIn(VALUE.encode(), stored)
        self.assertEqual(self.cluster.read_secret(name), VALUE)
        return stored

    def restart(self, version):
        self.cluster.stop_server()
        self.cluster.start(version)
        self.cluster.wait_ready()
