# SPDX-License-Identifier: Apache-2.0
"""python-pkcs11 and PyKCS11 by the one list of capabilities; consumer_python.py runs them in the
virtual environment where they are."""

import os

from capabilities import code_of
from consumers import MESSAGE
from operations import AAD, IV, KEY, NONCE, OTHER_KEY, PRIME256V1, OperationsTestCase


class LibraryOperations(OperationsTestCase):
    """Session keys of known values, so that python3-cryptography makes the same."""

    can_threads = None  # Python has one lock for all

    @classmethod
    def setUpClass(cls):
        cls.saved = dict(os.environ)
        cls.addClassCleanup(cls.restore)
        super().setUpClass()

    @classmethod
    def restore(cls):
        os.environ.clear()
        os.environ.update(cls.saved)

    def prepare(self):
        os.environ.update(self.target.env)
        self.load()
        self.open(self.target.pin)

    def wrong_pin(self, pin):
        self.close()
        try:
            self.open(pin)
        except self.refusals as refusal:
            return self.described(refusal)
        self.fail("%s is no PIN" % pin)

    def session_key(self, capability):
        return getattr(self, capability)(self.aes(KEY))

    def sealed_and_opened(self, key, mechanism):
        sealed = self.seal(key, mechanism)
        self.assertEqual(self.unseal(key, mechanism, sealed), MESSAGE)
        return sealed

    def gcm(self, key):
        return self.sealed_and_opened(key, "AES-GCM")

    def cbc(self, key):
        return self.sealed_and_opened(key, "AES-CBC-PAD")

    def hmac(self, _):
        return self.mac(OTHER_KEY)

    def wrap_aes(self, key):
        wrapping = self.aes(OTHER_KEY)
        wrapped = self.wrap(wrapping, "AES-KEY-WRAP", key)
        return wrapped + self.seal(self.unwrap(wrapping, "AES-KEY-WRAP", wrapped), "AES-CBC-PAD")

    def wrap_rsa(self, key):
        wrapped = self.wrap(self.find("public", "rsa"), "RSA-PKCS", key)
        return self.seal(self.unwrap(self.find("private", "rsa"), "RSA-PKCS", wrapped),
                         "AES-CBC-PAD")


