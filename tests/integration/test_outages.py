#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Services that are away, slow, throttled or insane."""

import socket
import time

from harness import CK, Double, RealVault
from weather import DIGEST, WeatherTestCase, complaints, main, status, verify_ecdsa

SIGN = "/v1/transit/sign/"
READ = "/v1/transit/keys/"


class OutageTestCase(WeatherTestCase):
    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit("app")


class DeadTest(OutageTestCase):
    def test_sign_when_server_dead_then_device_error_until_it_is_back(self):
        web = self.scene(self.vault)
        self.vault.refuse_connections()
        self.vault.drop_connections()
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "cannot connect")
        self.assertEqual(web.device_error(), 0)
        self.vault.accept_connections()
        self.assert_works(web)

    def test_find_when_server_dead_then_device_error_until_it_is_back(self):
        web = self.scene(self.vault, warm=False)
        self.vault.refuse_connections()
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", self.vault.url,
                          "cannot connect")
        self.vault.accept_connections()
        self.assert_works(web)

    def test_sign_when_connection_dropped_meanwhile_then_nobody_notices(self):
        for reset in (False, True):
            with self.scene_once(self.vault) as web:
                self.vault.drop_connections(reset=reset)
                self.assert_works(web)

    def test_random_when_server_dead_then_short_is_local_and_long_is_device_error(self):
        web = self.scene(self.vault)
        self.vault.refuse_connections()
        self.vault.drop_connections()
        self.assertEqual(len(web.session.random(8)), 8)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, lambda: web.session.random(1000), "slot 'web'",
                          self.vault.url)
        self.vault.accept_connections()
        self.assertEqual(len(set(web.session.random(1000))) > 100, True)

    def test_verify_when_server_dead_then_works_without_it(self):
        web = self.scene(self.vault)
        signature, public = web.sign(), web.session.public_key("app")
        self.vault.refuse_connections()
        self.vault.drop_connections()
        web.session.verify(public, CK.CKM_ECDSA, DIGEST, signature)


class TwoEndpointsTest(OutageTestCase):
    def setUp(self):
        super().setUp()
        self.other = self.enter(Double(authority=self.vault.authority))
        self.both = "%s %s" % (self.other.url, self.vault.url)

    def test_sign_when_first_dead_then_second_serves(self):
        self.other.refuse_connections()
        web = self.scene(self.vault, url=self.both)
        self.vault.reset()
        for _ in range(5):
            self.assert_works(web, more_connections=1)
        self.assertEqual(self.vault.count("POST " + SIGN), 5)

    def test_sign_when_first_hangs_then_second_serves_within_the_deadline(self):
        self.other.freeze()
        self.addCleanup(self.other.thaw)
        begin = time.monotonic()
        web = self.scene(self.vault, url=self.both, warm=False)
        web.sign()
        self.assertLess(time.monotonic() - begin, 2 * web.timeout + 1.5)
        begin = time.monotonic()
        self.assert_works(web, more_connections=1)
        self.assertLess(time.monotonic() - begin, web.timeout)  # it is left alone now

    def test_sign_when_first_speaks_no_tls_then_second_serves(self):
        plain = self.enter(Double(plain=True))
        web = self.scene(self.vault, url="%s %s" % (plain.url.replace("http:", "https:"),
                                                    self.vault.url))
        self.assert_works(web, more_connections=1)

    def test_sign_when_both_dead_then_device_error_until_one_is_back(self):
        web = self.scene(self.vault, url="%s %s" % (self.vault.url, self.other.url))
        self.other.refuse_connections()
        self.vault.refuse_connections()
        self.vault.drop_connections()
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          "cannot connect")
        self.vault.accept_connections()
        self.assert_works(web, more_connections=1)

    def test_sign_when_first_is_standby_then_second_serves(self):
        for kind in ("standby", "dr"):
            for leader in ("", self.vault.url):
                self.other.state(standby=kind, leader=leader)
                with self.subTest(kind=kind, leader=leader), \
                        self.scene_once(self.vault, url=self.both) as web:
                    self.assert_works(web, more_connections=1)

    def test_sign_when_first_sealed_then_second_serves(self):
        self.other.state(sealed=True)
        web = self.scene(self.vault, url=self.both)
        self.assert_works(web, more_connections=1)

    def test_sign_when_statuses_say_standby_then_next_is_asked(self):
        web = self.scene(self.vault, url="%s %s" % (self.vault.url, self.other.url))
        token = self.mirror(web)
        for code in (307, 472, 473, 501, 502, 503, 504):
            self.vault.clear()
            self.other.reset()
            fault = self.vault.fault("status", SIGN, count=0, status=code,
                                     headers={"Location": "https://127.0.0.1:1/"})
            web.session.sign(web.key, CK.CKM_ECDSA, DIGEST)
            self.assertEqual(self.other.count("POST " + SIGN), 1, code)
            self.assertLessEqual(self.vault.hits(fault), 1, code)
        self.assertNotIn(token, web.config.log())

    def mirror(self, web):
        """Lets the other server take the same token and have the same key's name."""
        self.other.setup_transit("app")
        self.other.setup_signer()
        self.other.write("auth/token/create", {"id": web.token, "policies": ["signer"]})
        return web.token


