#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hsmbridge-kes in the place of a KES: every recorded case that a directory of keys can answer,
with the kes.yml and the stored keys of the recorded server. BETTER says where we answer otherwise,
and why; what stands there has to differ."""

import base64
import json
import os
import re
import shutil
import socket
import ssl
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness import HarnessTestCase, TempConfig
from double.tls import Authority
from kes_h2 import H2Caller
from kes_program import KesProgram
from kes_recorded import POLICIES, STORED, RecordedCases, load
from kes_server import Client, identity_of_file, make_certificate

AWAY = "one answer whenever the store is away, and never one that looks like a deleted key"
UNAVAILABLE = "unreachable and not unavailable is a contradiction to KES's own SDK, so we say both"
BETTER = {
    ("fs", "key list prefix with *"): "a star stands for any end, as in the other listings",
    ("fs", "identity self, app1"): "whoever has a policy may know it, as the SDK expects",
    ("fs-down", "key create, keystore gone"): AWAY,
    ("fs-down", "key list, keystore directory gone"): AWAY,
    ("fs-down", "key delete, keystore gone"): AWAY,
    ("fs-down", "key describe uncached, keystore directory gone: 404, looks like an absent key"):
        AWAY,
    ("fs-down", "status, keystore gone"): UNAVAILABLE,
    ("fs-down", "status, keystore gone, after the 10 s probe"): UNAVAILABLE,
    ("fs-down", "ready, keystore back, before next 10 s probe"): "the store is asked each time",
    ("skipauth", "key create with a policy in the pre-2021 paths: form"):
        "refused at the start, with a line that says what to write",
    ("skipauth", "identity list with admin disabled"): "a word is no identity",
    ("list-1024", "key list prefix '' of 1101 keys"): "all names, as nobody can go on behind 1024",
    ("list-1024", "key list prefix 'k' of 1101 keys"): "the same",
    ("list-1024", "key list prefix '*' of 1101 keys"): "the same",
}
IDENTITIES = {  # of the recorded clients
    "admin": "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba",
    "app1": "4c3bf738eba9bb797fe9da7b45035767d5b7b1d1478dfcc461d34237f073d5e0",
    "leaf": "ae1415fb87f3b8c457eef084e88a1126b1697d0e92b044b4a526ecf93068e436",
    "ops": "bc76f3e274e98191f359861d35091c266c0a7fb2b13abcc839fa0ee5c3586bf1"}
ALERTS = ("version, self-signed client certificate, auth on",
          "version, expired self-signed, auth on")


def two_leaves(directory, *clients):
    """The first one's certificate, with the others' behind it."""
    path = os.path.join(directory, "two.pem")
    with open(path, "w", encoding="ascii") as out:
        for client in clients:
            with open(client.cert, encoding="ascii") as file:
                out.write(file.read())
    return clients[0]._replace(cert=path)


class ReplayCase(RecordedCases, HarnessTestCase):
    """A server with the recorded one's kes.yml, its stored keys and its clients."""

    def setUp(self):
        super().setUp()
        self.config = self.enter(TempConfig())
        self.clients = self.make_clients(self.config.dir)
        self.kes = self.enter(KesProgram(self.config, start=False))
        self.keys = self.config.path("keys")

    def make_clients(self, directory):
        admin_key = ec.generate_private_key(ec.SECP256R1())
        clients = {name: make_certificate(directory, "client-" + name)
                   for name in ("app1", "ops", "nobody")}
        self.authority = Authority(directory, "clients-ca", "clients")
        issued = self.authority.issue("client-leaf", ["leaf"], client=True)
        leaf = Client(issued.cert, issued.key, identity_of_file(issued.cert))
        clients.update({
            "admin": make_certificate(directory, "client-admin", key=admin_key),
            "exp": make_certificate(directory, "client-exp", key=admin_key, expired=True),
            "caflag": make_certificate(directory, "client-caflag", ca=True),
            "big": make_certificate(directory, "client-big",
                                    key=ec.generate_private_key(ec.SECP521R1())),
            "leaf": leaf, "leafchain": self.with_issuer(directory, leaf),
            "(no client certificate)": None})
        clients["two"] = two_leaves(directory, clients["app1"], clients["ops"])
        return clients

    def with_issuer(self, directory, leaf):
        path = os.path.join(directory, "leafchain.pem")
        with open(path, "wb") as out:
            with open(leaf.cert, "rb") as file:
                out.write(file.read())
            out.write(self.authority.cert.public_bytes(serialization.Encoding.PEM))
        return leaf._replace(cert=path)

    def store(self, name, text):
        with open(os.open(os.path.join(self.keys, name), os.O_WRONLY | os.O_CREAT, 0o600), "w",
                  encoding="ascii") as file:
            file.write(text)

    def start(self, admin=None, tls="", also="", policies=None, leaf="app1"):
        """With a kes.yml as the recorded server's was."""
        lines = ["version: v1", "address: 127.0.0.1:%d" % self.kes.port,
                 "admin: {identity: %s}" % (admin or self.clients["admin"].identity),
                 "tls: {key: %s, cert: %s%s}" % (self.kes.key, self.kes.cert, tls), "policy:"]
        for name, (allow, deny) in (policies or POLICIES).items():
            identities = [self.clients[name].identity]
            if name == leaf:
                identities.append("${HSMBRIDGE_TEST_LEAF}")
            lines.append("  %s: %s" % (name, json.dumps(
                {"allow": allow, "deny": deny, "identities": identities})))
        lines += ["cache: {expiry: {any: 5m0s, unused: 20s, offline: 0s}}",
                  "log: {error: on, audit: on}", "keys: [{name: boot-key}]",
                  "keystore: {fs: {path: %s}}" % self.keys, also]
        os.environ["HSMBRIDGE_TEST_LEAF"] = self.clients["leaf"].identity
        self.kes.args = ["--kes-config", self.config.secret("kes.yml", "\n".join(lines) + "\n")]
        self.kes.start()

    def caller_of(self, case):
        return self.kes.caller(self.clients[case["client"]])

    def ours(self, text):
        """With our clients' identities, or their beginnings, in place of the recorded ones'."""
        for name, theirs in IDENTITIES.items():
            text = text.replace(theirs, self.clients[name].identity)
            text = text.replace("/" + theirs[:6] + "*", "/" + self.clients[name].identity[:6] + "*")
        return text

    def replay(self, case):
        name = case["path"].rpartition("/")[2]
        if name in STORED and not os.path.exists(os.path.join(self.keys, name)):
            self.store(name, STORED[name])  # as it came to be there
        return super().replay(dict(case, path=self.ours(case["path"])))

    # ---- how ours are compared ----

    def compare(self, case, reply):
        if (case["group"], case["name"]) in BETTER:
            with self.assertRaises(AssertionError):
                self.compare_as_kes(case, reply)
        else:
            self.compare_as_kes(case, reply)

    def compare_as_kes(self, case, reply):
        if case["path"] == "/v1/metrics" and case["status"] == 200:
            self.compare_metrics(case, reply)
        elif case["group"] == "list-1024":
            self.compare_listing(case["note"], json.loads(reply.body))
        else:
            super().compare(dict(case, response_body=self.ours(case["response_body"])), reply)

    def compare_json(self, theirs, ours):
        for name in ("version", "commit"):
            if name in theirs:
                ours = dict(ours, **{name: theirs[name]})
        super().compare_json(theirs, ours)
        for name in ("names", "identities"):
            self.assertEqual(sorted(theirs.get(name, [])), ours.get(name, []))

    def compare_listing(self, note, ours):
        """'1024 names, first k0000, last k1023, continue_at k1024'"""
        if note.startswith("a prefix"):
            self.assertEqual(ours, {"names": ["k1024"]})
            return
        names = ours["names"]
        self.assertEqual(note, "%d names, first %s, last %s, continue_at %s" % (
            len(names), names[0], names[-1], ours.get("continue_at")))

    def compare_metrics(self, case, reply):
        """Their names, but for what only Go can count, with values of the same kinds."""
        self.assertEqual((reply.status, reply.headers["Content-Type"]),
                         (200, case["content_type"]))
        kind = r"(?m)^# TYPE (\S+) (\S+)$"
        theirs = set(re.findall(kind, case["response_body"]))
        ours = set(re.findall(kind, reply.body.decode()))
        self.assertLessEqual(theirs - ours, {("kes_system_mem_heap_objects", "gauge")})
        buckets = r'kes_http_response_time_bucket\{le="([^"]+)"'
        bounds = re.findall(buckets, case["response_body"])
        self.assertEqual(re.findall(buckets, reply.body.decode())[:len(bounds)], bounds)


