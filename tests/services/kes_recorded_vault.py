# SPDX-License-Identifier: Apache-2.0
"""What a real KES answered whose keys are in Vault's K/V engine, as a test of another server, on a
real Vault.

    class VaultRecordedTest(VaultCases, unittest.TestCase):
        def serve(self, version, role, transit=None): ...    # starts the server under test
"""

import base64

from kes_recorded import STORED, RecordedCases, load
from servers import RealVault

PREFIX = "kes/dev"
WRAPPER = "kes-wrapper"


class VaultCases(RecordedCases):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit(**{WRAPPER: "aes256-gcm96"})
        for version in ("1", "2"):
            cls.vault.write("sys/mounts/kv" + version,
                            {"type": "kv", "options": {"version": version}})
        enough = {"kv1/kes/dev": "list", "kv1/kes/dev/*": "create read list",
                  "kv2/data/kes/dev/*": "create read", "kv2/metadata/kes/dev": "list",
                  "kv2/metadata/kes/dev/*": "list delete", "transit/keys": "list",
                  "transit/keys/*": "read", "transit/encrypt/*": "update",
                  "transit/decrypt/*": "update"}
        cls.vault.setup_policy("kes", enough)
        cls.vault.setup_policy("kes-delete",
                               dict(enough, **{"kv1/kes/dev/*": "create read list delete"}))
        cls.roles = {name: cls.vault.setup_approle(name, role=name)
                     for name in ("kes", "kes-delete")}

    # ---- what stood in the recorded Vault ----

    def put(self, name, value):
        self.vault.write("kv1/%s/%s" % (PREFIX, name), value)

    def put_entry(self, name):
        """As it came to be there, just before it is asked for."""
        if name == "other":
            self.put(name, {"another": "x"})
        elif name == "num":
            self.put(name, {"num": 5})
        elif name == "legacy":
            self.put(name, {"legacy": STORED["old-bare"]})
        elif name == "tr":
            self.put(name, {"tr": self.vault.write("transit/encrypt/" + WRAPPER, {
                "plaintext": base64.b64encode(b"any").decode()})["ciphertext"]})
        elif name == "soft":
            self.vault.write("kv2/data/%s/soft" % PREFIX, {"data": {"soft": "x"}})
            self.vault.delete("kv2/data/%s/soft" % PREFIX)

    def replay(self, case):
        name = case["path"].rpartition("/")[2]
        if "/describe/" in case["path"]:
            self.put_entry(name)
        if "after the transit key was rotated" in case["name"]:
            self.vault.rotate_key(WRAPPER)
        return super().replay(case)

    # ---- the tests ----

    def test_keys_in_the_first_engine_and_then_wrapped_ones_beside_them(self):
        self.serve("1", "kes")
        self.run_cases(load("vault-v1"), 18)
        self.serve("1", "kes-delete")
        self.run_cases(load("vault-v1-del"), 4)
        self.serve("1", "kes", transit=WRAPPER)
        self.run_cases(load("vault-transit"), 4)

    def test_keys_in_the_second_engine(self):
        self.serve("2", "kes")
        self.run_cases(load("vault-v2"), 10)
