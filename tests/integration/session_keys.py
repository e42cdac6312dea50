#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Session keys here and in SoftHSM2: one list of calls, and what both answer.

Every difference must stand in DIFFERENCES with its reason, and every entry there must be one.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import unittest

from harness import CK, Double, HarnessTestCase, Rv, TempConfig
from p11 import Module
from p11_types import Attribute, Mechanism, Struct, Ulong, mechanism_of, template

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "1234"
IV = bytes(range(16))
TEXT = bytes(range(64))
KEY = b"0123456789abcdef0123456789abcdef"
GENERATED = {"CKA_VALUE_LEN": 32, "CKA_TOKEN": False, "CKA_LABEL": "k"}
CREATED = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_VALUE": KEY,
           "CKA_TOKEN": False, "CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False,
           "CKA_ENCRYPT": True, "CKA_DECRYPT": True, "CKA_WRAP": True, "CKA_UNWRAP": True}
GENERIC = dict(CREATED, CKA_KEY_TYPE=CK.CKK_GENERIC_SECRET, CKA_SIGN=True, CKA_VERIFY=True)
ATTRIBUTES = """CKA_CLASS CKA_TOKEN CKA_PRIVATE CKA_MODIFIABLE CKA_LABEL CKA_COPYABLE
    CKA_DESTROYABLE CKA_ID CKA_KEY_TYPE CKA_START_DATE CKA_END_DATE CKA_DERIVE CKA_LOCAL
    CKA_KEY_GEN_MECHANISM CKA_ALLOWED_MECHANISMS CKA_SENSITIVE CKA_ENCRYPT CKA_DECRYPT CKA_SIGN
    CKA_VERIFY CKA_WRAP CKA_UNWRAP CKA_EXTRACTABLE CKA_ALWAYS_SENSITIVE CKA_NEVER_EXTRACTABLE
    CKA_WRAP_WITH_TRUSTED CKA_TRUSTED CKA_VALUE CKA_VALUE_LEN CKA_MODULUS""".split()


class GcmParams(Struct):
    _fields_ = [("pIv", ctypes.c_void_p), ("ulIvLen", Ulong), ("ulIvBits", Ulong),
                ("pAAD", ctypes.c_void_p), ("ulAADLen", Ulong), ("ulTagBits", Ulong)]


class CtrParams(Struct):
    _fields_ = [("ulCounterBits", Ulong), ("cb", ctypes.c_ubyte * 16)]


def gcm(iv=IV[:12], aad=b"aad", tag=128):
    buffers = [ctypes.create_string_buffer(data, len(data)) for data in (iv, aad)]
    params = GcmParams(ctypes.addressof(buffers[0]), len(iv), 8 * len(iv),
                       ctypes.addressof(buffers[1]), len(aad), tag)
    params.keep = buffers
    return CK.CKM_AES_GCM, params


def ctr(bits=128):
    return CK.CKM_AES_CTR, CtrParams(bits, (ctypes.c_ubyte * 16)(*IV))


def without(attributes, *names):
    return {name: value for name, value in attributes.items() if name not in names}