class PythonPkcs11Operations(LibraryOperations):
    client = "python-pkcs11"

    def load(self):
        import pkcs11
        self.p11, self.refusals = pkcs11, (pkcs11.PKCS11Error, NotImplementedError)
        self.lib = pkcs11.lib(self.target.module)
        self.lib.reinitialize()
        self.addCleanup(self.lib.finalize)

    def open(self, pin):
        self.session = self.lib.get_token(token_label="web").open(rw=True, user_pin=pin)
        self.addCleanup(self.close)

    def close(self):
        if self.session:
            self.session.close()
        self.session = None

    def described(self, refusal):
        """The exceptions are called after the codes."""
        is_code = isinstance(refusal, self.p11.PKCS11Error)
        return code_of(type(refusal).__name__) if is_code else str(refusal)

    def mechanism(self, name):
        """As the library takes it: mechanism and mechanism_param."""
        mechanism, mgf = self.p11.Mechanism, self.p11.MGF
        found, param = {
            "SHA256-RSA-PKCS": (mechanism.SHA256_RSA_PKCS, None),
            "SHA256-RSA-PKCS-PSS": (mechanism.SHA256_RSA_PKCS_PSS,
                                    (mechanism.SHA256, mgf.SHA256, 32)),
            "ECDSA": (mechanism.ECDSA, None), "ECDSA-SHA256": (mechanism.ECDSA_SHA256, None),
            "EDDSA": (mechanism.EDDSA, None), "RSA-PKCS": (mechanism.RSA_PKCS, None),
            "RSA-PKCS-OAEP-SHA1": (mechanism.RSA_PKCS_OAEP, (mechanism.SHA_1, mgf.SHA1, None)),
            "RSA-PKCS-OAEP": (mechanism.RSA_PKCS_OAEP, (mechanism.SHA256, mgf.SHA256, None)),
            "AES-GCM": (mechanism.AES_GCM, self.p11.GCMParams(NONCE, AAD, 128)),
            "AES-CBC-PAD": (mechanism.AES_CBC_PAD, IV),
            "AES-KEY-WRAP": (mechanism.AES_KEY_WRAP, None),
        }[name]
        return {"mechanism": found, "mechanism_param": param}

    def find(self, half, label):
        kinds = self.p11.ObjectClass
        return self.session.get_key(
            object_class=kinds.PRIVATE_KEY if half == "private" else kinds.PUBLIC_KEY, label=label)

    def objects(self, **attributes):
        return list(self.session.get_objects({self.p11.Attribute[name]: value
                                              for name, value in attributes.items()}))

    def list(self):
        return {key.label for key in self.objects(CLASS=self.p11.ObjectClass.PRIVATE_KEY)}

    def find_id(self, ident):
        return self.session.get_key(object_class=self.p11.ObjectClass.PRIVATE_KEY,
                                    id=bytes.fromhex(ident)).label

    def certificate(self, label):
        found, = self.objects(CLASS=self.p11.ObjectClass.CERTIFICATE, LABEL=label)
        return found[self.p11.Attribute.VALUE]

    def sign(self, label, mechanism, data):
        return self.find("private", label).sign(data, **self.mechanism(mechanism))

    def sign_parts(self, label, mechanism, parts):
        return self.sign(label, mechanism, parts)

    def verify(self, label, mechanism, data, signature):
        return self.find("public", label).verify(data, signature, **self.mechanism(mechanism))

    def decrypt(self, label, mechanism, data):
        return self.find("private", label).decrypt(data, **self.mechanism(mechanism))

    def encrypt(self, label, mechanism, data):
        return self.find("public", label).encrypt(data, **self.mechanism(mechanism))

    def generate(self, label, ident=None):
        attribute, kinds = self.p11.Attribute, self.p11.KeyType
        curve = self.session.create_domain_parameters(
            kinds.EC, {attribute.EC_PARAMS: PRIME256V1}, local=True)
        public, _ = curve.generate_keypair(label=label, store=True,
                                           id=ident and bytes.fromhex(ident))
        return public[attribute.EC_POINT]

    def import_key(self, label, value, ident=None):
        attribute = self.p11.Attribute
        self.session.create_object({
            attribute.CLASS: self.p11.ObjectClass.PRIVATE_KEY, attribute.LABEL: label,
            attribute.KEY_TYPE: self.p11.KeyType.EC, attribute.EC_PARAMS: PRIME256V1,
            attribute.VALUE: value, attribute.TOKEN: True, attribute.SIGN: True,
            **({attribute.ID: bytes.fromhex(ident)} if ident else {})})

    def destroy(self, label):
        self.find("private", label).destroy()

    def random(self, size):
        return self.session.generate_random(8 * size)

    def secret(self, kind, value, *uses):
        attribute = self.p11.Attribute
        return self.session.create_object({
            attribute.CLASS: self.p11.ObjectClass.SECRET_KEY, attribute.KEY_TYPE: kind,
            attribute.VALUE: value, attribute.TOKEN: False, attribute.SENSITIVE: False,
            attribute.EXTRACTABLE: True, **{attribute[use]: True for use in uses}})

    def aes(self, value):
        return self.secret(self.p11.KeyType.AES, value, "ENCRYPT", "DECRYPT", "WRAP", "UNWRAP")

    def mac(self, value):
        return self.secret(self.p11.KeyType.GENERIC_SECRET, value, "SIGN").sign(
            MESSAGE, mechanism=self.p11.Mechanism.SHA256_HMAC)

    def seal(self, key, mechanism):
        return key.encrypt(MESSAGE, **self.mechanism(mechanism))

    def unseal(self, key, mechanism, sealed):
        return key.decrypt(sealed, **self.mechanism(mechanism))

    def wrap(self, wrapping, mechanism, key):
        return wrapping.wrap_key(key, **self.mechanism(mechanism))

    def unwrap(self, wrapping, mechanism, wrapped):
        return wrapping.unwrap_key(self.p11.ObjectClass.SECRET_KEY, self.p11.KeyType.AES, wrapped,
                                   **self.mechanism(mechanism))


