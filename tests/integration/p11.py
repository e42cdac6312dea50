# SPDX-License-Identifier: Apache-2.0
"""A minimal PKCS#11 caller on ctypes, for tests that assert on exact result codes.

    from p11 import Module, CK, P11Error

    module = Module("/path/to/hsmbridge.so")
    module.initialize(config="/path/to/hsmbridge.conf")
    slot = module.slot("web")                          # by token label
    with module.session(slot) as session:
        key = session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY, CKA_LABEL="app")[0]
        signature = session.sign(key, CK.CKM_ECDSA, digest)
    try:
        session.sign(...)
    except P11Error as error:
        error.rv == CK.CKR_DEVICE_ERROR; error.rv.name == "CKR_DEVICE_ERROR"
    module.finalize()

Every method raises P11Error unless the call was CKR_OK. module.call("C_Name", ...) makes any call
by name and returns its result code as an Rv, an int that prints as its name. Constants are read
from the header that the module is built with; mechanism parameters from pss() and its neighbours.
"""

import ctypes
from contextlib import contextmanager

from p11_types import (CK, FUNCTIONS, LAST_OF_2_40, OS_LOCKING_OK, RW_SESSION, SERIAL_SESSION,
                       USER, Attribute, Info, InitializeArgs, MechanismInfo, P11Error, Rv,
                       SessionInfo, SlotInfo, TokenInfo, Ulong, Version, Struct, mechanism_of,
                       oaep, pss, template)

__all__ = ["CK", "Module", "P11Error", "Rv", "Session", "oaep", "pss", "template"]
BUFFER_SIZE = 1 << 16


class Module:
    def __init__(self, path):
        self.path = path
        self._library = ctypes.CDLL(path)
        listed = ctypes.POINTER(ctypes.c_void_p)()
        self._library.C_GetFunctionList.restype = Ulong
        rv = Rv(self._library.C_GetFunctionList(ctypes.byref(listed)))
        if rv != 0:
            raise P11Error("C_GetFunctionList", rv)
        self.functions = self._functions(listed, FUNCTIONS[:FUNCTIONS.index(LAST_OF_2_40) + 1])

    @staticmethod
    def _functions(listed, names):
        """Slot 0 of the list is the version, padded to a pointer's size."""
        prototype = ctypes.CFUNCTYPE(Ulong)
        return {name: prototype(listed[1 + index]) for index, name in enumerate(names)}

    def use_interface_3_0(self):
        """From now on calls go through the 3.0 list, with its own functions too."""
        class Interface(Struct):
            _fields_ = [("name", ctypes.c_char_p),
                        ("list", ctypes.POINTER(ctypes.c_void_p)), ("flags", Ulong)]
        found = ctypes.POINTER(Interface)()
        version = Version(3, 0)
        get = self._library.C_GetInterface
        get.restype = Ulong
        rv = Rv(get(b"PKCS 11", ctypes.byref(version), ctypes.byref(found), Ulong(0)))
        if rv != 0:
            raise P11Error("C_GetInterface", rv)
        self.functions = self._functions(found.contents.list, FUNCTIONS)
        return found.contents.flags

    def call(self, name, *args):
        """Any function; ints become CK_ULONG. Returns the Rv."""
        return Rv(self.functions[name](*[Ulong(arg) if isinstance(arg, int) else arg
                                         for arg in args]))

    def must(self, name, *args):
        rv = self.call(name, *args)
        if rv != 0:
            raise P11Error(name, rv)

    # ---- general ----

    def initialize(self, config=None, flags=OS_LOCKING_OK, reserved=None):
        """config: path, handed over in pReserved; None with flags None: C_Initialize(NULL)."""
        if config is not None:
            reserved = "config=" + str(config)
        if flags is None and reserved is None:
            self.must("C_Initialize", None)
            return
        args = InitializeArgs(flags=flags or 0, pReserved=reserved.encode() if reserved else None)
        self.must("C_Initialize", ctypes.byref(args))

    def finalize(self):
        self.must("C_Finalize", None)

    def _fill(self, name, struct, *before):
        self.must(name, *before, ctypes.byref(struct))
        return struct

    def info(self):
        return self._fill("C_GetInfo", Info())

    def slots(self, token_present=True):
        count = Ulong()
        self.must("C_GetSlotList", ctypes.c_ubyte(token_present), None, ctypes.byref(count))
        ids = (Ulong * max(1, count.value))()
        self.must("C_GetSlotList", ctypes.c_ubyte(token_present), ids, ctypes.byref(count))
        return list(ids[:count.value])

    def slot(self, label):
        for slot in self.slots():
            if self.token_info(slot).label.decode().rstrip(" ") == label:
                return slot
        raise LookupError("no token with the label %r" % label)

    def slot_info(self, slot):
        return self._fill("C_GetSlotInfo", SlotInfo(), slot)

    def token_info(self, slot):
        return self._fill("C_GetTokenInfo", TokenInfo(), slot)

    def mechanisms(self, slot):
        count = Ulong()
        self.must("C_GetMechanismList", slot, None, ctypes.byref(count))
        found = (Ulong * max(1, count.value))()
        self.must("C_GetMechanismList", slot, found, ctypes.byref(count))
        return list(found[:count.value])

    def mechanism_info(self, slot, mechanism):
        return self._fill("C_GetMechanismInfo", MechanismInfo(), slot, mechanism)

    def open_session(self, slot, read_write=False):
        handle = Ulong()
        flags = SERIAL_SESSION | (RW_SESSION if read_write else 0)
        self.must("C_OpenSession", slot, flags, None, None, ctypes.byref(handle))
        return Session(self, handle.value)

    @contextmanager
    def session(self, slot, read_write=False):
        session = self.open_session(slot, read_write)
        try:
            yield session
        finally:
            self.call("C_CloseSession", session.handle)


