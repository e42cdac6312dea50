#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""MinIO's own Go SDK for KES against hsmbridge-kes: every call that it has, as it connects by
itself and with HTTP/1.1 alone, with a certificate and with an API key."""

import base64
import json
import os
import subprocess
import unittest

from clients import build_go
from harness import HarnessTestCase, TempConfig
from kes_program import KesProgram
from kes_server import api_key_identity, make_certificate, new_api_key

KEY_RULES = "/v1/key/* /v1/api /v1/status /v1/ready"
MANY = 1100  # keys: more than one page


class SdkCase(HarnessTestCase):
    """A server with two clients beside the admin: `sdk`, with an API key, and `other`."""

    http = "2"  # what the SDK offers

    @classmethod
    def setUpClass(cls):
        cls.client = build_go("kes_go")
        cls.config = TempConfig()
        cls.addClassCleanup(cls.config.remove)
        cls.api_key = new_api_key()
        cls.identity = api_key_identity(cls.api_key)
        cls.kes = KesProgram(cls.config, start=False, audit="all")
        cls.addClassCleanup(cls.kes.__exit__)
        cls.other = make_certificate(cls.config.dir, "other")
        cls.kes.policies = {
            "sdk": {"allow": KEY_RULES, "deny": "/v1/key/create/denied*",
                    "identities": cls.identity},
            "other": {"allow": "/v1/key/list/*", "identities": cls.other.identity}}
        cls.kes.write()
        cls.kes.start()

    def env(self, who):
        """who: an API key, or a Client"""
        env = {name: value for name, value in os.environ.items() if not name.startswith("KES_")}
        env["KES_HTTP"] = self.http
        if isinstance(who, str):
            return dict(env, KES_API_KEY=who)
        return dict(env, KES_CLIENT_CERT=who.cert, KES_CLIENT_KEY=who.key)

    def command(self, *words):
        return [self.client, self.kes.url, self.kes.ca, *words]

    def run_sdk(self, *words, who=None):
        return subprocess.run(self.command(*words), text=True, env=self.env(who or self.api_key),
                              check=False, capture_output=True, timeout=60)

    def sdk(self, command, name="", data=b"", context="", who=None):
        """The lines that it prints."""
        done = self.run_sdk(command, name, base64.b64encode(data).decode(), context, who=who)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def told(self, *args, **options):
        """Its one line of JSON."""
        [line] = self.sdk(*args, **options)
        return json.loads(line)

    def as_admin(self, *args):
        return self.told(*args, who=self.kes.admin_client)

    def sdk_bytes(self, *args):
        return [base64.b64decode(line) for line in self.sdk(*args)]


class KeysTest(SdkCase):
    def test_keys_when_made_or_imported_then_do_their_work(self):
        self.sdk("create", "made")
        self.sdk("import", "imported", bytes(range(32)))
        for name in ("made", "imported"):
            with self.subTest(name=name):
                self.assertEqual(self.sdk("describe", name),
                                 ["%s AES256 %s" % (name, self.identity)])
                clear, sealed = self.sdk_bytes("generate", name, b"", "bucket/object")
                self.assertEqual(len(clear), 32)
                self.assertEqual(self.sdk_bytes("decrypt", name, sealed, "bucket/object"), [clear])
                [sealed] = self.sdk_bytes("encrypt", name, b"hello")
                self.assertEqual(self.sdk_bytes("decrypt", name, sealed), [b"hello"])
                one, two = (self.sdk_bytes("hmac", name, text) for text in (b"one", b"two"))
                self.assertNotEqual(one, two)
                self.assertEqual(self.sdk_bytes("hmac", name, b"one"), one)
        self.sdk("delete", "made")
        self.assertEqual(self.run_sdk("describe", "made").stderr.strip(), "ErrKeyNotFound")

    def test_large_texts_when_within_the_limit_then_pass(self):
        self.sdk("create", "large")
        text = os.urandom(60000)  # as much as one argument of a program can be
        [sealed] = self.sdk_bytes("encrypt", "large", text)
        self.assertEqual(self.sdk_bytes("decrypt", "large", sealed), [text])

    def test_errors_when_refused_then_the_sdk_knows_them(self):
        self.sdk("create", "once")
        for words, error in {("create", "once"): "ErrKeyExists",
                             ("import", "once", "A" * 43 + "="): "ErrKeyExists",
                             ("describe", "absent"): "ErrKeyNotFound",
                             ("generate", "absent"): "ErrKeyNotFound",
                             ("delete", "absent"): "ErrKeyNotFound",
                             ("create", "denied"): "ErrNotAllowed",
                             ("policies", "*"): "ErrNotAllowed",
                             ("metrics",): "ErrNotAllowed",
                             ("audit",): "ErrNotAllowed",
                             ("decrypt", "once", "AAAA"): "ErrDecrypt"}.items():
            with self.subTest(words=words):
                done = self.run_sdk(*words)
                self.assertEqual((done.returncode, done.stderr.strip()), (1, error))

    def test_listing_when_more_than_a_page_then_all_are_found(self):
        made = ["page-%04d" % number for number in range(MANY)]
        stored = os.path.join(self.config.path("keys"), "page-model")
        self.sdk("create", "page-model")
        with open(stored, encoding="ascii") as file:
            text = file.read()
        for name in made:
            self.config.secret("keys/" + name, text)
            self.addCleanup(os.unlink, os.path.join(self.config.path("keys"), name))
        self.assertEqual(self.sdk("iterate", "page-0"), made[:1000])
        self.assertEqual(self.sdk("iterate", "page-10"), made[1000:])
        self.assertEqual(self.sdk("list", "page-00")[0].split(), made[:100])
        self.assertTrue(set(made[:1000]) <= set(self.sdk("list", "")[0].split()))

    def test_certificate_when_it_may_only_list_then_lists_and_no_more(self):
        self.sdk("list", "", who=self.other)
        self.assertEqual(self.run_sdk("generate", "once", who=self.other).stderr.strip(),
                         "ErrNotAllowed")


class ServerTest(SdkCase):
    def test_policies_then_told_as_configured(self):
        self.assertEqual(sorted(self.as_admin("policies", "*")), ["other", "sdk"])
        self.assertEqual(self.as_admin("policies", "sd*"), ["sdk"])
        self.assertEqual(self.as_admin("describe-policy", "sdk")["name"], "sdk")
        policy = self.as_admin("policy", "sdk")
        self.assertEqual(sorted(policy["Allow"]), sorted(KEY_RULES.split()))
        self.assertEqual(list(policy["Deny"]), ["/v1/key/create/denied*"])
        self.assertEqual(self.run_sdk("policy", "absent", who=self.kes.admin_client)
                         .stderr.strip(), "ErrPolicyNotFound")

    def test_identities_then_told_as_configured(self):
        admin = self.kes.admin_client.identity
        self.assertEqual(self.as_admin("identities", "*"),
                         sorted([admin, self.identity, self.other.identity]))
        self.assertEqual(self.as_admin("identity", self.identity)["Policy"], "sdk")
        self.assertTrue(self.as_admin("identity", admin)["IsAdmin"])
        self.assertEqual(self.run_sdk("identity", "ab" * 32, who=self.kes.admin_client)
                         .stderr.strip(), "ErrIdentityNotFound")

    def test_self_then_every_client_learns_who_it_is(self):
        told = self.as_admin("self")["info"]
        self.assertEqual((told["Identity"], told["IsAdmin"]),
                         (self.kes.admin_client.identity, True))
        for who, identity, policy in ((self.api_key, self.identity, "sdk"),
                                      (self.other, self.other.identity, "other")):
            told = self.told("self", who=who)["info"]
            self.assertEqual((told["Identity"], told["Policy"]), (identity, policy))

    def test_server_then_tells_of_itself(self):
        self.assertTrue(self.told("version"))
        self.assertTrue(self.told("ready"))
        status = self.told("status")
        self.assertTrue(status["reachable"])
        self.assertGreater(status["latency"], 0)
        self.assertEqual(status["state"]["os"], "linux")
        paths = {api["path"]: api for api in self.told("apis")}
        self.assertEqual(len(paths), 22)
        self.assertEqual(paths["/v1/key/generate/"]["method"], "PUT")

    def test_server_when_its_keys_are_away_then_not_ready_and_status_says_so(self):
        keys = self.config.path("keys")
        os.rename(keys, keys + "-away")
        try:
            done = self.run_sdk("ready")
            self.assertEqual((done.returncode, done.stderr.strip()),
                             (1, "key store is not reachable"))
            self.assertFalse(self.told("status")["reachable"])
            self.assertEqual(self.run_sdk("describe", "other").stderr.strip(),
                             "key store is not reachable")
        finally:
            os.rename(keys + "-away", keys)
        self.assertTrue(self.told("ready"))

    def test_metrics_when_requests_were_answered_then_counted(self):
        before = self.as_admin("metrics")
        self.sdk("list", "")
        self.assertEqual(self.run_sdk("describe", "absent").returncode, 1)
        after = self.as_admin("metrics")
        for name in ("kes_http_request_success", "kes_http_request_error"):
            self.assertGreater(after[name], before[name], name)
        self.assertGreaterEqual(after["kes_system_num_cpu"], 1)

    def stream(self, command, count):
        """The SDK as it reads so many lines of a log; open already."""
        process = subprocess.Popen(
            self.command(command, "", base64.b64encode(bytes(count)).decode()), text=True,
            env=self.env(self.kes.admin_client), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "open\n")
        return process

    def test_audit_log_then_streams_who_did_what(self):
        process = self.stream("audit", 2)
        self.sdk("create", "audited")
        self.run_sdk("create", "denied")
        out, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, err)
        made, refused = (json.loads(line) for line in out.splitlines())
        self.assertEqual((made["APIPath"], made["StatusCode"], made["ClientIdentity"]),
                         ("/v1/key/create/audited", 200, self.identity))
        self.assertEqual(made["ClientIP"], "127.0.0.1")
        self.assertEqual((refused["APIPath"], refused["StatusCode"]),
                         ("/v1/key/create/denied", 403))

    def test_error_log_then_streams_what_went_wrong(self):
        process = self.stream("errors", 1)
        keys = self.config.path("keys")
        os.rename(keys, keys + "-away")
        self.addCleanup(os.rename, keys + "-away", keys)
        self.assertEqual(self.run_sdk("generate", "absent").returncode, 1)
        out, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("keys", json.loads(out)["Message"])


class OneOneKeysTest(KeysTest):
    http = "1.1"


class OneOneServerTest(ServerTest):
    http = "1.1"


if __name__ == "__main__":
    unittest.main(verbosity=2)