class HungTest(OutageTestCase):
    def test_sign_when_answer_never_comes_then_device_error_at_the_deadline(self):
        web = self.scene(self.vault)
        self.vault.fault("hang", SIGN)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "timed out waiting for the answer")
        self.vault.clear()
        self.assert_works(web)

    def test_sign_when_server_frozen_then_device_error_at_the_deadline(self):
        web = self.scene(self.vault)
        self.vault.freeze()
        self.addCleanup(self.vault.thaw)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, self.vault.url, "timed out")
        self.vault.thaw()
        self.assert_works(web)

    def test_find_when_handshake_hangs_then_device_error_at_the_deadline(self):
        web = self.scene(self.vault, warm=False)
        self.vault.connect_fault("hang", count=0)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", self.vault.url,
                          "timed out in the TLS handshake")
        self.vault.clear()
        self.assert_works(web)

    def test_find_when_handshake_is_slow_then_connect_timeout_does_not_count(self):
        web = self.scene(self.vault, warm=False, timeout=2.0, connect_timeout="200ms")
        self.vault.connect_fault("delay", count=0, delay=0.6)
        self.assert_works(web)

    def test_find_when_connect_is_never_answered_then_connect_timeout_counts(self):
        with socket.socket() as full:  # a full backlog drops what comes: as a firewall does
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            crowd = [socket.socket() for _ in range(3)]
            for one in crowd:
                self.addCleanup(one.close)
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            web = self.scene(self.vault, warm=False, timeout=2.0, connect_timeout="300ms",
                             url="https://127.0.0.1:%d %s" % (full.getsockname()[1],
                                                              self.vault.url))
            begin = time.monotonic()
            web.find()
            self.assertLess(time.monotonic() - begin, 1.0)

    def test_sign_when_answer_trickles_then_device_error_at_the_deadline(self):
        web = self.scene(self.vault)
        self.vault.fault("trickle", SIGN, every=0.2)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, self.vault.url, "timed out")
        self.vault.clear()
        self.assert_works(web)

    def test_sign_when_slow_but_in_time_then_works(self):
        web = self.scene(self.vault)
        self.vault.fault("delay", SIGN, delay=0.5)
        self.assert_works(web)


