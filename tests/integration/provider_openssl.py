#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenSSL's own tools with keys in a real Vault, with each way to set default_properties. What
they make is judged by an openssl without the provider."""

import os
import re
import subprocess
import unittest
from pathlib import Path

from consumers import MESSAGE
from provider_case import HOST, ProgramTestCase, main, page_blocks

HERE = Path(__file__).resolve().parent
PAGES = ("openssl", "nginx", "haproxy", "apache", "stunnel", "postfix", "dovecot", "curl", "python",
         "node")

# "provider=default" without the question mark shuts every other provider out: see ExclusionTest.
PROPERTIES = ("", "?provider=default", "?provider=hsmbridge")
CA_SECTIONS = """
[req]
distinguished_name = name
[name]
[ca]
default_ca = authority
[authority]
new_certs_dir = %(dir)s
database = %(dir)s/index
serial = %(dir)s/serial
crlnumber = %(dir)s/crlnumber
certificate = %(issuer)s
private_key = %(key)s
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
[any]
commonName = supplied
"""


class OpensslTestCase(ProgramTestCase):
    keys = {"www": "ecdsa-p256", "p384": "ecdsa-p384", "rsa": "rsa-2048", "ed": "ed25519"}
    digests = {"www": "-sha256", "p384": "-sha384", "rsa": "-sha256"}
    more = ""  # sections of openssl.cnf
    properties = ""

    def setUp(self):
        super().setUp()
        self.conf.write()

    def each(self, names=(None,)):
        """For each value of default_properties, each name."""
        for self.properties in PROPERTIES:
            self.conf.write(default_properties=self.properties, more=self.more)
            yield from names

    def issuer(self, name):
        """A certificate of the key as an authority's."""
        made = self.path(name + "-ca.crt")
        self.ours("req", "-x509", "-new", "-key", self.key(name), "-subj", "/CN=authority",
                  "-addext", "basicConstraints=critical,CA:TRUE", "-out", made)
        return made

    def told(self, words, done):
        return "default_properties = '%s'\n%s" % (self.properties, super().told(words, done))

    def key(self, name):
        return self.site(name + ".key")

    def ours(self, *words, **options):
        """openssl with the provider; its output."""
        return self.must("openssl", *words, **options)

    def ours_fail(self, *words, **options):
        return self.must_fail("openssl", *words, **options)


class EveryPageTest(unittest.TestCase):
    def test_every_block_is_used_by_a_test(self):
        """Blocks of openssl.md by their titles alone: provider_case.py takes them step by step."""
        code = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("*.py"))
        for page in PAGES:
            blocks = page_blocks(page)
            self.assertTrue(blocks, page)
            for title in blocks:
                wanted = ((r'"%s"' % title) if page == "openssl" else
                          (r'unit_env\("%s"\)' % page) if title == "unit" else
                          (r'block\(\s*"%s",\s*"%s"' % (page, title)))
                self.assertRegex(code, wanted)

    def test_every_page_is_linked(self):
        for name in ("README.md", "docs/openssl.md"):
            text = (HERE.parent.parent / name).read_text(encoding="utf-8")
            for page in set(PAGES) - {"openssl"}:
                self.assertIn("%s.md)" % page, text)


