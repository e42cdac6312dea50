#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`hsmbridge bench` beside the bare loop, for slots of every service that has a stand-in here (of
Vault: cli.py): the loop sends what we send."""

import json
import unittest

from harness import AzureDouble, HarnessTestCase, TempConfig
from bigdl_server import BigdlDouble
from ehsm_server import EhsmDouble
from kes_server import KesDouble, new_api_key
from service_slots import NAME, azure_slot, bigdl_slot, ehsm_slot, kes_slot

QUICK = ("--key", NAME, "--pairs", "6", "--block", "50ms", "--threads", "2")


class BenchTest(HarnessTestCase):
    def open(self, double, slot, *args):
        service = self.enter(double())
        self.config = self.enter(TempConfig(log_level="warning"))
        slot(service, self.config, *args)
        service.reset()
        return service

    def bench(self, *args):
        done = self.run_cli(self.config, "bench", *args, "--json", *QUICK)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertGreater(told["ratio"]["median"], 0)
        for side in ("ours", "loop"):
            self.assertEqual((told[side]["requests_per_op"], told[side]["connections_per_op"]),
                             (1, 0))

    def assert_all_alike(self, service, path):
        """But for who sends them: libcurl names itself otherwise than we do."""
        sent, agents = set(), set()
        for entry in service.requests():
            if entry["path"].startswith(path):
                headers = {name.lower(): value for name, value in entry["headers"].items()}
                agents.add(headers.pop("user-agent", None))
                sent.add((entry["method"], entry["path"], entry["query"], entry["body"],
                          tuple(sorted(headers.items()))))
        self.assertEqual(len(sent), 1, sent)
        self.assertEqual(len(agents), 2, agents)

    def test_azure_when_signed_then_the_loop_sends_the_same(self):
        azure = self.open(AzureDouble, azure_slot)
        self.bench("sign")
        self.assert_all_alike(azure, "/keys/%s/%s/sign" % (NAME, azure.version(NAME)))

    def test_kes_when_used_then_the_loop_sends_the_same(self):
        kes = self.open(KesDouble, kes_slot)
        for action, path in (("sign", "hmac"), ("encrypt", "encrypt"), ("decrypt", "decrypt")):
            with self.subTest(action=action):
                kes.reset()
                self.bench(action)
                self.assert_all_alike(kes, "/v1/key/%s/%s" % (path, NAME))

    def test_bigdl_when_unwrapped_then_the_loop_sends_the_same(self):
        kms = self.open(BigdlDouble, bigdl_slot)
        self.bench("decrypt", "--mechanism", "HSMBRIDGE-BIGDL-NAME", "--in",
                   self.config.secret("name", "data"))
        self.assert_all_alike(kms, "/dataKey/data")

    def test_ehsm_when_signed_then_each_request_of_the_loop_is_its_own(self):
        ehsm = self.open(EhsmDouble, ehsm_slot, "EH_EC_P256")
        self.bench("sign")
        bodies = [json.loads(entry["body"]) for entry in ehsm.requests()
                  if entry["path"].endswith("Action=Sign")]
        self.assertEqual(len({body["nonce"] for body in bodies}), len(bodies))
        self.assertEqual(len({body["payload"]["message"] for body in bodies}), 1)
        self.assertEqual(set(ehsm.stats()["by_status"]), {"200"})
        told = self.run_cli(self.config, "bench", "sign", *QUICK)
        self.assertIn("takes each request once", told.stdout)

    def test_kes_when_the_certificate_is_of_an_api_key_then_told_in_one_line(self):
        kes = self.open(KesDouble, kes_slot)
        api_key = new_api_key()
        kes.allow("other", api_key, "/v1/key/*")
        self.config.slot(NAME, backend="kes", url=kes.url, ca_file=kes.ca,
                         api_key_file=self.config.secret("api-key", api_key))
        done = self.run_cli(self.config, "bench", *QUICK)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("client certificate and its key from files", done.stderr)
        done = self.run_cli(self.config, "bench", "--no-loop", *QUICK)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
