#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""GnuTLS's p11tool on keys in a real Vault, by URI: --provider, and a p11-kit module file."""

import re

import capabilities
from consumers import ConsumerTestCase, main
from harness import module_path

SIGNS = ("rsa", "ec", "p384", "p521")


class P11toolTestCase(ConsumerTestCase):
    keys = dict({"rsa": "rsa-2048", "ed": "ed25519", "aes": "aes256-gcm96"}, ec="ecdsa-p256",
                p384="ecdsa-p384", p521="ecdsa-p521")
    certified = ("rsa", "ec")

    def words(self):
        """How the tool is told where the module is."""
        return ("--provider", module_path())

    def tool(self, *words, **options):
        return self.must("p11tool", "--batch", *self.words(), *words, **options).decode()

    def urls(self, *words):
        return re.findall(r"URL: (pkcs11:\S+)", self.tool(*words))

    def uri(self, name, kind):
        return "pkcs11:token=web;object=%s;type=%s" % (name, kind)


class Cases:
    """The same by either route."""

    def test_list_tokens_when_asked_then_ours_is_there(self):
        text = self.tool("--list-tokens")
        self.assertRegex(text, r"URL: pkcs11:model=vault;manufacturer=hsmbridge;"
                               r"serial=[0-9a-f]{16};token=web")
        self.assertRegex(text, "Label: web")

    def test_list_all_when_asked_then_public_objects_with_uris(self):
        found = {re.search(r"object=([^;]+);type=(\S+)", url).groups()
                 for url in self.urls("--list-all", "pkcs11:token=web")}
        self.assertEqual(found, {(name, "public") for name in self.keys if name != "aes"} |
                         {(name, "private") for name in self.keys if name != "aes"} |
                         {(name, "cert") for name in self.certified} | {("aes", "secret-key")})

    def test_list_privkeys_when_listed_then_each_signs_and_gnutls_verifies(self):
        listed = {re.search("object=([^;]+)", url).group(1): url
                  for url in self.urls("--list-privkeys", "pkcs11:token=web")}
        for name in SIGNS:
            with self.subTest(name):
                self.assert_signs(listed[name])

    def assert_signs(self, uri, *words):
        self.assertRegex(self.must_say("p11tool", "--batch", *self.words(), *words, "--test-sign",
                                       uri), "Verifying against public key in the token... ok")

    def test_sign_when_uri_has_token_and_object_then_works(self):
        for name in SIGNS:
            with self.subTest(name):
                self.assert_signs(self.uri(name, "private"))

    def test_sign_when_uri_has_an_id_alone_then_works(self):
        ident = "".join("%%%s" % self.ids["ec"][at:at + 2] for at in range(0, 40, 2))
        self.assert_signs("pkcs11:token=web;id=%s;type=private" % ident)

    def test_sign_when_pss_then_works(self):
        self.assert_signs(self.uri("rsa", "private"), "--sign-params", "RSA-PSS", "--hash",
                          "SHA384")

    def test_export_when_public_key_then_vaults_own(self):
        for name in SIGNS:
            with self.subTest(name):
                self.assertEqual(self.tool("--export", self.uri(name, "public")).strip(),
                                 self.openssl("pkey", "-pubin", "-in", self.pub(name)).decode()
                                 .strip())

    def test_export_pubkey_when_private_key_then_its_public_half(self):
        self.assertEqual(self.tool("--export-pubkey", self.uri("ec", "private")).strip(),
                         self.openssl("pkey", "-pubin", "-in", self.pub("ec")).decode().strip())

    def pem(self, name):
        with open(self.cert(name), encoding="ascii") as file:
            return file.read().strip()

    def test_export_when_certificate_is_named_by_its_key_then_the_file(self):
        for name in self.certified:
            with self.subTest(name):
                self.assertEqual(self.tool("--export", self.uri(name, "cert")).strip(),
                                 self.pem(name))

    def test_export_when_certificate_was_listed_then_its_uri_finds_it(self):
        for words in (("--list-all-certs",), ("--list-all",)):
            listed = [url for url in self.urls(*words, "pkcs11:token=web") if "type=cert" in url]
            with self.subTest(words):
                self.assertEqual({self.tool("--export", url).strip() for url in listed},
                                 {self.pem(name) for name in self.certified})

    def test_random_when_asked_then_bytes(self):
        self.assertEqual(len(self.must("p11tool", "--batch", *self.words(), "--generate-random",
                                       "32", "pkcs11:token=web", "--outfile",
                                       self.path("random"))), 0)
        self.assertEqual(len(self.read("random")), 32)

    def test_mechanisms_when_listed_then_gnutls_knows_them(self):
        text = self.tool("--list-mechanisms", "pkcs11:token=web")
        for line in ("CKM_RSA_PKCS ", "CKM_ECDSA ", "CKM_RSA_PKCS_PSS ", "CKM_RSA_PKCS_OAEP "):
            self.assertIn(line, text)

    def test_sign_when_nobody_has_the_name_then_not_found(self):
        self.assertIn("The requested data were not available", self.must_fail(
            "p11tool", "--batch", *self.words(), "--test-sign", self.uri("nobody", "private")))


