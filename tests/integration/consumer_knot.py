#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Knot DNS signs zones with keys in a real Vault: keymgr import-pkcs11, then kzonesign.

Knot's keystore goes through GnuTLS and p11-kit to the module, by a key's CKA_ID. The signed zone is
judged without the module: its DNSKEY records must be Vault's public keys, and kzonecheck must find
every signature good.
"""

import base64
import os
import shutil

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import capabilities
from consumers import ConsumerTestCase, main
from harness import module_path

KEYMGR = "/usr/sbin/keymgr"  # not in every user's PATH
ORIGIN = "example.com."
ALGORITHMS = {"rsa": ("rsasha256", 8), "rsa4": ("rsasha512", 10), "ec": ("ecdsap256sha256", 13),
              "zone": ("ecdsap256sha256", 13), "p384": ("ecdsap384sha384", 14),
              "ed": ("ed25519", 15)}
ZONE = """example.com. 300 SOA ns.example.com. admin.example.com. 1 3600 900 86400 300
example.com. 300 NS ns.example.com.
ns.example.com. 300 A 192.0.2.1
www.example.com. 300 TXT "signed elsewhere"
"""
CONFIG = """server:
    rundir: "%(home)s"
keystore:
  - id: remote
    backend: pkcs11
    config: "%(uri)s %(module)s"
policy:
  - id: remote
    keystore: remote
    manual: on
    nsec3: %(nsec3)s
database:
    kasp-db: "%(home)s/keys"
zone:
  - domain: %(origin)s
    storage: "%(home)s"
    file: example.zone
    dnssec-signing: on
    dnssec-policy: remote
