# SPDX-License-Identifier: Apache-2.0
"""What the tests of slots of Zama's KMS share: the double for a class, and a slot "fhe" of it."""

import ctypes

from harness import CK, HarnessTestCase, TempConfig
from p11_types import Struct, Ulong
from zama_server import EUINT8, ZamaDouble

BASE = 0x80000000 | 0x48534200
AEAD, DATA_KEY = BASE + 1, BASE + 2
CKK_FHE, FHE_DECRYPT = BASE + 0x20, BASE + 0x20
BY_HEADER = (1 << 64) - 1  # CK_UNAVAILABLE_INFORMATION
HANDLE_LEN, SIGNATURE_LEN = 32, 65
CORE = "/kms_service.v1.CoreServiceEndpoint/"
SYNC = CORE + "PublicDecryptSync"


class FheParams(Struct):
    _fields_ = [("ulFheType", Ulong), ("ulCiphertextFormat", Ulong), ("pHandle", ctypes.c_void_p),
                ("ulHandleLen", Ulong), ("pSignatures", ctypes.c_void_p),
                ("pulSignaturesLen", ctypes.POINTER(Ulong))]


def fhe(fhe_type=EUINT8, fmt=BY_HEADER, handle=b"", proof=None):
    """The mechanism; proof: a Proof to fill."""
    params = FheParams(fhe_type, fmt)
    if handle:
        params.keep = ctypes.create_string_buffer(handle, len(handle))
        params.pHandle, params.ulHandleLen = ctypes.addressof(params.keep), len(handle)
    if proof is not None:
        params.pSignatures = ctypes.addressof(proof.room) if proof.room else None
        params.pulSignaturesLen = ctypes.pointer(proof.length)
    return FHE_DECRYPT, params


class Proof:
    """What a chain checks."""

    def __init__(self, size=1024):
        self.room = ctypes.create_string_buffer(size) if size else None
        self.length = Ulong(size)

    def parts(self):
        """(handle, signatures, extra data)"""
        data = self.room.raw[:self.length.value]
        count = data[HANDLE_LEN]
        begin, end = HANDLE_LEN + 1, HANDLE_LEN + 1 + count * SIGNATURE_LEN
        return (data[:HANDLE_LEN], [data[at:at + SIGNATURE_LEN]
                                    for at in range(begin, end, SIGNATURE_LEN)], data[end:])


class ZamaTestCase(HarnessTestCase):
    options = ()
    tls = False

    @classmethod
    def setUpClass(cls):
        cls.zama = ZamaDouble(*cls.options, tls=cls.tls)
        cls.addClassCleanup(cls.zama.__exit__)

    def setUp(self):
        self.zama.reset()
        self.zama.state(window=60, latency=0.002)
        self.config = self.enter(TempConfig())

    def slot(self, name="fhe", **options):
        self.config.slot(name, None, **dict(self.zama.slot(), **options))

    def open(self, **options):
        self.slot(**options)
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot("fhe")))

    def key(self, session):
        return session.find_one(CKA_CLASS=CK.CKO_PRIVATE_KEY,
                                CKA_ID=bytes.fromhex(self.zama.key_id))

    def decrypt(self, session, value=0x2a, fhe_type=EUINT8, fmt=0, **params):
        """Seals a value and has it decrypted: an integer."""
        plain = session.decrypt(self.key(session), fhe(fhe_type, **params),
                                self.zama.seal(fhe_type, value, fmt))
        return int.from_bytes(plain, "little")

    def cli(self, *args, code=0, **options):
        done = self.run_cli(self.config, *args, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr
