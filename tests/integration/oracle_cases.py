# SPDX-License-Identifier: Apache-2.0
"""The calls that oracle_softhsm.py makes on two modules: each case leaves a trace, the result codes
of its calls in order and what they said, and ends with the module as it found it.

    @case
    def sign_when_key_is_public(side): side.init("Sign", side.public("rsa"), CK.CKM_RSA_PKCS)
"""

import ctypes

from harness import CK, oaep, pss
from p11_types import (Attribute, Info, MechanismInfo, SessionInfo, SlotInfo, TokenInfo, Ulong,
                       mechanism_of, template)

CASES = {}
MESSAGE = b"a message that both sign"
DIGEST = bytes(range(32))
BAD = 0x7fff1234  # nobody's handle, slot or mechanism
SIZE = 1024
SERIAL = 4
OFFICER, USER, CONTEXT = range(3)
NOTHING_ELSE = (0,) * 8  # beyond a function's arguments they do no harm

# Whose first argument is a session, all but those that change tokens.
SESSION_FUNCTIONS = """C_CloseSession C_GetSessionInfo C_Login C_Logout C_GetObjectSize
C_GetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt
C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_SignInit
C_Sign C_SignUpdate C_SignFinal C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_SeedRandom
C_GenerateRandom""".split()
FIRST_FUNCTIONS = SESSION_FUNCTIONS + """C_GetInfo C_GetSlotList C_GetSlotInfo C_GetTokenInfo
C_GetMechanismList C_GetMechanismInfo C_OpenSession C_CloseAllSessions C_WaitForSlotEvent
C_Finalize C_GetFunctionStatus C_CancelFunction""".split()


def case(function):
    CASES[function.__name__] = function
    return function


class Side:
    """One module with its token, logged in, and the trace of the case that runs."""

    def __init__(self, module, slot, pin):
        self.module, self.slot, self.pin = module, slot, pin
        self.trace = []
        self.session = None

    def run(self, function):
        self.trace = []
        self.session = self.module.open_session(self.slot)
        self.session.login(self.pin)
        try:
            function(self)
        finally:
            self.module.call("C_CloseAllSessions", self.slot)
        return " ".join(self.trace)

    def note(self, text):
        self.trace.append(str(text))

    def call(self, name, *args):
        """On the session."""
        return self.on(self.session.handle, name, *args)

    def on(self, handle, name, *args):
        return self.plain(name, handle, *args)

    def plain(self, name, *args):
        rv = self.module.call(name, *args)
        self.note(rv.name[4:])
        return rv

    # ---- objects and operations ----

    def private(self, label):
        return self.session.private_key(label)

    def public(self, label):
        return self.session.public_key(label)

    def secret(self, label):
        return self.session.secret_key(label)

    def init(self, name, key, mechanism):
        how = mechanism if mechanism is None else ctypes.byref(mechanism_of(mechanism))
        return self.call("C_%sInit" % name, how, key)

    def output(self, name, *args, size=SIZE, out=True, show=False):
        """A call that ends with a buffer and its length, which are noted: length, or the bytes."""
        buffer, length = ctypes.create_string_buffer(SIZE), Ulong(size)
        rv = self.call(name, *args, buffer if out else None, ctypes.byref(length))
        self.note(buffer.raw[:length.value].hex() if show and rv == 0 else length.value)
        return buffer.raw[:length.value] if rv == 0 else b""

    def whole(self, name, key, mechanism, data, **options):
        self.init(name, key, mechanism)
        return self.output("C_" + name, data, len(data), **options)

    def verify(self, key, mechanism, data, signature):
        self.init("Verify", key, mechanism)
        self.call("C_Verify", data, len(data), signature, len(signature))

    def good(self, name, label, mechanism, data):
        """Made or checked without a trace."""
        return getattr(self.session, name)(self.private(label), mechanism, data)

    def attributes(self, handle, entries):
        """C_GetAttributeValue with [(type, buffer size or None)]."""
        array = (Attribute * max(1, len(entries)))()
        buffers = [ctypes.create_string_buffer(max(1, size or 0)) for _, size in entries]
        for entry, buffer, (kind, size) in zip(array, buffers, entries):
            entry.type = getattr(CK, kind)
            if size is not None:
                entry.pValue, entry.ulValueLen = ctypes.addressof(buffer), size
        self.call("C_GetAttributeValue", handle, array, len(entries))
        for entry in array[:len(entries)]:
            self.note("unavailable" if entry.ulValueLen == 2**64 - 1 else entry.ulValueLen)

    def found(self, wanted):
        """The classes and labels of what a template finds."""
        found = []
        for handle in self.session.find(wanted):
            found.append("%d/%s" % (self.session.number(handle, "CKA_CLASS"),
                                    self.session.attribute(handle, "CKA_LABEL").decode()))
        self.note(",".join(sorted(found)) or "nothing")


