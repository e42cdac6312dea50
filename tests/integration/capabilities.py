# SPDX-License-Identifier: Apache-2.0
"""The one list of what clients do with a token, run with each client on three of them: SoftHSM2
itself, a slot that shows that SoftHSM2, and a slot that shows a real Vault with the same keys.

    class CapabilityTest(capabilities.CapabilityTestCase):
        client = "pkcs11-tool (OpenSC)"           # its heading in docs/clients.md

        def can_random(self):                     # the names are those of CAPABILITIES
            self.must("pkcs11-tool", "--module", self.target.module, "--generate-random", "8")

A method that returns is a yes, if what the client made is right: other code has to judge it, and a
wrong result is a failure of the test. A client that says that it cannot is a no, with the result
code that it names: must() and must_say() raise Refused then, and so may the method. A client that
dies by a signal is a failure. What has no method is not in the client.

A slot's answer that is not SoftHSM2's needs its reason in client_reasons.py. The answers go to
$HSMBRIDGE_BUILD/client-results, from where client_table.py makes docs/clients.md.
"""

import json
import os
import re
from collections import namedtuple

from client_reasons import find_reason, reasons_for
from consumers import ConsumerTestCase
from harness import TempConfig, module_path
from softhsm import SOFTHSM, SoftHsm

CAPABILITIES = {  # in the order of the document
    "list": "list keys",
    "find_label": "find a key by its label",
    "find_id": "find a key by its ID",
    "certificate": "read the certificate beside a key",
    "login": "log in with the PIN",
    "wrong_pin": "be told that the PIN is wrong",
    "sign_pkcs1": "sign, RSA PKCS #1",
    "sign_pss": "sign, RSA PSS",
    "sign_ecdsa": "sign, ECDSA of a hash",
    "sign_ecdsa_sha256": "sign, ECDSA with SHA-256",
    "sign_ed25519": "sign, Ed25519",
    "sign_parts": "sign a message in parts",
    "verify": "verify by the token",
    "decrypt_pkcs1": "decrypt, RSA PKCS #1",
    "oaep_sha1": "decrypt, RSA OAEP with SHA-1",
    "oaep_sha256": "decrypt, RSA OAEP with SHA-256",
    "encrypt_rsa": "encrypt by the token, RSA",
    "gcm": "AES-GCM with a session key",
    "cbc": "AES-CBC with a session key",
    "hmac": "HMAC with a session key",
    "wrap_aes": "wrap and unwrap, AES key wrap",
    "wrap_rsa": "wrap and unwrap, RSA",
    "generate": "generate a key pair",
    "generate_id": "generate a key pair with an ID that the client chose",
    "import": "import a private key",
    "import_id": "import a private key with an ID that the client chose",
    "destroy": "destroy a key",
    "random": "random numbers",
    "threads": "many threads",
    "tls": "TLS server",
    "tls_client": "TLS client with a certificate",
    "x509": "sign a certificate",
    "cms": "CMS or PKCS #7",
    "ssh": "SSH login",
    "dnssec": "sign a zone",
    "suite": "the client's own test",
}
TARGETS = {"softhsm": "SoftHSM2 itself", "pkcs11": "slot: pkcs11", "vault": "slot: vault"}

WITHOUT_ED25519 = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "aes": "aes256-gcm96", "mac": "hmac"}

# One token, called `web`; pin: what logs in; env: what its module needs.
Target = namedtuple("Target", "name module pin env")


class Refused(Exception):
    """The client says that it cannot."""


def answer_in(text):
    """The result code that a client names, or no."""
    codes = [code for code in re.findall(r"CKR_[A-Z0-9_]+", text) if code != "CKR_OK"]
    return codes[0] if codes else "no"


def code_of(name):
    """The result code of a client's own name for it: PinIncorrect is CKR_PIN_INCORRECT."""
    return "CKR_" + re.sub("(?<!^)([A-Z])", r"_\1", name).upper()


def results_directory():
    return os.path.join(os.environ["HSMBRIDGE_BUILD"], "client-results")