class PageTest(OpensslTestCase):
    def run_block(self, title):
        return self.must("sh", "-ec", self.block("openssl", title), env=self.tool_env(),
                         cwd=self.directory.dir).decode()

    def test_list_shows_the_provider(self):
        listed = self.must("sh", "-ec", self.block("openssl", "list").replace(
            "-provider hsmbridge", "")).decode()
        self.assertRegex(listed, r"(?s)hsmbridge\n +name: hsmbridge.*status: active")

    def test_environment_is_the_files(self):
        text = self.block("openssl", "environment") + "openssl list -providers\n"
        self.assertIn("hsmbridge", self.must("sh", "-ec", text, env={"PATH": "/usr/bin"}).decode())
        self.assertEqual(self.block("openssl", "unit").split("OPENSSL_CONF=")[1],
                         self.block("openssl", "environment").split("OPENSSL_CONF=")[1])

    def test_request_is_the_keys(self):
        self.run_block("request")
        self.openssl("req", "-verify", "-noout", "-in", self.site("www.csr"))
        text = self.openssl("req", "-text", "-noout", "-in", self.site("www.csr")).decode()
        self.assertIn("DNS:" + HOST, text)
        self.assertEqual(self.openssl("req", "-pubkey", "-noout", "-in", self.site("www.csr")),
                         self.openssl("pkey", "-pubin", "-in", self.pub("www")))

    def test_certificate_is_the_keys(self):
        for name in self.keys:
            self.openssl("verify", "-CAfile", self.site(name + ".crt"), self.site(name + ".crt"))
            self.assertEqual(self.openssl("x509", "-pubkey", "-noout", "-in",
                                          self.site(name + ".crt")),
                             self.openssl("pkey", "-pubin", "-in", self.pub(name)))

    def test_tools_do_what_the_page_says(self):
        said = self.run_block("tools")
        self.assertEqual(self.read("www.pub"), self.openssl("pkey", "-pubin", "-in",
                                                            self.pub("www")))
        self.openssl_verify("www", self.path("message.sig"), "-sha256")
        self.assertEqual(self.openssl("cms", "-verify", "-inform", "DER", "-binary", "-in",
                                      self.path("message.p7s"), "-content", self.message,
                                      "-CAfile", self.site("www.crt"), "-purpose", "any"), MESSAGE)
        self.assertEqual(len(re.findall(r"(?m)^\d+: Pkey$", said)), len(self.keys), said)


class KeyTest(OpensslTestCase):
    def test_pkey_shows_the_public_half_and_the_uri_and_nothing_else(self):
        for name in self.each(self.keys):
            self.assertEqual(self.ours("pkey", "-in", self.key(name), "-pubout"),
                             self.openssl("pkey", "-pubin", "-in", self.pub(name)))
            text = self.ours("pkey", "-in", self.key(name), "-text", "-noout").decode()
            self.assertIn("pkcs11:token=web;", text)
            self.assertNotIn("priv:", text)

    def test_storeutl_lists_the_slot(self):
        for _ in self.each():
            text = self.ours("storeutl", "-noout", "-keys", "pkcs11:token=web").decode()
            self.assertEqual(len(re.findall(r"(?m)^\d+: Pkey$", text)), len(self.keys), text)

    def test_speed_of_software_keys_goes_on(self):
        for _ in self.each():
            text = self.ours("speed", "-seconds", "1", "ecdsap256", "rsa2048", "ed25519").decode()
            self.assertRegex(text, r"256 bits ecdsa \(nistp256\) +[\d.]+s")
            self.assertRegex(text, r"rsa 2048 bits [\d.]+s")
            self.assertRegex(text, r"253 bits EdDSA \(Ed25519\) +[\d.]+s")