class Caller:
    """One module's session; every method returns what the call answered, never raises."""

    def __init__(self, session):
        self.session = session

    def _make(self, name, *args):
        handle = Ulong()
        rv = self.session.call(name, *args, ctypes.byref(handle))
        return handle.value if rv == 0 else rv

    def create(self, attributes):
        return self._make("C_CreateObject", template(attributes), len(attributes))

    def generate(self, mechanism, attributes):
        return self._make("C_GenerateKey", ctypes.byref(mechanism_of(mechanism)),
                          template(attributes), len(attributes))

    def copy(self, key, attributes):
        return self._make("C_CopyObject", key, template(attributes), len(attributes))

    def unwrap(self, mechanism, key, wrapped, attributes):
        return self._make("C_UnwrapKey", ctypes.byref(mechanism_of(mechanism)), key, wrapped,
                          len(wrapped), template(attributes), len(attributes))

    def wrap(self, mechanism, wrapping, key, size=512):
        return self._out("C_WrapKey", ctypes.byref(mechanism_of(mechanism)), wrapping, key,
                         size=size)

    def set(self, key, **attributes):
        return self.session.call("C_SetAttributeValue", key, template(attributes),
                                 len(attributes))

    def get(self, key, name):
        entry = (Attribute * 1)()
        data = ctypes.create_string_buffer(256)
        entry[0].type, entry[0].pValue = getattr(CK, name), ctypes.addressof(data)
        entry[0].ulValueLen = 256
        rv = self.session.call("C_GetAttributeValue", key, entry, 1)
        return data.raw[:entry[0].ulValueLen] if rv == 0 else rv

    def init(self, name, mechanism, key):
        return self.session.call("C_%sInit" % name, ctypes.byref(mechanism_of(mechanism)), key)

    def _out(self, name, *args, size=512):
        out, length = ctypes.create_string_buffer(max(1, size)), Ulong(size)
        rv = self.session.call(name, *args, out, ctypes.byref(length))
        if rv == CK.CKR_BUFFER_TOO_SMALL:
            return rv, length.value
        return out.raw[:length.value] if rv == 0 else rv

    def whole(self, name, mechanism, key, data, size=512):
        rv = self.init(name, mechanism, key)
        return self._out("C_" + name, data, len(data), size=size) if rv == 0 else rv

    def parts(self, name, mechanism, key, data, step=7):
        rv = self.init(name, mechanism, key)
        if rv != 0:
            return rv
        out = b""
        for at in range(0, len(data), step):
            part = data[at:at + step]
            done = self._out("C_%sUpdate" % name, part, len(part))
            if not isinstance(done, bytes):
                return done
            out += done
        done = self._out("C_%sFinal" % name)
        return out + done if isinstance(done, bytes) else done

    def query(self, name, mechanism, key, data):
        rv = self.init(name, mechanism, key)
        length = Ulong()
        rv = rv or self.session.call("C_" + name, data, len(data), None, ctypes.byref(length))
        self.whole(name, mechanism, key, data)
        self._out("C_" + name, data, len(data))
        return Rv(rv) if rv else length.value

    def verify(self, mechanism, key, data, signature):
        rv = self.init("Verify", mechanism, key)
        return rv or self.session.call("C_Verify", data, len(data), signature, len(signature))


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def generated(c):
    key = c.generate(CK.CKM_AES_KEY_GEN, GENERATED)
    return {name: c.get(key, name) for name in ATTRIBUTES}


@case
def created(c):
    key = c.create(CREATED)
    return {name: c.get(key, name) for name in ATTRIBUTES}


@case
def sensitive_created(c):
    key = c.create(dict(CREATED, CKA_SENSITIVE=True, CKA_EXTRACTABLE=False))
    return {name: c.get(key, name) for name in ("CKA_VALUE", "CKA_ALWAYS_SENSITIVE",
                                                "CKA_NEVER_EXTRACTABLE")}


@case
def templates(c):
    bad = {
        "no class": without(CREATED, "CKA_CLASS"), "no type": without(CREATED, "CKA_KEY_TYPE"),
        "no value": without(CREATED, "CKA_VALUE"), "foreign": dict(CREATED, CKA_MODULUS=b"x"),
        "local": dict(CREATED, CKA_LOCAL=True), "long bool": dict(CREATED, CKA_ENCRYPT=7),
        "value length": dict(CREATED, CKA_VALUE_LEN=32),
        "15 bytes": dict(CREATED, CKA_VALUE=KEY[:15]),
        "always": dict(CREATED, CKA_ALWAYS_SENSITIVE=True),
        "trusted": dict(CREATED, CKA_TRUSTED=True),
        "odd date": dict(CREATED, CKA_START_DATE=b"2024"),
        "check value": dict(CREATED, CKA_CHECK_VALUE=b"abc")}
    return {name: not_a_handle(c.create(attributes)) for name, attributes in bad.items()}


def not_a_handle(answer):
    return answer if isinstance(answer, (Rv, bytes, tuple)) else "made"


@case
def generations(c):
    tries = {
        "none": (CK.CKM_AES_KEY_GEN, {}), "17": (CK.CKM_AES_KEY_GEN, {"CKA_VALUE_LEN": 17}),
        "type": (CK.CKM_AES_KEY_GEN, dict(GENERATED, CKA_KEY_TYPE=CK.CKK_GENERIC_SECRET)),
        "class": (CK.CKM_AES_KEY_GEN, dict(GENERATED, CKA_CLASS=CK.CKO_PRIVATE_KEY)),
        "value": (CK.CKM_AES_KEY_GEN, dict(GENERATED, CKA_VALUE=KEY)),
        "mechanism": (CK.CKM_AES_CBC, GENERATED),
        "generic": (CK.CKM_GENERIC_SECRET_KEY_GEN, dict(GENERATED, CKA_VALUE_LEN=20))}
    return {name: not_a_handle(c.generate(*what)) for name, what in tries.items()}


