#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bad weather that the stand-in for Azure can make. What it shares with that for Vault is in
test_double_faults.py; here is what knows Azure's answers, and that faults meet whom they should.
"""

import base64
import hashlib
import http.client
import json
import socket
import ssl
import unittest

from azure_server import AUTHORITY, HSM, WEB, AzureDouble
from process import ServerError

DIGEST = base64.urlsafe_b64encode(hashlib.sha256(b"hello world").digest()).decode().rstrip("=")
IMDS = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"


class FaultTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.azure = AzureDouble()
        cls.addClassCleanup(cls.azure.__exit__)
        cls.azure.make_key("app")
        cls.azure.make_key("rsa", "RSA")
        cls.azure.make_keys(3, vault="paged.vault.azure.net")
        cls.token = cls.azure.issue_token()

    def setUp(self):
        self.azure.reset()
        self.addCleanup(self.azure.reset)

    def call(self, method, path, body=None, host=WEB):
        return self.azure.request(method, host, path + ("&" if "?" in path else "?") +
                                  "api-version=7.4", body,
                                  {"Authorization": "Bearer " + self.token})

    def sign(self):
        return self.call("POST", "/keys/app/sign", {"alg": "ES256", "value": DIGEST})

    def test_throttle_when_one_in_ten_then_so_many(self):
        self.azure.throttle("/keys/app", one_in=10)
        answers = [self.sign() for _ in range(20)]
        self.assertEqual([number for number, answer in enumerate(answers, 1)
                          if answer.status == 429], [10, 20])
        self.assertNotIn("Retry-After", answers[9].headers)
        self.assertIn("VaultRequestTypeLimitReached", answers[9].text)

    def test_throttle_when_told_then_retry_after(self):
        self.azure.throttle(retry_after=1, count=1)
        self.assertEqual([(answer.status, answer.headers["Retry-After"])
                          for answer in (self.sign(), self.sign())], [(429, "1"), (200, None)])

    def test_refuse_when_inner_code_then_its_status_and_body(self):
        for inner, status, code in (
                ("ForbiddenByRbac", 403, "Forbidden"), ("AccessDenied", 403, "Forbidden"),
                ("ForbiddenByFirewall", 403, "Forbidden"),
                ("KeyOperationForbidden", 403, "Forbidden"), ("KeyDisabled", 403, "Forbidden"),
                ("KeyExpired", 403, "Forbidden"), ("KeyNotYetValid", 403, "Forbidden"),
                ("ObjectIsBeingDeleted", 409, "Conflict"),
                ("ObjectIsDeletedButRecoverable", 409, "Conflict")):
            self.azure.refuse(inner)
            answer = self.sign()
            self.assertEqual((answer.status, answer.json["error"]["code"],
                              answer.json["error"]["innererror"]), (status, code, {"code": inner}))

    def test_refuse_when_status_and_code_then_these(self):
        for status, code in ((500, "InternalServerError"), (503, "ServiceUnavailable"),
                             (404, "KeyNotFound"), (400, "BadParameter")):
            self.azure.refuse(status=status, code=code, message="because")
            answer = self.sign()
            self.assertEqual((answer.status, answer.json["error"]["code"],
                              answer.json["error"]["message"]), (status, code, "because"))
            self.assertEqual(self.sign().status, 200)

    def test_end_token_when_met_then_401_for_good(self):
        self.azure.fault("end_token", "/keys/app")
        self.addCleanup(setattr, type(self), "token", self.azure.issue_token())
        self.assertEqual([self.sign().status for _ in range(2)], [401, 401])

    def test_claims_when_ordered_then_good_token_is_refused_once(self):
        self.azure.fault("insufficient_claims", "/keys/app")
        answer = self.sign()
        self.assertEqual(answer.status, 401)
        self.assertIn('error="insufficient_claims", claims="', answer.headers["WWW-Authenticate"])
        self.assertEqual(self.sign().status, 200)

    def test_challenge_when_hostile_then_names_what_was_ordered(self):
        self.azure.fault("hostile_challenge", authority="https://evil.test",
                         resource="https://evil.test")
        self.assertEqual(self.sign().headers["WWW-Authenticate"],
                         'Bearer authorization="https://evil.test/%s", '
                         'resource="https://evil.test"' % self.azure.tenant)

    def test_truncate_when_ordered_then_whole_http_and_half_json(self):
        self.azure.fault("truncate", "/keys/app")
        answer = self.sign()
        self.assertEqual((answer.status, answer.json, answer.text[:1]), (200, None, "{"))
        self.azure.fault("truncate", "/keys/app", after=0)
        self.assertEqual(self.sign().text, "")

    def test_wrong_kid_when_ordered_then_another_version_or_key(self):
        good = self.sign().json["kid"]
        self.azure.fault("wrong_kid", "/keys/app")
        self.assertEqual(self.sign().json["kid"], good.rpartition("/")[0] + "/" + "0" * 32)
        self.azure.fault("wrong_kid", "/keys/app", kid="https://evil.test/keys/app/1")
        self.assertEqual(self.sign().json["kid"], "https://evil.test/keys/app/1")

    def test_next_link_when_foreign_or_own_then_so(self):
        host = "paged.vault.azure.net"
        self.azure.fault("foreign_host", "/keys", host=host)
        link = self.call("GET", "/keys?maxresults=1", host=host).json["nextLink"]
        self.assertTrue(link.startswith("https://evil.test/keys?api-version=7.4&$skiptoken="), link)
        self.azure.fault("next_link", "/keys", host=host)
        self.assertEqual(self.call("GET", "/keys?maxresults=1", host=host).json["nextLink"],
                         "https://%s/keys?maxresults=1&api-version=7.4" % host)
        self.azure.fault("next_link", "/keys", host=host, url="http://%s/keys" % host)
        self.assertEqual(self.call("GET", "/keys", host=host).json["nextLink"],
                         "http://%s/keys" % host)

    def test_edit_when_ordered_then_merged_and_null_takes_away(self):
        number = "AA" + self.azure.key("rsa")["key"]["n"]  # 12 zero bits in front, and shifted
        self.azure.fault("edit", "/keys/rsa", top={"key": {"n": number, "e": None},
                                                   "attributes": {"enabled": False}})
        shown = self.call("GET", "/keys/rsa").json
        self.assertEqual((shown["key"]["n"], shown["attributes"]["enabled"]), (number, False))
        self.assertNotIn("e", shown["key"])
        self.assertIn("kid", shown["key"])

    def test_huge_when_ordered_then_begins_as_told(self):
        self.azure.fault("huge", "/keys/app", bytes=1 << 20, start='{"value":"')
        answer = self.sign()
        self.assertEqual((len(answer.text), answer.text[:12]), (1 << 20, '{"value":"AA'))

    def test_host_when_given_then_only_requests_to_it(self):
        self.azure.fault("refuse", host=AUTHORITY, count=0, status=503, code="x")
        self.assertEqual((self.azure.ask_token().status, self.sign().status), (503, 200))
        self.azure.clear()
        self.azure.fault("refuse", host=".managedhsm.azure.net", count=0, status=503, code="x")
        self.assertEqual([self.call("GET", "/keys", host=host).status for host in (HSM, WEB)],
                         [503, 200])

    def test_suffix_when_given_then_only_that_operation(self):
        self.azure.fault("refuse", "/keys/app/", suffix="/sign", count=0, status=503, code="x")
        self.assertEqual((self.sign().status, self.call("GET", "/keys/app").status), (503, 200))

    def test_imds_when_faulty_then_by_its_path(self):
        self.azure.fault("status", "/metadata/", status=410, body={"error": "gone"})
        self.assertEqual([self.azure.request_plain(IMDS, {"Metadata": "true"}).status
                          for _ in range(2)], [410, 200])

    def test_stop_when_started_again_then_same_application_and_no_keys(self):
        with AzureDouble() as azure:
            azure.make_key("app")
            before = azure.port, azure.client_id, azure.client_secret, azure.tenant
            azure.stop()
            azure.start()
            self.assertEqual((azure.port, azure.client_id, azure.client_secret, azure.tenant),
                             before)
            self.assertEqual(azure.ask_token().status, 200)
            with self.assertRaises(ServerError):
                azure.key("app")

    def test_setting_up_when_done_then_not_counted(self):
        self.azure.make_key("uncounted")
        self.azure.issue_token()
        self.assertEqual(self.azure.stats()["requests"], 0)
        self.azure.ask_token()
        self.sign()
        self.assertEqual((self.azure.token_requests(), self.azure.count("POST /keys/app/sign")),
                         (1, 1))

    def test_keep_alive_when_many_requests_then_one_handshake(self):
        context = ssl.create_default_context(cafile=self.azure.ca)
        connection = http.client.HTTPSConnection(WEB, timeout=60)
        connection.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.azure.port)), server_hostname=WEB)
        for _ in range(5):
            connection.request("POST", "/keys/app/sign?api-version=7.4",
                               json.dumps({"alg": "ES256", "value": DIGEST}),
                               {"Authorization": "Bearer " + self.token,
                                "Content-Type": "application/json"})
            self.assertEqual(json.loads(connection.getresponse().read())["kid"][:8], "https://")
        connection.close()
        stats = self.azure.stats()
        self.assertEqual((stats["requests"], stats["handshakes"]), (5, 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
