#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenSC's pkcs11-tool on keys in a real Vault: its listings, and every mechanism it knows."""

import hashlib
import re

import tool_operations
from consumers import MESSAGE, ConsumerTestCase, main
from harness import module_path

RSA, CURVES = ("rsa", "rsa4"), {"ec": 32, "p384": 48, "p521": 66}
HASHES = ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512",
          "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512"]
# What `--hash-algorithm` takes for PSS and OAEP.
CHOSEN = {"SHA-1": "SHA1", **{name: name for name in HASHES[1:5]}}
DIGEST_INFO_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


def option(name):
    """OpenSSL's word for a hash of the lists above."""
    return "-" + name.lower()


def hashed(name, data=MESSAGE):
    return hashlib.new(name.lower().replace("-", "_"), data).digest()


class ToolTestCase(ConsumerTestCase):
    keys = dict({"rsa": "rsa-2048", "rsa4": "rsa-4096", "ed": "ed25519", "mac": "hmac",
                 "aes": "aes256-gcm96"}, ec="ecdsa-p256", p384="ecdsa-p384", p521="ecdsa-p521")
    certified = ("rsa", "ec")

    def tool(self, *words, **options):
        return self.must_say("pkcs11-tool", "--module", module_path(), *words, **options)

    def fails(self, *words, **options):
        return self.must_fail("pkcs11-tool", "--module", module_path(), *words, **options)

    def sign(self, key, mechanism, data=None, *more):
        """The file of a signature by the tool."""
        made = self.path("signature")
        self.tool("--sign", "--id", self.ids[key], "--mechanism", mechanism, *more, "--input-file",
                  self.message if data is None else self.write("data", data),
                  "--output-file", made)
        return made

    def verify(self, key, mechanism, data=None, *more):
        """By the tool, and so by the module; the last signature is good, changed it is not."""
        words = ["--verify", "--id", self.ids[key], "--mechanism", mechanism, *more, "--input-file",
                 self.message if data is None else self.path("data"), "--signature-file"]
        self.assertIn("Signature is valid", self.tool(*words, self.path("signature")))
        wrong = bytearray(self.read("signature"))
        wrong[-1] ^= 1
        self.assertIn("Invalid signature", self.tool(*words, self.write("wrong", wrong)))


class ListTest(ToolTestCase):
    def test_list_slots_when_configured_then_token_is_described(self):
        text = self.tool("-L")
        for line in (r"Slot 0 \(0x0\): web \(vault\)", "token label +: web", "token model +: vault",
                     "token manufacturer +: hsmbridge", "token flags +: rng, token initialized, "
                     "PIN initialized, readonly", "pin min/max +: 0/4096"):
            self.assertRegex(text, line)
        self.assertNotIn("login required", text)

    def test_info_when_asked_then_cryptoki_3_0(self):
        text = self.tool("-I")
        self.assertRegex(text, "Cryptoki version 3.0")
        self.assertRegex(text, "Manufacturer +hsmbridge")

    def test_mechanisms_when_listed_then_with_sizes_and_uses(self):
        text = self.tool("-M")
        for line in ("RSA-PKCS, keySize={2048,4096}, encrypt, decrypt, sign, verify",
                     "SHA256-RSA-PKCS-PSS, keySize={2048,4096}, sign, verify",
                     "ECDSA, keySize={224,521}, sign, verify, EC F_P, EC OID, EC uncompressed",
                     "EDDSA, keySize={256,256}, sign, verify",
                     "RSA-PKCS-OAEP, keySize={2048,4096}, encrypt, decrypt"):
            self.assertIn("  " + line, text)
        self.assertNotIn("RSA-X-509", text)

    def objects(self, *words):
        """(kind, label) of what -O lists."""
        text = self.tool("-O", *words)
        return re.findall(r"^(Private|Public|Secret|Certificate).*\n(?:  .*\n)*?  label: +(\S+)",
                          text, re.M)

    def test_objects_when_listed_then_pairs_certificates_and_secret_keys(self):
        pairs = [name for name in self.keys if name not in ("aes", "mac")]
        self.assertEqual(sorted(self.objects()), sorted(
            [("Private", name) for name in pairs] + [("Public", name) for name in pairs] +
            [("Secret", "aes"), ("Secret", "mac"), ("Certificate", "rsa"), ("Certificate", "ec")]))
        self.assertEqual(sorted(self.objects("--type", "cert")),
                         [("Certificate", "ec"), ("Certificate", "rsa")])
        self.assertEqual(sorted(self.objects("--type", "privkey")),
                         sorted(("Private", name) for name in pairs))

    def test_objects_when_listed_then_id_is_sha1_of_the_public_key(self):
        bits = self.openssl("ec", "-pubin", "-in", self.pub("ec"), "-outform", "DER")[-65:]
        ident = hashlib.sha1(bits).hexdigest()
        self.assertEqual(self.ids["ec"], ident)
        for kind in ("privkey", "pubkey", "cert"):
            self.assertRegex(self.tool("-O", "--type", kind, "--id", ident), "ID: +" + ident)

    def test_objects_when_listed_then_private_keys_never_leave(self):
        text = self.tool("-O", "--type", "privkey")
        self.assertEqual(text.count("Access:     sensitive"), 6)
        self.assertNotIn("extractable", text.replace("never extractable", ""))


