# SPDX-License-Identifier: Apache-2.0
"""What the tests of an eHSM-KMS as a slot share."""

import base64
import ctypes

from harness import CK, HarnessTestCase, TempConfig
from ehsm_server import EhsmDouble
from p11_types import Struct, Ulong, mechanism_of, template

AEAD = 0x80000000 | 0x48534201
DATA_KEY = 0x80000000 | 0x48534202
CKG_GENERATE_RANDOM = 3
VALUE = b"0123456789abcdef0123456789abcdef"
DIGEST = bytes(range(32))
CURVES = {"EH_EC_P224": ("06052b81040021", 28), "EH_EC_P256": ("06082a8648ce3d030107", 32),
          "EH_EC_P256K": ("06052b8104000a", 32), "EH_EC_P384": ("06052b81040022", 48),
          "EH_EC_P521": ("06052b81040023", 66)}
SECRET = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
          "CKA_SENSITIVE": False}


class GcmParams(Struct):
    _fields_ = [("pIv", ctypes.c_void_p), ("ulIvLen", Ulong), ("ulIvBits", Ulong),
                ("pAAD", ctypes.c_void_p), ("ulAADLen", Ulong), ("ulTagBits", Ulong)]


class GcmMessageParams(Struct):
    _fields_ = [("pIv", ctypes.c_void_p), ("ulIvLen", Ulong), ("ulIvFixedBits", Ulong),
                ("ivGenerator", Ulong), ("pTag", ctypes.c_void_p), ("ulTagBits", Ulong)]


class DataKeyParams(Struct):
    _fields_ = [("hKey", Ulong), ("pSealed", ctypes.c_void_p), ("ulSealedLen", Ulong)]


def gcm(nonce, aad=b"aad", tag_bits=128):
    buffers = [ctypes.create_string_buffer(data, len(data)) for data in (nonce, aad)]
    params = GcmParams(ctypes.addressof(buffers[0]), len(nonce), 8 * len(nonce),
                       ctypes.addressof(buffers[1]), len(aad), tag_bits)
    params.keep = buffers
    return CK.CKM_AES_GCM, params


def aead(aad):
    return (AEAD, ctypes.create_string_buffer(aad, len(aad)))


class EhsmTestCase(HarnessTestCase):
    options = ()
    with_nonce = True

    @classmethod
    def setUpClass(cls):
        cls.ehsm = EhsmDouble(*cls.options)
        cls.addClassCleanup(cls.ehsm.__exit__)
        cls.app = cls.ehsm.app(with_nonce=cls.with_nonce)

    def setUp(self):
        self.ehsm.clear()
        self.ehsm.state(skew_ms=0, short_signatures=False)
        self.config = self.enter(TempConfig())
        self.names = self.config.path("names")
        self.secrets = [self.app.apikey]
        self.addCleanup(self.assert_log_keeps_secrets)

    def assert_log_keeps_secrets(self):
        log = self.config.log()
        for secret in self.secrets:
            for form in (secret, base64.b64encode(secret.encode()).decode(),
                         secret.encode().hex()):
                self.assertNotIn(form, log)

    def name(self, keyid, name):
        with open(self.names, "a", encoding="utf-8") as out:
            out.write("%s %s\n" % (keyid, name))

    def make(self, name, spec, usage=None):
        keyid = self.app.create(spec, usage)
        self.name(keyid, name)
        return keyid

    def slot(self, name="sgx", **options):
        section = {"backend": "ehsm", "url": self.ehsm.url, "ca_file": self.ehsm.ca,
                   "appid": self.app.appid,
                   "apikey_file": self.config.secret("apikey", self.app.apikey + "\n"),
                   "names_file": self.names, "allow": "generate import destroy label"}
        section.update(options)
        self.config.slot(name, None, **section)

    def open(self, **options):
        self.slot(**options)
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot("sgx"), read_write=True))

    def cli(self, *args, code=0, **options):
        done = self.run_cli(self.config, *args, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def generate(self, session, name, *args):
        handle = Ulong()
        session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def pair(self, session, mechanism, public, private):
        handles = Ulong(), Ulong()
        public, private = dict(public, CKA_TOKEN=True), dict(private, CKA_TOKEN=True)
        session.must("C_GenerateKeyPair", ctypes.byref(mechanism_of(mechanism)), template(public),
                     len(public), template(private), len(private), ctypes.byref(handles[0]),
                     ctypes.byref(handles[1]))
        return handles[1].value