class Session:
    def __init__(self, module, handle):
        self.module = module
        self.handle = handle

    def call(self, name, *args):
        return self.module.call(name, self.handle, *args)

    def must(self, name, *args):
        self.module.must(name, self.handle, *args)

    def close(self):
        self.must("C_CloseSession")

    def info(self):
        struct = SessionInfo()
        self.must("C_GetSessionInfo", ctypes.byref(struct))
        return struct

    def login(self, pin, user=USER):
        data = pin.encode() if isinstance(pin, str) else pin
        self.must("C_Login", user, data, len(data))

    def logout(self):
        self.must("C_Logout")

    # ---- objects ----

    def find(self, attributes=None, limit=1024, **named):
        """Handles of the objects that have these attributes."""
        wanted = dict(attributes or {}, **named)
        self.must("C_FindObjectsInit", template(wanted), len(wanted))
        found = []
        try:
            batch, count = (Ulong * limit)(), Ulong(limit)
            while count.value:
                self.must("C_FindObjects", batch, limit, ctypes.byref(count))
                found += batch[:count.value]
        finally:
            self.call("C_FindObjectsFinal")
        return found

    def find_one(self, attributes=None, **named):
        found = self.find(attributes, **named)
        if len(found) != 1:
            raise LookupError("%d objects with %r" % (len(found), dict(attributes or {}, **named)))
        return found[0]

    def private_key(self, label):
        return self.find_one(CKA_CLASS=CK.CKO_PRIVATE_KEY, CKA_LABEL=label)

    def public_key(self, label):
        return self.find_one(CKA_CLASS=CK.CKO_PUBLIC_KEY, CKA_LABEL=label)

    def secret_key(self, label):
        return self.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_LABEL=label)

    def attribute(self, handle, name):
        """The value's bytes. Raises for an attribute that is absent or sensitive."""
        kind = getattr(CK, name) if isinstance(name, str) else name
        entry = (Attribute * 1)()
        entry[0].type = kind
        self.must("C_GetAttributeValue", handle, entry, 1)
        data = ctypes.create_string_buffer(max(1, entry[0].ulValueLen))
        entry[0].pValue = ctypes.addressof(data)
        self.must("C_GetAttributeValue", handle, entry, 1)
        return data.raw[:entry[0].ulValueLen]

    def number(self, handle, name):
        return int.from_bytes(self.attribute(handle, name), "little")

    def destroy(self, handle):
        self.must("C_DestroyObject", handle)

    # ---- operations ----

    def _output(self, name, *args, size=BUFFER_SIZE):
        out, length = ctypes.create_string_buffer(size), Ulong(size)
        self.must(name, *args, out, ctypes.byref(length))
        return out.raw[:length.value]

    def _operate(self, name, key, mechanism, data):
        self.must("C_%sInit" % name, ctypes.byref(mechanism_of(mechanism)), key)
        return self._output("C_" + name, data, len(data))

    def init(self, name, key, mechanism):
        """Only the Init call: init("Sign", key, CK.CKM_ECDSA)."""
        self.must("C_%sInit" % name, ctypes.byref(mechanism_of(mechanism)), key)

    def sign(self, key, mechanism, data):
        return self._operate("Sign", key, mechanism, data)

    def decrypt(self, key, mechanism, data):
        return self._operate("Decrypt", key, mechanism, data)

    def encrypt(self, key, mechanism, data):
        return self._operate("Encrypt", key, mechanism, data)

    def sign_parts(self, key, mechanism, *parts):
        self.init("Sign", key, mechanism)
        for part in parts:
            self.must("C_SignUpdate", part, len(part))
        return self._output("C_SignFinal")

    def verify(self, key, mechanism, data, signature):
        """Raises P11Error with CKR_SIGNATURE_INVALID and its kind."""
        self.init("Verify", key, mechanism)
        self.must("C_Verify", data, len(data), signature, len(signature))

    def random(self, size):
        out = ctypes.create_string_buffer(size)
        self.must("C_GenerateRandom", out, size)
        return out.raw