class ReadTest(ToolTestCase):
    def test_read_when_public_key_then_vaults_own(self):
        for name in (*RSA, "ec", "p521"):
            with self.subTest(name):
                self.tool("--read-object", "--type", "pubkey", "--label", name, "--output-file",
                          self.path("der"))
                self.assertEqual(self.openssl("pkey", "-pubin", "-inform", "DER", "-in",
                                              self.path("der"), "-outform", "PEM"),
                                 self.openssl("pkey", "-pubin", "-in", self.pub(name)))

    def test_read_when_public_key_is_p384_then_the_tool_fails_as_with_any_token(self):
        """It writes SubjectPublicKeyInfo with OpenSSL 3, and does not know the curve's name;
        with SoftHSM 2.6 it says the same."""
        self.assertIn("cannot create EVP_PKEY", self.fails(
            "--read-object", "--type", "pubkey", "--label", "p384"))

    def test_read_when_certificate_then_the_file(self):
        for name in self.certified:
            for how in (("--id", self.ids[name]), ("--label", name)):
                with self.subTest(how):
                    self.tool("--read-object", "--type", "cert", *how, "--output-file",
                              self.path("der"))
                    self.assertEqual(self.read("der"), self.openssl(
                        "x509", "-in", self.cert(name), "-outform", "DER"))

    def test_read_when_private_key_then_refused(self):
        text = self.tool("--read-object", "--type", "privkey", "--label", "rsa")
        self.assertIn("reading private keys not (yet) supported", text)

    def test_read_when_nobody_has_the_label_then_not_found(self):
        self.assertIn("object not found",
                      self.fails("--read-object", "--type", "pubkey", "--label", "nobody"))