class BrokenAnswerTest(OutageTestCase):
    def test_sign_when_cut_once_in_mid_answer_then_repeated(self):
        web = self.scene(self.vault)
        for order in ({"after": 0}, {"after": 20}, {"after": 200}, {"after": 200, "rst": True}):
            self.vault.fault("cut", SIGN, **order)
            self.assert_works(web)

    def test_sign_when_always_cut_then_device_error_until_whole(self):
        web = self.scene(self.vault)
        for after in (0, 20, 200):
            self.vault.fault("cut", SIGN, count=0, after=after)
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                              self.vault.url, "connection")
            self.vault.clear()
            self.assert_works(web)

    def test_sign_when_answer_huge_then_device_error_and_memory_bounded(self):
        web = self.scene(self.vault)
        before = status("VmRSS")
        for chunked in (False, True):
            self.vault.fault("huge", SIGN, chunked=chunked)
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                              self.vault.url, "larger than")
            self.assert_works(web)
        self.assertLess(status("VmRSS") - before, 64 << 10)
        self.assertEqual(self.vault.count("POST " + SIGN), 5)  # none of the two was repeated

    def assert_nonsense(self, web, what, *words, times=1):
        self.vault.reset()
        web.key = web.find()
        self.vault.fault(path=SIGN, count=0, **what)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'", *words)
        self.assertEqual(self.vault.count("POST " + SIGN), times)  # not repeated
        self.vault.clear()
        self.assert_works(web)

    def test_sign_when_not_json_then_device_error(self):
        web = self.scene(self.vault)
        for text in ("", "<html>welcome to the hotel</html>", "{", "{}}", "\x00", "[" * 10000,
                     '{"data":{"signature":"vault:v1:AAAA"}} trailing',
                     '{"data":{"signature":"vault:v1:AAAA"'):
            with self.subTest(text=text[:40]):
                self.assert_nonsense(web, {"action": "status", "status": 200, "text": text},
                                     self.vault.url)

    def test_sign_when_json_of_wrong_shape_then_device_error(self):
        web = self.scene(self.vault)
        for body in ({}, [], {"data": None}, {"data": []}, {"data": "x"}, {"data": {}},
                     {"data": {"signature": None}}, {"data": {"signature": 1}},
                     {"data": {"signature": ["vault:v1:AAAA"]}}, {"data": {"signature": ""}},
                     {"data": {"signature": "AAAA"}}, {"data": {"signature": "vault:v1"}},
                     {"data": {"signature": "vault:v1:"}}, {"data": {"signature": "vault:vx:AA"}},
                     {"data": {"signature": "vault:v1:!!!!"}},
                     {"data": {"signature": "vault:v99999999999999999999:AAAA"}},
                     {"data": {"batch_results": [{"signature": "vault:v1:AAAA"}]}}):
            with self.subTest(body=body):
                self.assert_nonsense(web, {"action": "status", "status": 200, "body": body})

    def test_sign_when_answer_has_other_key_version_then_device_error(self):
        self.vault.rotate_key("app")
        web = self.scene(self.vault)
        self.assert_nonsense(web, {"action": "other_version", "version": 1}, "version 2",
                             "version 1")

    def test_sign_when_signature_of_wrong_length_then_device_error(self):
        web = self.scene(self.vault)
        for length in (1, 63, 65, 96, 4096):
            signature = "vault:v1:" + "A" * ((length * 8 + 5) // 6)
            self.assert_nonsense(web, {"action": "edit", "data": {"signature": signature}},
                                 "%d bytes" % length, "64")

    def test_sign_when_status_is_strange_then_device_error(self):
        web = self.scene(self.vault)
        for code in (204, 301, 418, 500, 599):
            with self.subTest(code=code):
                self.assert_nonsense(web, {"action": "status", "status": code,
                                           "body": {"errors": ["something\n\x1b[31mred"]}})
                self.assertEqual(web.device_error(), code)

    def test_find_when_key_of_wrong_shape_then_device_error(self):
        for data in ({}, {"type": "ecdsa-p256"}, {"type": 5, "keys": {}, "name": "app"},
                     {"type": "ecdsa-p256", "keys": [], "latest_version": 1},
                     {"type": "ecdsa-p256", "keys": {"1": {"public_key": "rubbish"}},
                      "latest_version": 1},
                     {"type": "ecdsa-p256", "keys": {"one": {"public_key": ""}},
                      "latest_version": 1}):
            with self.subTest(data=data):
                self.vault.reset()
                with self.scene_once(self.vault, warm=False) as web:
                    self.vault.fault("status", READ, count=0, status=200, body={"data": data})
                    self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.find, "slot 'web'", "app")
                    self.vault.clear()
                    self.assert_works(web)