class SignTest(OpensslTestCase):
    def test_dgst_when_signed_then_verifies_here_and_there(self):
        for name in self.each(self.digests):
            signature = self.path("signature")
            self.ours("dgst", self.digests[name], "-sign", self.key(name), "-out", signature,
                      self.message)
            self.openssl_verify(name, signature, self.digests[name])
            self.assertEqual(self.ours("dgst", self.digests[name], "-prverify", self.key(name),
                                       "-signature", signature, self.message), b"Verified OK\n")
            other = self.write("other", MESSAGE + b"x")
            self.assertIn("Verification failure", self.ours_fail(
                "dgst", self.digests[name], "-prverify", self.key(name), "-signature", signature,
                other))

    def test_dgst_when_pss_then_verifies(self):
        options = ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")
        for digest in self.each(("-sha256", "-sha512")):
            words = [word for option in options for word in ("-sigopt", option)]
            self.ours("dgst", digest, *words, "-sign", self.key("rsa"), "-out",
                      self.path("signature"), self.message)
            self.openssl_verify("rsa", self.path("signature"), digest, *options)

    def sign(self, name, *options, data=None):
        self.ours("pkeyutl", "-sign", "-inkey", self.key(name), *options, "-in",
                  data or self.message, "-out", self.path("signature"))
        words = (*options, "-in", data or self.message, "-sigfile", self.path("signature"))
        self.openssl("pkeyutl", "-verify", "-pubin", "-inkey", self.pub(name), *words)
        self.ours("pkeyutl", "-verify", "-inkey", self.key(name), *words)

    def test_pkeyutl_when_raw_message_then_verifies(self):
        for name in self.each(self.keys):
            self.sign(name, "-rawin", *(("-digest", self.digests[name][1:])
                                        if name in self.digests else ()))

    def test_pkeyutl_when_digest_then_verifies(self):
        digest = self.write("digest", os.urandom(32))
        for name in self.each(("www", "rsa")):
            self.sign(name, "-pkeyopt", "digest:sha256", data=digest)

    def test_pkeyutl_when_recovering_then_the_digest(self):
        digest = os.urandom(32)
        path = self.write("digest", digest)
        for _ in self.each():
            self.sign("rsa", "-pkeyopt", "digest:sha256", data=path)
            self.assertEqual(self.ours("pkeyutl", "-verifyrecover", "-inkey", self.key("rsa"),
                                       "-pkeyopt", "digest:sha256", "-in",
                                       self.path("signature")), digest)

    def test_sign_when_key_is_gone_then_the_sentence_is_on_the_error_stack(self):
        self.vault.make_key("gone")
        self.make_site("gone", ("key",))
        self.vault.delete_key("gone")
        for _ in self.each():
            self.assertIn("no key 'gone' in slot 'web'", self.ours_fail(
                "dgst", "-sha256", "-sign", self.key("gone"), self.message))