class SignTest(ToolTestCase):
    def known(self, suffix):
        """The mechanisms by the tool's own names that sign and end like this."""
        return re.findall(r"^  (\S*%s), .*\bsign\b" % suffix, self.tool("-M"), re.M)

    def test_sign_when_rsa_pkcs1_hashes_then_openssl_and_the_tool_verify(self):
        self.assertEqual(self.known("RSA-PKCS"), ["RSA-PKCS"] +
                         [name + "-RSA-PKCS" for name in HASHES])
        for name in HASHES:
            with self.subTest(name):
                self.openssl_verify("rsa", self.sign("rsa", name + "-RSA-PKCS"), option(name))
                self.verify("rsa", name + "-RSA-PKCS")

    def test_sign_when_rsa_pkcs1_raw_then_the_block_is_signed(self):
        for key in RSA:
            block = DIGEST_INFO_SHA256 + hashed("SHA256")
            self.openssl_verify(key, self.sign(key, "RSA-PKCS", block), "-sha256")
            self.verify(key, "RSA-PKCS", block)

    def test_sign_when_pss_hashes_then_openssl_and_the_tool_verify(self):
        self.assertEqual(self.known("PSS"), ["RSA-PKCS-PSS"] +
                         [name + "-RSA-PKCS-PSS" for name in HASHES])
        for name in HASHES:
            with self.subTest(name):
                made = self.sign("rsa4", name + "-RSA-PKCS-PSS")
                self.openssl_verify("rsa4", made, option(name), "rsa_padding_mode:pss",
                                    "rsa_pss_saltlen:digest")
                self.verify("rsa4", name + "-RSA-PKCS-PSS")

    def test_sign_when_pss_raw_then_hash_and_salt_are_the_callers(self):
        for name, plain in CHOSEN.items():
            size = len(hashed(plain))
            for salt in (size, 20):
                with self.subTest(name, salt=salt):
                    options = ("--hash-algorithm", name, "--salt-len", str(salt))
                    made = self.sign("rsa", "RSA-PKCS-PSS", hashed(plain), *options)
                    self.openssl_verify("rsa", made, option(plain), "rsa_padding_mode:pss",
                                        "rsa_pss_saltlen:%d" % salt)
                    self.verify("rsa", "RSA-PKCS-PSS", hashed(plain), *options)

    def test_sign_when_ecdsa_hashes_then_openssl_and_the_tool_verify(self):
        self.assertEqual(self.known("ECDSA") + self.known(r"ECDSA-\S+"), ["ECDSA"] +
                         ["ECDSA-" + name for name in HASHES])
        for key in CURVES:
            for name in HASHES:
                with self.subTest(name, key=key):
                    made = self.sign(key, "ECDSA-" + name, None, "--signature-format", "openssl")
                    self.openssl_verify(key, made, option(name))
                    self.verify(key, "ECDSA-" + name, None, "--signature-format", "openssl")

    def test_sign_when_ecdsa_raw_then_r_and_s_of_fixed_width(self):
        for key, size in CURVES.items():
            with self.subTest(key):
                digest = hashed("SHA256")
                made = self.sign(key, "ECDSA", digest, "--signature-format", "openssl")
                self.openssl_verify(key, made, "-sha256")
                self.sign(key, "ECDSA", digest)
                self.assertEqual(len(self.read("signature")), 2 * size)
                self.verify(key, "ECDSA", digest)

    def test_sign_when_eddsa_then_openssl_verifies(self):
        made = self.sign("ed", "EDDSA")
        self.openssl("pkeyutl", "-verify", "-pubin", "-inkey", self.pub("ed"), "-rawin", "-in",
                     self.message, "-sigfile", made)

    def test_sign_when_message_is_long_then_in_parts(self):
        self.message = self.write("message", MESSAGE * 5000)
        self.openssl_verify("ec", self.sign("ec", "ECDSA-SHA256", None, "--signature-format",
                                            "openssl"), "-sha256")
        self.openssl_verify("rsa", self.sign("rsa", "SHA512-RSA-PKCS"), "-sha512")

    def test_sign_when_mechanism_is_of_another_kind_then_says_which_code(self):
        text = self.fails("--sign", "--id", self.ids["ec"], "--mechanism", "SHA256-RSA-PKCS",
                          "--input-file", self.message)
        self.assertIn("CKR_KEY_TYPE_INCONSISTENT", text)
        text = self.fails("--sign", "--id", self.ids["rsa"], "--mechanism", "RSA-X-509",
                          "--input-file", self.message)
        self.assertIn("CKR_MECHANISM_INVALID", text)