"""


def dnskey(public):
    """A public key as the last field of a DNSKEY record: RFC 3110, RFC 6605, RFC 8080."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    numbers = public.public_numbers()
    if hasattr(numbers, "n"):
        exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
        return bytes([len(exponent)]) + exponent + numbers.n.to_bytes(public.key_size // 8, "big")
    size = (public.key_size + 7) // 8
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


class Zone:
    """A zone, and Knot's keys for it."""

    uri = "pkcs11:token=web"

    def module(self):
        return module_path()

    def configure(self, nsec3="off"):
        self.write("example.zone", ZONE)
        os.mkdir(self.path("signed"))
        self.conf = self.write("knot.conf", CONFIG % {
            "home": self.directory.dir, "uri": self.uri, "module": self.module(),
            "origin": ORIGIN, "nsec3": nsec3})

    def keymgr(self, *words):
        return self.must(KEYMGR, "-c", self.conf, ORIGIN, *words).decode()

    def bring(self, name, *words):
        self.keymgr("import-pkcs11", self.ids[name], "algorithm=" + ALGORITHMS[name][0], *words)

    def sign(self):
        """The signed zone's records, as lists of words."""
        self.must("kzonesign", "-c", self.conf, "-o", self.path("signed"), ORIGIN)
        self.signed = self.path("signed/example.zone")
        self.must("kzonecheck", "-d", "on", "-o", ORIGIN, self.signed)
        return [line.split() for line in self.read("signed/example.zone").decode().splitlines()
                if not line.startswith(";")]

    def assert_published(self, records, *names):
        """The zone has these keys of Vault's and no others."""
        found = {(int(words[5]), base64.b64decode("".join(words[6:])))
                 for words in records if words[2] == "DNSKEY"}
        self.assertEqual(found, {(ALGORITHMS[name][1], dnskey(self.vault.public_key(name)))
                                 for name in names})

    def signers(self, records, kind):
        """The algorithms' numbers in the signatures over records of a kind."""
        return {int(words[4]) for words in records if words[2:4] == ["RRSIG", kind]}


class KnotTestCase(Zone, ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "rsa4": "rsa-4096", "ec": "ecdsa-p256", "p384": "ecdsa-p384",
            "ed": "ed25519"}


class SignTest(KnotTestCase):
    def test_sign_when_one_key_of_each_algorithm_then_every_record_is_signed(self):
        for name in self.keys:
            with self.subTest(name):
                self.setUp()
                self.configure()
                self.bring(name, "ksk=yes", "zsk=yes")
                records = self.sign()
                self.assert_published(records, name)
                for kind in ("SOA", "NS", "A", "TXT", "DNSKEY", "NSEC"):
                    self.assertEqual(self.signers(records, kind), {ALGORITHMS[name][1]}, kind)

    def test_sign_when_a_record_changes_afterwards_then_kzonecheck_refuses(self):
        """What the other tests' judge is worth."""
        self.configure()
        self.bring("ec", "ksk=yes", "zsk=yes")
        self.sign()
        self.write("signed/example.zone",
                   self.read("signed/example.zone").replace(b"192.0.2.1", b"192.0.2.2"))
        self.assertIn("no valid signature", self.must_fail("kzonecheck", "-d", "on", "-o", ORIGIN,
                                                           self.signed))

    def test_list_when_imported_then_keymgr_has_vaults_id(self):
        self.configure()
        self.bring("ec", "ksk=yes")
        self.assertRegex(self.keymgr("list"), r"%s +\d+ KSK ECDSAP256SHA256" % self.ids["ec"])

    def test_import_when_nobody_has_the_id_then_refused(self):
        self.configure()
        text = self.must_fail(KEYMGR, "-c", self.conf, ORIGIN, "import-pkcs11", "00" * 20,
                              "algorithm=ecdsap256sha256")
        self.assertIn("not exist", text)


class TwoKeysTest(KnotTestCase):
    keys = {"ec": "ecdsa-p256", "zone": "ecdsa-p256"}

    def test_sign_when_key_signing_and_zone_signing_keys_then_each_signs_its_own(self):
        self.configure(nsec3="on")
        self.bring("ec", "ksk=yes")
        self.bring("zone", "zsk=yes")
        tags = dict(line.split()[2:0:-1] for line in self.keymgr("list").splitlines())
        records = self.sign()
        self.assert_published(records, "ec", "zone")
        for kind, signer in (("DNSKEY", "KSK"), ("TXT", "ZSK"), ("NSEC3", "ZSK")):
            self.assertEqual({words[9] for words in records if words[2:4] == ["RRSIG", kind]},
                             {tags[signer]}, kind)


class PinTest(KnotTestCase):
    keys = {"ec": "ecdsa-p256"}
    slot_options = {"pin": "token"}

    def test_sign_when_pin_is_in_the_uri_then_works(self):
        self.uri = "pkcs11:token=web;pin-value=%s" % self.vault.make_token(
            self.vault.setup_signer())
        self.configure()
        self.bring("ec", "ksk=yes", "zsk=yes")
        self.assert_published(self.sign(), "ec")


class CapabilityTest(Zone, capabilities.CapabilityTestCase):
    client = "Knot DNS"
    note = "By keymgr and kzonesign."

    def module(self):
        return self.target.module

    def prepare(self):
        self.log_in(self.target.pin)

    def log_in(self, pin):
        self.uri = "pkcs11:token=web;pin-value=" + pin
        self.configure()

    def assert_signs(self, name):
        self.bring(name, "ksk=yes", "zsk=yes")
        self.assert_published(self.sign(), name)

    def can_find_id(self):
        self.bring("ec", "ksk=yes")

    def can_wrong_pin(self):
        shutil.rmtree(self.path("signed"))
        self.log_in("98765")
        self.refuses(KEYMGR, "-c", self.conf, ORIGIN, "import-pkcs11", self.ids["ec"],
                     "algorithm=ecdsap256sha256", says="(?i)pin|PKCS #11|not exist|error")

    def can_sign_pkcs1(self):
        self.assert_signs("rsa")

    def can_sign_ecdsa(self):
        self.assert_signs("ec")

    def can_sign_ed25519(self):
        self.assert_signs("ed")

    can_login = can_dnssec = can_sign_ecdsa

    def can_generate_id(self):
        self.keymgr("generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
        self.sign()


if __name__ == "__main__":
    main()
