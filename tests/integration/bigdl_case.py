# SPDX-License-Identifier: Apache-2.0
"""What the tests of BigDL slots share: a stand-in for a class, user "alice" of it, slot "ppml"."""

import base64
import ctypes
import urllib.parse

from harness import CK, HarnessTestCase, TempConfig
from bigdl_server import BigdlDouble
from p11_types import Struct, Ulong, mechanism_of, template

BASE = 0x80000000 | 0x48534200
DATA_KEY, NAME = BASE + 2, BASE + 0x10
TOKEN = "correct horse+battery/staple%"
OPEN = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
        "CKA_SENSITIVE": False}


class DataKeyParams(Struct):
    _fields_ = [("hKey", Ulong), ("pSealed", ctypes.c_void_p), ("ulSealedLen", Ulong)]


class GcmParams(Struct):
    _fields_ = [("pIv", ctypes.c_void_p), ("ulIvLen", Ulong), ("ulIvBits", Ulong),
                ("pAAD", ctypes.c_void_p), ("ulAADLen", Ulong), ("ulTagBits", Ulong)]


class CtrParams(Struct):
    _fields_ = [("ulCounterBits", Ulong), ("cb", ctypes.c_ubyte * 16)]


def gcm(nonce, aad=b"aad"):
    buffers = [ctypes.create_string_buffer(data, len(data)) for data in (nonce, aad)]
    params = GcmParams(ctypes.addressof(buffers[0]), len(nonce), 8 * len(nonce),
                       ctypes.addressof(buffers[1]), len(aad), 128)
    params.keep = buffers
    return CK.CKM_AES_GCM, params


def cbc(iv, mechanism=None):
    return mechanism or CK.CKM_AES_CBC_PAD, ctypes.create_string_buffer(iv, len(iv))


class BigdlTestCase(HarnessTestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.kms = BigdlDouble(*cls.options)
        cls.addClassCleanup(cls.kms.__exit__)
        cls.alice = cls.kms.enroll("alice", TOKEN)
        for primary in ("p1", "p2"):
            cls.alice.primary(primary)
        cls.alice.data("d1", "p1")
        cls.alice.data("d2", "p2")
        cls.value = cls.alice.get("d1", "p1")

    def setUp(self):
        self.kms.clear()
        self.kms.state(root=True, java8=False)
        self.config = self.enter(TempConfig())
        self.secrets = [TOKEN, self.value]
        self.addCleanup(self.assert_log_keeps_secrets)
        self.addCleanup(self.assert_root_key_untouched)

    def assert_root_key_untouched(self):
        self.assertEqual(self.kms.count("GET /rootKey"), 0)
        self.assertEqual(self.kms.count("PUT /rootKey"), 0)
        self.assertEqual(self.kms.rotations(), 0)

    def assert_log_keeps_secrets(self):
        log = self.config.log()
        for secret in self.secrets:
            raw = secret.encode() if isinstance(secret, str) else secret
            for form in (base64.b64encode(raw).decode(), raw.hex(),
                         urllib.parse.quote(raw, safe=""), urllib.parse.quote_plus(raw)):
                self.assertNotIn(form, log)
        self.assertNotIn(TOKEN, log)
        self.assertNotIn("token=", log)

    def slot(self, name="ppml", **options):
        section = {"backend": "bigdl", "url": self.kms.url, "ca_file": self.kms.ca,
                   "user": "alice", "user_token_file": self.config.secret("token", TOKEN + "\n"),
                   "primary_keys": "p1 p2", "data_keys": "p1/d1 p2/d2", "allow": "generate"}
        section.update(options)
        self.config.slot(name, None, **section)

    def open(self, **options):
        self.slot(**options)
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot("ppml"), read_write=True))

    def cli(self, *args, code=0, **options):
        done = self.run_cli(self.config, *args, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    @staticmethod
    def key(session, label):
        return session.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_LABEL=label)

    # ---- calls that p11.py does not spell ----

    @staticmethod
    def make(session, name, *args):
        handle = Ulong()
        session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def unwrap(self, session, primary, name, **more):
        wanted = dict(OPEN, **more)
        return self.make(session, "C_UnwrapKey", ctypes.byref(mechanism_of(NAME)), primary, name,
                         len(name), template(wanted), len(wanted))

    def generate(self, session, mechanism, **wanted):
        return self.make(session, "C_GenerateKey", ctypes.byref(mechanism_of(mechanism)),
                         template(wanted), len(wanted))

    def generate_data(self, session, primary, room=256, **more):
        """(handle, the name it got)"""
        sealed = ctypes.create_string_buffer(256)
        params = DataKeyParams(primary, ctypes.addressof(sealed), room)
        wanted = dict({"CKA_KEY_TYPE": CK.CKK_AES, "CKA_VALUE_LEN": 16, "CKA_EXTRACTABLE": True,
                       "CKA_SENSITIVE": False}, **more)
        handle = self.generate(session, (DATA_KEY, params), **wanted)
        return handle, sealed.raw[:params.ulSealedLen].decode()
