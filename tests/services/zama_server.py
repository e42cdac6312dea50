# SPDX-License-Identifier: Apache-2.0
"""The double of Zama's KMS as a process of a test. Clients for it: zama_client.py.

    with ZamaDouble() as zama:                              # four parties, one may be corrupt
        zama.seal(EUINT8, 0x2a)                             # a ciphertext
        zama.fault("lie", party=3, count=0)
        zama.kill(2)
        zama.count_of(1, "PublicDecryptSync")
"""

import os
from collections import namedtuple

from double.tls import Authority
from process import PYTHON, Controlled, Process
from zama.ciphertexts import seal
from zama.messages import Domain
from zama.service import CORE

SERVICES = os.path.dirname(os.path.abspath(__file__))
NAMES = ("127.0.0.1", "localhost", "zama.test")
EBOOL, EUINT8, EUINT16, EUINT32, EUINT64, EUINT128, EUINT160, EUINT256 = 0, 2, 3, 4, 5, 6, 7, 8
CONTRACT = "0x66f9664f97F2b50F62D13eA064982f936dE76657"
DOMAIN = Domain("Authorization token", "1", (8006).to_bytes(32, "big"), CONTRACT, None)
Party = namedtuple("Party", "number url address point ed25519")  # bytes, but for the url


class ZamaDouble(Controlled, Process):
    """parties: {number: Party}; threshold, key_ids, ca (None without TLS), authority."""

    def __init__(self, *options, tls=False, authority=None):
        super().__init__()
        self._options = list(options)
        self.ca = self.authority = None
        if tls:
            self.authority = authority or Authority(self.dir)
            self.ca = self.authority.path
            leaf = self.authority.issue("server", NAMES)
            self._options += ["--tls", "--cert", leaf.cert, "--key", leaf.key, "--client-ca",
                              self.ca]
        self.launch(0)
        self.parties = {entry["party"]: Party(
            entry["party"], entry["url"], bytes.fromhex(entry["address"][2:]),
            bytes.fromhex(entry["point"]), bytes.fromhex(entry["ed25519"]))
            for entry in self.ready["parties"]}
        self.addresses = {entry["party"]: entry["address"] for entry in self.ready["parties"]}
        self.threshold = self.ready["threshold"]
        self.key_ids = self.ready["key_ids"]
        self.key_id = self.key_ids[0]

    def _command(self, port):
        return [PYTHON, os.path.join(SERVICES, "zama_double.py"), "--dir", self.dir, "--port",
                str(port), *self._options]

    def seal(self, fhe_type, value, fmt=0, key_id=None):
        return seal(key_id or self.key_id, fhe_type, value, fmt)

    def slot(self):
        """Options of a slot that reaches it."""
        options = {"backend": "zama", "domain_name": DOMAIN.name, "domain_version": DOMAIN.version,
                   "chain_id": 8006, "verifying_contract": CONTRACT,
                   "parties": self.pins(lambda party: self.addresses[party.number])}
        options.update({"ca_file": self.ca} if self.ca else {"insecure_transport": "yes"})
        return options

    def pins(self, pin):
        """The option parties, a line for each: pin(party) is what stands behind the '#'."""
        return ["%d@%s#%s" % (number, party.url, pin(party))
                for number, party in self.parties.items()]

    # ---- orders: zama/control.py ----

    def state(self, **state):
        """window, latency"""
        self.control("POST", "state", state)

    def party(self, number, **change):
        """sync, initialized, keys, bucket"""
        self.control("POST", "party", dict(change, party=number))

    def kill(self, number):
        self.control("POST", "kill", {"party": number})

    def restart(self, number):
        self.control("POST", "restart", {"party": number})

    def refuse(self, number):
        """New connections only."""
        self.control("POST", "listener", {"open": False, "party": number})

    def accept(self, number):
        self.control("POST", "listener", {"open": True, "party": number})

    def drop(self, number, reset=False):
        return self.control("POST", "connections/drop", {"party": number,
                                                         "reset": reset})["dropped"]

    def count_of(self, number, method=""):
        """Requests to a party since reset()."""
        return self.count("POST /p%d%s%s" % (number, CORE, method))