class DirectoryTest(ReplayCase):
    def test_every_case_of_a_file_store_and_then_without_it(self):
        self.start()
        self.run_cases(load("fs"), 185)
        os.rename(self.keys, self.keys + ".away")
        self.run_cases([case for case in load("fs-down") if "keystore back" not in case["name"]
                        and "uncached" not in case["name"]], 8)
        os.rename(self.keys + ".away", self.keys)
        self.run_cases([case for case in load("fs-down") if "keystore back" in case["name"]], 1)

    def test_key_when_the_store_is_away_then_it_is_not_told_to_be_absent(self):
        self.start()
        self.store("Abc", STORED["old-bare"])
        os.rename(self.keys, self.keys + ".away")
        [case] = [case for case in load("fs-down") if "uncached" in case["name"]]
        self.run_cases([case], 1)
        reply = self.kes.caller(self.clients["admin"]).call("GET", "/v1/key/describe/Abc")
        self.assertEqual((reply.status, reply.body),
                         (504, b'{"message":"key store is not reachable"\n}'))

    def test_key_when_it_lacks_its_hmac_key_then_an_answer_and_no_dropped_connection(self):
        self.store("pb-nohmac", base64.b64encode(
            b"\x0a\x24\x0a\x20" + bytes(range(32)) + b"\x10\x01").decode())
        self.start()
        reply = self.kes.caller(self.clients["admin"]).call("GET", "/v1/key/describe/pb-nohmac")
        self.assertIn(reply.status, (200, 502))

    def test_sizes_when_at_the_limits_then_as_recorded(self):
        self.start()
        self.kes.caller(self.clients["admin"]).create("app1-k1")
        self.run_cases(load("size-trap"), 6)

    def replay(self, case):
        """A large ciphertext is the one of the reply before."""
        if not (case["request_body"] or "").startswith("[ciphertext of"):
            self.last = super().replay(case)
            return self.last
        return self.caller_of(case).call(case["method"], case["path"], self.last.body.decode())

    def test_key_when_removed_behind_the_server_then_it_serves_from_memory_for_a_while(self):
        self.start()
        admin = self.kes.caller(self.clients["admin"])
        admin.create("gone")
        case = load("cache")[0]
        ours = admin.json("PUT", "/v1/key/generate/gone")
        theirs = json.loads(case["request_body"])["ciphertext"]
        self.known.learn(theirs, ours["ciphertext"])
        os.remove(os.path.join(self.keys, "gone"))
        self.run_cases([case], 1)

    def test_listing_when_longer_than_1024_then_whole(self):
        for number in range(1100):
            self.store("k%04d" % number, "x")
        self.store("z1", "x")
        self.store("demo-1795419364-imp", "x")
        self.start(policies={"app1": (["/v1/key/list/*"], []), "ops": ([], [])})
        self.run_cases(load("list-1024"), 6)
        names = self.kes.caller(self.clients["admin"]).json("GET", "/v1/key/list/k")
        self.assertEqual(names, {"names": ["k%04d" % number for number in range(1100)]})


