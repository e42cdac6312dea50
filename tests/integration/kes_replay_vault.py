#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge-kes in the place of a KES with its keys in Vault: every recorded case, on a real Vault.
BETTER says where we answer otherwise, and why; what stands there has to differ."""

import json
import unittest

from harness import HarnessTestCase, TempConfig
from kes_program import KesProgram
from kes_recorded import POLICIES, load
from kes_recorded_vault import PREFIX, VaultCases
from kes_server import make_certificate

AWAY = "one answer whenever the store is away: 504"
BETTER = {
    ("vault-v1", "key list, empty keystore"): "no keys are no fault",
    ("vault-transit", "key create after the transit key was rotated (vault:v2: refused)"):
        "any version of the key wraps",
    ("vault-sealed", "status, Vault sealed [0 s after sealing]"):
        "unreachable and not unavailable is a contradiction to KES's own SDK, so we say both",
    ("vault-sealed", "ready after unseal [0.0 s]"): "Vault is asked each time",
}


class VaultReplayTest(VaultCases, HarnessTestCase):
    def setUp(self):
        super().setUp()
        self.config = self.enter(TempConfig())
        self.kes = None

    def serve(self, version, role, transit=""):
        role_id, secret_id = self.roles[role]
        self.config.slot("login", self.vault, auth="approle", timeout="2s",
                         role_id_file=self.config.secret("role-id", role_id),
                         secret_id_file=self.config.secret("secret-id", secret_id))
        if self.kes is not None:
            self.kes.stop()
        self.kes = self.enter(KesProgram(
            self.config, start=False, store="vault", directory="", vault_slot="login",
            vault_mount="kv" + version, vault_version=version, vault_prefix=PREFIX,
            vault_transit=transit))
        self.clients = {"admin": self.kes.admin_client,
                        "app1": make_certificate(self.config.dir, "app1")}
        allow, deny = POLICIES["app1"]
        self.kes.policies = {"app1": {"allow": " ".join(allow), "deny": " ".join(deny),
                                      "identities": self.clients["app1"].identity}}
        self.kes.write()
        self.kes.start()

    def caller_of(self, case):
        return self.kes.caller(self.clients[case["client"]])

    def compare(self, case, reply):
        if (case["group"], case["name"]) in BETTER:
            with self.assertRaises(AssertionError):
                self.compare_as_kes(case, reply)
        elif case["group"] == "vault-sealed" and case["status"] == 502:
            self.assertEqual((reply.status, reply.body),
                             (504, b'{"message":"key store is not reachable"\n}'), AWAY)
        else:
            self.compare_as_kes(case, reply)

    def compare_as_kes(self, case, reply):
        super().compare(case, reply)

    def compare_json(self, theirs, ours):
        if "version" in theirs:
            ours = dict(ours, version=theirs["version"])
        super().compare_json(theirs, ours)
        self.assertEqual(theirs.get("names"), ours.get("names"))

    def test_sealed_vault(self):
        self.serve("1", "kes-delete")
        for name in ("app1-m", "imp"):
            self.kes.admin.call("PUT", "/v1/key/create/" + name)
        self.kes.stop()
        self.kes.start()
        cases = load("vault-sealed")
        made = self.kes.admin.json("PUT", "/v1/key/generate/app1-m")["ciphertext"]
        for case in cases:
            if "decrypt" in case["path"]:
                self.known.learn(json.loads(case["request_body"])["ciphertext"], made)
        self.vault.seal()
        try:
            self.run_cases([case for case in cases if "unseal" not in case["name"]], 11)
        finally:
            self.vault.unseal()
        self.run_cases([case for case in cases if "unseal" in case["name"]], 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
