#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Into encryption by the KMS plugin and out of it again, with the files of docs/kubernetes.md, a real
API server and a real Vault."""

import unittest

import yaml

from chart_case import ChartTestCase, document_block
from chart_cluster_case import ChartCluster
from harness import RealVault, TempConfig
from kms_cluster_case import VALUE
from kms_plugin import Plugin


class MigrationTest(ChartTestCase):
    def setUp(self):
        vault = self.enter(RealVault())
        vault.setup_transit(k8s="aes256-gcm96")
        self.config = self.enter(TempConfig())
        self.config.slot("vault", vault)
        self.cluster = self.enter(ChartCluster(self.config.dir))
        self.enter(Plugin(self.config, "--slot", "vault", "--key", "k8s", http=False))

    def serve(self, text):
        self.cluster.text = text.replace("/run/hsmbridge-kms", self.config.dir)
        if self.cluster.is_up():
            self.cluster.stop_server()
        self.cluster.start()
        self.cluster.wait_ready()

    def assert_stored(self, beginning):
        self.assertEqual(self.cluster.read_secret("old"), VALUE)
        self.assertEqual(self.cluster.rewrite_secret("old"), 200)
        stored = self.cluster.stored("old")
        self.assertTrue(stored.startswith(beginning), stored[:60])
        self.assertEqual(VALUE.encode() in stored, beginning == b"k8s\0")
        self.assertEqual(self.cluster.read_secret("old"), VALUE)

    def test_migration_when_from_aescbc_and_out_again_then_everything_stays_readable(self):
        into = document_block("# /etc/kubernetes/encryption.yaml, from aescbc")
        before = yaml.safe_load(into)
        providers = before["resources"][0]["providers"]
        providers[:] = [each for each in providers if "kms" not in each]
        self.serve(yaml.safe_dump(before))
        self.assertEqual(self.cluster.create_secret("old", VALUE), 201)
        self.assert_stored(b"k8s:enc:aescbc:v1:key1:")
        self.serve(into)
        self.assert_stored(b"k8s:enc:kms:v2:hsmbridge:")
        self.serve(document_block("# /etc/kubernetes/encryption.yaml, before the plugin goes"))
        self.assert_stored(b"k8s\0")


if __name__ == "__main__":
    unittest.main(verbosity=2)
