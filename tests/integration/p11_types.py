# SPDX-License-Identifier: Apache-2.0
"""PKCS#11's numbers, structures and parameters for p11.py."""

import ctypes
import re

HEADERS = "/usr/include/nss/"
Ulong = ctypes.c_ulong
OS_LOCKING_OK = 2
SERIAL_SESSION, RW_SESSION = 4, 2
USER = 1
ARRAY = 0x40000000  # CKF_ARRAY_ATTRIBUTE
LAST_OF_2_40 = "C_WaitForSlotEvent"


class Rv(int):
    """A result code with its name."""

    @property
    def name(self):
        return CK.rv_names.get(int(self), "CKR_0x%08X" % self)

    __repr__ = __str__ = lambda self: self.name


class P11Error(Exception):
    def __init__(self, function, rv):
        super().__init__("%s: %s" % (function, rv.name))
        self.function = function
        self.rv = rv


class Constants:
    """CK.CKR_OK, CK.CKA_LABEL, ...: every plain number that the headers define."""

    def __init__(self):
        with open(HEADERS + "pkcs11t.h", encoding="latin-1") as header:
            text = header.read()
        defined = re.findall(r"^#define (CK[A-Z]_\w+)\s+\(?(?:(CK\w+)\s*\|\s*)?(0x[0-9A-Fa-f]+)",
                             text, re.M)
        defined = [(name, int(number, 16) | (ARRAY if flag == "CKF_ARRAY_ATTRIBUTE" else 0))
                   for name, flag, number in defined]
        for name, number in defined:
            setattr(self, name, number)
        self.CK_TRUE, self.CK_FALSE = True, False
        self.CKA_UNIQUE_ID = 4
        self.rv_names = {number: name for name, number in reversed(defined)
                         if name.startswith("CKR_")}
        for number, name in self.rv_names.items():
            setattr(self, name, Rv(number))

    def name(self, prefix, number):
        """The name of a number of one family: name("CKM_", 1) is "CKM_RSA_PKCS"."""
        for name, value in vars(self).items():
            if name.startswith(prefix) and value == number:
                return name
        return "%s0x%08X" % (prefix, number)


CK = Constants()


def _function_names():
    with open(HEADERS + "pkcs11f.h", encoding="latin-1") as header:
        return re.findall(r"^CK_PKCS11_FUNCTION_INFO\((C_\w+)\)", header.read(), re.M)


FUNCTIONS = _function_names()


class Struct(ctypes.Structure):
    def __repr__(self):
        return "%s(%s)" % (type(self).__name__, ", ".join(
            "%s=%r" % (field[0], getattr(self, field[0])) for field in self._fields_))


class Version(Struct):
    _fields_ = [("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte)]


class Info(Struct):
    _fields_ = [("cryptokiVersion", Version), ("manufacturerID", ctypes.c_char * 32),
                ("flags", Ulong), ("libraryDescription", ctypes.c_char * 32),
                ("libraryVersion", Version)]


class SlotInfo(Struct):
    _fields_ = [("slotDescription", ctypes.c_char * 64), ("manufacturerID", ctypes.c_char * 32),
                ("flags", Ulong), ("hardwareVersion", Version), ("firmwareVersion", Version)]


class TokenInfo(Struct):
    _fields_ = [("label", ctypes.c_char * 32), ("manufacturerID", ctypes.c_char * 32),
                ("model", ctypes.c_char * 16), ("serialNumber", ctypes.c_char * 16),
                ("flags", Ulong)] + [(name, Ulong) for name in (
                    "ulMaxSessionCount", "ulSessionCount", "ulMaxRwSessionCount",
                    "ulRwSessionCount", "ulMaxPinLen", "ulMinPinLen", "ulTotalPublicMemory",
                    "ulFreePublicMemory", "ulTotalPrivateMemory", "ulFreePrivateMemory")] + [
                ("hardwareVersion", Version), ("firmwareVersion", Version),
                ("utcTime", ctypes.c_char * 16)]


class SessionInfo(Struct):
    _fields_ = [("slotID", Ulong), ("state", Ulong), ("flags", Ulong), ("ulDeviceError", Ulong)]


class MechanismInfo(Struct):
    _fields_ = [("ulMinKeySize", Ulong), ("ulMaxKeySize", Ulong), ("flags", Ulong)]


class Mechanism(Struct):
    _fields_ = [("mechanism", Ulong), ("pParameter", ctypes.c_void_p), ("ulParameterLen", Ulong)]


class Attribute(Struct):
    _fields_ = [("type", Ulong), ("pValue", ctypes.c_void_p), ("ulValueLen", Ulong)]


class InitializeArgs(Struct):
    """As OASIS has it; NSS's header has a member more, before pReserved."""
    _fields_ = [(name, ctypes.c_void_p) for name in (
        "CreateMutex", "DestroyMutex", "LockMutex", "UnlockMutex")] + [
        ("flags", Ulong), ("pReserved", ctypes.c_char_p)]


class PssParams(Struct):
    _fields_ = [("hashAlg", Ulong), ("mgf", Ulong), ("sLen", Ulong)]


class OaepParams(Struct):
    _fields_ = [("hashAlg", Ulong), ("mgf", Ulong), ("source", Ulong),
                ("pSourceData", ctypes.c_void_p), ("ulSourceDataLen", Ulong)]


def pss(digest="SHA256", salt=None, mgf=None, mechanism=None):
    """(mechanism, parameter) of PSS; the salt is as long as the hash unless told otherwise."""
    hash_mechanism = getattr(CK, "CKM_SHA_1" if digest == "SHA1" else "CKM_" + digest)
    size = 20 if digest == "SHA1" else int(digest[-3:]) // 8
    return (CK.CKM_RSA_PKCS_PSS if mechanism is None else mechanism,
            PssParams(hash_mechanism, getattr(CK, "CKG_MGF1_" + (mgf or digest)),
                      size if salt is None else salt))


def oaep(digest="SHA256", mgf=None, label=b""):
    hash_mechanism = getattr(CK, "CKM_SHA_1" if digest == "SHA1" else "CKM_" + digest)
    data = ctypes.create_string_buffer(label, len(label)) if label else None
    params = OaepParams(hash_mechanism, getattr(CK, "CKG_MGF1_" + (mgf or digest)), 1,
                        ctypes.cast(data, ctypes.c_void_p) if data else None, len(label))
    params.keep = data
    return CK.CKM_RSA_PKCS_OAEP, params


def mechanism_of(spec):
    """A CKM number, or (number, parameter) with a Struct or bytes."""
    if not isinstance(spec, tuple):
        return Mechanism(spec, None, 0)
    number, parameter = spec
    if isinstance(parameter, bytes):
        parameter = ctypes.create_string_buffer(parameter, len(parameter))
    mechanism = Mechanism(number, ctypes.addressof(parameter), ctypes.sizeof(parameter))
    mechanism.keep = parameter
    return mechanism


def _encode(value):
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, int):
        return bytes(Ulong(value))
    return value.encode() if isinstance(value, str) else bytes(value)


def template(attributes):
    """A CK_ATTRIBUTE array of {"CKA_LABEL": "app"} or {number: value}."""
    array = (Attribute * max(1, len(attributes)))()
    array.keep = []
    for entry, (name, value) in zip(array, attributes.items()):
        data = _encode(value)
        buffer = ctypes.create_string_buffer(data, len(data)) if data else None
        array.keep.append(buffer)
        entry.type = getattr(CK, name) if isinstance(name, str) else name
        entry.pValue = ctypes.addressof(buffer) if data else None
        entry.ulValueLen = len(data)
    return array