@case
def changes(c):
    key = c.create(CREATED)
    return [c.set(key, CKA_LABEL="x"), c.get(key, "CKA_LABEL"), c.set(key, CKA_SENSITIVE=True),
            c.set(key, CKA_SENSITIVE=False), c.set(key, CKA_EXTRACTABLE=False),
            c.set(key, CKA_EXTRACTABLE=True), c.set(key, CKA_VALUE=KEY), c.set(key, CKA_LOCAL=True),
            c.set(key, CKA_TOKEN=True), c.get(key, "CKA_VALUE")]


@case
def copies(c):
    key = c.create(CREATED)
    copy = c.copy(key, {"CKA_LABEL": "y", "CKA_SENSITIVE": True})
    fixed = c.create(dict(CREATED, CKA_COPYABLE=False, CKA_MODIFIABLE=False))
    return [c.get(copy, "CKA_LABEL"), not_a_handle(c.copy(copy, {"CKA_SENSITIVE": False})),
            not_a_handle(c.copy(fixed, {})), c.set(fixed, CKA_LABEL="z"),
            c.session.call("C_DestroyObject", copy), c.session.call("C_DestroyObject", copy),
            c.get(copy, "CKA_LABEL")]


@case
def ciphers(c):
    key = c.create(CREATED)
    answers = {}
    for name, mechanism in {"ECB": CK.CKM_AES_ECB, "CBC": (CK.CKM_AES_CBC, IV),
                            "PAD": (CK.CKM_AES_CBC_PAD, IV), "CTR": ctr(), "GCM": gcm()}.items():
        for size in (16, 15, 0, 64):
            sealed = c.whole("Encrypt", mechanism, key, TEXT[:size])
            answers[name, size] = sealed, c.parts("Encrypt", mechanism, key, TEXT[:size])
            if isinstance(sealed, bytes):
                answers[name, size, "open"] = c.whole("Decrypt", mechanism, key, sealed)
                answers[name, size, "parts"] = c.parts("Decrypt", mechanism, key, sealed)
    return answers


@case
def lengths(c):
    key = c.create(CREATED)
    return [c.query("Encrypt", (CK.CKM_AES_CBC_PAD, IV), key, TEXT[:20]),
            c.query("Encrypt", gcm(), key, TEXT[:20]),
            c.whole("Encrypt", (CK.CKM_AES_CBC, IV), key, TEXT[:32], size=31),
            c._out("C_Encrypt", TEXT[:32], 32),
            c.whole("Encrypt", gcm(), key, TEXT[:20], size=35), c._out("C_Encrypt", TEXT[:20], 20)]


@case
def tampered(c):
    key = c.create(CREATED)
    sealed = c.whole("Encrypt", gcm(), key, TEXT)
    return [c.whole("Decrypt", gcm(), key, sealed[:-1] + bytes([sealed[-1] ^ 1])),
            c.whole("Decrypt", gcm(), key, sealed[:10]),
            c.whole("Decrypt", (CK.CKM_AES_CBC, IV), key, TEXT[:17]),
            c.whole("Decrypt", (CK.CKM_AES_CBC_PAD, IV), key, TEXT[:32])]


@case
def inits(c):
    key, generic = c.create(CREATED), c.create(GENERIC)
    return {"handle": c.init("Encrypt", CK.CKM_AES_ECB, 9999999),
            "type": c.init("Encrypt", CK.CKM_AES_ECB, generic),
            "hmac": c.init("Sign", CK.CKM_SHA256_HMAC, key),
            "iv": c.init("Encrypt", (CK.CKM_AES_CBC, IV[:15]), key),
            "no iv": c.init("Encrypt", CK.CKM_AES_CBC, key),
            "mechanism": c.init("Encrypt", CK.CKM_ECDSA, key),
            "use": c.init("Encrypt", CK.CKM_AES_ECB, c.create(dict(CREATED, CKA_ENCRYPT=False))),
            "order": c._out("C_Encrypt", TEXT, 16)}


