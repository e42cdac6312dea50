# SPDX-License-Identifier: Apache-2.0
"""What a real KES answered, tests/fixtures/kes/cases.json, as a test of another server.

Values that were random are another's there. What the recorded server gave and a later request
sends back is replaced by what the server under test gave in its place, with the same bytes
tampered or cut.
"""

import base64
import json
import os
import re

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures",
                        "kes", "cases.json")
RANDOM = {"plaintext", "ciphertext", "hmac", "created_at", "created_by", "uptime",
          "mem_heap_used", "mem_stack_used", "num_cpu", "num_cpu_used", "os", "arch",
          "keystore_latency"}
LEGACY = base64.b64encode(bytes(range(32))).decode()
STORED = {  # what stood in the recorded server's store from the beginning
    "old-json": json.dumps({"bytes": LEGACY, "algorithm": "AES256",
                            "created_at": "2022-05-01T10:00:00Z", "created_by": "00ff"}),
    "old-bare": json.dumps({"bytes": LEGACY}), "broken": "garbage",
    "broken-pb": base64.b64encode(b"\x0a\xff\x01").decode()}
BIG = {"[1 MiB]": 1 << 20, "[5 MB]": 5000000, "[2 MB chunked]": 2000000}
POLICIES = {  # of the recorded server's clients of these names: allow, deny
    "app1": (["/v1/key/create/app1*", "/v1/key/generate/app1*", "/v1/key/decrypt/app1*",
              "/v1/key/list/*", "/v1/api"], ["/v1/key/generate/app1-internal*"]),
    "ops": (["/v1/status", "/v1/metrics", "/v1/log/*", "/v1/policy/*", "/v1/identity/*",
             "/v1/key/delete/app1*"], [])}


def load(*groups):
    with open(FIXTURES, encoding="utf-8") as file:
        return [case for case in json.load(file) if case["group"] in groups]


def key_value(case):
    """The request's ciphertext, and the bytes."""
    match = re.search(r'"ciphertext": ?"([^"]*)"', case)
    if not match:
        return None, b""
    try:
        return match[1], base64.b64decode(match[1], validate=True)
    except ValueError:
        return None, b""


class Translation:
    """What the server under test gave for what the recorded one gave."""

    def __init__(self):
        self._pairs = {}

    def learn(self, theirs, ours):
        self._pairs[base64.b64decode(theirs)] = base64.b64decode(ours)

    def apply(self, body):
        text, sealed = key_value(body)
        for theirs, ours in self._pairs.items():
            cut = theirs[:len(sealed)]
            changed = sum(a != b for a, b in zip(cut, sealed))
            if text and len(sealed) > 1 and len(cut) == len(sealed) and changed <= 1:
                moved = bytes(a ^ b ^ c for a, b, c in zip(cut, sealed, ours))
                return body.replace(text, base64.b64encode(moved).decode())
        return body


def body_of(case):
    """The request's; large ones are recorded by their size."""
    body = case["request_body"]
    sized = re.match(r"\[(\d+) bytes", body or "")
    plain = re.match(r"\[(plaintext|message) of (\d+) bytes\]", body or "")
    if plain:
        return json.dumps({plain[1]: base64.b64encode(bytes(int(plain[2]))).decode()},
                          separators=(",", ":"))
    if sized or body in BIG:
        size = int(sized[1]) if sized else BIG[body]
        start, end = '{"plaintext":"', '"}'
        room = (size - len(start) - len(end)) // 4 * 4
        return (start + "A" * room + end).ljust(size)
    return body


class RecordedCases:
    """For a TestCase: it has caller_of(case), a Caller, and may say which cases it skips."""

    def setUp(self):
        self.known = Translation()

    def skipped(self, case):
        """Without an answer, of a client that the test has not, or not to be said by Caller."""
        return (case["status"] is None or case["http_version"] == "2"
                or case["name"].startswith(("plain HTTP", "version over HTTP/2")))

    def replay(self, case):
        body = body_of(case)
        return self.caller_of(case).call(case["method"], case["path"],
                                         self.known.apply(body) if body is not None else None,
                                         chunked="chunked" in str(case.get("request_headers")))

    def compare(self, case, reply):
        self.assertEqual(reply.status, case["status"])
        self.assertEqual(reply.headers.get("Content-Type"), case["content_type"])
        for line in case["response_headers"]:
            name, _, value = line.partition(": ")
            if name in ("Location", "Accept", "X-Content-Type-Options"):
                self.assertEqual(reply.headers.get(name), value)
        theirs, ours = case["response_body"], reply.body.decode()
        if case["method"] == "HEAD" or case["path"] == "/v1/api":
            return
        if case["content_type"] != "application/json":
            self.assertEqual(ours, theirs)
        elif theirs.startswith("{") and theirs.rstrip().endswith("}"):
            self.compare_json(json.loads(theirs), json.loads(ours))
            if '"message"' in theirs:
                self.assertEqual(ours, theirs)  # with its odd newline

    def compare_json(self, theirs, ours):
        self.assertEqual(list(theirs), list(ours))
        self.assertGreaterEqual(ours.get("keystore_latency", 1), 1)
        for name, value in theirs.items():
            if name == "ciphertext":
                self.known.learn(value, ours[name])
                self.assertEqual(len(ours[name]), len(value))
            elif name not in RANDOM and name not in ("names", "identities"):
                self.assertEqual(ours[name], value)
        for name in ("names", "identities"):
            if name in theirs:
                self.assertEqual(sorted(ours[name]), ours[name])

    def run_cases(self, cases, least):
        played = 0
        for case in cases:
            if self.skipped(case):
                continue
            with self.subTest(case["group"] + ": " + case["name"]):
                self.compare(case, self.replay(case))
                played += 1
        self.assertGreaterEqual(played, least)