# ---- general, slots, sessions ----

@case
def initialize_when_initialized(side):
    side.plain("C_Initialize", None)


@case
def finalize_when_reserved_is_given(side):
    side.plain("C_Finalize", b"reserved")


@case
def info_when_null(side):
    side.plain("C_GetInfo", None)
    side.plain("C_GetInfo", ctypes.byref(Info()))


@case
def parallel_functions(side):
    side.call("C_GetFunctionStatus")
    side.call("C_CancelFunction")


@case
def slot_list_when_null_or_small(side):
    side.plain("C_GetSlotList", 1, None, None)
    side.plain("C_GetSlotList", 1, (Ulong * 1)(), ctypes.byref(Ulong(0)))


@case
def slot_info_when_wrong(side):
    side.plain("C_GetSlotInfo", BAD, ctypes.byref(SlotInfo()))
    side.plain("C_GetSlotInfo", side.slot, None)
    side.plain("C_GetTokenInfo", BAD, ctypes.byref(TokenInfo()))
    side.plain("C_GetTokenInfo", side.slot, None)


@case
def mechanism_list_when_wrong(side):
    side.plain("C_GetMechanismList", BAD, None, ctypes.byref(Ulong()))
    side.plain("C_GetMechanismList", side.slot, None, None)
    side.plain("C_GetMechanismList", side.slot, (Ulong * 1)(), ctypes.byref(Ulong(1)))


@case
def mechanism_info_when_wrong(side):
    side.plain("C_GetMechanismInfo", BAD, CK.CKM_RSA_PKCS, ctypes.byref(MechanismInfo()))
    side.plain("C_GetMechanismInfo", side.slot, BAD, ctypes.byref(MechanismInfo()))
    side.plain("C_GetMechanismInfo", side.slot, CK.CKM_RSA_PKCS, None)


@case
def open_session_when_wrong(side):
    handle = Ulong()
    side.plain("C_OpenSession", BAD, SERIAL, None, None, ctypes.byref(handle))
    side.plain("C_OpenSession", side.slot, SERIAL, None, None, None)
    side.plain("C_OpenSession", side.slot, 0, None, None, ctypes.byref(handle))


@case
def close_session_when_wrong(side):
    side.plain("C_CloseSession", BAD)
    side.plain("C_CloseSession", 0)
    side.plain("C_CloseAllSessions", BAD)


@case
def close_session_when_closed(side):
    other = side.module.open_session(side.slot)
    side.on(other.handle, "C_CloseSession")
    side.on(other.handle, "C_CloseSession")


@case
def session_info_in_each_state(side):
    other = side.module.open_session(side.slot, read_write=True)
    for step in (lambda: None, lambda: side.call("C_Logout")):
        step()
        for session in (side.session, other):
            info = session.info()
            side.note("state=%d flags=%d error=%d" % (info.state, info.flags, info.ulDeviceError))


@case
def session_info_when_null(side):
    side.call("C_GetSessionInfo", None)
    side.on(BAD, "C_GetSessionInfo", ctypes.byref(SessionInfo()))


@case
def slot_event_when_none(side):
    side.plain("C_WaitForSlotEvent", 1, ctypes.byref(Ulong()), None)
    side.plain("C_WaitForSlotEvent", 1, None, None)
    side.plain("C_WaitForSlotEvent", 1, ctypes.byref(Ulong()), b"reserved")


# ---- login ----

@case
def login_when_logged_in(side):
    side.call("C_Login", USER, side.pin.encode(), len(side.pin))


