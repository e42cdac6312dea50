#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command line tool: every command, every exit status, every message that it promises."""

import base64
import hashlib
import json
import os
import pty
import select
import subprocess
import unittest

from harness import Double, HarnessTestCase, TempConfig, cli_path, module_path

OK, FAILED, USAGE, CONFIG, UNREACHABLE = range(5)
DEAD = "https://127.0.0.1:1"
MESSAGE = b"a message that is signed\n"


def read_terminal(leader, seen=lambda text: None):
    """All that arrives until the last writer is gone; seen(text) may answer on the way."""
    text = b""
    try:
        while select.select([leader], [], [], 60)[0]:
            chunk = os.read(leader, 65536)
            if not chunk:
                break
            text += chunk
            seen(text)
    except OSError:  # how Linux says that the last writer is gone
        pass
    os.close(leader)  # one that is still there gets SIGHUP
    return text


class CliTestCase(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = Double()
        cls.addClassCleanup(cls.vault.__exit__, None, None, None)
        cls.vault.setup_transit("app", p384="ecdsa-p384", p521="ecdsa-p521", rsa="rsa-2048",
                                ed="ed25519", aes="aes256-gcm96", chacha="chacha20-poly1305",
                                mac="hmac")

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.config.slot("web", self.vault)
        self.message = self.file("message", MESSAGE)

    def file(self, name, content):
        path = self.config.path(name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def read(self, name):
        with open(self.config.path(name), "rb") as found:
            return found.read()

    def run_bytes(self, *args, **options):
        return subprocess.run([cli_path(), *args], env=self.config.env(), capture_output=True,
                              timeout=60, check=False, **options)

    def good(self, *args, **options):
        """Succeeds and writes nothing to stderr; returns stdout as bytes."""
        done = self.run_bytes(*args, **options)
        self.assertEqual((done.returncode, done.stderr.decode()), (OK, ""), args)
        return done.stdout

    def bad(self, code, *args, **options):
        """Fails with this exit status and one line on stderr, which is returned."""
        done = self.run_bytes(*args, **options)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, (args, text))
        self.assertRegex(text, r"\Ahsmbridge: [^\n]+\n\Z")
        return text

    def out(self, name):
        return self.config.path(name)


class SignTest(CliTestCase):
    def openssl_verify(self, key, *options):
        self.good("public", "--key", key, "--out", self.out("pub"))
        done = subprocess.run(["openssl", *options, self.out("pub"), "-signature", self.out("sig"),
                               self.message], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def sign(self, key, *options):
        self.good("sign", "--key", key, "--in", self.message, "--out", self.out("sig"), *options)

    def test_sign_without_mechanism_then_openssl_verifies(self):
        for key, digest in (("app", "-sha256"), ("p384", "-sha384"), ("p521", "-sha512"),
                            ("rsa", "-sha256")):
            with self.subTest(key=key):
                self.sign(key)
                self.openssl_verify(key, "dgst", digest, "-verify")

    def test_sign_pss_then_openssl_verifies_with_the_salt_of_the_hash(self):
        self.sign("rsa", "--mechanism", "SHA384-RSA-PKCS-PSS")
        self.openssl_verify("rsa", "dgst", "-sha384", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                            "rsa_pss_saltlen:digest", "-verify")

    def test_sign_pss_with_a_salt_length_then_it_has_that_length(self):
        self.sign("rsa", "--mechanism", "sha256_rsa_pkcs_pss", "--salt-length", "20")
        self.openssl_verify("rsa", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                            "rsa_pss_saltlen:20", "-verify")

    def test_sign_a_digest_then_it_is_not_hashed_again(self):
        digest = self.file("digest", hashlib.sha256(MESSAGE).digest())
        self.good("sign", "--key", "app", "--digest", "--in", digest, "--out", self.out("sig"))
        self.openssl_verify("app", "dgst", "-sha256", "-verify")

    def test_sign_from_stdin_then_verify_from_stdin(self):
        for key in ("app", "rsa", "ed", "mac"):
            with self.subTest(key=key):
                self.file("sig", self.good("sign", "--key", key, input=MESSAGE))
                said = self.good("verify", "--key", key, "--signature", self.out("sig"), "--in",
                                 "-", input=MESSAGE)
                self.assertEqual(said, b"the signature is good\n")

    def test_sign_raw_then_it_is_r_and_s_of_fixed_width(self):
        for key, size in (("app", 64), ("p384", 96), ("p521", 132)):
            with self.subTest(key=key):
                self.sign(key, "--raw")
                self.assertEqual(len(self.read("sig")), size)
                self.good("verify", "--key", key, "--raw", "--in", self.message, "--signature",
                          self.out("sig"))

    def test_sign_a_message_of_many_blocks_then_it_is_hashed_whole(self):
        self.message = self.file("message", bytes(range(256)) * 1024)
        self.sign("app")
        self.openssl_verify("app", "dgst", "-sha256", "-verify")

    def test_output_forms_are_the_same_bytes(self):
        hexed = self.good("sign", "--key", "ed", "--in", self.message, "--hex").decode()
        based = self.good("sign", "--key", "ed", "--in", self.message, "--base64").decode()
        told = json.loads(self.good("sign", "--key", "ed", "--in", self.message, "--json"))
        self.assertRegex(hexed, r"\A[0-9a-f]{128}\n\Z")
        self.assertEqual(bytes.fromhex(hexed), base64.b64decode(based))
        self.assertEqual(told, {"slot": "web", "key": "ed", "version": 1, "mechanism": "EDDSA",
                                "signature": based.strip()})

    def test_verify_takes_encoded_signatures(self):
        for form in ("base64", "hex"):
            sig = self.file("sig." + form, self.good("sign", "--key", "ed", "--in", self.message,
                                                     "--" + form))
            self.good("verify", "--key", "ed", "--in", self.message, "--decode", form,
                      "--signature", sig)
        self.assertIn("is not hex", self.bad(FAILED, "verify", "--key", "ed", "--in", self.message,
                                             "--decode", "hex", "--signature", self.message))
        self.assertIn("--decode takes base64 or hex, not 'pem'",
                      self.bad(USAGE, "verify", "--key", "ed", "--in", self.message, "--decode",
                               "pem", "--signature", self.message))

    def test_verify_when_the_message_differs_then_exit_1_says_so(self):
        self.sign("app")
        other = self.file("other", b"another message")
        self.assertIn("the signature is WRONG", self.bad(
            FAILED, "verify", "--key", "app", "--in", other, "--signature", self.out("sig")))
        done = self.run_bytes("verify", "--key", "app", "--in", other, "--signature",
                              self.out("sig"), "--json")
        self.assertEqual(done.returncode, FAILED)
        self.assertIs(json.loads(done.stdout)["valid"], False)

    def test_verify_when_the_signature_is_not_der_then_it_is_said(self):
        self.assertIn("not DER (--raw takes r||s)", self.bad(
            FAILED, "verify", "--key", "app", "--in", self.message, "--signature", self.message))

    def test_sign_with_a_mechanism_of_another_type_then_those_of_the_key_are_listed(self):
        text = self.bad(USAGE, "sign", "--key", "app", "-m", "SHA256-RSA-PKCS")
        self.assertIn("key 'app' (ec) cannot sign with 'SHA256-RSA-PKCS'", text)
        self.assertIn("ECDSA-SHA256", text)

    def test_options_that_a_mechanism_has_no_use_for_are_refused(self):
        for args in (("--key", "app", "--salt-length", "32"), ("--key", "rsa", "--raw"),
                     ("--key", "ed", "--digest"), ("--key", "app", "--raw", "--der")):
            with self.subTest(args=args):
                self.bad(USAGE, "sign", "--in", self.message, *args)

    def test_sign_when_the_digest_has_the_wrong_length_then_it_is_said(self):
        self.assertIn("32", self.bad(FAILED, "sign", "--key", "app", "--digest", "--in",
                                     self.message))

    def test_sign_when_it_fails_then_no_file_is_made(self):
        self.bad(FAILED, "sign", "--key", "nokey", "--in", self.message, "--out", self.out("sig"))
        self.assertFalse(os.path.exists(self.out("sig")))

    def test_sign_when_input_or_output_cannot_be_opened_then_the_file_is_named(self):
        self.assertIn("'/nonexistent': No such file", self.bad(
            FAILED, "sign", "--key", "app", "--in", "/nonexistent"))
        self.assertIn("'/nonexistent/x': No such file", self.bad(
            FAILED, "sign", "--key", "app", "--in", self.message, "--out", "/nonexistent/x"))

    def test_sign_when_stdout_is_full_then_it_fails(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([cli_path(), "sign", "--key", "app", "--in", self.message],
                                  env=self.config.env(), stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"cannot write the output", done.stderr)


class CryptTest(CliTestCase):
    def test_encrypt_then_decrypt_gives_the_plaintext(self):
        for key, mechanism in (("rsa", None), ("rsa", "RSA-PKCS"), ("aes", None),
                               ("aes", "AES-GCM"), ("aes", "aes_gcm"), ("chacha", None)):
            with self.subTest(key=key, mechanism=mechanism):
                options = ("--key", key) + (("-m", mechanism) if mechanism else ())
                sealed = self.file("sealed", self.good("encrypt", "--in", self.message, *options))
                self.assertEqual(self.good("decrypt", "--in", sealed, *options), MESSAGE)

    def test_encrypt_rsa_then_openssl_made_ciphertext_decrypts_too(self):
        self.good("public", "--key", "rsa", "--out", self.out("pub"))
        subprocess.run(["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", self.out("pub"),
                        "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256",
                        "-in", self.message, "-out", self.out("sealed")], check=True)
        self.assertEqual(self.good("decrypt", "--key", "rsa", "--in", self.out("sealed")), MESSAGE)

    def test_aead_is_the_services_own_form(self):
        self.assertRegex(self.good("encrypt", "--key", "aes", "--in", self.message),
                         rb"\Avault:v1:[A-Za-z0-9+/=]+\Z")

    def test_decrypt_when_associated_data_differs_then_it_does_not_open(self):
        sealed = self.file("sealed", self.good("encrypt", "--key", "aes", "--in", self.message,
                                               "--aad", "one"))
        aad = self.file("aad", b"one")
        self.assertEqual(self.good("decrypt", "--key", "aes", "--in", sealed, "--aad-file", aad),
                         MESSAGE)
        self.assertIn("does not open", self.bad(FAILED, "decrypt", "--key", "aes", "--in", sealed,
                                                "--aad", "two"))
        self.bad(USAGE, "decrypt", "--key", "aes", "--in", sealed, "--aad", "a", "--aad-file", aad)
        self.assertIn("takes no associated data", self.bad(
            USAGE, "decrypt", "--key", "rsa", "--in", sealed, "--aad", "one"))

    def test_decrypt_takes_wrapped_base64(self):
        sealed = base64.encodebytes(self.good("encrypt", "--key", "rsa", "--in", self.message))
        self.assertGreater(sealed.count(b"\n"), 2)
        self.assertEqual(self.good("decrypt", "--key", "rsa", "--decode", "base64", input=sealed),
                         MESSAGE)

    def test_decrypted_file_is_readable_by_its_owner_only(self):
        sealed = self.file("sealed", self.good("encrypt", "--key", "rsa", "--in", self.message))
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.good("decrypt", "--key", "rsa", "--in", sealed, "--out", self.out("plain"))
        self.assertEqual(os.stat(self.out("plain")).st_mode & 0o777, 0o600)
        self.assertEqual(self.read("plain"), MESSAGE)

    def test_encrypt_with_a_signing_key_then_it_is_said(self):
        self.assertIn("for signatures, not for encryption",
                      self.bad(USAGE, "encrypt", "--key", "app", "--in", self.message))


class TerminalTest(CliTestCase):
    def on_terminal(self, *args):
        """What a terminal gets when it is stdout and stderr."""
        leader, follower = pty.openpty()
        done = subprocess.Popen([cli_path(), *args], env=self.config.env(), stdout=follower,
                                stderr=follower, stdin=subprocess.DEVNULL)
        os.close(follower)
        text = read_terminal(leader)
        self.assertEqual(done.wait(), OK, text)
        return text.decode().replace("\r\n", "\n")

    def test_bytes_go_to_a_terminal_as_base64(self):
        text = self.on_terminal("random", "--bytes", "33")
        self.assertEqual(len(base64.b64decode(text)), 33)
        self.assertRegex(self.on_terminal("sign", "--key", "app", "--in", self.message),
                         r"\A[A-Za-z0-9+/=]+\n\Z")

    def test_printable_text_goes_to_a_terminal_as_it_is(self):
        sealed = self.file("sealed", self.good("encrypt", "--key", "aes", "--in", self.message))
        self.assertEqual(self.on_terminal("decrypt", "--key", "aes", "--in", sealed),
                         MESSAGE.decode())


class ListTest(CliTestCase):
    def listed(self, *args):
        return json.loads(self.good("list", "--json", *args))["slots"]

    def test_list_shows_all_keys_with_their_uris(self):
        (slot,) = self.listed()
        keys = {key["label"]: key for key in slot["keys"]}
        self.assertEqual(set(keys), {"app", "p384", "p521", "rsa", "ed", "aes", "chacha", "mac"})
        self.assertEqual(keys["rsa"]["kind"], "rsa 2048")
        self.assertEqual(keys["app"]["uses"], ["sign", "verify"])
        self.assertRegex(keys["app"]["uri"],
                         r"\Apkcs11:token=web;object=app;id=(%[0-9A-F]{2}){20};type=private\Z")
        self.assertTrue(keys["aes"]["uri"].endswith(";type=secret-key"))
        self.assertEqual(keys["app"]["uri"].split(";")[2].replace("%", "").lower(),
                         "id=" + keys["app"]["id"])

    def test_list_as_a_table_is_aligned(self):
        lines = self.good("list").decode().splitlines()
        self.assertRegex(lines[0], r"\ASLOT +LABEL +VERSION +TYPE +DETAIL +SINCE +URI\Z")
        column = lines[0].index("URI")
        self.assertEqual({line[column:column + 7] for line in lines[1:]}, {"pkcs11:"})

    def test_a_listed_id_finds_the_key(self):
        (slot,) = self.listed()
        key = next(key for key in slot["keys"] if key["label"] == "app")
        by_label = self.good("public", "--key", "app")
        self.assertEqual(self.good("public", "--id", key["id"]), by_label)
        self.assertEqual(self.good("public", "--id", key["uri"].split(";")[2][3:]), by_label)

    def test_list_when_a_slot_is_out_of_reach_then_the_others_are_listed(self):
        self.config.slot("dead", self.vault, url=DEAD, timeout="1s")
        done = self.run_bytes("list", "--json")
        self.assertEqual(done.returncode, UNREACHABLE)
        web, dead = json.loads(done.stdout)["slots"]
        self.assertEqual((len(web["keys"]), web["error"]), (8, None))
        self.assertEqual(dead["keys"], [])
        self.assertIn("slot 'dead'", dead["error"])

    def test_list_shows_certificates_beside_their_keys(self):
        leaf = self.certify("app")
        self.config.slot("web", self.vault, certificates=leaf)
        (slot,) = self.listed()
        (cert,) = slot["certificates"]
        self.assertEqual((cert["label"], cert["key"], cert["common_name"]), ("app", "app", "www"))
        key = next(key for key in slot["keys"] if key["label"] == "app")
        self.assertEqual(cert["id"], key["id"])
        self.assertIn("until ", self.good("list").decode())

    def certify(self, key, days="30"):
        """A certificate for a key, by a throw-away issuer; its path."""
        self.good("csr", "--key", key, "--subject", "CN=www", "--out", self.out("csr"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj",
                        "/CN=issuer", "-keyout", self.out("ca.key"), "-out", self.out("ca.pem")],
                       check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", self.out("csr"), "-CA",
                        self.out("ca.pem"), "-CAkey", self.out("ca.key"), "-CAcreateserial",
                        "-days", days, "-out", self.out("leaf.pem")], check=True,
                       capture_output=True)
        return self.out("leaf.pem")

    def test_check_when_a_certificate_ends_soon_then_it_is_a_fault(self):
        self.config.slot("web", self.vault, certificates=self.certify("app", days="3"))
        done = self.run_cli(self.config, "check")
        self.assertEqual(done.returncode, FAILED, done.stdout)
        self.assertRegex(done.stdout, r"certificate www +FAULT +until")


class CsrTest(CliTestCase):
    def test_csr_then_openssl_accepts_it(self):
        for key in ("app", "rsa", "ed"):
            with self.subTest(key=key):
                self.good("csr", "--key", key, "--subject", "/O=Example/CN=www", "--san",
                          "DNS:www.example.org", "--san", "IP:192.0.2.1", "--out", self.out("csr"))
                text = subprocess.run(["openssl", "req", "-in", self.out("csr"), "-verify",
                                       "-noout", "-text"], check=True, capture_output=True,
                                      text=True)
                self.assertIn("verify OK", text.stdout + text.stderr)
                self.assertIn("O = Example, CN = www", text.stdout)
                self.assertIn("DNS:www.example.org, IP Address:192.0.2.1", text.stdout)

    def test_csr_when_subject_is_missing_or_wrong_then_usage(self):
        self.assertIn("--subject", self.bad(USAGE, "csr", "--key", "app"))
        self.assertIn("'bad'", self.bad(USAGE, "csr", "--key", "app", "--subject", "bad"))

    def test_csr_and_public_of_a_secret_key_then_it_is_said(self):
        self.bad(FAILED, "csr", "--key", "aes", "--subject", "CN=www")
        self.assertIn("no public half", self.bad(FAILED, "public", "--key", "aes"))

    def test_pem_holds_the_uri_that_list_shows(self):
        keys = json.loads(self.good("list", "--json"))["slots"][0]["keys"]
        uri = next(key["uri"] for key in keys if key["label"] == "app")
        pem = self.good("pem", "--key", "app")
        lines = pem.decode().splitlines()
        self.assertEqual(lines[0], "-----BEGIN HSMBRIDGE KEY URI-----")
        self.assertEqual(lines[-1], "-----END HSMBRIDGE KEY URI-----")
        self.assertTrue(base64.b64decode("".join(lines[1:-1])).endswith(uri.encode()))
        self.assertEqual(json.loads(self.good("pem", "--key", "app", "--json")),
                         {"slot": "web", "key": "app", "version": 1, "uri": uri,
                          "pem": pem.decode()})
        self.good("pem", "--slot", "web", "--key", "app", "--out", self.out("key.pem"))
        self.assertEqual(self.read("key.pem"), pem)

    def test_pem_of_no_key_pair_then_it_is_said(self):
        self.assertIn("'aes' (aes) is a secret key", self.bad(FAILED, "pem", "--key", "aes"))
        self.assertIn("no key 'ap' in slot 'web'", self.bad(FAILED, "pem", "--key", "ap"))


class RandomTest(CliTestCase):
    def test_random_gives_as_many_bytes_as_asked_for(self):
        self.assertEqual(len(self.good("random")), 32)
        self.assertEqual(len(self.good("random", "--bytes", "100000")), 100000)
        self.assertNotEqual(self.good("random"), self.good("random"))

    def test_random_when_bytes_are_out_of_range_then_usage(self):
        self.assertIn("from 1 to 1048576, not '0'", self.bad(USAGE, "random", "--bytes", "0"))


class NamesTest(CliTestCase):
    def test_key_that_does_not_exist_then_near_ones_are_named(self):
        self.assertIn("no key 'appp' in slot 'web'; did you mean 'app'?",
                      self.bad(FAILED, "public", "--key", "appp"))
        self.assertIn("its keys are aes, app,", self.bad(FAILED, "public", "--key", "zzzzzzzzz"))
        self.bad(FAILED, "public", "--id", "00" * 20)

    def test_slot_that_does_not_exist_then_near_ones_are_named(self):
        self.assertIn("did you mean 'web'?", self.bad(USAGE, "public", "--slot", "wep", "--key",
                                                      "app"))

    def test_slot_left_out_where_several_are_configured_then_they_are_named(self):
        self.config.slot("other", self.vault)
        self.assertIn("the slots are web, other", self.bad(USAGE, "public", "--key", "app"))

    def test_key_left_out_or_named_twice_then_usage(self):
        self.assertIn("--key LABEL or --id HEX", self.bad(USAGE, "public"))
        self.assertIn("give one of them", self.bad(USAGE, "public", "--key", "a", "--id", "00"))
        self.assertIn("hex digits", self.bad(USAGE, "public", "--id", "xyz"))

    def test_command_or_option_unknown_then_it_is_named_with_the_near_one(self):
        self.assertIn("unknown command 'lst'; did you mean 'list'?", self.bad(USAGE, "lst"))
        self.assertIn("unknown option '--slto' for 'list'; did you mean '--slot'?",
                      self.bad(USAGE, "list", "--slto", "web"))
        self.assertIn("--help", self.bad(USAGE))

    def test_help_goes_to_stdout_in_all_spellings(self):
        self.assertEqual(self.good("sign", "--help"), self.good("help", "sign"))
        self.assertEqual(self.good("--help"), self.good("help"))
        self.assertEqual(self.good("--version"), self.good("version"))

    def test_old_version_of_a_key_is_found_by_its_label(self):
        self.vault.make_key("turned")
        before = self.good("public", "--key", "turned")
        self.vault.rotate_key("turned")
        self.assertNotEqual(self.good("public", "--key", "turned"), before)
        self.assertEqual(self.good("public", "--key", "turned@v1"), before)


class ConfigurationTest(CliTestCase):
    def test_configuration_missing_then_exit_3_names_it(self):
        self.assertIn("/nonexistent.conf", self.bad(CONFIG, "-c", "/nonexistent.conf", "list"))

    def test_configuration_without_a_slot_then_it_says_what_to_add(self):
        self.config.remove_slot("web")
        self.assertIn("add a [slot NAME] section", self.bad(CONFIG, "list"))

    def test_slot_with_a_wrong_option_then_exit_3_for_that_slot_only(self):
        self.config.slot("bad", self.vault, ca_fil="/x")
        self.assertIn("did you mean 'ca_file'?", self.bad(CONFIG, "public", "--slot", "bad",
                                                          "--key", "app"))
        self.good("public", "--slot", "web", "--key", "app")

    def test_service_out_of_reach_then_exit_4(self):
        self.config.slot("web", self.vault, url=DEAD, timeout="1s")
        self.assertIn(DEAD, self.bad(UNREACHABLE, "public", "--key", "app"))

    def test_service_refuses_then_exit_1(self):
        self.config.slot("web", self.vault, auth="token",
                         token_file=self.config.secret("t", "hvs.not-a-token-of-this-server"))
        self.bad(FAILED, "public", "--key", "app")

    def test_verbose_logs_to_stderr_and_leaves_stdout_alone(self):
        quiet = self.good("public", "--key", "app")
        loud = self.run_bytes("public", "--key", "app", "-vv")
        self.assertEqual((loud.returncode, loud.stdout), (OK, quiet))
        self.assertNotIn(self.vault.token.encode() + b"\n", loud.stderr)


class CheckTest(CliTestCase):
    def check(self, code, *args):
        done = self.run_cli(self.config, "check", "--json", *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        told = json.loads(done.stdout)
        self.assertIs(told["ok"], code == OK)
        return {finding["check"]: finding for finding in told["findings"]}

    def test_check_when_all_is_well_then_exit_0(self):
        found = self.check(OK)
        self.assertEqual({finding["result"] for finding in found.values()}, {"ok"})
        endpoint = found[self.vault.url]
        self.assertGreater(endpoint["latency_us"], 0)
        self.assertLess(abs(endpoint["clock_skew_ms"]), 3000)
        self.assertIn("active", endpoint["detail"])

    def test_check_when_a_named_key_is_missing_then_it_is_a_fault_with_advice(self):
        self.config.slot("web", self.vault, keys="app nokey rs*")
        found = self.check(FAILED)
        self.assertEqual(found["key app"]["result"], "ok")
        self.assertEqual(found["key nokey"]["result"], "FAULT")
        self.assertIn("keys option", found["key nokey"]["advice"])
        self.assertNotIn("key rs*", found)

    def test_check_when_one_endpoint_is_dead_then_exit_4_and_the_rest_is_checked(self):
        self.config.slot("web", self.vault, url=DEAD + " " + self.vault.url, timeout="2s")
        found = self.check(UNREACHABLE)
        self.assertEqual(found[DEAD]["result"], "FAULT")
        self.assertEqual(found[self.vault.url]["result"], "ok")
        self.assertEqual(found["credentials"]["result"], "ok")

    def test_check_when_the_token_is_wrong_then_it_is_said(self):
        self.config.slot("web", self.vault, auth="token",
                         token_file=self.config.secret("t", "hvs.not-a-token-of-this-server"))
        found = self.check(FAILED)
        self.assertEqual(found["credentials"]["result"], "FAULT")
        self.assertIn("credential", found["credentials"]["advice"])

    def test_check_when_a_slot_is_broken_then_exit_3_wins(self):
        self.config.slot("bad", self.vault, timeout="forever")
        self.config.slot("dead", self.vault, url=DEAD, timeout="1s")
        done = self.run_cli(self.config, "check")
        self.assertEqual(done.returncode, CONFIG)
        self.assertRegex(done.stdout, r"bad +configuration +FAULT .*timeout")
        self.assertRegex(done.stdout, r"What to do:\n(.*\n)*  dead, ")

    def test_check_when_sealed_then_exit_4(self):
        self.vault.state(sealed=True)
        self.addCleanup(self.vault.state, sealed=False)
        found = self.check(UNREACHABLE)
        self.assertIn("sealed", found[self.vault.url]["detail"])
        self.assertEqual(found["credentials"]["result"], "skipped")

    def test_check_when_others_can_read_a_secret_then_it_warns(self):
        os.chmod(self.config.path("token-web"), 0o644)
        found = self.check(OK)
        self.assertEqual(found["token_file"]["result"], "warning")
        self.assertIn("chmod o-r", found["token_file"]["advice"])


class PinTest(CliTestCase):
    def setUp(self):
        super().setUp()
        self.config.slot("web", self.vault, pin="token")
        self.token = self.vault.make_token("root")
        self.pin = self.config.secret("pin", self.token + "\n")

    def test_pin_file_then_the_slot_works(self):
        self.good("public", "--key", "app", "--pin-file", self.pin)
        self.good("check", "--slot", "web", "--pin-file", self.pin)

    def test_pem_names_the_pin_file_and_not_the_pin(self):
        told = json.loads(self.good("pem", "--key", "app", "--pin-file", self.pin, "--json"))
        self.assertTrue(told["uri"].endswith("?pin-source=file:" + self.pin.replace("/", "%2F")))
        self.assertNotIn(self.token, str(told))
        self.assertIn("as an absolute path, not 'pin'", self.bad(
            USAGE, "pem", "--key", "app", "--pin-file", "pin", cwd=os.path.dirname(self.pin)))

    def test_pin_of_the_wrong_form_or_refused_then_exit_1(self):
        for text in ("1234", "hvs.not-a-token-of-this-server-0123456789"):
            pin = self.config.secret("wrong", text)
            self.assertNotIn(text, self.bad(FAILED, "public", "--key", "app", "--pin-file", pin))

    def test_no_pin_and_no_terminal_then_usage(self):
        self.assertIn("--pin-file", self.bad(USAGE, "public", "--key", "app",
                                             start_new_session=True))

    def test_pin_is_asked_on_the_terminal_and_not_shown(self):
        pid, leader = pty.fork()
        if pid == 0:
            os.execve(cli_path(), ["hsmbridge", "public", "--key", "app"], self.config.env())

        def answer(text):
            if text.endswith(b"PIN of slot 'web': "):
                os.write(leader, self.token.encode() + b"\n")

        text = read_terminal(leader, answer)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), OK, text)
        self.assertIn(b"BEGIN PUBLIC KEY", text)
        self.assertNotIn(self.token.encode(), text)

    def test_list_of_all_slots_does_not_ask(self):
        self.config.slot("other", self.vault)
        slots = json.loads(self.good("list", "--json", start_new_session=True))["slots"]
        self.assertIn("takes a PIN", slots[0]["error"])
        self.assertEqual(len(slots[1]["keys"]) > 0, True)


class BenchTest(CliTestCase):
    QUICK = ("--pairs", "6", "--block", "50ms")

    def bench(self, *args):
        return json.loads(self.good("bench", "--json", *self.QUICK, *args))

    def test_bench_measures_both_sides_in_pairs(self):
        told = self.bench("--key", "app", "--threads", "2")
        for side in ("ours", "loop"):
            self.assertGreater(told[side]["ops_per_second"], 0)
            self.assertGreaterEqual(told[side]["p99_us"], told[side]["p50_us"])
        self.assertEqual(told["loop"]["requests_per_op"], 1)
        self.assertLessEqual(told["ours"]["requests_per_op"], 1)
        self.assertEqual(told["loop"]["connections_per_op"], 0)
        ratio = told["ratio"]
        self.assertTrue(ratio["low"] <= ratio["median"] <= ratio["high"])

    def test_bench_of_every_kind_of_signature(self):
        for args in (("--key", "rsa"), ("--key", "rsa", "-m", "SHA256-RSA-PKCS-PSS"),
                     ("--key", "ed"), ("--key", "mac")):
            with self.subTest(args=args):
                self.assertGreater(self.bench(*args)["ratio"]["median"], 0)

    def test_both_sides_post_the_same_body(self):
        for key in ("app", "rsa", "ed", "mac"):
            with self.subTest(key=key):
                self.vault.reset()
                self.bench("--key", key)
                posts = {(post["path"], post["body"]) for post in self.vault.requests()
                         if post["method"] == "POST"}
                self.assertEqual(len(posts), 1, posts)

    def test_bench_through_the_module(self):
        told = self.bench("--key", "app", "--module", module_path(), "--config", self.config.file)
        self.assertEqual(told["ours"]["side"], "C_Sign")
        self.assertIsNone(told["ours"]["requests_per_op"])
        self.assertIn("cannot load --module", self.bad(USAGE, "bench", "--key", "app", "--module",
                                                       "/nonexistent.so"))

    def test_bench_without_the_loop_prints_a_table(self):
        text = self.good("bench", "--key", "app", "--no-loop", *self.QUICK).decode()
        self.assertRegex(text, r"(?m)^SIDE +OPS/S +P50 +P99")
        self.assertNotIn("ratio", text)

    def test_bench_of_a_slot_that_logs_in_then_the_loop_has_its_token(self):
        self.vault.setup_userpass("me", "secret", self.vault.setup_signer())
        self.config.slot("web", self.vault, auth="userpass", username="me",
                         password_file=self.config.secret("password", "secret"))
        self.assertGreater(self.bench("--key", "app")["ratio"]["median"], 0)

    def test_bench_of_ciphers_then_both_sides_post_the_same_body(self):
        for action in ("encrypt", "decrypt"):
            with self.subTest(action=action):
                self.vault.reset()
                self.assertEqual(self.bench(action, "--key", "aes")["loop"]["requests_per_op"], 1)
                posts = {(post["path"], post["body"]) for post in self.vault.requests()
                         if post["method"] == "POST" and "/%s/" % action in post["path"]}
                self.assertEqual(len(posts), 1, posts)

    def test_bench_that_cannot_be_then_one_line(self):
        for args, said in ((("decrypt", "--key", "aes", "--module", module_path()), "bench sign"),
                           (("encrypt", "--key", "rsa"), "without a request"),
                           (("verify", "--key", "app"), "sign encrypt decrypt")):
            with self.subTest(args=args):
                done = self.run_cli(self.config, "bench", *args, *self.QUICK)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)


class CompletionTest(CliTestCase):
    SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools",
                          "completion", "hsmbridge")

    def complete(self, *words):
        """What bash offers for the last of these words."""
        script = (". /usr/share/bash-completion/bash_completion; . \"$1\"; shift\n"
                  "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_LINE=\"$*\"\n"
                  "COMP_POINT=${#COMP_LINE}\n"
                  "_hsmbridge \"$1\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script, "bash", self.SCRIPT, cli_path(), *words],
                              capture_output=True, text=True, env=self.config.env(), check=False)
        return set(done.stdout.split())

    @unittest.skipUnless(os.path.exists("/usr/share/bash-completion/bash_completion"),
                         "bash-completion is not installed")
    def test_completion_offers_commands_options_and_slots(self):
        self.config.slot("codesign", self.vault)
        self.assertEqual(self.complete("ve"), {"verify", "version"})
        self.assertEqual(self.complete("sign", "--sl"), {"--slot"})
        self.assertEqual(self.complete("sign", "--slot", ""), {"web", "codesign"})
        self.assertEqual(self.complete("decrypt", "--decode", ""), {"base64", "hex"})
        self.assertEqual(self.complete("sign", "--mechanism", "EDD"), {"EDDSA"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
