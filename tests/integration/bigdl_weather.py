#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A BigDL KMS in bad weather, each with its CKR_ and one line; and the first generation, which gives
no reasons."""

import unittest

from harness import CK
from bigdl_case import TOKEN, BigdlTestCase, cbc

IV = bytes(16)
GET = "/dataKey/d1"


class WeatherTest(BigdlTestCase):
    """Each fault has its code and its line; the next operation succeeds."""

    def setUp(self):
        super().setUp()
        self.session = self.open(timeout="1s")
        self.primary = self.key(self.session, "p1")

    def get(self):
        key = self.unwrap(self.session, self.primary, b"d1")
        return self.session.attribute(key, "CKA_VALUE")

    def assert_fault(self, rv, *words, within=2.5):
        self.assert_told(self.config, rv, self.get, *words, within=within)
        self.assert_log_keeps_secrets()

    def assert_works(self):
        self.kms.clear()
        self.assertEqual(self.get(), self.value)

    def test_statuses_mean_what_they_say(self):
        advice = "\n please get the data key like: GET /dataKey/{dataKeyName}"
        cases = [(500, "wrong primary key" + advice, CK.CKR_FUNCTION_FAILED, "no such primary key"),
                 (500, "empty encryption key!" + advice, CK.CKR_TOKEN_NOT_PRESENT, "no root key"),
                 (500, "Input length must be multiple of 16 when", CK.CKR_WRAPPED_KEY_INVALID,
                  "key 'p1'"),
                 (500, "Invalid AES key length: 20 bytes", CK.CKR_WRAPPED_KEY_INVALID, "key 'p1'"),
                 (500, "nullable", CK.CKR_DEVICE_ERROR, "not expected"),
                 (500, "java.lang.OutOfMemoryError", CK.CKR_DEVICE_ERROR, "not expected"),
                 (500, "said: wrong primary key", CK.CKR_DEVICE_ERROR, "not expected"),
                 (500, "", CK.CKR_DEVICE_ERROR, "not expected"),
                 (500, "[SQLITE_BUSY]  The database file is locked", CK.CKR_DEVICE_ERROR, "busy"),
                 (404, "The requested resource could not be found.", CK.CKR_DEVICE_ERROR,
                  "no BigDL KMS answers there"),
                 (405, "HTTP method not allowed", CK.CKR_DEVICE_ERROR, "no BigDL KMS answers"),
                 (403, "<html>token=%s</html>" % TOKEN, CK.CKR_DEVICE_ERROR, "not expected"),
                 (503, "busy", CK.CKR_DEVICE_ERROR, "not available")]
        for status, text, rv, words in cases:
            with self.subTest(status=status, text=text):
                self.kms.fault("status", GET, 0, status=status, text=text)
                self.assert_fault(rv, words)
                self.primary = self.key(self.session, "p1")
                self.assert_works()

    def test_redirect_when_answered_then_not_followed(self):
        self.kms.fault("status", GET, 0, status=307, text="",
                       headers={"Location": "%s/rootKey/rotate" % self.kms.url})
        self.assert_fault(CK.CKR_DEVICE_ERROR, "slot 'ppml'")

    def test_token_when_refused_during_use_then_tried_once_more_and_device_error(self):
        self.kms.fault("status", GET, 0, status=500, text="wrong token or user\n please")
        self.assert_fault(CK.CKR_DEVICE_ERROR, "refuses the configured token")
        self.assert_works()

    def test_hostile_answers_are_refused(self):
        for text in ("A" * 23, "A" * 25, "A" * 44, "A" * 22 + "A=", "%" * 22 + "==", "",
                     "A" * 22 + "==\n", "<html>%s</html>" % TOKEN, "A" * (1 << 20)):
            with self.subTest(length=len(text)):
                self.kms.fault("status", GET, 0, status=200, text=text)
                self.assert_fault(CK.CKR_DEVICE_ERROR, "slot 'ppml'")
                self.assert_works()

    def test_answers_that_do_not_come(self):
        for action, order in (("hang", {}), ("trickle", {"every": 0.5}), ("cut", {"after": 30}),
                              ("cut", {"after": 0, "rst": True}), ("huge", {"chunked": True})):
            with self.subTest(action=action):
                self.kms.fault(action, GET, 0, **order)
                self.assert_fault(CK.CKR_DEVICE_ERROR, "slot 'ppml'")
                self.assert_works()

    def test_faults_that_pass_are_not_noticed(self):
        for order in ({"status": 503, "text": "x"}, {"status": 500, "text": "[SQLITE_BUSY] x"}):
            self.kms.fault("status", GET, 1, **order)
            self.assertEqual(self.get(), self.value)
        self.kms.drop_connections(reset=True)
        self.assertEqual(self.get(), self.value)

    def test_root_key_when_missing_then_the_token_is_not_present(self):
        self.kms.state(root=False)
        self.assert_fault(CK.CKR_TOKEN_NOT_PRESENT, "its operator has to set it up")
        self.assert_rv(CK.CKR_TOKEN_NOT_PRESENT, self.generate, self.session,
                       CK.CKM_AES_KEY_GEN, CKA_TOKEN=True, CKA_LABEL="late", CKA_VALUE_LEN=32)
        self.assertIn("second generation", self.cli("check"))  # the welcome tells nothing of it
        self.kms.state(root=True)
        self.assert_works()

    def test_generate_when_its_answer_is_lost_then_not_repeated(self):
        for path, call, args in (
                ("/primaryKey/", self.generate, (self.session, CK.CKM_AES_KEY_GEN)),
                ("/dataKey/lost", self.generate_data, (self.session, self.primary))):
            self.kms.reset()
            self.kms.fault("cut", path, 0, after=0, method="POST")
            wanted = {"CKA_LABEL": "lost", "CKA_TOKEN": True, "CKA_VALUE_LEN": 32}
            if call == self.generate_data:
                wanted = {"CKA_LABEL": "lost-data"}
            self.assert_rv(CK.CKR_DEVICE_ERROR, call, *args, **wanted)
            self.assertEqual(self.kms.count("POST"), 1)

    def test_generate_when_another_takes_the_name_in_between_then_told(self):
        self.kms.fault("status", "/primaryKey/raced", 1, status=200,
                       text="generate primaryKey [raced] successfully!")  # says so, and does not
        self.assert_rv(CK.CKR_OBJECT_HANDLE_INVALID, self.generate, self.session,
                       CK.CKM_AES_KEY_GEN, CKA_TOKEN=True, CKA_LABEL="raced", CKA_VALUE_LEN=32)
        self.assertIn("no such primary key", self.config.log())

    def test_data_key_when_it_is_away_at_first_use_then_the_next_use_fetches_it(self):
        key = self.key(self.session, "d1")
        self.kms.fault("status", GET, 0, status=503, text="away")
        self.assert_rv(CK.CKR_DEVICE_ERROR, self.session.init, "Encrypt", key, cbc(IV))
        self.kms.clear()
        self.session.encrypt(key, cbc(IV), b"text")
        self.kms.fault("status", GET, 0, status=503, text="away")
        self.session.encrypt(key, cbc(IV), b"text")  # it is here now


class LoginTest(BigdlTestCase):
    def test_pin_when_refused_during_use_then_not_logged_in(self):
        session = self.open(user_token_file=None, pin="user_token")
        session.login(TOKEN)
        primary = self.key(session, "p1")
        self.kms.fault("status", GET, 0, status=500, text="wrong token or user\n please")
        self.assert_rv(CK.CKR_USER_NOT_LOGGED_IN, self.unwrap, session, primary, b"d1")

    def test_server_when_no_bigdl_kms_then_the_token_is_not_present(self):
        session = self.open(user_token_file=None, pin="user_token")
        self.kms.fault("status", "/dataKey/", 0, status=404, text="<html>Not Found</html>")
        self.assert_rv(CK.CKR_TOKEN_NOT_PRESENT, session.login, TOKEN)
        self.assertIn("no BigDL KMS answers there; check url", self.config.log())


class FailoverTest(BigdlTestCase):
    def test_unwrap_when_the_first_of_two_is_gone_then_the_other_serves(self):
        session = self.open(url=["https://127.0.0.1:1", self.kms.url])
        self.unwrap(session, self.key(session, "p1"), b"d1")

    def test_server_when_another_name_or_authority_then_no_request(self):
        self.kms.reset()
        self.slot(server_name="elsewhere.test")
        self.assertIn("slot 'ppml'", self.cli("list", code=4))
        self.assertEqual(self.kms.stats()["requests"], 0)


class FirstGenerationTest(BigdlTestCase):
    options = ("--v1",)

    def test_keys_when_configured_then_as_in_the_second(self):
        session = self.open()
        self.assertEqual(session.attribute(self.key(session, "d1"), "CKA_VALUE"), self.value)
        key = self.unwrap(session, self.key(session, "p1"), b"d1")
        self.assertEqual(session.attribute(key, "CKA_VALUE"), self.value)
        self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, session,
                       self.key(session, "p1"), b"none")
        self.assertEqual(session.find(CKA_LABEL="not-configured"), [])
        self.assertIn("first generation", self.cli("check"))

    def test_keys_when_made_then_a_taken_name_is_told(self):
        session = self.open()
        wanted = {"CKA_TOKEN": True, "CKA_LABEL": "new", "CKA_VALUE_LEN": 32}
        self.generate(session, CK.CKM_AES_KEY_GEN, **wanted)
        _, name = self.generate_data(session, self.key(session, "p1"), CKA_LABEL="made")
        self.assertEqual((name, len(self.alice.get("made", "p1"))), ("made", 16))
        for label in ("new", "p2"):
            self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.generate, session,
                           CK.CKM_AES_KEY_GEN, **dict(wanted, CKA_LABEL=label))
        self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, self.generate_data, session,
                       self.key(session, "p1"), CKA_LABEL="made")
        self.assertIn("the name may be taken", self.config.log())

    def test_pin_when_a_data_key_is_configured_then_tried_with_it(self):
        session = self.open(user_token_file=None, pin="user_token")
        self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "wrong")
        session.login(TOKEN)

    def test_pin_when_one_of_two_data_keys_is_gone_then_the_other_tells(self):
        session = self.open(user_token_file=None, pin="user_token", data_keys="p1/gone p1/d1")
        session.login(TOKEN)

    def test_pin_when_no_data_key_is_configured_then_taken_as_it_is(self):
        session = self.open(user_token_file=None, pin="user_token", data_keys=None)
        session.login("anything")
        self.assertIn("it is taken as it is", self.config.log())

    def test_logout_when_a_key_was_fetched_then_another_login_does_not_get_it(self):
        session = self.open(user_token_file=None, pin="user_token", data_keys="p1/d1")
        session.login(TOKEN)
        session.encrypt(self.key(session, "d1"), cbc(IV), b"text")
        session.logout()
        session.login(TOKEN)
        key = self.key(session, "d1")
        self.kms.fault("status", GET, 0, status=503, text="away")
        self.assert_rv(CK.CKR_DEVICE_ERROR, session.init, "Encrypt", key, cbc(IV))

    def test_pin_when_taken_as_it_is_and_wrong_then_nothing_opens(self):
        session = self.open(user_token_file=None, pin="user_token", data_keys=None)
        session.login("anything")
        self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, session,
                       self.key(session, "p1"), b"d1")

    def test_user_when_enrolled_then_a_second_time_is_told(self):
        self.slot(user="dora")
        self.assertIn("enrolled", self.cli("bigdl", "user", "--slot", "ppml"))
        self.assertIn("there may be one already",
                      self.cli("bigdl", "user", "--slot", "ppml", code=1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