@case
def login_when_pin_is_wrong(side):
    side.call("C_Logout")
    side.call("C_Login", USER, b"not the PIN", 11)
    side.call("C_Login", USER, b"", 0)


@case
def login_when_pin_is_null(side):
    side.call("C_Logout")
    side.call("C_Login", USER, None, 0)
    side.call("C_Login", USER, None, 4)


@case
def login_when_user_is_unknown(side):
    side.call("C_Logout")
    side.call("C_Login", 99, side.pin.encode(), len(side.pin))


@case
def login_when_user_is_the_officer(side):
    side.call("C_Logout")
    side.call("C_Login", OFFICER, b"1234", 4)


@case
def login_when_nothing_asks_for_it(side):
    side.call("C_Login", CONTEXT, side.pin.encode(), len(side.pin))


@case
def logout_when_logged_out(side):
    side.call("C_Logout")
    side.call("C_Logout")


@case
def login_when_in_another_session(side):
    other = side.module.open_session(side.slot)
    side.call("C_Logout")
    side.on(other.handle, "C_Login", USER, side.pin.encode(), len(side.pin))
    side.note(side.session.info().state)


@case
def login_when_last_session_was_closed(side):
    side.session.close()
    side.session = side.module.open_session(side.slot)
    side.note(side.session.info().state)


@case
def private_key_when_logged_out(side):
    key = side.private("rsa")
    side.call("C_Logout")
    side.init("Sign", key, CK.CKM_RSA_PKCS)
    side.attributes(key, [("CKA_LABEL", None)])


@case
def private_key_when_logged_in_again(side):
    key = side.private("rsa")
    side.call("C_Logout")
    side.session.login(side.pin)
    side.init("Sign", key, CK.CKM_RSA_PKCS)


@case
def operation_when_logged_out(side):
    side.init("Sign", side.private("rsa"), CK.CKM_RSA_PKCS)
    side.call("C_Logout")
    side.output("C_Sign", MESSAGE, len(MESSAGE))


@case
def public_key_when_logged_out(side):
    signature, key = side.good("sign", "rsa", CK.CKM_SHA256_RSA_PKCS, MESSAGE), side.public("rsa")
    side.call("C_Logout")
    side.verify(key, CK.CKM_SHA256_RSA_PKCS, MESSAGE, signature)


@case
def find_when_logged_out(side):
    side.call("C_Logout")
    side.found({"CKA_CLASS": CK.CKO_PRIVATE_KEY})
    side.found({"CKA_CLASS": CK.CKO_PUBLIC_KEY})


# ---- finding ----

@case
def find_when_not_begun(side):
    side.call("C_FindObjects", (Ulong * 4)(), 4, ctypes.byref(Ulong()))
    side.call("C_FindObjectsFinal")


@case
def find_when_begun_twice(side):
    side.call("C_FindObjectsInit", None, 0)
    side.call("C_FindObjectsInit", None, 0)
    side.call("C_FindObjectsFinal")
    side.call("C_FindObjectsFinal")


@case
def find_when_template_is_null(side):
    side.call("C_FindObjectsInit", None, 1)


@case
def find_when_results_are_null(side):
    side.call("C_FindObjectsInit", None, 0)
    side.call("C_FindObjects", None, 4, ctypes.byref(Ulong()))
    side.call("C_FindObjects", (Ulong * 4)(), 4, None)
    side.call("C_FindObjectsFinal")


@case
def find_when_asked_piece_by_piece(side):
    side.call("C_FindObjectsInit", template({"CKA_CLASS": CK.CKO_PRIVATE_KEY}), 1)
    for size in (0, 1, 4, 4):
        count = Ulong(77)
        side.call("C_FindObjects", (Ulong * 4)(), size, ctypes.byref(count))
        side.note(count.value)
    side.call("C_FindObjectsFinal")


