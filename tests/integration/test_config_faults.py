#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Configurations and files that are wrong, and PINs that cannot be right.

A fault of one slot breaks that slot: no token in it. A fault of the whole, or a file that others
could have written, makes C_Initialize fail.
"""

import os
import pwd
import unittest

from harness import CK, Authority, Double, P11Error, TempConfig, module
from weather import WeatherTestCase, complaints, main

TOKEN = "hvs." + "B" * 91
UUID = "00000000-1111-2222-3333-444444444444"
NOBODY = pwd.getpwnam("nobody").pw_uid
IS_ROOT = os.geteuid() == 0


class ConfigFaultsTestCase(WeatherTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = Double()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit("app")

    def setUp(self):
        self.vault.reset()
        self.config = self.enter(TempConfig())
        # A configuration that cannot be read names no log.
        os.environ["HSMBRIDGE_LOG"] = self.logs().path("log") + ":debug"
        self.start = len(self.log())

    @classmethod
    def logs(cls):
        """Where HSMBRIDGE_LOG points: it is read once in a process."""
        if ConfigFaultsTestCase.log_home is None:
            ConfigFaultsTestCase.log_home = TempConfig()
            unittest.addModuleCleanup(ConfigFaultsTestCase.log_home.remove)
        return ConfigFaultsTestCase.log_home

    log_home = None

    def log(self):
        return self.logs().log()

    def said(self):
        """The lines since the last call, or the test's beginning."""
        log = self.log()
        new, self.start = log[self.start:], len(log)
        self.assertNotIn(TOKEN, new)
        return complaints(new)

    def slot(self, name="web", **options):
        self.config.slot(name, self.vault, **options)

    def secret(self, mode=0o600):
        return self.config.secret("secret", TOKEN + "\n", mode)

    def assert_one_line(self, *words):
        lines = self.said()
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])

    # ---- a slot that is broken ----

    def assert_broken(self, *words):
        """The slot has no token, which is said once; the slot beside it works."""
        self.vault.reset()
        self.config.slot("beside", self.vault)
        p11 = self.open_module(self.config)
        try:
            self.assert_one_line("'web'", *words)
            self.assert_no_token(p11)
        finally:
            p11.finalize()

    def assert_no_token(self, p11):
        web, beside = p11.slots(token_present=False)
        self.assertEqual(p11.slots(), [beside])
        self.assertFalse(p11.slot_info(web).flags & CK.CKF_TOKEN_PRESENT)
        for call in (p11.open_session, p11.token_info, p11.mechanisms):
            self.assert_rv(CK.CKR_TOKEN_NOT_PRESENT, call, web)
        self.assertEqual(self.said(), [])
        self.assertEqual(self.vault.stats()["connections"], 0)
        with p11.session(beside) as session:
            session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))

    def assert_each_broken(self, cases):
        for options, words in cases:
            with self.subTest(options=options):
                self.setUp()
                self.slot(**options)
                self.assert_broken(*words)

    def test_open_when_option_wrong_then_no_token_and_line_says_which(self):
        where = "hsmbridge.conf:"
        self.assert_each_broken([
            ({"tiemout": "3s"}, [where, "tiemout", "timeout"]),
            ({"colour": "blue"}, [where, "colour", "unknown option"]),
            ({"apikey_file": "/x"}, [where, "apikey_file", "unknown option"]),
            ({"Timeout": "3s"}, [where, "Timeout", "'timeout'"]),
            ({"mount": ["a", "b"]}, [where, "mount", "given already"]),
        ])

    def test_open_when_value_wrong_then_no_token_and_line_says_what_would_be_right(self):
        where = "hsmbridge.conf:"
        self.assert_each_broken([
            ({"timeout": "soon"}, [where, "timeout", "ms"]),
            ({"timeout": "3"}, [where, "timeout", "ms"]),
            ({"timeout": "1ms"}, [where, "timeout", "100"]),
            ({"timeout": "-1s"}, [where, "timeout"]),
            ({"pin_shared": "maybe"}, [where, "pin_shared", "yes"]),
            ({"versions": "newest"}, [where, "versions", "latest", "all"]),
            ({"key_types": "rsa dsa"}, [where, "key_types", "dsa", "ed25519"]),
            ({"decrypt_versions": "many"}, [where, "decrypt_versions"]),
            ({"backend": "valut"}, [where, "backend", "valut", "vault"]),
            ({"backend": None}, [where, "backend", "missing", "vault"]),
            ({"url": None}, [where, "url", "missing"]),
            ({"url": "vault.example:8200"}, [where, "url", "https://"]),
            ({"url": "ftp://vault.example"}, [where, "url", "https://"]),
            ({"url": "https://me:pw@vault.example"}, [where, "url", "https://"]),
            ({"url": "http://vault.example"}, [where, "url", "plain HTTP", "https://"]),
            ({"ca_file": "ca.pem"}, [where, "ca_file", "absolute"]),
            ({"ca_file": "/nonexistent/ca.pem"}, [where, "ca_file", "/nonexistent/ca.pem"]),
            ({"certificates": "/nonexistent/*.pem"}, [where, "certificates", "/nonexistent/*.pem"]),
            ({"mechanisms": "ECDSA-SHA257"}, [where, "mechanisms", "ECDSA-SHA257"]),
            ({"auth": "magic"}, [where, "auth", "magic", "approle"]),
            ({"auth": "approle", "token_file": None}, [where, "role_id_file", "missing"]),
            ({"auth": "kubernetes", "token_file": None}, [where, "role", "missing"]),
            ({"auth": "cert", "token_file": None}, [where, "client_cert_file", "missing"]),
            ({"auth": "userpass", "token_file": None}, [where, "username", "missing"]),
            ({"auth": "token"}, [where, "token_file", "missing"]),
            ({"pin": "apikey"}, [where, "pin", "apikey", "token"]),
        ])

    def test_open_when_line_is_no_option_then_no_token(self):
        for line, words in (("timeout 3s", ["without '='", "OPTION = VALUE"]),
                            ("= 3s", ["in front of '='"])):
            with self.subTest(line=line):
                self.setUp()
                self.slot()
                text = self.config.text().replace("mount = transit", line)
                self.config.text = lambda text=text: text + "\n[slot beside]\n" + text.partition(
                    "[slot web]\n")[2].replace(line, "mount = transit")
                self.config.slot = lambda *_, **__: None
                self.assert_broken("hsmbridge.conf:", *words)

    def test_open_when_files_are_no_pem_then_no_token(self):
        junk = self.config.secret("junk.pem", "-----BEGIN NONSENSE-----\n")
        for option in ("ca_file", "certificates"):
            with self.subTest(option=option):
                self.setUp()
                self.slot(**{option: junk})
                self.assert_broken("hsmbridge.conf:", option, "junk.pem")

    def test_open_when_client_key_does_not_fit_then_no_token(self):
        leaves = [self.vault.authority.issue(name, ("web",), client=True) for name in "ab"]
        self.slot(client_cert_file=leaves[0].cert, client_key_file=leaves[1].key)
        self.assert_broken("client_key_file")

    # ---- secret files ----

    def test_open_when_secret_file_is_not_there_then_no_token(self):
        self.slot(token_file=self.config.path("absent"))
        self.assert_broken("token_file", "absent", "No such file")

    def test_open_when_secret_file_is_a_directory_then_no_token(self):
        self.slot(token_file=self.config.dir)
        self.assert_broken("token_file", "is a directory")

    def test_open_when_secret_file_is_empty_then_no_token(self):
        self.slot(token_file=self.config.secret("secret", "\n"))
        self.assert_broken("token_file", "is empty")

    def test_open_when_secret_file_is_writable_by_others_then_no_token(self):
        for mode in (0o602, 0o622, 0o666):
            self.setUp()
            self.slot(token_file=self.secret(mode))
            self.assert_broken("token_file", "secret", "chmod o-w")

    def test_open_when_secret_file_is_readable_by_others_then_works_with_one_warning(self):
        self.slot(token_file=self.config.secret("readable", self.vault.token, 0o644))
        for _ in range(2):
            p11 = self.open_module(self.config)
            with p11.session(p11.slot("web")) as session:
                session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))
            p11.finalize()
        self.assert_one_line("readable", "chmod o-r")

    def test_open_when_secret_file_is_unreadable_then_no_token(self):
        with open(self.vault.ca, encoding="ascii") as pem:
            ca = self.config.secret("ca.pem", pem.read(), 0o644)
        self.slot(ca_file=ca, token_file=self.config.secret("secret", TOKEN, 0o000))
        self.config.write()
        self.assertEqual(self.in_child(self.unreadable), 0)
        self.assert_one_line("token_file", "secret", "Permission denied", "read it")

    def unreadable(self):
        """In a child, which is not root: root may read everything."""
        module().initialize(self.config.file)
        assert module().slots() == []

    def in_child(self, function):
        module()  # loaded while its file can still be read
        os.chmod(self.logs().dir, 0o777)
        os.chmod(self.logs().path("log"), 0o666)
        child = os.fork()
        if child == 0:
            try:
                if IS_ROOT:
                    os.chown(self.config.dir, NOBODY, -1)
                    os.chown(self.config.file, NOBODY, -1)
                    os.setresuid(NOBODY, NOBODY, NOBODY)
                function()
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def test_open_when_secret_is_typed_in_a_file_of_the_owner_then_works(self):
        self.slot(auth="token", token=self.vault.token)
        p11 = self.open_module(self.config)
        with p11.session(p11.slot("web")) as session:
            session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))
        self.assertEqual(self.said(), [])

    def test_open_when_secret_is_typed_in_a_file_others_can_read_then_no_token(self):
        write = self.config.write
        for mode in (0o640, 0o644):
            self.config.write = lambda mode=mode: write(mode)
            self.slot(auth="token", token=TOKEN)
            self.assert_broken("hsmbridge.conf:", "token", "chmod 600", "token_file")

    def test_open_when_environment_variable_is_not_set_then_no_token(self):
        self.slot(auth="token", token_env="HSMBRIDGE_TEST_UNSET")
        self.assert_broken("token_env", "not set", "nginx")

    # ---- a configuration that cannot be used ----

    def assert_refused(self, rv, *words, **arguments):
        with self.assertRaises(P11Error) as caught:
            module().initialize(**arguments)
        self.assertEqual(caught.exception.rv, rv)
        self.assert_one_line(*words)
        self.assertEqual(module().call("C_Finalize", None), CK.CKR_CRYPTOKI_NOT_INITIALIZED)
        self.assertEqual(self.vault.stats()["connections"], 0)

    def assert_text_refused(self, text, *words):
        with open(self.config.file, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(self.config.file, 0o600)
        self.assert_refused(CK.CKR_GENERAL_ERROR, "hsmbridge.conf:", *words,
                            config=self.config.file)

    def test_initialize_when_line_too_long_then_general_error(self):
        self.assert_text_refused("[slot web]\nkeys = " + "x " * 5000 + "\n", "conf:2:",
                                 "longer than", "several lines")

    def test_initialize_when_text_makes_no_sense_then_general_error(self):
        for text, words in (("[slots web]\n", ["conf:1:", "unknown section", "[slot NAME]"]),
                            ("[slot web\n", ["conf:1:", "without ']'"]),
                            ("[slot ]\n", ["conf:1:", "slot's name"]),
                            ("timeout = 3s\n", ["conf:1:", "before any section"]),
                            ("\n\x01\n", ["conf:2:", "control character"]),
                            ("[hsmbridge]\nlog = relative\n", ["conf:2:", "log", "absolute"]),
                            ("[hsmbridge]\nlog_level = loud\n", ["conf:2:", "log_level", "debug"]),
                            ("[hsmbridge]\nbackend = vault\n", ["conf:2:", "backend"])):
            with self.subTest(text=text):
                self.assert_text_refused(text, *words)

    def test_initialize_when_configuration_absent_then_general_error_and_never_another(self):
        path = self.config.path("absent.conf")
        self.assert_refused(CK.CKR_GENERAL_ERROR, path, "No such file", config=path)
        os.environ["HSMBRIDGE_CONFIG"] = path
        self.addCleanup(os.environ.pop, "HSMBRIDGE_CONFIG")
        self.assert_refused(CK.CKR_GENERAL_ERROR, path, "No such file", flags=None)

    def test_initialize_when_directory_holds_no_configuration_then_says_what_is_missing(self):
        self.assert_refused(CK.CKR_GENERAL_ERROR, "no configuration", self.config.dir,
                            "HSMBRIDGE_CONFIG", config=self.config.dir)

    def test_initialize_when_parameter_wrong_then_arguments_bad(self):
        for text in ("config=relative.conf", "slots=1", "config="):
            self.assert_refused(CK.CKR_ARGUMENTS_BAD, "config=/ABSOLUTE/PATH", reserved=text)

    def test_initialize_when_others_may_write_configuration_then_general_error(self):
        self.slot()
        os.chmod(self.config.file, 0o602)
        self.assert_refused(CK.CKR_GENERAL_ERROR, self.config.file, "chmod o-w",
                            config=self.config.file)

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_initialize_when_configuration_belongs_to_another_user_then_general_error(self):
        self.slot()
        os.chown(self.config.file, NOBODY, -1)
        self.assert_refused(CK.CKR_GENERAL_ERROR, self.config.file, "chown root",
                            config=self.config.file)

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_initialize_when_a_group_may_write_configuration_then_general_error(self):
        self.slot()
        os.chown(self.config.file, -1, 12345)
        os.chmod(self.config.file, 0o660)
        self.assert_refused(CK.CKR_GENERAL_ERROR, self.config.file, "group 12345", "chmod g-w",
                            config=self.config.file)

    def test_initialize_when_directory_is_writable_by_others_then_general_error(self):
        parts = self.config.path("conf.d")
        os.mkdir(parts)
        os.chmod(parts, 0o777)
        self.assert_refused(CK.CKR_GENERAL_ERROR, "conf.d", "chmod o-w", config=self.config.dir)

    def test_initialize_when_repaired_then_works(self):
        self.slot()
        os.chmod(self.config.file, 0o602)
        self.assert_refused(CK.CKR_GENERAL_ERROR, config=self.config.file)
        p11 = self.open_module(self.config)
        with p11.session(p11.slot("web")) as session:
            session.sign(session.private_key("app"), CK.CKM_ECDSA, bytes(32))
        self.assertEqual(self.said(), [])

    # ---- PINs ----

    def assert_pins_stay_here(self, pins, **options):
        self.slot(**options)
        p11 = self.open_module(self.config)
        with p11.session(p11.slot("web")) as session:
            for pin in pins:
                self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, pin)
                lines = self.said()
                self.assertEqual(len(lines), 1, pin)
                self.assertIn("'web'", lines[0])
                self.assertIn("form", lines[0])
                if pin:
                    self.assertNotIn(pin, lines[0])
        self.assertEqual(self.vault.stats()["connections"], 0)
        p11.finalize()

    STRANGERS = ["", "1234", "kes:v1:" + "A" * 40, "x" * 5000, TOKEN + "\n",
                 "hvs.\u00e4" + "A" * 90]

    def test_login_when_pin_is_no_token_then_no_packet(self):
        self.assert_pins_stay_here(self.STRANGERS + [UUID, "A" * 32, "hvs.short"], pin="token")

    def test_login_when_pin_is_no_secret_id_then_no_packet(self):
        self.assert_pins_stay_here(
            self.STRANGERS + [TOKEN, UUID[:-1], UUID.replace("-", "0"), UUID[:-1] + "g"],
            auth="approle", pin="secret_id", role_id_file=self.config.secret("role-id", UUID))

    def test_login_when_pin_is_another_services_credential_then_no_packet(self):
        self.assert_pins_stay_here([TOKEN, UUID, "", "kes:v1:" + "A" * 40, "two words"],
                                   auth="userpass", username="alice", pin="password")

    def test_login_when_no_pin_needed_then_any_pin_and_no_packet(self):
        self.slot()
        p11 = self.open_module(self.config)
        with p11.session(p11.slot("web")) as session:
            self.assertFalse(p11.token_info(0).flags & CK.CKF_LOGIN_REQUIRED)
            session.login("1234")
        self.assertEqual(self.vault.stats()["connections"], 0)
        self.assertEqual(self.said(), [])

    def test_open_when_several_slots_take_a_pin_then_they_must_say_so(self):
        for name in ("one", "two"):
            self.slot(name, pin="token")
        self.slot("three")
        p11 = self.open_module(self.config)
        lines = self.said()
        self.assertEqual(len(lines), 2, lines)
        for line, name in zip(lines, ("one", "two")):
            self.assertIn("'%s'" % name, line)
            self.assertIn("pin_shared = yes", line)
        self.assertEqual(p11.slots(), [2])
        self.assert_rv(CK.CKR_TOKEN_NOT_PRESENT, p11.open_session, 0)
        p11.finalize()
        self.said()
        for name in ("one", "two"):
            self.slot(name, pin="token", pin_shared="yes")
        p11 = self.open_module(self.config)
        self.assertEqual(p11.slots(), [0, 1, 2])
        self.assertEqual(self.said(), [])


if __name__ == "__main__":
    main()
