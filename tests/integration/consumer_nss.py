#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mozilla's NSS, by its tools, on keys in a real Vault: a fresh database with the module added."""

import re

import capabilities
from consumers import MESSAGE, ConsumerTestCase, main
from harness import module_path

TOKEN = "web"


class NssTestCase(ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "p384": "ecdsa-p384", "bare": "rsa-2048"}
    certified = ("rsa", "ec", "p384")

    def setUp(self):
        super().setUp()
        self.write("nss/made", "")
        self.database = "sql:" + self.path("nss")
        self.nss("certutil", "-N", "--empty-password")
        self.modutil("-force", "-add", "hsmbridge", "-libfile", module_path())

    def modutil(self, *words):
        return self.must("modutil", *words, "-dbdir", self.database).decode()

    def nss(self, program, *words):
        return self.must(program, *words, "-d", self.database).decode()

    @staticmethod
    def nickname(key):
        """A token's certificate by the name that its subject has."""
        return "%s:%s.test" % (TOKEN, key)


class ListTest(NssTestCase):
    def test_modutil_when_added_then_listed_with_its_token(self):
        text = self.modutil("-list")
        self.assertRegex(text, r"\d+\. hsmbridge\n\s+library name: " + re.escape(module_path()))
        self.assertRegex(text, r"token: %s\n" % TOKEN)

    def test_certutil_when_keys_are_listed_then_all_private_keys(self):
        found = set(re.findall(r"<[ \d]+> (\w+)\s+([0-9a-f]{40})",
                               self.nss("certutil", "-K", "-h", TOKEN)))
        self.assertEqual(found, {("rsa" if kind.startswith("rsa") else "ec", self.ids[name])
                                 for name, kind in self.keys.items()})

    def test_certutil_when_certificates_are_listed_then_ours_have_their_keys(self):
        text = self.nss("certutil", "-L", "-h", TOKEN)
        for name in self.certified:
            with self.subTest(name):
                self.assertRegex(text, "(?m)^%s +u,u,u$" % re.escape(self.nickname(name)))

    def test_certutil_when_one_certificate_is_asked_then_the_file(self):
        for name in self.certified:
            with self.subTest(name), open(self.cert(name), encoding="ascii") as file:
                text = self.nss("certutil", "-L", "-a", "-n", self.nickname(name))
                self.assertEqual(text.split(), file.read().split())


class UseTest(NssTestCase):
    def setUp(self):
        super().setUp()
        self.nss("certutil", "-A", "-n", "authority", "-t", "CT,C,C", "-a", "-i",
                 self.vault.authority.path)

    def test_cmsutil_when_signed_then_openssl_verifies(self):
        for name in self.certified:
            with self.subTest(name):
                self.nss("cmsutil", "-S", "-G", "-N", self.nickname(name), "-H", "SHA256",
                         "-i", self.message, "-o", self.path("cms"))
                self.assertEqual(self.openssl(
                    "cms", "-verify", "-binary", "-inform", "DER", "-in", self.path("cms"),
                    "-purpose", "any", "-CAfile", self.vault.authority.path), MESSAGE)

    def test_cmsutil_when_openssl_encrypted_for_rsa_then_decrypts(self):
        self.openssl("cms", "-encrypt", "-binary", "-aes128", "-outform", "DER", "-in",
                     self.message, "-out", self.path("cms"), self.cert("rsa"))
        self.assertEqual(self.nss("cmsutil", "-D", "-i", self.path("cms")), MESSAGE.decode())


class CapabilityTest(capabilities.CapabilityTestCase):
    client = "NSS"
    note = "By modutil, certutil and cmsutil."

    def prepare(self):
        self.write("nss/made", "")
        self.database = "sql:" + self.path("nss")
        self.pin_file = self.write("pin", self.target.pin + "\n")
        self.openssl("rand", "-out", self.path("noise"), "64")
        self.must("certutil", "-N", "--empty-password", "-d", self.database)
        self.must("modutil", "-force", "-add", "token", "-libfile", self.target.module, "-dbdir",
                  self.database)
        self.nss("certutil", "-A", "-n", "authority", "-t", "CT,C,C", "-a", "-i",
                 self.vault.authority.path)

    def nss(self, program, *words):
        return self.must(program, *words, "-d", self.database, "-f", self.pin_file).decode()

    def can_list(self):
        found = set(re.findall(r"([0-9a-f]{40})", self.nss("certutil", "-K", "-h", TOKEN)))
        self.assertLessEqual(set(self.ids.values()), found)

    can_login = can_list

    def can_wrong_pin(self):
        self.refuses("certutil", "-K", "-h", TOKEN, "-d", self.database, "-f",
                     self.write("pin", "98765\n"), says="SEC_ERROR_BAD_PASSWORD|Incorrect password")

    def nickname_of(self, key):
        text = self.nss("certutil", "-L", "-h", TOKEN)
        self.expect(TOKEN + ":", text)
        return re.search(r"(?m)^(%s:%s\S*)" % (TOKEN, key), text).group(1)

    def can_certificate(self):
        with open(self.cert("ec"), encoding="ascii") as file:
            text = self.nss("certutil", "-L", "-a", "-h", TOKEN, "-n",
                            self.nickname_of("ec"))
            self.assertEqual(text.split(), file.read().split())

    def sign(self, key):
        self.nss("cmsutil", "-S", "-G", "-N", self.nickname_of(key), "-H", "SHA256", "-i",
                 self.message, "-o", self.path("cms"))
        self.assertEqual(self.openssl(
            "cms", "-verify", "-binary", "-inform", "DER", "-in", self.path("cms"), "-purpose",
            "any", "-CAfile", self.vault.authority.path), MESSAGE)

    def can_sign_pkcs1(self):
        self.sign("rsa")

    def can_sign_ecdsa(self):
        self.sign("ec")

    def can_decrypt_pkcs1(self):
        self.openssl("cms", "-encrypt", "-binary", "-aes128", "-outform", "DER", "-in",
                     self.message, "-out", self.path("cms"), self.cert("rsa"))
        self.assertEqual(self.nss("cmsutil", "-D", "-i", self.path("cms")), MESSAGE.decode())

    can_cms = can_sign_pkcs1

    def can_generate(self):
        self.nss("certutil", "-R", "-a", "-k", "ec", "-q", "nistp256", "-h", TOKEN, "-s", "CN=made",
                 "-z", self.path("noise"), "-o", self.path("request"))
        self.openssl("req", "-verify", "-noout", "-in", self.path("request"))


if __name__ == "__main__":
    main()