@case
def macs(c):
    key = c.create(GENERIC)
    mac = c.whole("Sign", CK.CKM_SHA256_HMAC, key, TEXT)
    return [mac, c.verify(CK.CKM_SHA256_HMAC, key, TEXT, mac),
            c.verify(CK.CKM_SHA256_HMAC, key, TEXT, mac[:-1] + b"x"),
            c.verify(CK.CKM_SHA256_HMAC, key, TEXT, mac[:-1]),
            c.whole("Sign", CK.CKM_SHA512_HMAC, key, TEXT, size=63)]


@case
def wraps(c):
    kek, key = c.create(CREATED), c.create(dict(CREATED, CKA_VALUE=KEY[::-1]))
    opened = without(CREATED, "CKA_VALUE")
    kw = CK.CKM_AES_KEY_WRAP
    wrapped = c.wrap(kw, kek, key)
    back = c.unwrap(kw, kek, wrapped, opened)
    bad = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    return {"wrapped": wrapped, "value": c.get(back, "CKA_VALUE"),
            "local": c.get(back, "CKA_LOCAL"), "size": c.wrap(kw, kek, key, size=39),
            "tampered": not_a_handle(c.unwrap(kw, kek, bad, opened)),
            "short": not_a_handle(c.unwrap(kw, kek, wrapped[:-1], opened)),
            "no type": not_a_handle(c.unwrap(kw, kek, wrapped, without(opened, "CKA_KEY_TYPE"))),
            "no class": not_a_handle(c.unwrap(kw, kek, wrapped, without(opened, "CKA_CLASS"))),
            "unextractable": c.wrap(kw, kek, c.create(dict(CREATED, CKA_EXTRACTABLE=False))),
            "not for wrapping": c.wrap(kw, c.create(dict(CREATED, CKA_WRAP=False)), key),
            "odd size": c.wrap(kw, kek, c.create(dict(GENERIC, CKA_VALUE=KEY[:20]))),
            "type": c.wrap(kw, c.create(GENERIC), key), "kek": c.wrap(kw, 9999999, key),
            "key": c.wrap(kw, kek, 9999999), "unkek": not_a_handle(c.unwrap(kw, 9999999, wrapped,
                                                                            opened))}


@case
def digests(c):
    def digest(data, size=512):
        rv = c.session.call("C_DigestInit", ctypes.byref(mechanism_of(CK.CKM_SHA256)))
        return rv or c._out("C_Digest", data, len(data), size=size)
    return [digest(TEXT), digest(TEXT, 31), c._out("C_Digest", TEXT, len(TEXT)),
            c.session.call("C_DigestUpdate", TEXT, 1)]


@case
def nulls(c):
    mechanism = Mechanism(CK.CKM_AES_KEY_GEN, None, 0)
    handle = ctypes.byref(Ulong())
    return {"generate": c.session.call("C_GenerateKey", None, template(GENERATED), 3, handle),
            "generate out": c.session.call("C_GenerateKey", ctypes.byref(mechanism),
                                           template(GENERATED), 3, None),
            "create": c.session.call("C_CreateObject", None, 1, handle),
            "create out": c.session.call("C_CreateObject", template(CREATED), len(CREATED), None),
            "set": c.session.call("C_SetAttributeValue", c.create(CREATED), None, 1),
            "wrap": c.session.call("C_WrapKey", None, 1, 1, None, handle),
            "unwrap": c.session.call("C_UnwrapKey", None, 1, TEXT, 8, None, 0, handle)}


