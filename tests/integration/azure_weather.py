#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad weather at Azure: each fault with its CKR_ and its text, and no secret in the loudest log."""

import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from azure_case import HSM, AzureTestCase
from harness import CK, oaep

FOREVER = 0


class WeatherTest(AzureTestCase):
    @classmethod
    def set_up_azure(cls):
        cls.azure.make_key("app", "EC", crv="P-256")
        cls.azure.make_key("rsa", "RSA", key_size=2048)
        cls.azure.make_keys(30, vault="many.vault.azure.net")

    def warm(self, name="app", **options):
        session = self.open_slot(**options)
        key = session.private_key(name)
        session.sign(key, CK.CKM_ECDSA if name == "app" else CK.CKM_SHA256_RSA_PKCS, bytes(32))
        self.config.clear_log()
        self.azure.reset()
        return lambda: session.sign(key, CK.CKM_ECDSA, bytes(32))

    def assert_fault(self, rv, function, *words):
        self.assert_rv(rv, function)
        self.assert_log_says("slot 'kv'", *words)

    # ---- throttled ----

    def test_sign_when_throttled_for_a_second_then_waits_for_it(self):
        sign = self.warm()
        self.azure.throttle("/keys/app/", retry_after=1, count=1)
        began = time.monotonic()
        self.assertEqual(len(sign()), 64)
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_sign_when_throttled_for_longer_than_the_timeout_then_says_how_long_at_once(self):
        sign = self.warm(timeout="2s")
        self.azure.throttle("/keys/app/", retry_after=30, count=FOREVER)
        began = time.monotonic()
        self.assert_fault(CK.CKR_DEVICE_ERROR, sign, "throttled", "wait 30 s")
        self.assertLess(time.monotonic() - began, 1.8)

    def test_sign_when_a_tenth_is_throttled_then_all_of_it_succeeds(self):
        session = self.open_slot()
        key = session.private_key("app")
        self.azure.throttle("/keys/app/", count=FOREVER, one_in=10)
        sessions = [self.enter(self.p11.session(self.p11.slot("kv"))) for _ in range(8)]

        def work(one):
            return [len(one.sign(key, CK.CKM_ECDSA, bytes(32))) for _ in range(50)]

        with ThreadPoolExecutor(8) as pool:
            done = [size for sizes in pool.map(work, sessions) for size in sizes]
        self.assertEqual(done, [64] * 400)
        self.assertEqual(self.azure.token_requests(), 1)

    # ---- refused ----

    def test_sign_when_the_token_ended_then_one_new_login(self):
        sign = self.warm()
        self.azure.end_tokens()
        self.assertEqual(len(sign()), 64)
        self.assertEqual(self.azure.token_requests(), 1)

    def test_sign_when_401_goes_on_then_stops_after_one_login(self):
        sign = self.warm()
        self.azure.fault("insufficient_claims", "/keys/app/", FOREVER)
        self.assert_fault(CK.CKR_DEVICE_ERROR, sign, "the token is refused")
        self.assertEqual(self.azure.token_requests(), 1)
        self.assertEqual(self.azure.count("POST /keys/app/"), 2)

    def test_sign_when_a_challenge_leads_elsewhere_then_nobody_follows(self):
        sign = self.warm()
        self.azure.fault("hostile_challenge", "/keys/app/", FOREVER,
                         authority="https://login.windows.net")
        self.assert_rv(CK.CKR_DEVICE_ERROR, sign)
        self.assertEqual(self.azure.token_requests(), 1)
        self.assertIn("POST https://login.microsoftonline.com/", self.config.log())
        self.assertNotIn("POST https://login.windows.net", self.config.log())

    def test_sign_when_refused_by_its_inner_code_then_each_has_its_rv(self):
        sign = self.warm()
        for inner, rv, words in (
                ("ForbiddenByRbac", CK.CKR_FUNCTION_REJECTED, "no role of this identity"),
                ("AccessDenied", CK.CKR_FUNCTION_REJECTED, "access policy"),
                ("ForbiddenByFirewall", CK.CKR_FUNCTION_REJECTED, "firewall"),
                ("KeyDisabled", CK.CKR_KEY_FUNCTION_NOT_PERMITTED, "disabled"),
                ("KeyOperationForbidden", CK.CKR_KEY_FUNCTION_NOT_PERMITTED, "key_ops")):
            with self.subTest(inner=inner):
                self.azure.refuse(inner, "/keys/app/")
                self.assert_fault(rv, sign, words, "HTTP 403")

    def test_sign_when_the_identity_has_no_right_then_the_request_can_be_found(self):
        sign = self.warm()
        self.azure.allow("keys/get")
        self.assert_fault(CK.CKR_FUNCTION_REJECTED, sign, "HTTP 403, request ")

    def test_sign_when_the_key_is_gone_then_the_handle_dies(self):
        self.azure.make_key("gone", "EC", crv="P-256")
        session = self.open_slot()
        key = session.private_key("gone")
        self.azure.delete_key("gone")
        self.assert_rv(CK.CKR_FUNCTION_FAILED, session.sign, key, CK.CKM_ECDSA, bytes(32))
        self.assert_rv(CK.CKR_KEY_HANDLE_INVALID, session.init, "Sign", key, CK.CKM_ECDSA)

    # ---- answers that make no sense ----

    def test_sign_when_another_version_answers_then_not_given_out(self):
        sign = self.warm()
        self.azure.fault("wrong_kid", "/keys/app/")
        self.assert_fault(CK.CKR_DEVICE_ERROR, sign, "the answer is of")

    def test_sign_when_the_answer_is_cut_or_changed_then_device_error(self):
        sign = self.warm()
        for order in ({"action": "truncate"}, {"action": "edit", "top": {"value": "!!"}},
                      {"action": "edit", "top": {"value": None}},
                      {"action": "edit", "top": {"value": "AAAA"}}):
            with self.subTest(order=order):
                self.azure.fault(path="/keys/app/", **order)
                self.assert_rv(CK.CKR_DEVICE_ERROR, sign)

    def test_sign_when_500_once_then_repeated(self):
        sign = self.warm()
        self.azure.refuse(path="/keys/app/", status=500)
        self.assertEqual(len(sign()), 64)

    def test_decrypt_when_wrong_whatever_the_cause_then_one_text(self):
        session = self.open_slot()
        key = session.private_key("rsa")
        for sealed in (bytes(256), b"\x01" * 256):
            self.config.clear_log()
            self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, oaep(), sealed)
            self.assert_log_says("does not open this ciphertext")

    # ---- listings ----

    def list_many(self):
        session = self.open_slot("kv", "many.vault.azure.net", timeout="3s")
        return session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)

    def test_list_when_a_page_leads_to_another_host_then_the_token_stays_here(self):
        self.azure.fault("foreign_host", "/keys", FOREVER)
        self.assert_fault(CK.CKR_DEVICE_ERROR, self.list_many, "evil.test", "not this service")

    def test_list_when_a_page_leads_to_itself_then_ends(self):
        self.azure.fault("next_link", "/keys", FOREVER)
        self.assert_fault(CK.CKR_DEVICE_ERROR, self.list_many, "leads to itself")

    # ---- logins ----

    def test_login_when_entra_throttles_then_waits(self):
        self.azure.throttle("/" + self.azure.tenant, retry_after=1, count=1)
        session = self.open_slot()
        self.assertEqual(len(session.find(CKA_LABEL="app")), 2)

    def test_login_when_the_tenant_is_another_then_check_tells_whose_the_vault_is(self):
        self.add_slot(tenant_id="11111111-1111-1111-1111-111111111111")
        done = self.run_cli(self.config, "check")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("it belongs to the tenant " + self.azure.tenant, done.stdout + done.stderr)

    def test_token_when_for_another_cloud_then_the_hsm_says_so(self):
        self.azure.make_key("box", "RSA-HSM", vault=HSM, key_size=2048)
        self.add_slot("kv", HSM)
        done = self.run_cli(self.config, "check")
        self.assertIn("Azure Managed HSM", done.stdout)

    # ---- secrets ----

    def test_log_when_everything_is_said_then_no_secret_is(self):
        session = self.open_slot()
        session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))
        self.azure.refuse("ForbiddenByRbac", "/keys/app/")
        self.assert_rv(CK.CKR_FUNCTION_REJECTED, session.sign, session.private_key("app"),
                       CK.CKM_ECDSA, bytes(32))
        log = self.config.log()
        self.assertIn("POST https://login.microsoftonline.com", log)
        for secret in (self.azure.client_secret, "Bearer", "eyJ", "client_secret="):
            self.assertNotIn(secret, log)


if __name__ == "__main__":
    unittest.main(verbosity=2)
