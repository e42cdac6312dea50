#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An eHSM-KMS that refuses, breaks, hangs, or is somebody else."""

import json
import subprocess
import sys
import threading
import unittest

from ehsm_case import AEAD, EhsmTestCase
from ehsm_server import EhsmDouble
from harness import CK, cli_path


class WeatherTest(EhsmTestCase):
    """Each fault has its code and its line; the next operation succeeds."""

    def setUp(self):
        super().setUp()
        self.keyid = self.make("app", "EH_AES_GCM_256")
        self.session = self.open(timeout="1s")
        self.key = self.session.secret_key("app")
        self.sealed = self.session.encrypt(self.key, AEAD, b"x")

    def encrypt(self):
        return self.session.encrypt(self.key, AEAD, b"x")

    def assert_fault(self, rv, *words, within=2.7):
        self.assert_told(self.config, rv, self.encrypt, *words, within=within)

    def assert_works(self):
        self.ehsm.clear()
        self.assertEqual(self.session.decrypt(self.key, AEAD, self.sealed), b"x")

    def fault(self, action, **order):
        self.ehsm.fault(action, "/ehsm?Action=Encrypt", 0, **order)

    def test_answers_when_they_say_no_then_what_they_mean(self):
        cases = [
            ({"code": 400, "message": "database error", "result": {}}, CK.CKR_DEVICE_ERROR,
             "cannot use its database"),
            ({"code": 500, "message": "Server internal error, please contact the administrator.",
              "result": {}}, CK.CKR_DEVICE_ERROR, "its database or its enclave"),
            ({"code": 500, "message": "Server exception.", "result": None}, CK.CKR_FUNCTION_FAILED,
             "the enclave refused"),
            ({"code": 404, "message": "API Not Found", "result": {}}, CK.CKR_MECHANISM_INVALID,
             "no such operation"),
            ({"code": 400, "message": "Parameter invalid, The x", "result": {}},
             CK.CKR_FUNCTION_FAILED, "the service refused the request"),
            ({"code": 400, "message": "sign error", "result": {}}, CK.CKR_DEVICE_ERROR, "refuse"),
            ({"code": 400, "result": {}}, CK.CKR_DEVICE_ERROR, "refuse")]
        for body, rv, words in cases:
            with self.subTest(body=body):
                self.fault("status", status=200, body=body)
                self.assert_fault(rv, words)
                self.assert_works()

    def test_answers_when_hostile_then_refused(self):
        for text, words in (('{"code":200,"result":null}', "no \"result.ciphertext\""),
                            ('{"code":200,"result":{"ciphertext":[]}}', "no \"result.ciphertext\""),
                            ('{"code":200,"result":{"ciphertext":"%%%"}}', "not base64"),
                            ('{"code":200,"result":{"ciphertext":"AAAA"}}',
                             "3 bytes where 29 are due"),
                            ('{"result":{}}', "no eHSM-KMS answers there"), ("<html>", "not JSON"),
                            ("", "not JSON")):
            with self.subTest(text=text):
                self.fault("status", status=200, text=text)
                self.assert_fault(CK.CKR_DEVICE_ERROR, words)
                self.assert_works()

    def test_statuses_when_of_what_stands_in_front_then_device_error(self):
        for status, words in ((502, "not available (HTTP 502)"), (429, "throttled"),
                              (403, "check url")):
            with self.subTest(status=status):
                self.fault("status", status=status, text="<html>", content_type="text/html")
                self.assert_fault(CK.CKR_DEVICE_ERROR, words)
                self.assert_works()

    def test_answers_when_they_do_not_come_then_device_error_in_time(self):
        for action, order in (("hang", {}), ("trickle", {"every": 0.5}), ("cut", {"after": 30}),
                              ("cut", {"after": 0, "rst": True}), ("huge", {"bytes": 20 << 20})):
            with self.subTest(action=action):
                self.fault(action, **order)
                self.assert_fault(CK.CKR_DEVICE_ERROR, "slot 'sgx'")
                self.assert_works()

    def test_collision_when_it_passes_then_nobody_notices(self):
        self.ehsm.fault("status", "/ehsm?Action=Encrypt", 1, status=200, body={
            "code": 400, "message": "Timestamp can't be repeated in 20 minutes", "result": {}})
        self.encrypt()

    def test_signature_when_of_a_wrong_length_then_device_error(self):
        self.make("rsa", "EH_RSA_2048")
        key = self.session.private_key("rsa")
        self.ehsm.fault("status", "/ehsm?Action=Sign", 0, status=200,
                        body={"code": 200, "result": {"signature": "AAAA"}})
        self.assert_rv(CK.CKR_DEVICE_ERROR, self.session.sign, key, CK.CKM_SHA256_RSA_PKCS, b"x")
        self.assertIn("a signature of 3 bytes where 256 are due", self.config.log())

    def test_clock_when_ten_minutes_off_then_the_log_says_how_much(self):
        for skew in (-599000, 599000):
            self.ehsm.state(skew_ms=skew)
            self.assert_works()
        self.ehsm.fault("status", "/ehsm?Action=Encrypt", 0, status=200,
                        headers={"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, body={
                            "code": 400, "message": "Timestamp error", "result": {}})
        self.assert_fault(CK.CKR_DEVICE_ERROR, " ours; it takes requests within 10 minutes",
                          "set the clock that is wrong")
        self.ehsm.clear()
        self.ehsm.state(skew_ms=601000)
        self.assert_fault(CK.CKR_DEVICE_ERROR, "within 10 minutes of its own")

    def test_key_when_disabled_behind_us_then_not_permitted(self):
        self.ehsm.change(self.keyid, enabled=False)
        self.assert_fault(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, "the key is disabled")
        self.ehsm.change(self.keyid, enabled=True)
        self.assert_works()

    def test_key_when_expired_behind_us_then_not_permitted(self):
        self.ehsm.change(self.keyid, expires=1)
        self.assert_fault(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, "the key's year is over")

    def test_key_when_deleted_behind_us_then_the_handle_dies(self):
        self.ehsm.change(self.keyid, gone=True)
        self.assert_fault(CK.CKR_FUNCTION_FAILED, "the key is gone")
        self.assertEqual(self.session.find(CKA_LABEL="app"), [])

    def test_connection_when_warm_then_no_further_handshake(self):
        self.ehsm.reset()
        for _ in range(200):
            self.encrypt()
        stats = self.ehsm.stats()
        self.assertEqual((stats["requests"], stats["handshakes"]), (200, 0))

    def test_burst_when_of_threads_and_processes_then_no_collision(self):
        self.ehsm.reset()
        plain = self.config.secret("plain", "x")
        others = [subprocess.Popen([cli_path(), "encrypt", "--key", "app", "--in", plain,
                                    "--base64"], env=self.config.env(), stdout=subprocess.DEVNULL)
                  for _ in range(2)]
        failures = []

        def work():
            try:
                with self.p11.session(self.p11.slot("sgx")) as session:
                    for _ in range(20):
                        session.encrypt(self.key, AEAD, b"x")
            except Exception as problem:  # pylint: disable=broad-except
                failures.append(problem)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([other.wait(30) for other in others] + failures, [0, 0])
        bodies = [json.loads(entry["body"]) for entry in self.ehsm.requests()]
        self.assertEqual(len({body["nonce"] for body in bodies}), len(bodies))
        self.assertEqual(self.ehsm.actions().count("Encrypt"), 162)


class ServerCertificateTest(EhsmTestCase):
    def test_certificate_when_of_another_ca_or_name_or_expired_then_device_error(self):
        other = self.enter(EhsmDouble())
        misnamed = self.enter(EhsmDouble(authority=self.ehsm.authority, names=("other.test",)))
        expired = self.enter(EhsmDouble(authority=self.ehsm.authority, expired=True))
        for server in (other, misnamed, expired):
            self.slot(url=server.url)
            self.assertIn("certificate is not accepted", self.cli("list", code=4))
            self.assertEqual(server.stats()["requests"], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
