#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts whose OpenSSL is set up in odd ways, and variables that other programs obey."""

import os
import socket
import unittest

from harness import CK, module_path
from hosts import HostTestCase

HEAD = "openssl_conf = init\n[init]\n"
# Name: the configuration, and whether the host can use its own default context with it.
TLS = HEAD + "ssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\n"
CONFIGURATIONS = {
    "no default provider": (HEAD + "providers = list\n[list]\nbase = on\n[on]\nactivate = 1\n",
                            False),
    "property nobody has": (HEAD + "alg_section = algorithms\n[algorithms]\n"
                            "default_properties = fips=yes\n", False),
    "provider that is missing": (HEAD + "providers = list\n[list]\nmissing = missing\n"
                                 "[missing]\nmodule = /nonexistent/missing.so\nactivate = 1\n",
                                 None),
    "our own module as provider": (HEAD + "providers = list\n[list]\nhsmbridge = ours\n"
                                   "default = on\n[on]\nactivate = 1\n"
                                   "[ours]\nmodule = %s\nactivate = 1\n" % module_path(), None),
    "nonsense": ("[init\nthis is = not [ it\n", True),
    "an engine that is missing": (HEAD + "engines = list\n[list]\nmissing = missing\n[missing]\n"
                                  "engine_id = missing\ninit = 1\n", True),
    "one cipher of TLS 1.3": (TLS + "MinProtocol = TLSv1.3\n"
                              "Ciphersuites = TLS_AES_128_CCM_8_SHA256\n", True),
    "TLS 1.1 at most": (TLS + "MinProtocol = TLSv1\nMaxProtocol = TLSv1.1\n", True),
    "security level 5": (TLS + "CipherString = DEFAULT@SECLEVEL=5\n", True),
    "security level 0 without peer": (TLS + "CipherString = ALL@SECLEVEL=0\nVerifyMode = None\n",
                                      True),
    "groups of nobody": (TLS + "Groups = X448\n", True),
    "signature algorithms of nobody": (TLS + "SignatureAlgorithms = ed448\n", True),
    "options": (TLS + "Options = -EncryptThenMac,UnsafeLegacyRenegotiation,NoTLSv1.3\n", True),
    "not a command": (TLS + "NoSuchCommand = 1\n", True),
}


class ConfigurationTest(HostTestCase):
    def configured(self, text):
        return self.env(OPENSSL_CONF=self.config.secret("openssl.cnf", text))

    def test_sign_when_host_configures_openssl_oddly_then_works_and_host_is_as_without_us(self):
        for name, (text, usable) in CONFIGURATIONS.items():
            with self.subTest(name):
                signer = self.signer(env=self.configured(text))
                signer.begin()
                after = signer.do("digest").rv
                signer.do("finalize")
                self.assert_quiet_end(signer)
                alone = self.signer(env=self.configured(text))
                self.assertEqual(after, alone.do("digest").rv)
                self.assert_quiet_end(alone)
                if usable is not None:
                    self.assertEqual(bool(after), usable)

    def test_server_when_host_wants_no_verification_then_is_verified_all_the_same(self):
        self.config.slot("web", self.vault, server_name="elsewhere.test")
        text = CONFIGURATIONS["security level 0 without peer"][0]
        signer = self.signer(env=self.configured(text))
        signer.do("initialize")
        self.assertEqual(signer.do("find").rv, CK.CKR_DEVICE_ERROR)
        self.assertEqual(self.vault.stats()["requests"], 0)
        self.assert_quiet_end(signer)


class VariableTest(HostTestCase):
    def test_keylog_when_variable_names_a_file_then_no_secret_is_written(self):
        path = self.config.path("keylog")
        signer = self.signer(env=self.env(SSLKEYLOGFILE=path))
        signer.begin()
        signer.do("finalize")
        self.assert_quiet_end(signer)
        # libcurl may open it when it starts, which no option prevents.
        self.assertTrue(not os.path.exists(path) or os.path.getsize(path) == 0)

    def test_proxies_when_variables_name_them_then_are_not_used(self):
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            proxy.settimeout(0)
            url = "http://127.0.0.1:%d" % proxy.getsockname()[1]
            names = ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY")
            signer = self.signer(env=self.env(**{name: url for name in names}, no_proxy=""))
            signer.begin()
            signer.do("finalize")
            self.assert_quiet_end(signer)
            with self.assertRaises(BlockingIOError):
                proxy.accept()


if __name__ == "__main__":
    unittest.main()
