#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver and etcd with the KMS plugin between them and a real Vault: what etcd has is
ciphertext, and it reads back; rotation, and a plugin that dies, is replaced, or comes late."""

import time
import unittest

from kms_cluster_case import VALUE, ClusterCase


class ClusterTest(ClusterCase):
    def test_v2_rotation_death_and_late_start(self):
        self.cluster.start()  # before the plugin
        self.cluster.wait_for(self.answers, "the API server does not start")
        self.assertFalse(self.cluster.is_ready())
        plugin = self.serve()
        self.cluster.wait_ready()
        self.assertEqual(self.cluster.create_secret("first", VALUE), 201)
        old = plugin.client.status().key_id
        self.assertIn(old.encode(), self.assert_sealed("first", b"v2"))

        plugin.kill()
        self.assertEqual(self.cluster.create_secret("orphan", VALUE), 201)  # under the seed it has
        plugin.start()
        self.vault.rotate_key("kek")
        self.wait_rotated(plugin, old)
        new = plugin.client.status().key_id
        self.assertIn(new.encode(), self.cluster.stored("rotated"))
        self.assertEqual(self.cluster.read_secret("first"), VALUE)
        self.assertEqual(self.cluster.rewrite_secret("first"), 200)
        self.assertIn(new.encode(), self.assert_sealed("first", b"v2"))

        self.restart("v2")  # whatever was cached is gone
        for name in ("first", "orphan", "rotated"):
            self.assert_sealed(name, b"v2")

    def answers(self):
        try:
            return self.cluster.request("GET", "/livez")[0] == 200
        except OSError:
            return False

    def wait_rotated(self, plugin, old):
        """The API server asks every minute."""
        deadline = time.monotonic() + 90
        count = 0
        while old.encode() in self.stored_anew(count):
            self.assertLess(time.monotonic(), deadline, plugin.errors())
            count += 1
            time.sleep(2)
        self.assertEqual(self.cluster.create_secret("rotated", VALUE), 201)

    def stored_anew(self, count):
        name = "try-%d" % count
        self.assertEqual(self.cluster.create_secret(name, VALUE), 201)
        return self.cluster.stored(name)


if __name__ == "__main__":
    unittest.main()
