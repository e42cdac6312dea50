#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mozilla's NSS, by its tools, on keys in a real Vault: a fresh database with the module added."""

import re

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


if __name__ == "__main__":
    main()