class DecryptTest(ToolTestCase):
    def openssl_encrypt(self, *options):
        words = [word for option in options for word in ("-pkeyopt", option)]
        self.openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", self.pub("rsa"), *words, "-in",
                     self.message, "-out", self.path("sealed"))

    def decrypt(self, mechanism, *more):
        self.tool("--decrypt", "--id", self.ids["rsa"], "--mechanism", mechanism, *more,
                  "--input-file", self.path("sealed"), "--output-file", self.path("plain"))
        return self.read("plain")

    def test_decrypt_when_pkcs1_then_openssls_plaintext(self):
        self.openssl_encrypt("rsa_padding_mode:pkcs1")
        self.assertEqual(self.decrypt("RSA-PKCS"), MESSAGE)

    def test_decrypt_when_oaep_is_vaults_then_openssls_plaintext(self):
        self.openssl_encrypt("rsa_padding_mode:oaep", "rsa_oaep_md:sha256")
        self.assertEqual(self.decrypt("RSA-PKCS-OAEP", "--hash-algorithm", "SHA256"), MESSAGE)

    def test_decrypt_when_oaep_is_another_then_refused_before_it_is_sent(self):
        self.write("sealed", bytes(256))
        for name in set(CHOSEN) - {"SHA256"}:
            with self.subTest(name):
                self.assertIn("C_DecryptInit failed: rv = CKR_MECHANISM_PARAM_INVALID", self.fails(
                    "--decrypt", "--id", self.ids["rsa"], "--mechanism", "RSA-PKCS-OAEP",
                    "--hash-algorithm", name, "--input-file", self.path("sealed")))

    def test_decrypt_when_ciphertext_is_wrong_then_encrypted_data_invalid(self):
        self.write("sealed", bytes(255) + b"\1")
        self.assertIn("CKR_ENCRYPTED_DATA_INVALID", self.fails(
            "--decrypt", "--id", self.ids["rsa"], "--mechanism", "RSA-PKCS-OAEP",
            "--hash-algorithm", "SHA256", "--input-file", self.path("sealed")))


class OtherTest(ToolTestCase):
    def test_random_when_asked_then_other_bytes_each_time(self):
        found = {self.must("pkcs11-tool", "--module", module_path(), "--generate-random", "48")
                 for _ in range(2)}
        self.assertEqual([len(each) for each in found], [48, 48])

    def test_test_when_run_then_no_errors(self):
        text = self.tool("--test")
        self.assertIn("No errors", text)
        self.assertRegex(text, r"testing key \d+ \(rsa\) with 1 mechanism\s+RSA-PKCS: OK")
        self.assertRegex(text, r"testing key \d+ \(rsa\)\s+RSA-PKCS: OK\s+RSA-PKCS-OAEP: ")
        self.assertNotIn("ERR", text)

    def test_pin_when_slot_needs_none_then_any_will_do(self):
        self.assertIn("Private Key Object", self.tool("--login", "--pin", "whatever", "-O"))


class PinTest(ToolTestCase):
    keys = {"ec": "ecdsa-p256"}
    certified = ("ec",)
    slot_options = {"pin": "token"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pin = cls.vault.make_token(cls.vault.setup_signer())

    def test_list_slots_when_pin_is_the_token_then_login_is_required(self):
        self.assertIn("login required", self.tool("-L"))

    def test_sign_when_logged_in_then_openssl_verifies(self):
        made = self.sign("ec", "ECDSA-SHA256", None, "--signature-format", "openssl", "--login",
                         "--pin", self.pin)
        self.openssl_verify("ec", made, "-sha256")

    def test_objects_when_not_logged_in_then_certificates_alone(self):
        text = self.tool("-O")
        self.assertIn("Certificate Object", text)
        self.assertNotIn("Key Object", text)
        self.assertIn("Private Key Object", self.tool("-O", "--login", "--pin", self.pin))

    def test_login_when_pin_is_wrong_then_pin_incorrect(self):
        for pin in ("1234", "hvs." + 24 * "A"):
            with self.subTest(pin):
                self.assertIn("CKR_PIN_INCORRECT", self.fails("-O", "--login", "--pin", pin))


class CapabilityTest(tool_operations.ToolOperations):
    client = "pkcs11-tool (OpenSC)"


if __name__ == "__main__":
    main()
