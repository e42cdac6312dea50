#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What wrapping and unwrapping a session key costs, counted at the service: one request where the
service's key is used, none where the public key or another session key does it."""

import ctypes
import unittest

from harness import CK, Double, HarnessTestCase, TempConfig, oaep
from p11_types import Ulong, mechanism_of, template

AEAD = 0x80000000 | 0x48534201
SECRET = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
          "CKA_SENSITIVE": False}
VALUE = bytes(range(32))


class WrapRequestsTest(HarnessTestCase):
    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit()
        self.vault.make_key("box", "aes256-gcm96")
        self.vault.make_key("pair", "rsa-2048")
        config = self.enter(TempConfig())
        config.slot("web", self.vault)
        p11 = self.open_module(config)
        self.session = self.enter(p11.session(p11.slot("web")))

    def make(self, name, *args):
        handle = Ulong()
        self.session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def counted(self, expected, function, *args):
        self.vault.reset()
        result = function(*args)
        self.assertEqual(self.vault.stats()["requests"], expected)
        return result

    def secret(self, value):
        wanted = dict(SECRET, CKA_VALUE=value)
        return self.make("C_CreateObject", template(wanted), len(wanted))

    def wrap(self, mechanism, wrapping, key):
        out, size = ctypes.create_string_buffer(4096), Ulong(4096)
        self.session.must("C_WrapKey", ctypes.byref(mechanism_of(mechanism)), wrapping, key, out,
                          ctypes.byref(size))
        return out.raw[:size.value]

    def wrapped_size(self, mechanism, wrapping, key):
        size = Ulong()
        self.session.must("C_WrapKey", ctypes.byref(mechanism_of(mechanism)), wrapping, key, None,
                          ctypes.byref(size))
        return size.value

    def unwrap(self, mechanism, unwrapping, wrapped):
        return self.make("C_UnwrapKey", ctypes.byref(mechanism_of(mechanism)), unwrapping, wrapped,
                         len(wrapped), template(SECRET), len(SECRET))

    def assert_costs(self, mechanism, wrapping, unwrapping, wrap_costs, unwrap_costs):
        key = self.counted(0, self.secret, VALUE)
        self.wrap(mechanism, wrapping, key)  # logged in, connected, the key known
        size = self.counted(0, self.wrapped_size, mechanism, wrapping, key)
        wrapped = self.counted(wrap_costs, self.wrap, mechanism, wrapping, key)
        self.assertLessEqual(len(wrapped), size)
        back = self.counted(unwrap_costs, self.unwrap, mechanism, unwrapping, wrapped)
        self.assertEqual(self.counted(0, self.session.attribute, back, "CKA_VALUE"), VALUE)

    def test_wrap_when_under_the_services_aead_then_one_request_each_way(self):
        box = self.session.secret_key("box")
        self.assert_costs(AEAD, box, box, 1, 1)

    def test_wrap_when_under_rsa_then_only_unwrapping_is_a_request(self):
        public, private = self.session.public_key("pair"), self.session.private_key("pair")
        self.assert_costs(oaep(), public, private, 0, 1)

    def test_wrap_when_under_another_session_key_then_no_request(self):
        other = self.secret(bytes(32))
        self.assert_costs(CK.CKM_AES_KEY_WRAP, other, other, 0, 0)

    def test_generate_when_of_the_session_then_no_request(self):
        wanted = dict(SECRET, CKA_VALUE_LEN=32)
        self.counted(0, self.make, "C_GenerateKey", ctypes.byref(mechanism_of(CK.CKM_AES_KEY_GEN)),
                     template(wanted), len(wanted))


if __name__ == "__main__":
    unittest.main(verbosity=2)