class DecryptTest(OpensslTestCase):
    paddings = {"pkcs1": ("rsa_padding_mode:pkcs1",),
                "oaep": ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256")}

    def test_pkeyutl_when_encrypted_here_or_there_then_opens(self):
        for padding in self.each(self.paddings):
            options = [word for option in self.paddings[padding]
                       for word in ("-pkeyopt", option)]
            sealed = self.path("sealed")
            for tool, words in ((self.openssl, ("-pubin", "-inkey", self.pub("rsa"))),
                                (self.ours, ("-inkey", self.key("rsa")))):
                tool("pkeyutl", "-encrypt", *words, *options, "-in", self.message, "-out", sealed)
                self.assertEqual(self.ours("pkeyutl", "-decrypt", "-inkey", self.key("rsa"),
                                           *options, "-in", sealed), MESSAGE)

    def test_cms_when_encrypted_to_the_certificate_then_opens(self):
        for padding in self.each(self.paddings):
            options = [word for option in self.paddings[padding] if "pkcs1" not in option
                       for word in ("-keyopt", option)]
            self.openssl("cms", "-encrypt", "-binary", "-aes256", "-in", self.message, "-outform",
                         "DER", "-out", self.path("cms"), "-recip", self.site("rsa.crt"), *options)
            self.assertEqual(self.ours("cms", "-decrypt", "-inform", "DER", "-in",
                                       self.path("cms"), "-recip", self.site("rsa.crt"), "-inkey",
                                       self.key("rsa")), MESSAGE)


class CertificateTest(OpensslTestCase):
    def test_req_when_self_signed_then_verifies(self):
        for name in self.each(self.keys):
            made = self.path("made.crt")
            self.ours("req", "-x509", "-new", "-key", self.key(name), "-subj", "/CN=" + name,
                      "-out", made)
            self.openssl("verify", "-CAfile", made, made)

    def test_req_when_pss_then_verifies(self):
        for _ in self.each():
            self.ours("req", "-new", "-key", self.key("rsa"), "-subj", "/CN=rsa", "-sigopt",
                      "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-out",
                      self.path("csr"))
            self.openssl("req", "-verify", "-noout", "-in", self.path("csr"))
            self.assertIn(b"rsassaPss", self.openssl("req", "-text", "-noout", "-in",
                                                     self.path("csr")))

    def leaf_request(self):
        """Of a software key."""
        self.openssl("req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", self.path("leaf"),
                     "-subj", "/CN=leaf", "-out", self.path("leaf.csr"))
        return self.path("leaf.csr")

    def test_x509_when_the_authoritys_key_is_remote_then_leaves_verify(self):
        request = self.leaf_request()
        for name in self.each(self.keys):
            issuer = self.issuer(name)
            self.ours("x509", "-req", "-in", request, "-CA", issuer, "-CAkey", self.key(name),
                      "-set_serial", "1", "-out", self.path("leaf.crt"))
            self.openssl("verify", "-CAfile", issuer, self.path("leaf.crt"))

    def test_x509_when_the_key_is_anothers_then_check_private_key_says_so(self):
        """X509_check_private_key()"""
        request = self.leaf_request()
        for _ in self.each():
            text = self.ours_fail("x509", "-req", "-in", request, "-CA", self.site("www.crt"),
                                  "-CAkey", self.key("p384"), "-set_serial", "1")
            self.assertRegex(text, "(?i)do not match|mismatch")

    def test_x509_when_it_is_signed_anew_then_verifies(self):
        for name in self.each(self.keys):
            self.ours("x509", "-in", self.site(name + ".crt"), "-signkey", self.key(name), "-days",
                      "10", "-out", self.path("again.crt"))
            self.openssl("verify", "-CAfile", self.path("again.crt"), self.path("again.crt"))


class CmsTest(OpensslTestCase):
    def test_cms_when_signed_then_verifies(self):
        """OpenSSL 3.0 has no Ed25519 in CMS."""
        for name in self.each(self.digests):
            self.ours("cms", "-sign", "-nodetach", "-binary", "-signer", self.site(name + ".crt"),
                      "-inkey", self.key(name), "-in", self.message, "-outform", "DER", "-out",
                      self.path("cms"))
            self.assertEqual(self.openssl(
                "cms", "-verify", "-inform", "DER", "-in", self.path("cms"), "-CAfile",
                self.site(name + ".crt"), "-purpose", "any", "-binary"), MESSAGE)

    def test_cms_when_pss_then_verifies(self):
        for _ in self.each():
            self.ours("cms", "-sign", "-nodetach", "-binary", "-signer", self.site("rsa.crt"),
                      "-inkey", self.key("rsa"), "-keyopt", "rsa_padding_mode:pss", "-keyopt",
                      "rsa_pss_saltlen:32", "-in", self.message, "-outform", "DER", "-out",
                      self.path("cms"))
            self.openssl("cms", "-verify", "-inform", "DER", "-in", self.path("cms"), "-CAfile",
                         self.site("rsa.crt"), "-purpose", "any", "-binary")


class AuthorityTest(OpensslTestCase):
    """`openssl ca` and `openssl ocsp`, the authority's key by its file and by its URI."""

    def start_authority(self, name, key):
        for path, text in (("index", ""), ("serial", "01\n"), ("crlnumber", "01\n")):
            self.write(path, text)
        issuer = self.issuer(name)
        self.more = CA_SECTIONS % {"dir": self.directory.dir, "issuer": issuer, "key": key}
        return issuer

    def check_authority(self, name, key):
        issuer = self.start_authority(name, key)
        for number, _ in enumerate(self.each(), 1):
            self.openssl("req", "-new", "-newkey", "ed25519", "-nodes", "-keyout",
                         self.path("leaf"), "-subj", "/CN=leaf%d" % number, "-out",
                         self.path("csr"), "-config", self.conf.file)
            self.ours("ca", "-batch", "-notext", "-in", self.path("csr"), "-out",
                      self.path("leaf.crt"))
            self.openssl("verify", "-CAfile", issuer, self.path("leaf.crt"))
            self.ours("ca", "-gencrl", "-out", self.path("crl"))
            self.openssl("crl", "-in", self.path("crl"), "-noout", "-CAfile", issuer)
            self.check_ocsp(issuer, key)

    def check_ocsp(self, issuer, key):
        request, reply = self.path("request"), self.path("reply")
        self.openssl("ocsp", "-issuer", issuer, "-cert", self.path("leaf.crt"),
                     "-no_nonce", "-reqout", request)
        self.ours("ocsp", "-index", self.path("index"), "-CA", issuer, "-rsigner", issuer, "-rkey",
                  key, "-reqin", request, "-respout", reply)
        text = self.openssl("ocsp", "-no_nonce", "-respin", reply, "-issuer", issuer, "-cert",
                            self.path("leaf.crt"), "-VAfile", issuer).decode()
        self.assertIn("leaf.crt: good", text)

    def test_ca_and_ocsp_when_key_file(self):
        self.check_authority("www", self.key("www"))

    def test_ca_and_ocsp_when_uri_of_an_rsa_key(self):
        self.check_authority("rsa", "pkcs11:token=web;object=rsa")


class ExclusionTest(OpensslTestCase):
    """default_properties = provider=default: nobody but the default provider is wanted."""

    def test_tools_when_shut_out_then_fail_unless_they_ask_for_us(self):
        self.conf.write(default_properties="provider=default")
        words = ("-sha256", "-sign", self.key("www"), "-out", self.path("signature"), self.message)
        self.assertIn("operation not supported for this keytype", self.ours_fail("dgst", *words))
        self.ours("dgst", "-propquery", "?provider=hsmbridge", *words)
        self.openssl_verify("www", self.path("signature"), "-sha256")

    def test_software_keys_when_we_are_shut_out_then_work(self):
        self.conf.write(default_properties="provider=default")
        self.ours("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.path("key"),
                  "-subj", "/CN=software", "-out", self.path("crt"))
        self.openssl("verify", "-CAfile", self.path("crt"), self.path("crt"))


class TlsTest(OpensslTestCase):
    """Both ends with remote keys: the server's, and the client's certificate."""

    def serve_tls(self, name, *words):
        process = self.start("openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                             self.site(name + ".crt"), "-key", self.key(name), "-CAfile",
                             self.site("p384.crt"), "-Verify", "1", "-verify_return_error", "-www",
                             *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in process.stdout:
            found = re.match(rb"ACCEPT 127.0.0.1:(\d+)", line)
            if found:
                return int(found.group(1))
        self.fail("no server")

    def connect(self, port, name, *words):
        return self.must_say("openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-CAfile",
                             self.site(name + ".crt"), "-verify_return_error", "-cert",
                             self.site("p384.crt"), "-key", self.key("p384"), "-servername", HOST,
                             "-ign_eof", *words, input=b"GET / HTTP/1.0\r\n\r\n")

    def check_tls(self, name, *words, cipher):
        port = self.serve_tls(name)
        for _ in range(2):
            text = self.connect(port, name, *words)
            self.assertIn("Verify return code: 0 (ok)", text)
            self.assertIn(cipher, text)
            self.assertIn("Client certificate", text)

    def test_tls_1_3_with_each_kind_of_key(self):
        for name in self.each(self.keys):
            self.check_tls(name, "-tls1_3", cipher="New, TLSv1.3, Cipher is TLS_")

    def test_tls_1_2_with_each_kind_of_key_and_exchange(self):
        ciphers = {"www": "ECDHE-ECDSA-AES128-GCM-SHA256", "rsa": "ECDHE-RSA-AES128-GCM-SHA256",
                   "ed": "ECDHE-ECDSA-AES256-GCM-SHA384"}
        for name in self.each(ciphers):
            self.check_tls(name, "-tls1_2", "-cipher", ciphers[name],
                           cipher="Cipher is " + ciphers[name])

    def test_tls_1_2_when_premaster_is_encrypted_then_it_is_decrypted_remotely(self):
        for _ in self.each():
            self.check_tls("rsa", "-tls1_2", "-cipher", "AES128-GCM-SHA256",
                           cipher="Cipher is AES128-GCM-SHA256")

    def test_client_when_it_has_no_certificate_then_refused(self):
        port = self.serve_tls("www")
        done = self.run_program("openssl", "s_client", "-connect", "127.0.0.1:%d" % port,
                                "-CAfile", self.site("www.crt"), "-ign_eof", "-tls1_3",
                                input=b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b"certificate required", done.stdout + done.stderr)


if __name__ == "__main__":
    main()
