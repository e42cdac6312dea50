#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver and etcd while things change: an upgrade of the plugin under load with KMS
v1, and a Vault that does not answer for a while."""

import time
import unittest

from kms_cluster_case import VALUE, ClusterCase


class ClusterWeatherTest(ClusterCase):
    def test_v1_with_an_upgrade_under_load(self):
        plugin = self.serve()
        self.cluster.start("v1")
        self.cluster.wait_ready()
        self.assertEqual(self.cluster.create_secret("first", VALUE), 201)
        self.assert_sealed("first", b"v1")
        self.restart("v1")
        self.assert_sealed("first", b"v1")
        for i in range(30):  # with v1 every write is a call
            if i % 10 == 5:
                before = plugin.process
                plugin.start("--take-over", wait=False)
            self.assertEqual(self.cluster.create_secret("load-%d" % i, VALUE), 201)
            if i % 10 == 9:
                self.assertEqual(before.wait(20), 0)
        self.assert_sealed("load-29", b"v1")

    def test_v2_with_a_vault_that_hangs_for_a_while(self):
        self.serve()
        self.cluster.start()
        self.cluster.wait_ready()
        self.assertEqual(self.cluster.create_secret("first", VALUE), 201)
        self.vault.freeze()
        try:
            time.sleep(25)  # the API server looks at the plugin's health every 20 s
            self.assertEqual(self.cluster.create_secret("meanwhile", VALUE), 201)
            self.assertEqual(self.cluster.read_secret("first"), VALUE)
            self.assertEqual(self.cluster.request("GET", "/healthz/kms-providers")[0], 500)
        finally:
            self.vault.thaw()
        self.cluster.wait_for(self.is_healthy, "the API server does not see that it works", 60)
        self.assert_sealed("meanwhile", b"v2")

    def is_healthy(self):
        return self.cluster.request("GET", "/healthz/kms-providers")[0] == 200


if __name__ == "__main__":
    unittest.main()
