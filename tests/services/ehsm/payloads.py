# SPDX-License-Identifier: Apache-2.0
"""What the front end checks in a payload, as payload_checker.js does; wording and all."""

import re

PLAIN_MAX = 6144
BASE64_MAX = PLAIN_MAX * 4 // 3
SEALED_MAX = (PLAIN_MAX + 30) * 4 // 3
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
UUID = re.compile(r"[a-z\d]{8}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{12}")
KEYSPECS = ("EH_AES_GCM_128 EH_AES_GCM_192 EH_AES_GCM_256 EH_RSA_2048 EH_RSA_3072 EH_RSA_4096 "
            "EH_EC_P224 EH_EC_P256 EH_EC_P256K EH_EC_P384 EH_EC_P521 EH_SM2 EH_SM4_CTR EH_SM4_CBC "
            "EH_HMAC").split()
ORIGINS = ("EH_INTERNAL_KEY", "EH_EXTERNAL_KEY")
PADDINGS = ("EH_PAD_NONE", "EH_RSA_PKCS1", "EH_RSA_PKCS1_PSS", "EH_RSA_PKCS1_OAEP")
DIGESTS = ("EH_SHA_224", "EH_SHA_256", "EH_SHA_384", "EH_SHA_512", "EH_SM3")


class Refusal(Exception):
    """A code and a message; None: the answer has none. enclave: it came from inside."""

    def __init__(self, code, message, enclave=False):
        super().__init__(code, message)
        self.code, self.message, self.enclave = code, message, enclave


def invalid(name, what):
    return Refusal(400, "Parameter invalid, The %s %s" % (name, what))


def _present(payload, name, optional):
    """The value, or None for an empty optional one."""
    value = payload.get(name)
    if value is None or value == "":
        if optional:
            return None
        raise Refusal(400, "Missing required parameters, The %s cannot be empty." % name)
    return value


def base64(limit=BASE64_MAX, optional=False):
    def check(payload, name):
        value = _present(payload, name, optional)
        if value is None:
            return
        if not isinstance(value, str) or len(value) % 4 or not BASE64.fullmatch(value):
            raise invalid(name, "not a vailed base64 string.")
        if len(value) > limit:
            raise invalid(name, "length error.")
    return check


def keyid(payload, name):
    value = _present(payload, name, False)
    if len(str(value)) != 36:
        raise invalid(name, "length error.")
    if not UUID.fullmatch(value):
        raise invalid(name, "format wrong.")


def word(*words):
    def check(payload, name):
        if _present(payload, name, False) not in words:
            raise invalid(name, "type is incorrect.")
    return check


def keylen(payload, name):
    value = payload.get(name)
    if value is None:
        raise Refusal(400, "Missing required parameters, The %s cannot be empty." % name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name, "must be of integer type.")
    if value > 1024:
        raise invalid(name, "value must be less than or equal to 1024.")
    if value < 1:
        raise invalid(name, "value must be greater than or equal to 1.")


def text(longest, optional=False):
    def check(payload, name):
        value = _present(payload, name, optional)
        if value is not None and not 1 <= len(str(value)) <= longest:
            raise invalid(name, "length error.")
    return check


AAD = ("aad", base64(optional=True))
KEYID = ("keyid", keyid)
SIGN = (KEYID, ("message", base64()), ("message_type", word("EH_RAW", "EH_DIGEST")),
        ("digest_mode", word(*DIGESTS)), ("padding_mode", word(*PADDINGS)))
DATA_KEY = (KEYID, ("keylen", keylen), AAD)
OLD_SIGN = (KEYID, ("digest", base64()))

FIELDS = {  # in the order in which they are looked at
    "CreateKey": (("keyspec", word(*KEYSPECS)), ("origin", word(*ORIGINS))),
    "Encrypt": (KEYID, ("plaintext", base64()), AAD),
    "Decrypt": (KEYID, ("ciphertext", base64(SEALED_MAX)), AAD),
    "AsymmetricEncrypt": (KEYID, ("plaintext", base64()), ("padding_mode", word(*PADDINGS))),
    "AsymmetricDecrypt": (KEYID, ("ciphertext", base64()), ("padding_mode", word(*PADDINGS))),
    "Sign": SIGN,
    "Verify": SIGN + (("signature", base64()),),
    "GenerateDataKey": DATA_KEY,
    "GenerateDataKeyWithoutPlaintext": DATA_KEY,
    "ExportDataKey": (KEYID, ("ukeyid", keyid), ("olddatakey_base", base64()), AAD),
    "GetPublicKey": (KEYID,),
    "GetParametersForImport": (KEYID, ("keyspec", word("EH_RSA_2048", "EH_RSA_3072",
                                                       "EH_RSA_4096"))),
    "ImportKeyMaterial": (KEYID, ("key_material", base64()),
                          ("padding_mode", word("EH_RSA_PKCS1", "EH_RSA_PKCS1_OAEP"))),
    "EnableKey": (KEYID,), "DisableKey": (KEYID,), "DeleteKey": (KEYID,),
    "GenerateQuote": (("challenge", base64(4096)),),
    "CreateSecret": (("secretName", text(64)), ("secretData", text(4096)),
                     ("description", text(4096, True))),
}


def check(action, payload, old_sealed=False, ancient=False):
    """Raises the first Refusal; actions that are not known pass."""
    fields = FIELDS.get(action, ())
    if ancient and action == "Sign":
        fields = OLD_SIGN
    for name, examine in fields:
        if old_sealed and action == "Decrypt" and name == "ciphertext":
            examine = base64()
        examine(payload, name)