class DirectoryHttp2Test(DirectoryTest):
    def caller_of(self, case):
        return H2Caller(self.kes.url, self.kes.ca, self.clients[case["client"]])


class DoorTest(ReplayCase):
    def test_paths_when_they_skip_authentication_then_open_and_no_others(self):
        self.start(admin="disabled", also="api: {/v1/ready: {skip_auth: true}, "
                                          "/v1/metrics: {skip_auth: true}}",
                   policies={"leaf": (["/*"], []), "app1": ([], [])}, leaf=None)
        self.run_cases(load("skipauth"), 9)
        [admin] = [case for case in load("skipauth") if "admin disabled" in case["name"]]
        self.assertEqual(len(json.loads(self.replay(admin).body)["identities"]), 2)

    def skipped(self, case):
        return super().skipped(case) or "paths: form" in case["name"]

    def test_clients_when_verified_then_those_of_the_authority_alone(self):
        self.start(tls=", auth: on, ca: " + self.authority.path, leaf="ops")
        self.run_cases(load("auth-on"), 2)
        for case in load("auth-on"):
            if case["name"] in ALERTS:
                with self.subTest(case["name"]), self.assertRaises((ssl.SSLError, OSError)):
                    self.replay(case)

    def test_policy_when_of_the_old_form_then_refused_at_the_start(self):
        path = self.config.secret("old.yml", "\n".join((
            "tls: {key: %s, cert: %s}" % (self.kes.key, self.kes.cert),
            "policy: {app1: {paths: [/v1/key/create/*]}}",
            "keystore: {fs: {path: %s}}" % self.keys)) + "\n")
        self.kes.args = ["--kes-config", path]
        self.kes.start(wait=False)
        self.assertEqual(self.kes.process.wait(30), 3)
        self.assertIn("old.yml:2: policy.app1.paths is of a form that KES no longer reads",
                      self.kes.errors())


