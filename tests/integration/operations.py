# SPDX-License-Identifier: Apache-2.0
"""Capabilities of clients that are libraries: a program, or a few lines here, makes the calls, and
python3-cryptography judges. A subclass says how its library does what below raises
NotImplementedError; what it does not do at all it sets to None:

    can_threads = None

ProgramOperations has all of it for programs that take one command line and stdin:

    PROGRAM MODULE TOKEN call COMMAND [WORD]...      with the PIN in CLIENT_PIN
"""

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes, padding as block_padding
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from capabilities import CapabilityTestCase
from consumers import MESSAGE

SHA1, SHA256 = hashes.SHA1(), hashes.SHA256()
DIGEST = hashlib.sha256(MESSAGE).digest()
PKCS1 = padding.PKCS1v15()
PSS = padding.PSS(padding.MGF1(SHA256), 32)
PARTS = [MESSAGE * 100] * 5
KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))
IV = bytes(16)
NONCE = bytes(12)
AAD = b"aad"
PRIME256V1 = bytes.fromhex("06082a8648ce3d030107")


def oaep(algorithm):
    return padding.OAEP(padding.MGF1(algorithm), algorithm, None)


def verify_ecdsa(public, signature):
    """A signature as PKCS#11 has it, r||s, over MESSAGE."""
    half = len(signature) // 2
    pair = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    public.verify(utils.encode_dss_signature(*pair), MESSAGE, ec.ECDSA(SHA256))


def cbc_pad(data):
    """What AES-CBC with PKCS#7 padding makes of it with KEY and IV."""
    padder = block_padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(IV)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


SESSION_KEYS = {  # what each capability comes to
    "gcm": AESGCM(KEY).encrypt(NONCE, MESSAGE, AAD),
    "cbc": cbc_pad(MESSAGE),
    "hmac": hmac.digest(OTHER_KEY, MESSAGE, hashlib.sha256),
    "wrap_aes": aes_key_wrap(OTHER_KEY, KEY) + cbc_pad(MESSAGE),
    "wrap_rsa": cbc_pad(MESSAGE),
}