@case
def find_when_a_signature_is_under_way(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_FindObjectsInit", None, 0)
    side.output("C_Sign", MESSAGE, len(MESSAGE))


@case
def find_by_templates(side):
    ident = side.session.attribute(side.private("ec"), "CKA_ID")
    for wanted in ({}, {"CKA_CLASS": CK.CKO_PRIVATE_KEY}, {"CKA_LABEL": "rsa"}, {"CKA_ID": ident},
                   {"CKA_LABEL": "rsa", "CKA_ID": ident}, {"CKA_KEY_TYPE": CK.CKK_RSA},
                   {"CKA_SIGN": True}, {"CKA_DECRYPT": True, "CKA_KEY_TYPE": CK.CKK_RSA},
                   {"CKA_TOKEN": False}, {"CKA_TOKEN": True, "CKA_PRIVATE": True},
                   {"CKA_CLASS": CK.CKO_CERTIFICATE}, {"CKA_LABEL": ""}, {"CKA_LABEL": "nobody"},
                   {"CKA_CLASS": b"\2"}, {BAD: b"x"}, {"CKA_VALUE": b"x"},
                   {"CKA_EXTRACTABLE": True}):
        side.found(wanted)


@case
def find_by_modulus_bits(side):
    side.found({"CKA_MODULUS_BITS": 2048})


# ---- attributes ----

@case
def attributes_when_template_is_null(side):
    side.call("C_GetAttributeValue", side.private("rsa"), None, 1)


@case
def attributes_when_none_is_asked_for(side):
    side.call("C_GetAttributeValue", side.private("rsa"), (Attribute * 1)(), 0)


@case
def attributes_when_handle_is_wrong(side):
    side.attributes(BAD, [("CKA_LABEL", None)])
    side.attributes(0, [("CKA_LABEL", None)])
    side.call("C_GetObjectSize", BAD, ctypes.byref(Ulong()))


@case
def attributes_when_buffer_is_small_or_long(side):
    key = side.public("rsa")
    side.attributes(key, [("CKA_MODULUS", 10)])
    side.attributes(key, [("CKA_MODULUS", 300), ("CKA_CLASS", 8), ("CKA_LABEL", 3)])
    side.attributes(key, [("CKA_CLASS", 4), ("CKA_LABEL", 8)])


@case
def attributes_when_some_are_not_to_be_had(side):
    key = side.private("rsa")
    side.attributes(key, [("CKA_PRIVATE_EXPONENT", 300), ("CKA_CLASS", 8)])
    side.attributes(key, [("CKA_EC_POINT", 300), ("CKA_CLASS", 8)])
    side.attributes(key, [("CKA_LABEL", 8), ("CKA_PRIME_1", None), ("CKA_EC_POINT", None)])
    side.attributes(side.secret("aes"), [("CKA_VALUE", 64), ("CKA_VALUE_LEN", 8)])


@case
def object_size_when_null(side):
    side.call("C_GetObjectSize", side.private("rsa"), None)


# ---- signing ----

@case
def sign_when_not_begun(side):
    side.output("C_Sign", MESSAGE, len(MESSAGE))
    side.call("C_SignUpdate", MESSAGE, len(MESSAGE))
    side.output("C_SignFinal")


@case
def sign_when_key_is_wrong(side):
    side.init("Sign", BAD, CK.CKM_SHA256_RSA_PKCS)
    side.init("Sign", 0, CK.CKM_SHA256_RSA_PKCS)


@case
def sign_when_key_is_public(side):
    side.init("Sign", side.public("rsa"), CK.CKM_SHA256_RSA_PKCS)


@case
def sign_when_mechanism_is_null(side):
    side.init("Sign", side.private("rsa"), None)


@case
def sign_when_mechanism_is_unknown(side):
    side.init("Sign", side.private("rsa"), BAD)


@case
def sign_when_mechanism_is_for_another_type(side):
    side.init("Sign", side.private("ec"), CK.CKM_SHA256_RSA_PKCS)


@case
def sign_when_mechanism_only_encrypts(side):
    side.init("Sign", side.private("rsa"), oaep("SHA256"))


@case
def sign_when_parameter_is_there_for_nothing(side):
    side.init("Sign", side.private("rsa"), (CK.CKM_SHA256_RSA_PKCS, b"parameter"))


@case
def sign_when_pss_has_no_parameter(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS_PSS)
    side.init("Sign", side.private("rsa"), (CK.CKM_SHA256_RSA_PKCS_PSS, b"short"))


@case
def sign_when_pss_parameter_is_of_another_hash(side):
    side.init("Sign", side.private("rsa"), pss("SHA1", mechanism=CK.CKM_SHA256_RSA_PKCS_PSS))


@case
def sign_when_begun_twice(side):
    key = side.private("rsa")
    for _ in range(2):
        side.init("Sign", key, CK.CKM_SHA256_RSA_PKCS)


@case
def sign_when_another_kind_is_under_way(side):
    private, public = side.private("rsa"), side.public("rsa")
    side.init("Sign", private, CK.CKM_SHA256_RSA_PKCS)
    side.init("Verify", public, CK.CKM_SHA256_RSA_PKCS)


@case
def sign_when_data_is_null(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.output("C_Sign", None, 5)
    side.output("C_Sign", MESSAGE, len(MESSAGE))


@case
def sign_when_length_is_null(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_Sign", MESSAGE, len(MESSAGE), ctypes.create_string_buffer(SIZE), None)
    side.output("C_Sign", MESSAGE, len(MESSAGE))


@case
def sign_when_length_is_asked_for_then_signed(side):
    for key, how in ((side.private("rsa"), CK.CKM_SHA256_RSA_PKCS),
                     (side.private("ec"), CK.CKM_ECDSA), (side.secret("mac"), CK.CKM_SHA256_HMAC)):
        side.init("Sign", key, how)
        side.output("C_Sign", DIGEST, len(DIGEST), out=False)
        side.output("C_Sign", DIGEST, len(DIGEST), size=10)
        side.output("C_Sign", DIGEST, len(DIGEST))
        side.output("C_Sign", DIGEST, len(DIGEST))


@case
def sign_in_parts_when_length_is_asked_for_then_signed(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_SignUpdate", MESSAGE, len(MESSAGE))
    side.output("C_SignFinal", out=False)
    side.output("C_SignFinal", size=10)
    side.output("C_SignFinal", show=True)
    side.output("C_SignFinal")


@case
def sign_in_parts_when_nothing_was_given(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.output("C_SignFinal", show=True)


@case
def sign_whole_when_parts_were_given(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_SignUpdate", MESSAGE, len(MESSAGE))
    side.output("C_Sign", MESSAGE, len(MESSAGE))


@case
def sign_in_parts_when_part_is_null(side):
    side.init("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_SignUpdate", None, 5)
    side.output("C_SignFinal")


@case
def sign_in_parts_when_mechanism_hashes_nothing(side):
    side.init("Sign", side.private("rsa"), CK.CKM_RSA_PKCS)
    side.call("C_SignUpdate", MESSAGE, len(MESSAGE))
    side.output("C_SignFinal")


@case
def sign_when_rsa_pkcs1_is_whole(side):
    for name in ("CKM_RSA_PKCS", "CKM_SHA1_RSA_PKCS", "CKM_SHA224_RSA_PKCS", "CKM_SHA256_RSA_PKCS",
                 "CKM_SHA384_RSA_PKCS", "CKM_SHA512_RSA_PKCS"):
        side.whole("Sign", side.private("rsa"), getattr(CK, name), MESSAGE, show=True)


@case
def sign_when_rsa_pkcs1_input_is_the_longest(side):
    side.whole("Sign", side.private("rsa"), CK.CKM_RSA_PKCS, bytes(245), show=True)


@case
def sign_when_rsa_pkcs1_input_is_longer(side):
    side.whole("Sign", side.private("rsa"), CK.CKM_RSA_PKCS, bytes(246))


@case
def sign_when_input_is_empty(side):
    side.whole("Sign", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS, b"", show=True)
    side.whole("Sign", side.private("rsa"), CK.CKM_RSA_PKCS, b"", show=True)


@case
def sign_when_pss_input_is_no_digest(side):
    side.whole("Sign", side.private("rsa"), pss("SHA256"), DIGEST)
    side.whole("Sign", side.private("rsa"), pss("SHA256"), DIGEST[:31])


@case
def sign_when_pss_salt_has_no_room(side):
    side.init("Sign", side.private("rsa"), pss("SHA256", salt=222))
    side.session.call("C_SignInit", None, 0)


@case
def sign_when_pss_salt_is_too_long(side):
    side.init("Sign", side.private("rsa"), pss("SHA256", salt=223))


@case
def sign_when_ecdsa_input_has_each_length(side):
    for size in (20, 32, 48, 64):
        side.whole("Sign", side.private("ec"), CK.CKM_ECDSA, bytes(range(size)))


@case
def sign_when_ecdsa_input_is_no_digest(side):
    side.whole("Sign", side.private("ec"), CK.CKM_ECDSA, bytes(33))


@case
def sign_when_ecdsa_hashes(side):
    side.whole("Sign", side.private("ec"), CK.CKM_ECDSA_SHA256, MESSAGE)


@case
def mac_when_hmac(side):
    for name in ("SHA224", "SHA256", "SHA384", "SHA512"):
        side.whole("Sign", side.secret("mac"), getattr(CK, "CKM_%s_HMAC" % name), MESSAGE,
                   show=True)


@case
def mac_when_sha1(side):
    side.init("Sign", side.secret("mac"), CK.CKM_SHA_1_HMAC)


@case
def mac_when_key_is_for_encryption(side):
    side.init("Sign", side.secret("aes"), CK.CKM_SHA256_HMAC)


# ---- verifying ----

@case
def verify_when_not_begun(side):
    side.call("C_Verify", MESSAGE, len(MESSAGE), bytes(256), 256)
    side.call("C_VerifyUpdate", MESSAGE, len(MESSAGE))
    side.call("C_VerifyFinal", bytes(256), 256)


@case
def verify_when_key_is_private(side):
    side.init("Verify", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)


@case
def verify_when_good_or_wrong(side):
    for label, how in (("rsa", CK.CKM_SHA256_RSA_PKCS), ("rsa", pss("SHA256")),
                       ("ec", CK.CKM_ECDSA)):
        signature, key = side.good("sign", label, how, DIGEST), side.public(label)
        side.verify(key, how, DIGEST, signature)
        side.verify(key, how, DIGEST[::-1], signature)
        side.verify(key, how, DIGEST, bytes(1) + signature[1:-1] + b"\1")
        side.call("C_Verify", DIGEST, len(DIGEST), signature, len(signature))


@case
def verify_when_signature_has_another_length(side):
    for label, how in (("rsa", CK.CKM_SHA256_RSA_PKCS), ("ec", CK.CKM_ECDSA)):
        signature, key = side.good("sign", label, how, DIGEST), side.public(label)
        side.verify(key, how, DIGEST, signature[:-1])
        side.verify(key, how, DIGEST, signature + b"x")


@case
def verify_when_mac(side):
    key, how = side.secret("mac"), CK.CKM_SHA256_HMAC
    signature = side.session.sign(key, how, MESSAGE)
    side.verify(key, how, MESSAGE, signature)
    side.verify(key, how, MESSAGE, signature[::-1])
    side.verify(key, how, MESSAGE, signature[:-1])


@case
def verify_in_parts(side):
    signature = side.good("sign", "rsa", CK.CKM_SHA256_RSA_PKCS, MESSAGE)
    side.init("Verify", side.public("rsa"), CK.CKM_SHA256_RSA_PKCS)
    for part in (MESSAGE[:3], MESSAGE[3:]):
        side.call("C_VerifyUpdate", part, len(part))
    side.call("C_VerifyFinal", signature, len(signature))
    side.call("C_VerifyFinal", signature, len(signature))


@case
def verify_when_null(side):
    side.init("Verify", side.public("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_Verify", MESSAGE, len(MESSAGE), None, 256)


@case
def verify_whole_when_parts_were_given(side):
    side.init("Verify", side.public("rsa"), CK.CKM_SHA256_RSA_PKCS)
    side.call("C_VerifyUpdate", MESSAGE, len(MESSAGE))
    side.call("C_Verify", MESSAGE, len(MESSAGE), bytes(256), 256)


# ---- encryption ----

@case
def crypt_when_not_begun(side):
    for name in ("Encrypt", "Decrypt"):
        side.output("C_" + name, DIGEST, len(DIGEST))
        side.output("C_%sUpdate" % name, DIGEST, len(DIGEST))
        side.output("C_%sFinal" % name)


@case
def crypt_when_key_is_the_other_half(side):
    side.init("Encrypt", side.private("rsa"), CK.CKM_RSA_PKCS)
    side.init("Decrypt", side.public("rsa"), CK.CKM_RSA_PKCS)


@case
def crypt_when_key_is_for_signatures(side):
    side.init("Decrypt", side.private("ec"), CK.CKM_RSA_PKCS)
    side.init("Encrypt", side.public("ec"), CK.CKM_RSA_PKCS)


@case
def crypt_when_mechanism_only_signs(side):
    side.init("Decrypt", side.private("rsa"), CK.CKM_SHA256_RSA_PKCS)


@case
def crypt_when_key_or_mechanism_is_wrong(side):
    side.init("Decrypt", BAD, CK.CKM_RSA_PKCS)
    side.init("Decrypt", side.private("rsa"), None)
    side.init("Decrypt", side.private("rsa"), BAD)


@case
def encrypt_when_lengths_are_asked_for_then_encrypted(side):
    side.init("Encrypt", side.public("rsa"), CK.CKM_RSA_PKCS)
    side.output("C_Encrypt", DIGEST, len(DIGEST), out=False)
    side.output("C_Encrypt", DIGEST, len(DIGEST), size=10)
    side.output("C_Encrypt", DIGEST, len(DIGEST))
    side.output("C_Encrypt", DIGEST, len(DIGEST))


@case
def encrypt_when_plaintext_is_long(side):
    side.whole("Encrypt", side.public("rsa"), CK.CKM_RSA_PKCS, bytes(245))
    side.whole("Encrypt", side.public("rsa"), CK.CKM_RSA_PKCS, bytes(246))


@case
def encrypt_when_null(side):
    side.init("Encrypt", side.public("rsa"), CK.CKM_RSA_PKCS)
    side.output("C_Encrypt", None, 5)


@case
def decrypt_when_pkcs1(side):
    sealed = side.session.encrypt(side.public("rsa"), CK.CKM_RSA_PKCS, DIGEST)
    side.whole("Decrypt", side.private("rsa"), CK.CKM_RSA_PKCS, sealed, show=True)


@case
def decrypt_when_buffer_is_small(side):
    sealed = side.session.encrypt(side.public("rsa"), CK.CKM_RSA_PKCS, DIGEST)
    side.init("Decrypt", side.private("rsa"), CK.CKM_RSA_PKCS)
    side.output("C_Decrypt", sealed, len(sealed), out=False)
    side.output("C_Decrypt", sealed, len(sealed), size=10)


@case
def decrypt_when_ciphertext_has_another_length(side):
    for size in (0, 255, 257):
        side.whole("Decrypt", side.private("rsa"), CK.CKM_RSA_PKCS, bytes(size))


@case
def decrypt_when_ciphertext_is_wrong(side):
    side.whole("Decrypt", side.private("rsa"), CK.CKM_RSA_PKCS, bytes(255) + b"\2")


@case
def decrypt_when_begun_twice(side):
    key = side.private("rsa")
    for _ in range(2):
        side.init("Decrypt", key, CK.CKM_RSA_PKCS)


@case
def decrypt_when_parts_are_given(side):
    sealed = side.session.encrypt(side.public("rsa"), CK.CKM_RSA_PKCS, DIGEST)
    side.init("Decrypt", side.private("rsa"), CK.CKM_RSA_PKCS)
    side.output("C_DecryptUpdate", sealed, len(sealed))


@case
def oaep_when_parameter_is_missing(side):
    side.init("Decrypt", side.private("rsa"), CK.CKM_RSA_PKCS_OAEP)


@case
def oaep_when_sha1(side):
    side.init("Decrypt", side.private("rsa"), oaep("SHA1"))


@case
def oaep_when_sha256(side):
    side.init("Encrypt", side.public("rsa"), oaep("SHA256"))


# ---- random ----

@case
def random_when_null_or_nothing(side):
    side.call("C_GenerateRandom", None, 5)
    side.call("C_GenerateRandom", ctypes.create_string_buffer(8), 0)
    side.call("C_GenerateRandom", ctypes.create_string_buffer(8), 8)


@case
def random_when_seeded(side):
    side.call("C_SeedRandom", b"seed", 4)
    side.call("C_SeedRandom", None, 4)
