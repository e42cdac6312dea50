#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The OpenSSL provider's store, decoders and encoders: how programs name keys, by URI and by key
file, and what they get."""

import base64
import os
import re
import subprocess
import sys
import unittest

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import Authority, Double, HarnessTestCase, RealVault, TempConfig
from openssl_conf import PROPERTIES, OpensslConf

OURS = ("HSMBRIDGE KEY URI", b"hsmbridge key URI v1")
FOREIGN = ("PKCS#11 PROVIDER URI", b"PKCS#11 Provider URI v1.0")
KINDS = {"app": "ecdsa-p256", "p384": "ecdsa-p384", "rsa": "rsa-2048", "ed": "ed25519"}
ALONE = {"stdin": subprocess.DEVNULL, "start_new_session": True}  # nobody can be asked
LOAD_CHAIN = """
import ssl, sys
ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*sys.argv[1:])
"""


def tlv(tag, content):
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    if 128 <= size < 256:
        length = bytes([0x81, size])
    return bytes([tag]) + length + content


def key_file(uri, form=OURS):
    """As `hsmbridge pem` and pkcs11-provider write them."""
    label, version = form
    text = base64.b64encode(tlv(0x30, tlv(0x1a, version) + tlv(0x0c, uri.encode()))).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN %s-----" % label, *lines, "-----END %s-----" % label, ""])


class ProviderTestCase(HarnessTestCase):
    server = Double

    @classmethod
    def setUpClass(cls):
        cls.vault = cls.server()
        cls.addClassCleanup(cls.vault.__exit__, None, None, None)
        cls.vault.setup_transit(**KINDS, aes="aes256-gcm96")

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.authority = Authority(self.config.path("."), common_name="issuer")
        self.authority.certify(self.config.path("app.crt"), self.vault.public_key("app"),
                               "app.example")
        self.bundle = self.join("certs.pem", "app.crt", "ca.pem")
        self.config.slot("web", self.vault, certificates=self.bundle)
        self.conf = OpensslConf(self.config)

    def file(self, name, text):
        path = self.config.path(name)
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        return path

    def read(self, name):
        with open(self.config.path(name), encoding="utf-8") as found:
            return found.read()

    def join(self, name, *parts):
        return self.file(name, "".join(self.read(part) for part in parts))

    def good(self, *args, **options):
        done = self.conf.openssl(*args, **options)
        self.assertEqual(done.returncode, 0, (args, done.stdout, done.stderr))
        return done.stdout

    def bad(self, *args, says, **options):
        """Fails, and the error stack has the sentence."""
        done = self.conf.openssl(*args, **options)
        self.assertNotEqual(done.returncode, 0, (args, done.stdout))
        self.assertIn(says, done.stderr)
        return done.stderr

    def public(self, name):
        return self.vault.public_key(name).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def listed(self, *args):
        """Kinds of what storeutl finds, in order."""
        return re.findall(r"^\d+: (.*)$", self.good("storeutl", "-noout", *args), re.M)


class StoreTest(ProviderTestCase):
    def test_key_by_either_scheme_is_the_key_of_the_service(self):
        for name in KINDS:
            for uri in ("pkcs11:token=web;object=" + name, "hsmbridge:slot=web;object=" + name,
                        "PKCS11:object=%s;type=private" % name):
                with self.subTest(uri=uri):
                    self.assertEqual(self.good("pkey", "-in", uri, "-pubout"), self.public(name))

    def test_public_key_is_loaded_as_one(self):
        uri = "pkcs11:token=web;object=app;type=public"
        self.assertEqual(self.good("pkey", "-pubin", "-in", uri, "-pubout"), self.public("app"))
        self.bad("pkey", "-in", uri, says="Could not read key")

    def test_listing_a_slot_shows_certificates_and_key_pairs(self):
        self.assertEqual(self.listed("pkcs11:token=web"), ["Certificate"] * 2 + ["Pkey"] * 4)
        self.assertEqual(self.listed("-keys", "hsmbridge:slot=web"), ["Pkey"] * 4)
        self.assertEqual(self.listed("-certs", "hsmbridge:slot=web"), ["Certificate"] * 2)
        self.assertEqual(self.listed("-crls", "hsmbridge:slot=web"), [])

    def test_certificates_come_leaf_first_with_their_issuers(self):
        text = self.good("storeutl", "-certs", "-text", "-noout", "pkcs11:token=web;object=app")
        self.assertEqual(re.findall(r"Subject: CN\s*=\s*(\S+)", text), ["app.example", "issuer"])
        self.assertIn("app.example", self.good("x509", "-in", "pkcs11:token=web;object=app",
                                               "-noout", "-subject"))
        self.assertIn("issuer", self.good("x509", "-in", "pkcs11:object=issuer;type=cert",
                                          "-noout", "-subject"))

    def test_certificate_by_id_costs_no_request(self):
        uri = re.search(r"URI: (\S+)", self.good("pkey", "-noout", "-text", "-in",
                                                 "pkcs11:token=web;object=app")).group(1)
        before = self.vault.stats()["requests"]
        self.good("x509", "-noout", "-in", uri.replace("private", "cert"))
        self.assertEqual(self.vault.stats()["requests"], before)

    def test_no_certificate_says_where_to_put_one(self):
        self.bad("x509", "-in", "pkcs11:token=web;object=rsa",
                 says="no certificate belongs to 'pkcs11:token=web;object=rsa': the slot's option "
                      "'certificates' names the files that hold them")

    def test_search_by_subject_issuer_and_alias(self):
        serial = self.good("x509", "-in", self.config.path("app.crt"), "-noout", "-serial")
        serial = "0x" + serial.strip().split("=")[1]
        for found, *args in ((1, "-subject", "/CN=issuer"), (0, "-subject", "/CN=nobody"),
                             (1, "-issuer", "/CN=issuer", "-serial", serial),
                             (0, "-issuer", "/CN=issuer", "-serial", "0x1")):
            with self.subTest(args=args):
                self.assertEqual(self.listed(*args, "pkcs11:token=web"), ["Certificate"] * found)
        self.assertEqual(self.listed("-keys", "-alias", "rsa", "pkcs11:token=web"), ["Pkey"])

    def test_keys_of_one_label_are_listed_over_slots_in_order(self):
        self.config.slot("mail", self.vault, keys="app")
        self.assertEqual(self.listed("-keys", "pkcs11:object=app"), ["Pkey"] * 2)
        text = self.good("storeutl", "-keys", "-text", "-noout", "pkcs11:object=app")
        self.assertEqual(re.findall(r"^Slot: (\S+)", text, re.M), ["web", "mail"])

    def test_what_is_not_there_is_told_on_the_error_stack(self):
        for uri, says in (
                ("pkcs11:token=wep;object=app", "no slot 'wep' in %s; there are 'web'"
                 % self.config.file),
                ("pkcs11:token=web;object=ap", "no key 'ap' in slot 'web'"),
                ("pkcs11:id=%01", "no slot has what 'pkcs11:id=%01' names"),
                ("pkcs11:token=web;object", "'object' stands without a value"),
                ("pkcs11:token=web;label=app", "'label' is no attribute before the '?'; there are "),
                ("pkcs11:object=app;manufacturer=x", "another module's token, by its manufacturer"),
                ("hsmbridge:slot=web;object=a%2", "without two hex digits")):
            with self.subTest(uri=uri):
                self.bad("pkey", "-in", uri, says=says)
                self.bad("storeutl", uri, says=says)

    def test_slot_that_is_away_is_told_unless_another_has_the_key(self):
        self.config.slot("away", url="https://127.0.0.1:1", auth="token", timeout="500ms",
                         token_file=self.config.secret("t", "hvs.x"), mount="transit")
        self.good("pkey", "-in", "pkcs11:object=app", "-noout")
        self.bad("pkey", "-in", "pkcs11:token=away;object=app", says="slot 'away'")

    def test_configuration_that_cannot_be_used_is_told(self):
        self.file("hsmbridge.conf", "[slot web\n")
        done = self.conf.openssl("pkey", "-in", "pkcs11:object=app")
        self.assertIn(self.config.file + ":1", done.stderr)


class PinTest(ProviderTestCase):
    def setUp(self):
        super().setUp()
        self.config.slot("web", self.vault, pin="token", certificates=self.bundle)
        self.conf = OpensslConf(self.config)
        self.token = self.vault.make_token("root")
        self.pin = self.config.secret("pin", self.token + "\n")
        self.uri = "pkcs11:token=web;object=app"

    def test_pin_by_source_value_or_the_program(self):
        for args in ((self.uri + "?pin-source=file:" + self.pin,),
                     (self.uri + "?pin-value=" + self.token,),
                     (self.uri, "-passin", "pass:" + self.token)):
            with self.subTest(args=args[1:]):
                self.assertEqual(self.good("pkey", "-pubout", "-in", *args), self.public("app"))

    def test_certificates_are_had_without_a_pin(self):
        for uri in ("pkcs11:token=web", "pkcs11:token=web;object=app.example"):
            self.assertIn("app.example", self.good("x509", "-in", uri, "-noout", "-subject",
                                                   **ALONE))

    def test_no_pin_is_told_and_no_request_made(self):
        before = self.vault.stats()["requests"]
        self.bad("pkey", "-in", self.uri, says="slot 'web' takes a PIN and none was given: add "
                                               "?pin-source=file:PATH", **ALONE)
        self.bad("pkey", "-in", self.file("k", key_file(self.uri)),
                 says="has no PIN: add ?pin-source=file:PATH")
        self.assertEqual(self.vault.stats()["requests"], before)

    def test_wrong_pin_is_told_without_it(self):
        for pin in ("1234", "hvs.not-a-token-of-this-server-0123456789"):
            text = self.bad("pkey", "-in", self.uri + "?pin-value=" + pin, says="slot 'web'")
            self.assertNotIn(pin, "".join(line for line in text.splitlines(True)
                                          if "hsmbridge:" in line))

    def test_key_file_brings_its_pin_source(self):
        done = self.run_cli(self.config, "pem", "--key", "app", "--pin-file", self.pin, "--out",
                            self.config.path("key.pem"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn(self.token, self.read("key.pem"))
        self.assertEqual(self.good("pkey", "-pubout", "-in", self.config.path("key.pem")),
                         self.public("app"))


class KeyFileTest(ProviderTestCase):
    def test_both_labels_load_for_each_kind_of_key_with_any_default_properties(self):
        for properties in PROPERTIES:
            self.conf.write(default_properties=properties)
            for name in KINDS:
                for form in (OURS, FOREIGN):
                    with self.subTest(properties=properties, name=name, form=form[0]):
                        path = self.file("key.pem", key_file("pkcs11:object=" + name, form))
                        self.assertEqual(self.good("pkey", "-pubout", "-in", path),
                                         self.public(name))

    def test_it_may_stand_anywhere_in_a_bundle(self):
        self.file("key.pem", key_file("pkcs11:token=web;object=app"))
        self.file("crlf.pem", self.read("key.pem").replace("\n", "\r\n"))
        self.file("text", "What follows names a key.\n\n")
        self.good("ecparam", "-name", "prime256v1", "-out", self.config.path("params"))
        for parts in (("app.crt", "ca.pem", "key.pem"), ("key.pem", "app.crt"), ("crlf.pem",),
                      ("text", "key.pem"), ("params", "key.pem"), ("app.crt", "crlf.pem")):
            with self.subTest(parts=parts):
                path = self.join("bundle.pem", *parts)
                self.assertEqual(self.good("pkey", "-pubout", "-in", path), self.public("app"))
                self.assertEqual(self.listed(path), [
                    {"app.crt": "Certificate", "ca.pem": "Certificate", "params": "Parameters"}
                    .get(part, "Pkey") for part in parts if part != "text"])

    def test_programs_that_read_files_themselves_take_it(self):
        """SSL_CTX_use_certificate_chain_file() and SSL_CTX_use_PrivateKey_file()"""
        self.file("key.pem", key_file("pkcs11:token=web;object=app"))
        self.file("rsa.pem", key_file("pkcs11:token=web;object=rsa"))
        self.join("bundle.pem", "app.crt", "ca.pem", "key.pem")
        for properties in PROPERTIES:
            self.conf.write(default_properties=properties)
            for files, good in ((("app.crt", "key.pem"), True), (("bundle.pem",), True),
                                (("app.crt", "rsa.pem"), False)):
                with self.subTest(properties=properties, files=files):
                    done = subprocess.run(
                        [sys.executable, "-c", LOAD_CHAIN, *map(self.config.path, files)],
                        env=self.conf.env(), capture_output=True, text=True, check=False,
                        timeout=60)
                    self.assertEqual(done.returncode == 0, good, done.stderr)

    def test_public_half_is_loaded_from_it(self):
        path = self.file("key.pem", key_file("pkcs11:token=web;object=app"))
        self.assertEqual(self.good("pkey", "-pubin", "-in", path, "-pubout"), self.public("app"))
        path = self.file("pub.pem", key_file("pkcs11:token=web;object=app;type=public"))
        self.assertEqual(self.good("pkey", "-pubin", "-in", path, "-pubout"), self.public("app"))
        self.bad("pkey", "-in", path, says="names a public key, and a private one is wanted")

    def test_what_is_wrong_with_it_is_told_on_the_error_stack(self):
        self.config.slot("mail", self.vault)
        whole = key_file("pkcs11:token=web;object=app")
        lines = whole.splitlines(True)
        again = "write it anew with 'hsmbridge pem'"
        for text, says in (
                ("".join(lines[:-1]), "'HSMBRIDGE KEY URI' is cut short: " + again),
                ("".join(lines[:-2] + lines[-1:]), "damaged: no key URI is in it; " + again),
                ("".join(lines[:-2]) + lines[-2][4:] + lines[-1], "damaged: no key URI is in it"),
                ("".join(lines[:-2]) + "??\n" + lines[-1], "'HSMBRIDGE KEY URI' is not base64"),
                (whole.replace("END HSMBRIDGE KEY", "END OTHER"), "has another block's end"),
                (key_file("pkcs11:object=" + "a" * 9000), "is too long"),
                (key_file("file:/etc/ssl/key.pem"), "no 'hsmbridge:' or 'pkcs11:' URI"),
                (key_file("pkcs11:token=nope;object=app"), "no slot 'nope' in "),
                (key_file("pkcs11:token=web;object=nope"), "no key 'nope' in slot 'web'"),
                (key_file("pkcs11:object=app", FOREIGN),
                 "names 2 keys, 'app' of slot 'web' and 'app' of slot 'mail' among them"),
                (key_file("pkcs11:token=web;object=app;type=cert"), "of another type"),
                (key_file("pkcs11:token=web;object=app?module-path=/x/softhsm.so"),
                 "another module's token, by its module-path")):
            with self.subTest(says=says):
                self.bad("pkey", "-in", self.file("key.pem", text), says=says)

    def test_other_labels_are_not_ours(self):
        text = key_file("pkcs11:token=web;object=app").replace("HSMBRIDGE KEY URI", "TSS2 KEY")
        done = self.conf.openssl("pkey", "-in", self.file("key.pem", text))
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn(":hsmbridge:", done.stderr)

    def test_ordinary_files_load_as_without_us(self):
        alone = OpensslConf(self.config)
        alone.file = self.config.path("alone.cnf")
        alone.write(providers=("default",))
        locked = ("-aes256", "-pass", "pass:secret")
        for name, args in (("rsa", ("genpkey", "-algorithm", "RSA")),
                           ("locked", ("genpkey", "-algorithm", "RSA", *locked)),
                           ("ed", ("genpkey", "-algorithm", "ED25519")),
                           ("sec1", ("ecparam", "-genkey", "-name", "secp384r1"))):
            path = self.config.path(name)
            made = alone.openssl(*args, "-out", path)
            self.assertEqual(made.returncode, 0, made.stderr)
            self.join(name + ".bundle", "app.crt", name)
            self.good("pkey", "-in", path, "-passin", "pass:secret", "-outform", "DER", "-out",
                      path + ".der")
            for properties in PROPERTIES:
                self.conf.write(default_properties=properties)
                for form in ("", ".bundle", ".der"):
                    with self.subTest(name=name + form, properties=properties):
                        show = ("pkey", "-in", path + form, "-passin", "pass:secret", "-pubout")
                        self.assertEqual(self.good(*show), alone.openssl(*show).stdout)
        self.bad("pkey", "-in", self.config.path("locked"), "-passin", "pass:wrong",
                 says="bad decrypt")


class EncoderTest(ProviderTestCase):
    URI = "pkcs11:token=web;object="

    def test_private_half_becomes_a_key_file(self):
        for name in KINDS:
            with self.subTest(name=name):
                out = self.config.path("out.pem")
                self.good("pkey", "-in", self.URI + name, "-out", out)
                self.assertIn("BEGIN HSMBRIDGE KEY URI", self.read("out.pem"))
                self.assertEqual(self.good("pkey", "-in", out, "-pubout"), self.public(name))

    def test_private_half_as_der_is_refused(self):
        for name in KINDS:
            self.bad("pkey", "-in", self.URI + name, "-outform", "DER",
                     says="slot 'web': the private half of key '%s' does not leave its service"
                     % name)

    def test_text_tells_where_the_key_is(self):
        for name in KINDS:
            with self.subTest(name=name):
                text = self.good("pkey", "-in", self.URI + name, "-noout", "-text")
                self.assertRegex(text, r"\ASlot: web\nKey: %s\nVersion: 1\n" % name)
                self.assertRegex(text, r"\nURI: pkcs11:token=web;object=%s;id=(%%..){20};type=private"
                                 % name)
                self.assertIn("ublic-Key:", text)

    def test_public_half_in_the_forms_that_there_are(self):
        public = self.file("public.pem", self.public("rsa"))
        for args in (("-pubout",), ("-RSAPublicKey_out",), ("-pubout", "-outform", "DER"),
                     ("-RSAPublicKey_out", "-outform", "DER")):
            ours = self.good("rsa", "-in", self.URI + "rsa", *args, text=False)
            self.assertEqual(ours, self.good("rsa", "-pubin", "-in", public, *args, text=False))

    def test_software_keys_are_written_whole_where_our_algorithms_are_preferred(self):
        self.conf.write(default_properties="?provider=hsmbridge")
        for algorithm in (("RSA",), ("ED25519",), ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
                          ("RSA-PSS",)):
            with self.subTest(algorithm=algorithm[0]):
                path = self.config.path("soft.pem")
                self.good("genpkey", "-algorithm", *algorithm, "-aes256", "-pass", "pass:secret",
                          "-out", path)
                self.assertIn("BEGIN ENCRYPTED PRIVATE KEY", self.read("soft.pem"))
                show = ("pkey", "-in", path, "-passin", "pass:secret")
                ours = self.good(*show, "-text")
                self.conf.write()
                self.assertEqual(ours, self.good(*show, "-text"))
                self.conf.write(default_properties="?provider=hsmbridge")


class PemCommandTest(ProviderTestCase):
    def test_it_writes_a_file_that_loads(self):
        for name in KINDS:
            with self.subTest(name=name):
                out = self.config.path("key.pem")
                done = self.run_cli(self.config, "pem", "--slot", "web", "--key", name, "--out", out)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                self.assertEqual(self.good("pkey", "-in", out, "-pubout"), self.public(name))


class RealVaultTest(ProviderTestCase):
    server = RealVault

    def test_uri_and_key_file_give_the_key_with_any_default_properties(self):
        for properties in PROPERTIES:
            self.conf.write(default_properties=properties)
            for name in KINDS:
                with self.subTest(properties=properties, name=name):
                    path = self.file("key.pem", key_file("pkcs11:token=web;object=" + name))
                    self.assertEqual(self.good("pkey", "-pubout", "-in", path), self.public(name))
                    self.assertEqual(
                        self.good("pkey", "-pubout", "-in", "pkcs11:token=web;object=" + name,
                                  "-propquery", "?provider=hsmbridge"), self.public(name))

    def test_key_file_stays_with_its_version(self):
        self.vault.make_key("turns")
        path = self.config.path("key.pem")
        before = self.public("turns")
        self.run_cli(self.config, "pem", "--key", "turns", "--out", path)
        self.vault.rotate_key("turns")
        self.assertEqual(self.good("pkey", "-pubout", "-in", path), before)
        self.assertEqual(self.good("pkey", "-pubout", "-in", "pkcs11:object=turns"),
                         self.public("turns"))


if __name__ == "__main__":
    os.environ.pop("HSMBRIDGE_CONFIG", None)
    unittest.main()