class OperationsTestCase(CapabilityTestCase):
    # ---- what the library does ----

    def list(self):
        """The labels of private keys."""
        raise NotImplementedError

    def find_id(self, ident):
        """The label of the private key with this ID, in hex."""
        raise NotImplementedError

    def certificate(self, label):
        """In DER."""
        raise NotImplementedError

    def sign(self, label, mechanism, data):
        """mechanism: by pkcs11-tool's name."""
        raise NotImplementedError

    def sign_parts(self, label, mechanism, parts):
        raise NotImplementedError

    def verify(self, label, mechanism, data, signature):
        """Whether the token says that it is good."""
        raise NotImplementedError

    def decrypt(self, label, mechanism, data):
        raise NotImplementedError

    def encrypt(self, label, mechanism, data):
        raise NotImplementedError

    def session_key(self, capability):
        """Keys of the session with the values KEY (AES) and OTHER_KEY. gcm and cbc: MESSAGE sealed
        with KEY, and opened again before. hmac: of MESSAGE with OTHER_KEY. wrap_aes: KEY wrapped
        under OTHER_KEY, then MESSAGE sealed as in cbc with what that unwraps to. wrap_rsa: the
        same with the token's `rsa`, without the wrapped key, which is another each time."""
        raise NotImplementedError

    def generate(self, label, ident=None):
        """A pair on P-256; its public point as PKCS#11 has it, an OCTET STRING. ident: in hex."""
        raise NotImplementedError

    def import_key(self, label, value, ident=None):
        """value: the number that is a private key on P-256, 32 bytes."""
        raise NotImplementedError

    def destroy(self, label):
        """The private key."""
        raise NotImplementedError

    def random(self, size):
        raise NotImplementedError

    def wrong_pin(self, pin):
        """What the library says of this one."""
        raise NotImplementedError

    def crowd(self):
        """Many threads sign MESSAGE with `rsa` and SHA256-RSA-PKCS; one of the signatures, which
        are all the same."""
        raise NotImplementedError

    # ---- and whether that is right ----

    def public(self, label):
        return self.vault.public_key(label)

    def can_list(self):
        found = self.list()
        for label in self.ids:
            self.assertIn(label, found)

    def can_find_label(self):
        self.can_sign_pkcs1()

    def can_find_id(self):
        self.assertEqual(self.find_id(self.ids["ec"]), "ec")

    def can_certificate(self):
        self.assertEqual(self.certificate("ec"),
                         self.openssl("x509", "-in", self.cert("ec"), "-outform", "DER"))

    def can_login(self):
        self.assertIn("rsa", self.list())

    def can_wrong_pin(self):
        self.expect("PIN_INCORRECT|PinIncorrect|The specified PIN is incorrect",
                    self.wrong_pin("98765"))

    def can_sign_pkcs1(self):
        self.public("rsa").verify(self.sign("rsa", "SHA256-RSA-PKCS", MESSAGE), MESSAGE, PKCS1,
                                  SHA256)

    def can_sign_pss(self):
        self.public("rsa").verify(self.sign("rsa", "SHA256-RSA-PKCS-PSS", MESSAGE), MESSAGE, PSS,
                                  SHA256)

    def can_sign_ecdsa(self):
        verify_ecdsa(self.public("ec"), self.sign("ec", "ECDSA", DIGEST))

    def can_sign_ecdsa_sha256(self):
        verify_ecdsa(self.public("ec"), self.sign("ec", "ECDSA-SHA256", MESSAGE))

    def can_sign_ed25519(self):
        self.public("ed").verify(self.sign("ed", "EDDSA", MESSAGE), MESSAGE)

    def can_sign_parts(self):
        self.public("rsa").verify(self.sign_parts("rsa", "SHA256-RSA-PKCS", PARTS),
                                  b"".join(PARTS), PKCS1, SHA256)

    def can_verify(self):
        signature = self.sign("rsa", "SHA256-RSA-PKCS", MESSAGE)
        self.assertTrue(self.verify("rsa", "SHA256-RSA-PKCS", MESSAGE, signature))
        self.assertFalse(self.verify("rsa", "SHA256-RSA-PKCS", MESSAGE + b"x", signature))

    def assert_opens(self, mechanism, how):
        self.assertEqual(self.decrypt("rsa", mechanism, self.public("rsa").encrypt(MESSAGE, how)),
                         MESSAGE)

    def can_decrypt_pkcs1(self):
        self.assert_opens("RSA-PKCS", PKCS1)

    def can_oaep_sha1(self):
        self.assert_opens("RSA-PKCS-OAEP-SHA1", oaep(SHA1))

    def can_oaep_sha256(self):
        self.assert_opens("RSA-PKCS-OAEP", oaep(SHA256))

    def can_encrypt_rsa(self):
        sealed = self.encrypt("rsa", "RSA-PKCS", MESSAGE)
        self.assertEqual(self.decrypt("rsa", "RSA-PKCS", sealed), MESSAGE)

    def assert_session_key(self, capability):
        self.assertEqual(self.session_key(capability), SESSION_KEYS[capability])

    def can_gcm(self):
        self.assert_session_key("gcm")

    def can_cbc(self):
        self.assert_session_key("cbc")

    def can_hmac(self):
        self.assert_session_key("hmac")

    def can_wrap_aes(self):
        self.assert_session_key("wrap_aes")

    def can_wrap_rsa(self):
        self.assert_session_key("wrap_rsa")

    def assert_generates(self, label, *ident):
        point = self.generate(label, *ident)
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point[2:])
        verify_ecdsa(public, self.sign(label, "ECDSA", DIGEST))

    def can_generate(self):
        self.assert_generates(self.fresh("made"))

    def can_generate_id(self):
        self.assert_generates(self.fresh("named"), "77")

    def assert_imports(self, label, *ident):
        key = ec.generate_private_key(ec.SECP256R1())
        self.import_key(label, key.private_numbers().private_value.to_bytes(32, "big"), *ident)
        verify_ecdsa(key.public_key(), self.sign(label, "ECDSA", DIGEST))

    def can_import(self):
        self.assert_imports(self.fresh("own"))

    def can_import_id(self):
        self.assert_imports(self.fresh("known"), "78")

    def can_destroy(self):
        label = self.fresh("gone")
        self.generate(label)
        self.assertIn(label, self.list())
        self.destroy(label)
        self.assertNotIn(label, self.list())

    def can_random(self):
        drawn = {bytes(self.random(32)) for _ in range(2)}
        self.assertEqual([len(each) for each in drawn], [32, 32])

    def can_threads(self):
        self.public("rsa").verify(self.crowd(), MESSAGE, PKCS1, SHA256)


class ProgramOperations(OperationsTestCase):
    program = ()  # its words, before MODULE

    def env(self, **more):
        pins = {"CLIENT_PIN": self.target.pin} if self.target else {}
        return super().env(**dict(pins, **more))

    def words(self, *words):
        return (*self.program, self.target.module, "web", "call", *words)

    def call(self, *words, data=b""):
        return self.must(*self.words(*words), input=data)

    def list(self):
        return self.call("list").decode().split("\n")

    def find_id(self, ident):
        return self.call("find", ident).decode().strip()

    def certificate(self, label):
        return self.call("certificate", label)

    def sign(self, label, mechanism, data):
        return self.call("sign", label, mechanism, data=data)

    def sign_parts(self, label, mechanism, parts):
        return self.call("parts", label, mechanism, data=b"".join(parts))

    def verify(self, label, mechanism, data, signature):
        return self.call("verify", label, mechanism, signature.hex(), data=data) == b"good\n"

    def decrypt(self, label, mechanism, data):
        return self.call("decrypt", label, mechanism, data=data)

    def encrypt(self, label, mechanism, data):
        return self.call("encrypt", label, mechanism, data=data)

    def session_key(self, capability):
        return self.call(capability, data=MESSAGE)

    def generate(self, label, ident=""):
        return self.call("generate", label, ident)

    def import_key(self, label, value, ident=""):
        self.call("import", label, ident, data=value)

    def destroy(self, label):
        self.call("destroy", label)

    def random(self, size):
        return self.call("random", str(size))

    def wrong_pin(self, pin):
        return self.must_fail(*self.words("list"), env=self.env(CLIENT_PIN=pin))

    def crowd(self):
        return self.call("crowd", "rsa", "SHA256-RSA-PKCS", data=MESSAGE)