class ProviderTest(Cases, P11toolTestCase):
    pass


class ModuleFileTest(Cases, P11toolTestCase):
    def words(self):
        return ()

    def setUp(self):
        super().setUp()
        self.p11_kit_config(hsmbridge=module_path())


class PinTest(P11toolTestCase):
    keys = {"ec": "ecdsa-p256"}
    certified = ()
    slot_options = {"pin": "token"}

    def test_sign_when_pin_is_in_the_environment_then_works(self):
        pin = self.vault.make_token(self.vault.setup_signer())
        text = self.must_say("p11tool", "--batch", *self.words(), "--login", "--test-sign",
                             self.uri("ec", "private"), env=self.env(GNUTLS_PIN=pin))
        self.assertIn("Verifying against public key in the token... ok", text)

    def test_sign_when_pin_is_wrong_then_says_so(self):
        text = self.must_fail("p11tool", "--batch", *self.words(), "--login", "--test-sign",
                              self.uri("ec", "private"), env=self.env(GNUTLS_PIN="1234"))
        self.assertRegex(text, "(?i)PIN")


class CapabilityTest(capabilities.CapabilityTestCase):
    """GnuTLS itself verifies, with the token's public keys: export tells whether they are right."""

    client = "p11tool (GnuTLS)"

    def words(self, *words):
        return ("p11tool", "--batch", "--provider", self.target.module, "--login", *words)

    def tool(self, *words):
        return self.must(*self.words(*words)).decode()

    def env(self, **more):
        pins = {"GNUTLS_PIN": self.target.pin} if self.target else {}
        return super().env(**dict(pins, **more))

    @staticmethod
    def uri(name, kind):
        return "pkcs11:token=web;object=%s;type=%s" % (name, kind)

    def can_list(self):
        text = self.tool("--list-privkeys", "pkcs11:token=web")
        self.assertLessEqual(set(self.ids), set(re.findall(r"object=([^;]+)", text)))

    can_login = can_list

    def can_wrong_pin(self):
        self.refuses(*self.words("--list-privkeys", "pkcs11:token=web"),
                     env=self.env(GNUTLS_PIN="98765"), says="PIN")

    def assert_exports(self, name, uri):
        self.assertEqual(self.tool("--export", uri).strip(), self.read_pub(name).strip())

    def can_find_label(self):
        self.assert_exports("ec", self.uri("ec", "public"))

    def can_find_id(self):
        ident = re.sub("(..)", r"%\1", self.ids["rsa"])
        self.assert_exports("rsa", "pkcs11:token=web;id=%s;type=public" % ident)

    def can_certificate(self):
        with open(self.cert("ec"), encoding="ascii") as file:
            self.assertEqual(self.tool("--export", self.uri("ec", "cert")).strip(),
                             file.read().strip())

    def assert_signs(self, name, *words):
        text = self.must_say(*self.words(*words, "--test-sign", self.uri(name, "private")))
        self.expect(r"Verifying against public key in the token\.\.\. ok", text)

    def can_sign_pkcs1(self):
        self.assert_signs("rsa")

    def can_sign_pss(self):
        self.assert_signs("rsa", "--sign-params", "RSA-PSS", "--hash", "SHA384")

    def can_sign_ecdsa(self):
        self.assert_signs("ec")

    def can_sign_ed25519(self):
        self.assert_signs("ed")

    def can_generate_id(self):
        label = self.fresh("named")
        self.tool("--generate-privkey=ECDSA", "--curve", "secp256r1", "--label", label,
                  "pkcs11:token=web")
        self.assert_signs(label)

    def can_import_id(self):
        label = self.fresh("known")
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                     self.path("own.pem"))
        self.tool("--write", "--load-privkey", self.path("own.pem"), "--label", label,
                  "pkcs11:token=web")
        self.assertIn("object=" + label, self.tool("--list-privkeys", "pkcs11:token=web"))

    def can_random(self):
        self.tool("--generate-random", "32", "pkcs11:token=web", "--outfile", self.path("random"))
        self.assertEqual(len(self.read("random")), 32)


if __name__ == "__main__":
    main()