class LogTest(ReplayCase):
    """What the recorded server meant to send and never did."""

    def listen(self, stream):
        door = self.kes.connect(self.clients["ops"])
        self.addCleanup(door.close)
        door.sendall(b"GET /v1/log/%s HTTP/1.1\r\nHost: kes\r\n\r\n" % stream.encode())
        file = door.makefile("rb")
        head = []
        while not head or head[-1] != b"\r\n":
            head.append(file.readline())
            self.assertTrue(head[-1], head)
        return file, b"".join(head).decode()

    @staticmethod
    def event(file):
        """The next line, out of its chunk."""
        size = int(file.readline(), 16)
        line = file.read(size)
        file.read(2)
        return json.loads(line)

    def test_audit_when_a_key_is_made_then_told_to_who_listens(self):
        self.start()
        file, head = self.listen("audit")
        self.assertIn(" 200 ", head.splitlines()[0])
        self.assertIn("Content-Type: application/x-ndjson", head)
        admin = self.kes.caller(self.clients["admin"])
        admin.create("app1-new")
        admin.call("PUT", "/v1/key/generate/app1-new")  # KES audits no use
        admin.call("DELETE", "/v1/key/delete/app1-new")
        events = [self.event(file), self.event(file)]
        self.assertEqual([event["request"] for event in events],
                         [{"ip": "127.0.0.1", "path": "/v1/key/%s/app1-new" % verb,
                           "identity": self.clients["admin"].identity}
                          for verb in ("create", "delete")])
        self.assertEqual(events[0]["response"]["code"], 200)
        self.assertGreater(events[0]["response"]["time"], 0)
        self.assertRegex(events[0]["time"], r"\A\d{4}-\d\d-\d\dT[\d:.]+Z\Z")

    def test_errors_when_the_store_is_away_then_told_to_who_listens(self):
        self.start()
        file, _ = self.listen("error")
        shutil.rmtree(self.keys)
        self.kes.caller(self.clients["admin"]).call("PUT", "/v1/key/create/app1-new")
        event = self.event(file)
        self.assertEqual(list(event), ["message"])
        self.assertIn("/v1/key/create/app1-new: ", event["message"])

    def test_stream_when_the_policy_denies_then_as_recorded(self):
        self.start()
        self.run_cases([case for case in load("log") if "denies" in case["name"]], 1)

    def test_server_when_a_listener_hangs_then_goes_on(self):
        self.start()
        self.listen("audit")  # and reads no more
        admin = self.kes.caller(self.clients["admin"])
        for number in range(50):
            admin.create("app1-%d" % number)
        self.assertEqual(len(admin.json("GET", "/v1/key/list/app1")["names"]), 50)


if __name__ == "__main__":
    socket.setdefaulttimeout(30)
    unittest.main(verbosity=2)
