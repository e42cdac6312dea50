# SPDX-License-Identifier: Apache-2.0
"""Why a slot answers a client otherwise than SoftHSM2 does by itself. A difference that has no
reason here fails its test, and so does a reason whose difference is no more."""

from collections import namedtuple

# slots: types of slot; capabilities: names of capabilities.CAPABILITIES
Reason = namedtuple("Reason", "text slots capabilities clients")

BOTH = ("pkcs11", "vault")
TOOLS = ("pkcs11-tool (OpenSC)", "p11-kit's proxy")
SERVER = "p11-kit's server"
LIBRARIES = ("python-pkcs11", "PyKCS11", "miekg/pkcs11 (Go)", "pkcs11js (Node)",
             "cryptoki (Rust)")
CRYPTO11 = "crypto11 (Go)"
P11TOOL = "p11tool (GnuTLS)"
NSS = "NSS"
KNOT = "Knot DNS"
ENGINE = "OpenSSL's engine (libp11)"
JAVA = "SunPKCS11 (Java 17)"

ID = "A key's CKA_ID is made of the key and cannot be chosen"

REASONS = (
    Reason(ID + "; its CKA_LABEL can.",
           BOTH, ("generate_id", "import_id"), (*TOOLS, SERVER, *LIBRARIES)),
    Reason(ID + ", and this client always chooses.",
           BOTH, ("generate_id",), (CRYPTO11, P11TOOL, KNOT)),
    Reason(ID + ", and this client always chooses.",
           BOTH, ("import_id",), (P11TOOL,)),
    Reason("SoftHSM 2.6 has OAEP with SHA-1 only; hsmbridge takes the padding off itself.",
           ("pkcs11",), ("oaep_sha256",), (*TOOLS, SERVER, *LIBRARIES, CRYPTO11)),
    Reason("SoftHSM 2.6 has OAEP with SHA-1 only, Vault's transit engine with SHA-256 only.",
           ("vault",), ("oaep_sha1", "oaep_sha256"), (*TOOLS, SERVER, *LIBRARIES, CRYPTO11)),
    Reason("Vault's transit engine has OAEP with SHA-256 only, and no RSA without padding, of "
           "which libp11 would make the others.",
           ("vault",), ("oaep_sha1",), (ENGINE,)),
    Reason("With ECDSA SoftHSM 2.6 signs hashes only; hsmbridge makes the hash itself.",
           BOTH, ("sign_ecdsa_sha256",), (*TOOLS, *LIBRARIES)),
    Reason("The test ends where SoftHSM 2.6 has no OAEP with SHA-256. The slots do not show the "
           "mechanisms that this needs, or have them.",
           BOTH, ("suite",), TOOLS),
    Reason("NSS gives a key its label after it is made. A slot's key needs its name to be made.",
           BOTH, ("generate",), (NSS,)),
    Reason("p11-kit itself fails to carry a call for no random bytes, with another code for each "
           "module, and the test counts that.",
           BOTH, ("suite",), (SERVER,)),
    Reason("The key store stores a key with an ID that Java chose, and a certificate beside it. A "
           "key's CKA_ID is made of the key; certificates come from the slot's configuration.",
           BOTH, ("import", "destroy"), (JAVA,)),
)


def find_reason(client, slot, capability):
    """The text; None where there is none."""
    for reason in REASONS:
        if client in reason.clients and slot in reason.slots and capability in reason.capabilities:
            return reason.text
    return None


def reasons_for(client):
    """What (slot type, capability) has a reason."""
    return {(slot, capability) for reason in REASONS if client in reason.clients
            for slot in reason.slots for capability in reason.capabilities}