class CapabilityTestCase(ConsumerTestCase):
    client = ""
    note = ""  # for its reader, below its heading
    keys = dict(WITHOUT_ED25519, ed="ed25519")
    certified = ("rsa", "ec")
    slot_options = {"pin": "token", "allow": "generate import destroy"}
    refusals = ()  # exceptions of a client that runs in this process
    target = None

    @classmethod
    def setUpClass(cls):
        cls._forget()
        super().setUpClass()
        softhsm = SoftHsm(cls.vault, cls.keys)
        cls.addClassCleanup(softhsm.remove)
        for name in cls.certified:
            softhsm.certify(name, cls.cert(name))
        beside = cls._config_beside(softhsm)
        cls.targets = [
            Target("softhsm", SOFTHSM, softhsm.pin, {}),
            Target("pkcs11", module_path(), softhsm.pin, {"HSMBRIDGE_CONFIG": beside.file}),
            Target("vault", module_path(), cls.vault.make_token("root"),
                   {"HSMBRIDGE_CONFIG": cls.config.file})]

    @classmethod
    def make_keys(cls):
        cls.vault.setup_transit()
        for name, kind in cls.keys.items():
            cls.vault.make_key(name, kind, exportable=True)

    @classmethod
    def _config_beside(cls, softhsm):
        config = TempConfig()
        cls.addClassCleanup(config.remove)
        config.slot("web", backend="pkcs11", module=SOFTHSM, token="pkcs11:token=web",
                    certificates=[cls.cert(name) for name in cls.certified],
                    **dict(cls.slot_options, pin="pin"))
        return config

    # ---- the run ----

    @classmethod
    def _results_file(cls):
        name = re.sub(r"\W+", "-", cls.client).strip("-")
        return os.path.join(results_directory(), name + ".jsonl")

    @classmethod
    def _forget(cls):
        """An answer of an earlier run is none."""
        if cls.client and os.path.exists(cls._results_file()):
            os.remove(cls._results_file())

    def prepare(self):
        """Before each method, in a new directory; what it adds by addCleanup() ends after it."""

    def test_capabilities_when_run_on_each_token_then_differences_have_reasons(self):
        offered = [name for name in CAPABILITIES if getattr(self, "can_" + name, None)]
        answers = {target.name: self._run_on(target, offered) for target in self.targets}
        self._ask_again(answers)
        if all(list(found) == offered for found in answers.values()):  # else it has failed
            self.assert_reasons(answers)
            self._record(answers)

    def _run_on(self, target, offered):
        """{capability: yes, no, or a result code}"""
        self.target = target
        answers = {}
        for name in offered:
            with self.subTest(name, token=target.name):
                answers[name] = self._answer(getattr(self, "can_" + name))
        return answers

    def _ask_again(self, answers):
        """What differs without a reason, once more: of pkcs11-tool behind p11-kit's proxy one run in
        six has had a "cannot create EVP_PKEY" for a key that it reads the next moment."""
        for target in self.targets[1:]:
            for name, said in answers[target.name].items():
                if said != answers["softhsm"].get(name) and \
                        not find_reason(self.client, target.name, name):
                    answers[target.name].update(self._run_on(target, [name]))

    def _answer(self, attempt):
        self.setUp()
        try:
            self.prepare()
            attempt()
        except (Refused, *self.refusals) as refused:
            said = self.described(refused)
            print("%s, %s: %s" % (self.target.name, attempt.__name__, said.strip()[-4000:]))
            return answer_in(said)
        finally:
            self.doCleanups()
        return "yes"

    def assert_reasons(self, answers):
        """A reason for every difference, and a difference for every reason."""
        differing = {(name, capability) for name, found in answers.items()
                     for capability in found
                     if found[capability] != answers["softhsm"][capability]}
        lines = ["%s %s: SoftHSM2 answers %s, the slot %s: why?" % (
            name, capability, answers["softhsm"][capability], answers[name][capability])
                 for name, capability in sorted(differing)
                 if not find_reason(self.client, name, capability)]
        lines += ["%s %s: a reason, but no difference" % where
                  for where in sorted(reasons_for(self.client) - differing)]
        if lines:
            self.fail("\n".join([self.client, *lines]))

    def _record(self, answers):
        os.makedirs(results_directory(), exist_ok=True)
        with open(self._results_file(), "w", encoding="ascii") as out:
            for capability in answers["softhsm"]:
                row = {"client": self.client, "note": self.note, "capability": capability,
                       "answers": {name: found[capability] for name, found in answers.items()}}
                out.write(json.dumps(row) + "\n")

    # ---- the client ----

    def env(self, **more):
        return super().env(**dict(self.target.env if self.target else {}, **more))

    def rejected(self, words, done):
        if done.returncode < 0:
            self.fail(self.told(words, done))
        raise Refused((done.stdout + done.stderr).decode(errors="replace"))

    def described(self, refusal):
        """With the result code, where there is one."""
        return str(refusal)

    def fresh(self, label):
        """The label of a key to be made: two of the targets are one token."""
        return label + "-" + self.target.name

    def expect(self, pattern, text):
        """For clients that end with 0 whatever happens."""
        if not re.search(pattern, text):
            raise Refused(text)

    def refuses(self, *words, says, **options):
        """It has to end with an error and this text: what a wrong PIN or a gone key is worth."""
        self.assertRegex(self.must_fail(*words, **options), says)
