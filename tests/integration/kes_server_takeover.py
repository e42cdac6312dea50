#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge-kes in the place of a running KES: its files, its kes.yml, its keys and ciphertexts,
and both at once; and the requests of KES's documentation, with curl."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from harness import RealVault, TempConfig
from kes_program import KesProgram
from kes_server import KesDouble, make_certificate
from kes_server_case import KesServerCase

VALUE = bytes(range(32))
VECTORS = {  # of a real KES: stored key, ciphertext of "hello" with context "ctx"
    "aes": (
        "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAESJAogzRL4dU9N2fpah/1IBv/ETvlQZ0Dm"
        "4SC+0Ux5jw17OS4QARoMCLbTj9gGEPa4zpACIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5YjRkNjI0M2YzNGJh"
        "MjQ3ZWVmNmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh",
        "2FxTRirOTfVxukQk0ndqBrb28M7wtB53PIg4iPLr06R8DvnSeJ8ACXnzyMTnQeZLKA=="),
    "chacha": (
        "CiQKIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fEAISJAogsUhVsbLHJSSyxRIPOR4A/AYGHCfa"
        "x01P+ULWNp3dkS8QARoMCLbTj9gGEIK7yZcCIkA2MDc0NmU3MmYzMmQ5NjI2Mzg2ZDE5YjRkNjI0M2YzNGJh"
        "MjQ3ZWVmNmJjYjM1ZDUxOTMyYmU2M2Q3NmYzNWJh",
        "pqOfnoAOEjG0fTW9lW4SEiYnZd/UIp9q0XlM8A+Ii+cUkc9lZvk+shiwkIQ9JGooEA==")}
OLD_CIPHERTEXTS = (  # of "legacy" with the same context, under the AES key above
    "eyJhZWFkIjogIkFFUy0yNTYtR0NNLUhNQUMtU0hBLTI1NiIsICJpdiI6ICJoQ3V0VkdjR0l4ejRoenpmMzBJZm13PT0i"
    "LCAibm9uY2UiOiAibVEyTVdCVjBTc2tTY3lXZyIsICJieXRlcyI6ICJwd3oxamx4WkZKUVZCWFBGTW4vdjJPZzJ1Rzh6"
    "RFE9PSJ9",
    "laZBRVMyNTasMmU3MWQwZDZjM2ExxBCEK61UZwYjHPiHPN/fQh+bxAyZDYxYFXRKyRJzJaDEFqcM9Y5cWRSUFQVzxTJ/"
    "79joNrhvMw0=")
OLD_KEYS = {"old-json": {"bytes": base64.b64encode(VALUE).decode(), "algorithm": "AES256",
                         "created_at": "2022-05-01T10:00:00Z", "created_by": "00ff"},
            "old-bare": {"bytes": base64.b64encode(VALUE).decode()}}