class PyKcs11Operations(LibraryOperations):
    client = "PyKCS11"
    can_sign_parts = None  # the library signs in one call alone

    def load(self):
        import PyKCS11
        self.py, self.refusals = PyKCS11, (PyKCS11.PyKCS11Error,)
        self.lib = PyKCS11.PyKCS11Lib()
        self.lib.load(self.target.module)
        self.addCleanup(self.lib.unload)

    def open(self, pin):
        slot, = [slot for slot in self.lib.getSlotList(tokenPresent=True)
                 if self.lib.getTokenInfo(slot).label.strip("\0 ") == "web"]
        self.session = self.lib.openSession(
            slot, self.py.CKF_SERIAL_SESSION | self.py.CKF_RW_SESSION)
        self.addCleanup(self.close)
        self.session.login(pin)

    def close(self):
        if self.session:
            self.session.closeSession()
        self.session = None

    def mechanism(self, name):
        py = self.py
        return {
            "SHA256-RSA-PKCS": lambda: py.Mechanism(py.CKM_SHA256_RSA_PKCS),
            "SHA256-RSA-PKCS-PSS": lambda: py.RSA_PSS_Mechanism(
                py.CKM_SHA256_RSA_PKCS_PSS, py.CKM_SHA256, py.CKG_MGF1_SHA256, 32),
            "ECDSA": lambda: py.Mechanism(py.CKM_ECDSA),
            "ECDSA-SHA256": lambda: py.Mechanism(py.CKM_ECDSA_SHA256),
            "EDDSA": py.EDDSA_Mechanism,
            "RSA-PKCS": lambda: py.Mechanism(py.CKM_RSA_PKCS),
            "RSA-PKCS-OAEP-SHA1": lambda: py.RSAOAEPMechanism(py.CKM_SHA_1, py.CKG_MGF1_SHA1),
            "RSA-PKCS-OAEP": lambda: py.RSAOAEPMechanism(py.CKM_SHA256, py.CKG_MGF1_SHA256),
            "AES-GCM": lambda: py.AES_GCM_Mechanism(NONCE, AAD, 128),
            "AES-CBC-PAD": lambda: py.Mechanism(py.CKM_AES_CBC_PAD, IV),
            "AES-KEY-WRAP": lambda: py.Mechanism(py.CKM_AES_KEY_WRAP),
        }[name]()

    def objects(self, kind, **attributes):
        return self.session.findObjects([(self.py.CKA_CLASS, kind)] + [
            (getattr(self.py, "CKA_" + name), value) for name, value in attributes.items()])

    def value(self, handle, attribute):
        return self.session.getAttributeValue(handle, [attribute])[0]

    def find(self, half, label):
        found, = self.objects(self.py.CKO_PRIVATE_KEY if half == "private" else
                              self.py.CKO_PUBLIC_KEY, LABEL=label)
        return found

    def list(self):
        return {self.value(key, self.py.CKA_LABEL)
                for key in self.objects(self.py.CKO_PRIVATE_KEY)}

    def find_id(self, ident):
        found, = self.objects(self.py.CKO_PRIVATE_KEY, ID=list(bytes.fromhex(ident)))
        return self.value(found, self.py.CKA_LABEL)

    def certificate(self, label):
        found, = self.objects(self.py.CKO_CERTIFICATE, LABEL=label)
        return bytes(self.value(found, self.py.CKA_VALUE))

    def sign(self, label, mechanism, data):
        return bytes(self.session.sign(self.find("private", label), data,
                                       self.mechanism(mechanism)))

    def verify(self, label, mechanism, data, signature):
        return self.session.verify(self.find("public", label), data, signature,
                                   self.mechanism(mechanism))

    def decrypt(self, label, mechanism, data):
        return bytes(self.session.decrypt(self.find("private", label), data,
                                          self.mechanism(mechanism)))

    def encrypt(self, label, mechanism, data):
        return bytes(self.session.encrypt(self.find("public", label), data,
                                          self.mechanism(mechanism)))

    def named(self, label, ident):
        ids = [(self.py.CKA_ID, list(bytes.fromhex(ident)))] if ident else []
        return [(self.py.CKA_LABEL, label), (self.py.CKA_TOKEN, True), *ids]

    def generate(self, label, ident=None):
        py, named = self.py, self.named(label, ident)
        public, _ = self.session.generateKeyPair(
            [(py.CKA_EC_PARAMS, list(PRIME256V1)), (py.CKA_VERIFY, True), *named],
            [(py.CKA_SIGN, True), *named], py.MechanismECGENERATEKEYPAIR)
        return bytes(self.value(public, py.CKA_EC_POINT))

    def import_key(self, label, value, ident=None):
        py = self.py
        self.session.createObject([
            (py.CKA_CLASS, py.CKO_PRIVATE_KEY), (py.CKA_KEY_TYPE, py.CKK_EC), (py.CKA_SIGN, True),
            (py.CKA_EC_PARAMS, list(PRIME256V1)), (py.CKA_VALUE, list(value)),
            *self.named(label, ident)])

    def destroy(self, label):
        self.session.destroyObject(self.find("private", label))

    def random(self, size):
        return self.session.generateRandom(size)

    def attributes(self, kind, *uses):
        py = self.py
        return [(py.CKA_CLASS, py.CKO_SECRET_KEY), (py.CKA_KEY_TYPE, kind), (py.CKA_TOKEN, False),
                (py.CKA_SENSITIVE, False), (py.CKA_EXTRACTABLE, True),
                *((use, True) for use in uses)]

    def aes_attributes(self):
        py = self.py
        return self.attributes(py.CKK_AES, py.CKA_ENCRYPT, py.CKA_DECRYPT, py.CKA_WRAP,
                               py.CKA_UNWRAP)

    def aes(self, value):
        return self.session.createObject([*self.aes_attributes(), (self.py.CKA_VALUE, list(value))])

    def mac(self, value):
        py = self.py
        key = self.session.createObject([*self.attributes(py.CKK_GENERIC_SECRET, py.CKA_SIGN),
                                         (py.CKA_VALUE, list(value))])
        return bytes(self.session.sign(key, MESSAGE, py.Mechanism(py.CKM_SHA256_HMAC)))

    def seal(self, key, mechanism):
        return bytes(self.session.encrypt(key, MESSAGE, self.mechanism(mechanism)))

    def unseal(self, key, mechanism, sealed):
        return bytes(self.session.decrypt(key, sealed, self.mechanism(mechanism)))

    def wrap(self, wrapping, mechanism, key):
        return bytes(self.session.wrapKey(wrapping, key, self.mechanism(mechanism)))

    def unwrap(self, wrapping, mechanism, wrapped):
        return self.session.unwrapKey(wrapping, wrapped, self.aes_attributes(),
                                      self.mechanism(mechanism))
