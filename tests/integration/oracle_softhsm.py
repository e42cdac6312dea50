#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SoftHSM 2.6 as the oracle: the same keys in it and in a real Vault, the same calls, the same
answers. What differs stands below with its reason; a difference that does not stand there fails,
and so does one that stands there and is no more."""

from harness import CK, HarnessTestCase, P11Error, RealVault, TempConfig, module
from oracle_cases import CASES, FIRST_FUNCTIONS, NOTHING_ELSE, SESSION_FUNCTIONS, BAD, Side
from softhsm import SoftHsm
from weather import main

KEYS = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "aes": "aes256-gcm96", "mac": "hmac"}

# Case: (our trace, SoftHSM's trace, reason).
LENGTH = "a length of the input is wrong, which has a code of its own; GENERAL_ERROR says nothing"
KEYS_HAVE_CODES = "what is passed as a key, and is none, is CKR_KEY_HANDLE_INVALID"
PARAMETERS_HAVE_CODES = "a mechanism's parameter has a code of its own"
ENDS = "C_Sign ends the operation, but for BUFFER_TOO_SMALL and an answered length query"
BESIDE = "operations of different kinds may be under way at once in a session"
TYPE = "the key's type is looked at before its uses, as the mechanism has none for it"
DIFFERENCES = {
    "slot_event_when_none": (
        "NO_EVENT ARGUMENTS_BAD ARGUMENTS_BAD", "NO_EVENT NO_EVENT NO_EVENT",
        "arguments are checked whether or not anything happened"),
    "login_when_user_is_the_officer": (
        "OK USER_TYPE_INVALID", "OK SESSION_READ_ONLY_EXISTS",
        "no service has a security officer, whatever the sessions"),
    "logout_when_logged_out": (
        "OK USER_NOT_LOGGED_IN", "OK OK", "C_Logout has that code for it"),
    "private_key_when_logged_out": (
        "OK USER_NOT_LOGGED_IN OBJECT_HANDLE_INVALID 0",
        "OK OBJECT_HANDLE_INVALID OBJECT_HANDLE_INVALID 0",
        "the handle died with the login; the code says what would help"),
    "private_key_when_logged_in_again": (
        "OK KEY_HANDLE_INVALID", "OK OBJECT_HANDLE_INVALID", KEYS_HAVE_CODES),
    "operation_when_logged_out": (
        "OK OK USER_NOT_LOGGED_IN 1024", "OK OK OK 256",
        "the PIN was the service's credential, and is gone"),
    "find_when_logged_out": (
        "OK nothing nothing", "OK nothing 2/ec,2/rsa",
        "without the PIN the service cannot be asked, for public halves neither"),
    "find_when_a_signature_is_under_way": ("OK OK OK 256", "OK OPERATION_ACTIVE OK 256", BESIDE),
    "find_by_modulus_bits": (
        "2/rsa,3/rsa", "2/rsa", "private keys have CKA_MODULUS_BITS too: see the attributes"),
    "sign_when_key_is_wrong": (
        "KEY_HANDLE_INVALID KEY_HANDLE_INVALID", "OBJECT_HANDLE_INVALID OBJECT_HANDLE_INVALID",
        KEYS_HAVE_CODES),
    "sign_when_mechanism_is_for_another_type": (
        "KEY_TYPE_INCONSISTENT", "OK", "known at C_SignInit, which has that code"),
    "sign_when_parameter_is_there_for_nothing": (
        "MECHANISM_PARAM_INVALID", "OK", "a parameter that is passed over may have been meant"),
    "sign_when_pss_has_no_parameter": (
        "MECHANISM_PARAM_INVALID MECHANISM_PARAM_INVALID", "ARGUMENTS_BAD ARGUMENTS_BAD",
        PARAMETERS_HAVE_CODES),
    "sign_when_pss_parameter_is_of_another_hash": (
        "MECHANISM_PARAM_INVALID", "ARGUMENTS_BAD", PARAMETERS_HAVE_CODES),
    "sign_when_another_kind_is_under_way": ("OK OK", "OK OPERATION_ACTIVE", BESIDE),
    "sign_when_data_is_null": (
        "OK ARGUMENTS_BAD 1024 OPERATION_NOT_INITIALIZED 1024", "OK ARGUMENTS_BAD 1024 OK 256",
        ENDS),
    "sign_when_length_is_null": (
        "OK ARGUMENTS_BAD OPERATION_NOT_INITIALIZED 1024", "OK ARGUMENTS_BAD OK 256", ENDS),
    "sign_in_parts_when_part_is_null": (
        "OK ARGUMENTS_BAD OPERATION_NOT_INITIALIZED 1024", "OK ARGUMENTS_BAD OK 256",
        "C_SignUpdate ends the operation when it fails"),
    "sign_in_parts_when_mechanism_hashes_nothing": (
        "OK OK OK 256", "OK OPERATION_NOT_INITIALIZED OPERATION_NOT_INITIALIZED 1024",
        "parts are collected for every mechanism"),
    "sign_when_rsa_pkcs1_input_is_longer": (
        "OK DATA_LEN_RANGE 1024", "OK GENERAL_ERROR 1024", LENGTH),
    "sign_when_pss_input_is_no_digest": (
        "OK OK 256 OK DATA_LEN_RANGE 1024", "OK OK 256 OK GENERAL_ERROR 1024", LENGTH),
    "sign_when_pss_salt_is_too_long": (
        "MECHANISM_PARAM_INVALID", "OK", "the modulus has no room for it: known at C_SignInit"),
    "sign_when_ecdsa_hashes": (
        "OK OK 64", "MECHANISM_INVALID OPERATION_NOT_INITIALIZED 1024",
        "SoftHSM has no CKM_ECDSA_SHA256"),
    "mac_when_key_is_for_encryption": (
        "KEY_TYPE_INCONSISTENT", "KEY_FUNCTION_NOT_PERMITTED", TYPE),
    "crypt_when_key_is_for_signatures": (
        "KEY_TYPE_INCONSISTENT KEY_TYPE_INCONSISTENT",
        "KEY_FUNCTION_NOT_PERMITTED KEY_FUNCTION_NOT_PERMITTED", TYPE),
    "crypt_when_key_or_mechanism_is_wrong": (
        "KEY_HANDLE_INVALID ARGUMENTS_BAD MECHANISM_INVALID",
        "OBJECT_HANDLE_INVALID ARGUMENTS_BAD MECHANISM_INVALID", KEYS_HAVE_CODES),
    "encrypt_when_plaintext_is_long": (
        "OK OK 256 OK DATA_LEN_RANGE 1024", "OK OK 256 OK GENERAL_ERROR 1024", LENGTH),
    "decrypt_when_buffer_is_small": (
        "OK OK 256 BUFFER_TOO_SMALL 32", "OK OK 256 BUFFER_TOO_SMALL 256",
        "the plaintext is there by then, and its length is known"),
    "decrypt_when_ciphertext_has_another_length": (
        " ".join(3 * ["OK ENCRYPTED_DATA_LEN_RANGE 1024"]),
        " ".join(3 * ["OK GENERAL_ERROR 1024"]), LENGTH),
    "decrypt_when_ciphertext_is_wrong": (
        "OK ENCRYPTED_DATA_INVALID 1024", "OK GENERAL_ERROR 1024",
        "C_Decrypt has that code for it"),
    "decrypt_when_parts_are_given": (
        "OK OK 0", "OK FUNCTION_NOT_SUPPORTED 1024", "parts are collected for every mechanism"),
    "oaep_when_parameter_is_missing": (
        "MECHANISM_PARAM_INVALID", "ARGUMENTS_BAD", PARAMETERS_HAVE_CODES),
    "oaep_when_sha1": (
        "MECHANISM_PARAM_INVALID", "OK", "Vault's OAEP is SHA-256, and no other"),
    "oaep_when_sha256": ("OK", "ARGUMENTS_BAD", "SoftHSM's OAEP is SHA-1, and no other"),
    "random_when_seeded": (
        "RANDOM_SEED_NOT_SUPPORTED RANDOM_SEED_NOT_SUPPORTED", "OK ARGUMENTS_BAD",
        "no service takes a seed"),
    "C_WaitForSlotEvent/uninitialized": (
        "CKR_CRYPTOKI_NOT_INITIALIZED", "CKR_FUNCTION_NOT_SUPPORTED",
        "SoftHSM cannot block, and says so before it looks"),
    "C_GetSessionInfo/session": (
        "CKR_ARGUMENTS_BAD", "CKR_SESSION_HANDLE_INVALID",
        "a place for an answer is looked at first, as in the calls that take no session"),
}
# The session is looked at first there: the operation is in it. SoftHSM looks for NULL first.
SESSION_FIRST = """C_FindObjects C_EncryptInit C_Encrypt C_EncryptUpdate C_DecryptInit C_Decrypt
C_DecryptUpdate C_SignInit C_Sign C_SignUpdate C_SignFinal C_VerifyInit C_Verify C_VerifyUpdate
C_VerifyFinal C_SeedRandom C_GenerateRandom""".split()
DIFFERENCES.update({name + "/session": (
    "CKR_SESSION_HANDLE_INVALID", "CKR_ARGUMENTS_BAD", "the session is looked at first")
    for name in SESSION_FIRST})

# Attribute: (objects, why they differ)
PRIVATE, PUBLIC, SECRET = ["private rsa", "private ec"], ["public rsa", "public ec"], [
    "secret aes", "secret mac"]
ATTRIBUTE_DIFFERENCES = {
    "CKA_UNIQUE_ID": (PRIVATE + PUBLIC + SECRET, "of PKCS#11 3.0; SoftHSM is 2.40"),
    "CKA_ALLOWED_MECHANISMS": (PRIVATE + PUBLIC + SECRET, "what the service serves; to SoftHSM an "
                               "empty list is every mechanism"),
    "CKA_COPYABLE": (PRIVATE + SECRET, "keys cannot be copied in their service"),
    "CKA_DESTROYABLE": (PRIVATE + PUBLIC + SECRET, "not without `allow = destroy`"),
    "CKA_DERIVE_TEMPLATE": (PRIVATE + SECRET, "of PKCS#11 2.40 and answered; SoftHSM has it not"),
    "CKA_PUBLIC_KEY_INFO": (PRIVATE + PUBLIC, "known here; SoftHSM leaves it empty"),
    "CKA_SIGN_RECOVER": (PRIVATE, "no service recovers; SoftHSM says yes and cannot"),
    "CKA_VERIFY_RECOVER": (PUBLIC, "no service recovers; SoftHSM says yes and cannot"),
    "CKA_MODULUS_BITS": (["private rsa"], "clients ask private keys too: see pkcs11/attribute.c"),
    "CKA_EC_POINT": (["private ec"], "clients ask private keys too: see pkcs11/attribute.c"),
    "CKA_ALWAYS_AUTHENTICATE": (SECRET, "pkcs11-tool asks secret keys too"),
    "CKA_CHECK_VALUE": (SECRET, "needs the key itself, which is not here: empty"),
    "CKA_ID": (SECRET, "from slot, name and version; the copies in SoftHSM were given none"),
}


class OracleTestCase(HarnessTestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        vault = RealVault()
        cls.addClassCleanup(vault.__exit__)
        vault.setup_transit()
        for name, kind in KEYS.items():
            size = {"key_size": 64} if kind == "hmac" else {}  # enough for SoftHSM's SHA-512
            vault.make_key(name, kind, exportable=True, **size)
        cls.softhsm = SoftHsm(vault, KEYS)
        cls.addClassCleanup(cls.softhsm.remove)
        cls.config = TempConfig()
        cls.addClassCleanup(cls.config.remove)
        cls.config.slot("web", vault, pin="token", timeout="10s")
        cls.pin = vault.make_token(vault.setup_signer())

    def initialize(self):
        """(ours, SoftHSM's), both initialized until the test ends."""
        ours, theirs = self.open_module(self.config), self.softhsm.module
        theirs.initialize()
        self.addCleanup(theirs.call, "C_Finalize", None)
        return (Side(ours, ours.slot("web"), self.pin),
                Side(theirs, theirs.slot("web"), self.softhsm.pin))

    def assert_as_listed(self, name, ours, theirs):
        listed = DIFFERENCES.get(name)
        if listed is None:
            self.assertEqual(ours, theirs)
        else:
            self.assertEqual((ours, theirs), listed[:2])


class CaseTest(OracleTestCase):
    def test_calls_when_made_on_both_then_same_answers(self):
        ours, theirs = self.initialize()
        for name, function in CASES.items():
            with self.subTest(name):
                self.assert_as_listed(name, ours.run(function), theirs.run(function))

    def test_functions_when_session_is_nobodys_then_same_answers(self):
        sides = self.initialize()
        for name in SESSION_FUNCTIONS:
            with self.subTest(name):
                self.assert_as_listed(name + "/session", *(side.module.call(
                    name, BAD, *NOTHING_ELSE).name for side in sides))

    def test_functions_when_not_initialized_then_same_answers(self):
        for name in FIRST_FUNCTIONS:
            with self.subTest(name):
                self.assert_as_listed(name + "/uninitialized", *(each.call(
                    name, *NOTHING_ELSE).name for each in (module(), self.softhsm.module)))

    def test_table_when_read_then_every_row_is_a_case_and_has_a_reason(self):
        known = {*CASES, *(name + "/session" for name in SESSION_FUNCTIONS),
                 *(name + "/uninitialized" for name in FIRST_FUNCTIONS)}
        self.assertEqual(set(DIFFERENCES) - known, set())
        for ours, theirs, reason in DIFFERENCES.values():
            self.assertNotEqual(ours, theirs)
            self.assertTrue(reason)


class AttributeTest(OracleTestCase):
    """Every attribute that PKCS#11 names, of every object."""

    @staticmethod
    def values(side, kind, label):
        """{attribute: its value in hex, or the name of the result code}"""
        handle, found = getattr(side.session, kind + "_key")(label), {}
        for name in sorted(name for name in vars(CK) if name.startswith("CKA_")):
            try:
                found[name] = side.session.attribute(handle, name).hex()
            except P11Error as error:
                found[name] = error.rv.name
        return found

    def test_attributes_when_read_from_both_then_same_values_or_listed(self):
        sides = self.initialize()
        for side in sides:
            side.session = side.module.open_session(side.slot)
            side.session.login(side.pin)
        for which in PRIVATE + PUBLIC + SECRET:
            with self.subTest(which):
                ours, theirs = (self.values(side, *which.split()) for side in sides)
                self.assert_differ(which, ours, theirs)
                answered = [name for name in ours if not ours[name].startswith("CKR_")]
                self.assertGreater(len(answered), 20)

    def assert_differ(self, which, ours, theirs):
        """As the table says, and nowhere else."""
        found = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
        listed = {name for name, (objects, _) in ATTRIBUTE_DIFFERENCES.items() if which in objects}
        self.assertEqual(set(found), listed, found)


if __name__ == "__main__":
    main()
