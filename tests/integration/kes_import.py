#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge kes import: keys out of a KES's files, and out of the K/V engine of a real Vault that a
KES keeps them in; what the first KES sealed, the slot opens afterwards."""

import base64
import json
import os
import unittest

from harness import HarnessTestCase, RealVault, TempConfig
from kes_server import KesDouble, new_api_key

VALUE = bytes(range(32))
OLD = json.dumps({"bytes": base64.b64encode(VALUE).decode(), "algorithm": "AES256",
                  "created_at": "2022-05-01T10:00:00Z", "created_by": "00ff"})


class ImportTestCase(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.new = self.enter(KesDouble())
        self.api_key = new_api_key()
        self.new.allow("app", self.api_key, "/v1/key/*")
        self.config.slot("new", None, backend="kes", url=self.new.url, ca_file=self.new.ca,
                         api_key_file=self.config.secret("api-key", self.api_key), allow="import")
        self.secrets = [base64.b64encode(VALUE).decode(), VALUE.hex()]

    def cli(self, *args, code=0):
        done = self.run_cli(self.config, "kes", *args, "-vv")
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, text)
        for secret in self.secrets:
            self.assertNotIn(secret, text + self.config.log())
        return text

    def row(self, text, name):
        [line] = [line for line in text.splitlines() if line.startswith(name + " ")]
        return line.split()


class FilesTest(ImportTestCase):
    def setUp(self):
        super().setUp()
        self.dir = self.config.path("keys")
        os.mkdir(self.dir, 0o700)
        self.old = self.enter(KesDouble("--files", self.dir))
        self.old.admin.create("app")
        self.old.admin.import_key("stream", VALUE, "ChaCha20")
        self.old.put_stored("old-json", OLD + "\n")

    def test_import_when_all_is_well_then_old_ciphertexts_open(self):
        sealed = {name: self.old.admin.encrypt(name, b"hello", b"ctx")
                  for name in ("app", "stream", "old-json")}
        text = self.cli("import", "--dir", self.dir, "--slot", "new")
        self.assertEqual(self.row(text, "stream")[1:3], ["chacha20", "yes"])
        self.assertEqual(self.row(text, "old-json")[1:5], ["aes", "no", "2022-05-01", "imported"])
        for name, ciphertext in sealed.items():
            self.assertEqual(self.new.admin.decrypt(name, ciphertext, b"ctx"), b"hello")

    def test_import_when_one_key_is_named_then_it_alone(self):
        self.cli("import", "--dir", self.dir, "--key", "app", "--slot", "new")
        self.assertEqual(self.new.admin.json("GET", "/v1/key/list/")["names"], ["app"])
        self.assertIn("no key called absent", self.cli("import", "--dir", self.dir, "--key",
                                                       "absent", "--slot", "new", code=1))

    def test_dry_run_when_there_are_faults_then_told_and_nothing_is_made(self):
        for name, content in {"broken": "garbage", "cut": self.old.stored("app")[:100],
                              "no-hmac": base64.b64encode(
                                  b"\x0a\x24\x0a\x20" + VALUE + b"\x10\x01").decode(),
                              "json": "{}"}.items():
            self.old.put_stored(name, content)
        self.config.secret("keys/not.a.key", "x")
        text = self.cli("import", "--dir", self.dir, "--dry-run", code=1)
        self.assertIn("can be imported", " ".join(self.row(text, "app")))
        for name, fault in {"broken": "not base64", "cut": "of no key as KES", "json": "JSON, but",
                            "no-hmac": "not whole"}.items():
            self.assertIn(fault, " ".join(self.row(text, name)))
        self.assertNotIn("not.a.key", text)
        self.assertEqual(self.new.admin.json("GET", "/v1/key/list/")["names"], [])

    def test_import_when_the_name_is_taken_then_that_key_is_left_alone(self):
        self.new.admin.create("app")
        sealed = self.new.admin.encrypt("app", b"mine")
        text = self.cli("import", "--dir", self.dir, "--slot", "new", code=1)
        self.assertIn("there is a key 'app' already", text)
        self.assertIn("imported", self.row(text, "stream"))
        self.assertEqual(self.new.admin.decrypt("app", sealed), b"mine")

    def test_import_when_slot_does_not_allow_it_then_names_the_option(self):
        self.config.slot("new", None, backend="kes", url=self.new.url, ca_file=self.new.ca,
                         api_key_file=self.config.path("api-key"))
        self.assertIn("allow = import", self.cli("import", "--dir", self.dir, "--slot", "new",
                                                 code=1))

    def test_output_when_json_is_wanted_then_one_object_for_each(self):
        done = self.run_cli(self.config, "kes", "import", "--dir", self.dir, "--dry-run", "--json")
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        self.assertEqual(rows["old-json"], {
            "name": "old-json", "cipher": "aes", "hmac": "no", "since": "2022-05-01",
            "result": "can be imported"})

    def test_command_line_when_incomplete_then_says_what_is_missing(self):
        for args, text in {(): "hsmbridge kes import", ("export",): "'kes' does one of: import",
                           ("import", "--slot", "new"): "Either --dir DIR, or --from SLOT",
                           ("import", "--slot", "new", "--from", "new"): "--path is missing",
                           }.items():
            self.assertIn(text, self.cli(*args, code=2))
        self.assertIn("keeps no documents", self.cli("import", "--slot", "new", "--from", "new",
                                                     "--path", "secret/kes", code=1))


class VaultTest(ImportTestCase):
    """A KES on a Vault; the slot `vault` has credentials that may read what it keeps there."""

    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit()
        cls.vault.make_key("wrapper", "aes256-gcm96")
        for version in ("1", "2"):
            cls.vault.write("sys/mounts/kv" + version,
                            {"type": "kv", "options": {"version": version}})
        cls.vault.setup_policy("kes", {
            "kv1/kes/prod": "list", "kv1/kes/prod/*": "create read delete",
            "kv2/metadata/kes/prod": "list", "kv2/metadata/kes/prod/*": "list delete",
            "kv2/data/kes/prod/*": "create read"})
        cls.role_id, cls.secret_id = cls.vault.setup_approle("kes", role="kes")

    def setUp(self):
        super().setUp()
        self.secrets += [self.secret_id]

    def kes_on_vault(self, version):
        settings = {"url": self.vault.url, "ca": self.vault.ca, "role_id": self.role_id,
                    "secret_id": self.secret_id, "engine": "kv" + version,
                    "version": "v" + version, "prefix": "kes/prod"}
        return self.enter(KesDouble("--vault", self.config.secret("vault.json",
                                                                  json.dumps(settings))))

    def vault_slot(self, **options):
        self.config.slot("vault", self.vault, auth="approle",
                         role_id_file=self.config.secret("role-id", self.role_id),
                         secret_id_file=self.config.secret("secret-id", self.secret_id), **options)

    def test_keys_when_kept_in_vault_then_reached_through_kes_and_moved_past_it(self):
        self.vault_slot()
        for version in ("1", "2"):
            with self.subTest(version=version):
                old = self.kes_on_vault(version)
                name = "app-v" + version
                through = new_api_key()
                old.allow("through", through, "/v1/key/*")
                self.config.slot("old", None, backend="kes", url=old.url, ca_file=old.ca,
                                 allow="generate destroy",
                                 api_key_file=self.config.secret("through", through))
                listed = self.run_cli(self.config, "list", "--slot", "old")
                self.assertIn("has no key yet looks the same", listed.stderr)  # KES says 502
                made = self.run_cli(self.config, "generate", "--slot", "old", "--key", name,
                                    "--type", "aes-256")
                self.assertEqual(made.returncode, 0, made.stderr)
                sealed = old.admin.encrypt(name, b"hello", b"c")
                text = self.cli("import", "--from", "vault", "--path",
                                "kv%s/kes/prod" % version, "--slot", "new")
                self.assertIn("imported", self.row(text, name))
                self.assertEqual(self.new.admin.decrypt(name, sealed, b"c"), b"hello")
                self.config.remove_slot("old")

    def test_entries_when_not_kes_own_then_told(self):
        self.vault_slot()
        self.vault.write("kv1/kes/prod/other", {"another": "x"})
        self.vault.write("kv1/kes/prod/number", {"number": 5})
        self.addCleanup(self.vault.delete, "kv1/kes/prod/other")
        self.addCleanup(self.vault.delete, "kv1/kes/prod/number")
        text = self.cli("import", "--from", "vault", "--path", "/kv1/kes/prod/", "--dry-run",
                        code=1)
        for name in ("other", "number"):
            self.assertIn("an entry without a text called '%s'" % name,
                          " ".join(self.row(text, name)))

    def test_entries_when_wrapped_by_transit_then_the_named_key_opens_them(self):
        self.config.slot("vault", self.vault)  # the root's token, which may use transit
        old = self.enter(KesDouble())
        old.admin.create("wrapped")
        stored = old.stored("wrapped")
        wrapped = self.vault.write("transit/encrypt/wrapper", {
            "plaintext": base64.b64encode(stored.encode()).decode()})["ciphertext"]
        self.vault.write("kv1/kes/prod/wrapped", {"wrapped": wrapped})
        self.addCleanup(self.vault.delete, "kv1/kes/prod/wrapped")
        sealed = old.admin.encrypt("wrapped", b"hello")
        where = ["--from", "vault", "--path", "kv1/kes/prod", "--key", "wrapped", "--slot", "new"]
        self.assertIn("name it with --transit-key", self.cli("import", *where, code=1))
        self.cli("import", *where, "--transit-key", "wrapper")
        self.assertEqual(self.new.admin.decrypt("wrapped", sealed), b"hello")

    def test_hmac_keys_when_wanted_then_beside_the_cipher_keys(self):
        old = self.enter(KesDouble("--files", self.config.path("files")))
        old.admin.create("both")
        self.config.slot("transit", self.vault, allow="import")
        self.cli("import", "--dir", self.config.path("files"), "--slot", "transit", "--hmac")
        message = self.config.secret("message", "msg")
        done = self.run_cli(self.config, "sign", "--slot", "transit", "--key", "both-hmac",
                            "--hex", "--in", message)
        self.assertEqual(done.stdout.strip(), old.admin.hmac("both", b"msg").hex(), done.stderr)

    def test_place_when_wrong_then_says_so(self):
        where = ["import", "--from", "vault", "--dry-run", "--path"]
        self.vault_slot()
        self.assertIn("does not allow this", self.cli(*where, "kv1/else/where", code=1))
        self.config.slot("vault", self.vault)  # the root's token
        for path, text in (("transit/x", "not below a K/V engine"),
                           ("kv1", "not below a K/V engine"),
                           ("kv1/else/where", "no key of KES there"),
                           ("nowhere/kes", "check the policy and mount")):
            with self.subTest(path=path):
                self.assertIn(text, self.cli(*where, path, code=1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