class FilesTest(KesServerCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.keys = self.config.path("keys")
        self.kes = self.serve(self.config)

    def put(self, name, text):
        self.config.secret("keys/" + name, text)

    def test_recorded_keys_and_ciphertexts_open(self):
        for name, (stored, sealed) in VECTORS.items():
            self.put(name, stored)
            self.assertEqual(self.kes.admin.decrypt(name, base64.b64decode(sealed), b"ctx"),
                             b"hello")
        told = self.kes.admin.json("GET", "/v1/key/describe/chacha")
        self.assertEqual((told["algorithm"], told["created_at"][:20], told["created_by"][:8]),
                         ("ChaCha20", "2026-11-23T07:22:30.", "60746e72"))
        self.assertEqual(base64.b64encode(self.kes.admin.hmac("aes", b"msg")).decode(),
                         "knjqEkShlMauuVxLg2TbOygp5Fa62iXB1ctcClPzQEo=")

    def test_forms_of_older_releases_open(self):
        self.put("aes", VECTORS["aes"][0])
        for sealed in OLD_CIPHERTEXTS:
            self.assertEqual(self.kes.admin.decrypt("aes", base64.b64decode(sealed), b"ctx"),
                             b"legacy")
        for name, stored in OLD_KEYS.items():
            self.put(name, json.dumps(stored))
            for sealed in OLD_CIPHERTEXTS:
                self.assertEqual(self.kes.admin.decrypt(name, base64.b64decode(sealed), b"ctx"),
                                 b"legacy")
            self.assert_refused(self.kes.admin.call("PUT", "/v1/key/hmac/" + name,
                                                    {"message": "YQ=="}), 409,
                                "key does not support HMAC")
        self.assertEqual(self.kes.admin.json("GET", "/v1/key/describe/old-json")["created_at"],
                         "2022-05-01T10:00:00Z")

    def test_one_directory_serves_both_at_once(self):
        theirs = self.enter(KesDouble("--files", self.keys))
        theirs.admin.create("app")
        theirs.admin.import_key("stream", VALUE, "ChaCha20")
        self.kes.admin.create("ours")
        self.kes.admin.import_key("ours-stream", VALUE, "ChaCha20")
        for name in ("app", "stream", "ours", "ours-stream"):
            with self.subTest(name=name):
                for one, two in ((theirs, self.kes), (self.kes, theirs)):
                    sealed = one.admin.encrypt(name, b"hello", b"c")
                    self.assertEqual(two.admin.decrypt(name, sealed, b"c"), b"hello")
                self.assertEqual(theirs.admin.hmac(name, b"msg"), self.kes.admin.hmac(name, b"msg"))
                self.assertEqual(theirs.admin.json("GET", "/v1/key/describe/" + name),
                                 self.kes.admin.json("GET", "/v1/key/describe/" + name))
        self.assertEqual(theirs.admin.json("GET", "/v1/key/list/")["names"],
                         self.kes.admin.json("GET", "/v1/key/list/")["names"])
        for kes in (theirs, self.kes):
            self.assert_refused(kes.admin.call("PUT", "/v1/key/create/app"), 400,
                                "key already exists")
            self.assert_refused(kes.admin.call("PUT", "/v1/key/create/ours"), 400,
                                "key already exists")

    def test_key_without_hmac_key_when_stored_then_told_where_kes_ends(self):
        self.put("no-mac", base64.b64encode(b"\x0a\x24\x0a\x20" + VALUE + b"\x10\x01").decode())
        self.assert_refused(self.kes.admin.call("PUT", "/v1/key/generate/no-mac"), 502,
                            "failed to read key")
        self.assertIn("no-mac", self.kes.output())

    def test_directory_when_away_and_back_then_never_absent(self):
        self.kes.admin.create("app")
        self.kes.admin.create("other")
        self.restart(self.kes)
        self.assert_works(self.kes.admin, "app")
        os.rename(self.keys, self.keys + "-away")
        self.assert_works(self.kes.admin, "app")  # from the cache
        for method, path in (("PUT", "generate/other"), ("GET", "describe/other"),
                             ("PUT", "create/new"), ("GET", "list/"), ("DELETE", "delete/other")):
            self.assert_away(self.kes.admin.call(method, "/v1/key/" + path))
        self.assert_refused(self.kes.admin.call("GET", "/v1/ready"), 504,
                            "key store is not reachable")
        os.rename(self.keys + "-away", self.keys)
        self.assert_works(self.kes.admin, "other")
        self.assertEqual(self.kes.admin.call("GET", "/v1/ready").status, 200)
        self.assert_refused(self.kes.admin.call("GET", "/v1/key/describe/absent"), 404,
                            "key does not exist")

    def test_files_when_no_keys_then_not_served(self):
        for name in (".hidden", "app.tmp", "not a key", "-x"):
            self.put(name, "garbage")
        os.mkdir(os.path.join(self.keys, "directory"))
        self.kes.admin.create("app")
        names = self.kes.admin.json("GET", "/v1/key/list/")["names"]
        self.assertEqual([name for name in names if name != "directory"], ["app"])
        self.assert_refused(self.kes.admin.call("PUT", "/v1/key/generate/directory"), 502,
                            "failed to read key")
        left = set(os.listdir(self.keys)) - {".hidden", "app.tmp", "not a key", "-x", "directory"}
        self.assertEqual(left, {"app"})  # nothing half-written


class YamlTest(KesServerCase):
    """A kes.yml as KES's documentation has it; paths begin where the server was started."""

    TEMPLATE = """
version: v1
address: 127.0.0.1:%(port)d
admin:
  identity: ${ADMIN_IDENTITY}
tls:
  key:  %(key)s
  cert: %(cert)s
policy:
  my-app:
    allow:
    - /v1/key/create/my-app*
    - /v1/key/generate/my-app*
    - /v1/key/decrypt/my-app*
    identities:
    - ${APP_IDENTITY}
cache:
  expiry:
    any: 5m0s
    unused: 20s
log:
  error: on
  audit: off
keys:
  - name: my-app-key
keystore:
  %(store)s
"""

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.kes = KesProgram(self.config, start=False)
        self.addCleanup(self.kes.__exit__)
        self.app = make_certificate(self.config.dir, "app")
        for name, client in (("ADMIN_IDENTITY", self.kes.admin_client), ("APP_IDENTITY", self.app)):
            os.environ[name] = client.identity
            self.addCleanup(os.environ.pop, name)

    def start(self, store, **more):
        self.write(store, **more)
        self.config._lines[:] = []  # pylint: disable=protected-access
        self.config.write()
        self.kes.args = ["--kes-config", self.config.path("kes.yml")]
        self.kes.start(cwd=self.config.dir)

    def write(self, store, **more):
        self.config.secret("kes.yml", self.TEMPLATE % dict(
            {"port": self.kes.port, "key": os.path.basename(self.kes.key), "store": store,
             "cert": os.path.basename(self.kes.cert)}, **more))

    def wait_for_boot_key(self):
        deadline = time.monotonic() + 20
        while self.kes.admin.call("GET", "/v1/key/describe/my-app-key").status != 200:
            self.assertLess(time.monotonic(), deadline, self.kes.output() + self.config.log())
            time.sleep(0.05)

    def test_kes_yml_of_a_directory_then_serves_as_it_says(self):
        self.start("fs:\n    path: keys")
        self.wait_for_boot_key()
        app = self.kes.caller(self.app)
        self.assertEqual(app.call("PUT", "/v1/key/create/my-app-2").status, 200)
        self.assertEqual(app.call("PUT", "/v1/key/generate/my-app-key").status, 200)
        self.assertEqual(app.call("PUT", "/v1/key/create/else").status, 403)
        self.assertEqual(sorted(os.listdir(self.config.path("keys"))), ["my-app-2", "my-app-key"])

    def test_kes_yml_when_read_again_then_policies_are_new(self):
        self.start("fs:\n    path: keys")
        self.wait_for_boot_key()
        self.TEMPLATE = self.TEMPLATE.replace("/v1/key/create/my-app*", "/v1/key/create/else*")
        self.write("fs:\n    path: keys")
        os.kill(self.kes.pid, signal.SIGHUP)
        app, deadline = self.kes.caller(self.app), time.monotonic() + 20
        while app.call("PUT", "/v1/key/create/else").status == 403:
            self.assertLess(time.monotonic(), deadline, self.config.log())
            time.sleep(0.05)
        self.assertEqual(app.call("PUT", "/v1/key/create/my-app-3").status, 403)

    def test_kes_yml_of_a_vault_then_the_slot_for_it_logs_in(self):
        vault = self.enter(RealVault())
        vault.write("sys/mounts/kv", {"type": "kv", "options": {"version": "1"}})
        self.config.slot("web", vault)
        self.start("""vault:
    endpoint: "%s"
    engine: kv
    version: v1
    prefix: minio
    approle:
      id: ROLE
      secret: SECRET
    status:
      ping: 10s""" % vault.url)
        self.wait_for_boot_key()
        self.assert_works(self.kes.admin, "my-app-key")
        self.assertEqual(list(vault.read("kv/minio/my-app-key")), ["my-app-key"])


class CurlTest(KesServerCase):
    """Requests of KES's documentation."""

    @classmethod
    def setUpClass(cls):
        if shutil.which("curl") is None:
            raise unittest.SkipTest("curl is not installed")
        cls.config = TempConfig()
        cls.addClassCleanup(cls.config.remove)
        cls.kes = KesProgram(cls.config)
        cls.addClassCleanup(cls.kes.__exit__)
        cls.kes.admin.create("my-key")

    def run_curl(self, path, *options):
        client = self.kes.admin_client
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "30", "--cacert", self.kes.ca,
             "--key", client.key, "--cert", client.cert, *options, self.kes.url + path],
            capture_output=True, text=True, check=False, timeout=60)

    def curl(self, path, *options):
        done = self.run_curl(path, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def status(self, path, *options):
        return int(self.curl(path, "--output", os.devnull, "--write-out", "%{http_code}", *options))

    def test_requests_of_the_documentation(self):
        self.assertIn("version", json.loads(self.curl("/version")))
        self.assertEqual(self.status("/v1/key/create/curl-key", "-X", "POST"), 200)
        self.assertEqual(self.status("/v1/key/create/curl-key", "-X", "PUT"), 400)
        made = json.loads(self.curl("/v1/key/generate/curl-key", "-X", "PUT",
                                    "--data", '{"context":"Y3R4"}'))
        opened = json.loads(self.curl(
            "/v1/key/decrypt/curl-key", "--request", "PUT",
            "--data", json.dumps({"ciphertext": made["ciphertext"], "context": "Y3R4"})))
        self.assertEqual(opened["plaintext"], made["plaintext"])
        self.assertIn("curl-key", json.loads(self.curl("/v1/key/list/curl*"))["names"])
        self.assertEqual(self.status("/v1/key/delete/curl-key", "-X", "DELETE"), 200)
        self.assertIn("kes_http_request_success", self.curl("/v1/metrics"))

    def test_redirect_when_followed_then_the_listing(self):
        self.assertEqual(self.status("/v1/key/list"), 307)
        self.assertIn("my-key", json.loads(self.curl("/v1/key/list", "--location"))["names"])
        self.assertIn("my-key", json.loads(self.curl("//v1/key//list/", "--location",
                                                     "--path-as-is"))["names"])

    def test_versions_of_http_and_tls(self):
        for options in (["--http1.0", "--no-alpn"], ["--http1.1"], ["--http2"],
                        ["--tls-max", "1.2"], ["--tlsv1.3"]):
            with self.subTest(options=options):
                self.assertEqual(self.status("/v1/ready", *options), 200)
        self.assertNotEqual(self.run_curl("/v1/ready", "--tls-max", "1.1").returncode, 0)

    def test_large_bodies_when_sent_in_chunks_or_on_leave(self):
        text = base64.b64encode(os.urandom(600000)).decode()
        path = self.config.secret("body", json.dumps({"plaintext": text}))
        for header in ("Transfer-Encoding: chunked", "Expect: 100-continue"):
            with self.subTest(header=header):
                sealed = self.curl("/v1/key/encrypt/my-key", "-X", "PUT", "--header", header,
                                   "--data-binary", "@" + path)
                back = self.curl("/v1/key/decrypt/my-key", "-X", "PUT", "--data-binary",
                                 "@" + self.config.secret("sealed", sealed))
                self.assertEqual(json.loads(back)["plaintext"], text)

    def test_many_requests_when_on_one_connection(self):
        out = self.curl("/v1/key/describe/{%s}" % ",".join(["my-key"] * 50), "--write-out",
                        "%{num_connects}\n")
        self.assertEqual(out.count('"my-key"'), 50)
        connects = [line for line in out.splitlines() if line.isdigit()]
        self.assertEqual(connects, ["1"] + ["0"] * 49)

    def test_certificate_when_missing_then_refused_in_the_handshake(self):
        done = subprocess.run(["curl", "--silent", "--show-error", "--cacert", self.kes.ca,
                               self.kes.url + "/version"], capture_output=True, text=True,
                              check=False, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("certificate required", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