# (case, what of it): (SoftHSM2's answer, ours, why); answers None: any.
PRIVATE = (b"\x01", b"\x00", "of a token that wants no login nothing is private, unless told so")
NO_SIGN = (b"\x01", b"\x00", "an AES key has no mechanism here that signs")
NOT_GENERAL = "CKR_GENERAL_ERROR is for a library that is of no more use"
DIFFERENCES = {
    ("generated", "CKA_PRIVATE"): PRIVATE,
    ("created", "CKA_PRIVATE"): PRIVATE,
    ("generated", "CKA_SIGN"): NO_SIGN,
    ("generated", "CKA_VERIFY"): NO_SIGN,
    ("created", "CKA_SIGN"): NO_SIGN,
    ("created", "CKA_VERIFY"): NO_SIGN,
    ("generated", "CKA_SENSITIVE"): (b"\x00", b"\x01", "sensitive unless told otherwise"),
    ("generated", "CKA_ALWAYS_SENSITIVE"): (b"\x00", b"\x01", "follows from CKA_SENSITIVE"),
    ("templates", "15 bytes"): ("made", CK.CKR_ATTRIBUTE_VALUE_INVALID, "no AES key is this long"),
    ("generations", "class"): (CK.CKR_ATTRIBUTE_VALUE_INVALID, CK.CKR_TEMPLATE_INCONSISTENT,
                               "a class that exists, but not for this mechanism"),
    ("tampered", 0): (CK.CKR_GENERAL_ERROR, CK.CKR_ENCRYPTED_DATA_INVALID, NOT_GENERAL),
    ("tampered", 1): (CK.CKR_GENERAL_ERROR, CK.CKR_ENCRYPTED_DATA_LEN_RANGE, NOT_GENERAL),
    ("tampered", 3): (CK.CKR_GENERAL_ERROR, CK.CKR_ENCRYPTED_DATA_INVALID, NOT_GENERAL),
    ("wraps", "tampered"): (CK.CKR_GENERAL_ERROR, CK.CKR_WRAPPED_KEY_INVALID, NOT_GENERAL),
    ("wraps", "odd size"): (None, CK.CKR_KEY_SIZE_RANGE,
                            "RFC 3394 wraps whole semiblocks; SoftHSM2 adds bytes that stay"),
    ("inits", "handle"): (CK.CKR_OBJECT_HANDLE_INVALID, CK.CKR_KEY_HANDLE_INVALID,
                          "what the specification lists for C_EncryptInit"),
    ("inits", "iv"): (CK.CKR_MECHANISM_INVALID, CK.CKR_MECHANISM_PARAM_INVALID,
                      "the mechanism is good, its parameter is not"),
    ("inits", "no iv"): (CK.CKR_ARGUMENTS_BAD, CK.CKR_MECHANISM_PARAM_INVALID,
                         "the mechanism is good, its parameter is not"),
    ("macs", 4): (CK.CKR_KEY_SIZE_RANGE, None, "SoftHSM2 wants keys as long as the hash"),
}


def flatten(answer):
    if isinstance(answer, dict):
        return dict(answer)
    return dict(enumerate(answer))


def softhsm(directory):
    """Its module, with one token of its own."""
    conf = os.path.join(directory, "softhsm2.conf")
    os.mkdir(os.path.join(directory, "tokens"))
    with open(conf, "w", encoding="utf-8") as out:
        out.write("directories.tokendir = %s/tokens\nobjectstore.backend = file\n"
                  "log.level = ERROR\n" % directory)
    os.environ["SOFTHSM2_CONF"] = conf
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "soft", "--pin", PIN,
                    "--so-pin", PIN], check=True, capture_output=True)
    module = Module(SOFTHSM)
    module.initialize()
    return module


class SessionKeysTest(HarnessTestCase):
    caller, cases, differences = Caller, CASES, DIFFERENCES

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.soft = softhsm(directory.name)
        cls.addClassCleanup(cls.soft.finalize)

    def callers(self):
        vault = self.enter(Double())
        vault.setup_transit()
        config = self.enter(TempConfig())
        config.slot("web", vault)
        ours = self.open_module(config)
        for module, label in ((self.soft, "soft"), (ours, "web")):
            session = self.enter(module.session(module.slot(label), read_write=True))
            session.login(PIN)
            yield self.caller(session)

    def test_answers_are_softhsms_but_for_the_listed(self):
        soft, ours = self.callers()
        found = {}
        for name, function in self.cases.items():
            theirs, mine = flatten(function(soft)), flatten(function(ours))
            for what in theirs:
                if theirs[what] != mine[what]:
                    found[name, what] = theirs[what], mine[what]
        for where, (theirs, mine) in found.items():
            with self.subTest(where=where):
                self.assertIn(where, self.differences, "SoftHSM2 %r, ours %r" % (theirs, mine))
                listed = self.differences[where]
                self.assertIn(listed[0], (None, theirs))
                self.assertIn(listed[1], (None, mine))
        self.assertEqual(set(self.differences) - set(found), set(), "no difference any more")


if __name__ == "__main__":
    if not os.path.exists(SOFTHSM):
        sys.exit(77)
    unittest.main()