class ThrottleTest(OutageTestCase):
    def throttle(self, **order):
        self.vault.reset()
        self.vault.fault("status", SIGN, **dict(
            {"status": 429, "body": {"errors": ["rate limit quota exceeded"]}}, **order))

    def test_sign_when_throttled_briefly_then_repeated_after_a_pause(self):
        web = self.scene(self.vault)
        self.throttle(count=3)
        self.assert_works(web)
        self.assertEqual(self.vault.count("POST " + SIGN), 4)

    def test_sign_when_retry_after_fits_then_obeyed(self):
        web = self.scene(self.vault, timeout=2.0)
        self.throttle(headers={"Retry-After": "1"})
        begin = time.monotonic()
        self.assert_works(web)
        self.assertGreaterEqual(time.monotonic() - begin, 1.0)
        self.assertEqual(self.vault.count("POST " + SIGN), 2)

    def test_sign_when_retry_after_is_too_long_then_fails_at_once_and_says_so(self):
        web = self.scene(self.vault)
        self.throttle(count=0, headers={"Retry-After": "30"})
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "throttled", "30 s", within=-0.4)
        self.assertEqual(self.vault.count("POST " + SIGN), 1)
        self.assertEqual(web.device_error(), 429)
        self.vault.clear()
        self.assert_works(web)

    def test_sign_when_throttled_for_ever_then_device_error_at_the_deadline(self):
        web = self.scene(self.vault)
        self.throttle(count=0)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "throttled", "429")
        self.assertLess(self.vault.count("POST " + SIGN), 25)
        self.vault.clear()
        self.assert_works(web)

    def test_sign_when_busy_with_503_and_retry_after_then_obeyed(self):
        web = self.scene(self.vault, timeout=2.0)
        self.vault.reset()
        self.vault.fault("status", SIGN, status=503, headers={"Retry-After": "1"},
                         body={"errors": ["overloaded"]})
        begin = time.monotonic()
        self.assert_works(web)
        self.assertGreaterEqual(time.monotonic() - begin, 1.0)

    def test_sign_when_service_stays_bad_then_retries_stay_few(self):
        web = self.scene(self.vault, timeout=0.3)
        self.throttle(count=0, status=503)
        for _ in range(30):
            with self.assertRaises(Exception):
                web.sign()
        self.assertLess(self.vault.count("POST " + SIGN), 30 + 20 + 30 * 0.2 + 5)


class StateTest(OutageTestCase):
    def test_sign_when_sealed_then_device_error_until_unsealed(self):
        web = self.scene(self.vault)
        self.vault.state(sealed=True)
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "sealed")
        self.assertEqual(web.device_error(), 503)
        self.vault.state(sealed=False)
        self.assert_works(web)

    def test_sign_when_real_vault_is_sealed_then_device_error_until_unsealed(self):
        vault = self.enter(RealVault())
        vault.setup_transit("app")
        web = self.scene(vault)
        vault.seal()
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'", vault.url,
                          "sealed")
        vault.unseal()
        self.assert_works(web)

    def test_sign_when_only_server_is_standby_then_device_error_until_active(self):
        web = self.scene(self.vault)
        self.vault.state(standby="standby", leader="https://127.0.0.1:1")
        self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "slot 'web'", "key 'app'",
                          self.vault.url, "standby")
        self.vault.state(standby="", leader="")
        self.assert_works(web)

    def test_sign_when_input_is_refused_with_500_then_not_repeated(self):
        self.vault.make_key("rsa", "rsa-2048")
        web = self.scene(self.vault)
        key = web.session.private_key("rsa")
        self.vault.reset()
        self.assert_fault(web, CK.CKR_ENCRYPTED_DATA_INVALID,
                          lambda: web.session.decrypt(key, CK.CKM_RSA_PKCS, b"\1" * 256),
                          "slot 'web'", "key 'rsa'", "does not open")
        self.assertEqual(self.vault.stats()["by_status"], {"500": 1})
        self.assert_works(web)

    def test_sign_when_repaired_then_log_has_a_line_for_each_failure_only(self):
        web = self.scene(self.vault)
        web.config.clear_log()
        self.vault.fault("status", SIGN, count=0, status=418)
        for _ in range(3):
            self.assert_rv(CK.CKR_DEVICE_ERROR, web.sign)
        self.vault.clear()
        verify_ecdsa(self.vault.public_key("app"), DIGEST, web.sign())
        self.assertEqual(len(complaints(web.config.log())), 3)


if __name__ == "__main__":
    main()
