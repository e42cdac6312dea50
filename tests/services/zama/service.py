# SPDX-License-Identifier: Apache-2.0
"""A party's methods: from a message to an answer, or to a status with the real one's text."""

import asyncio
import collections

from .ciphertexts import Decryptor
from .joint import Joints
from .messages import (Malformed, Question, canonical_id, data, fields, identifier, number,
                       read_identifier, text)
from .signing import Signer, checksummed

CORE = "/kms_service.v1.CoreServiceEndpoint/"
HEALTH = "/grpc.health.v1.Health/Check"
SERVED = ("", "kms_service.v1.CoreServiceEndpoint")  # by the health service
SERVING = 1
(OK, CANCELLED, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, RESOURCE_EXHAUSTED, OUT_OF_RANGE,
 UNIMPLEMENTED, INTERNAL, UNAVAILABLE) = 0, 1, 3, 5, 6, 8, 11, 12, 13, 14
DUMMY_ID = "01" + "00" * 31
CONTEXT, EPOCH = ("%02x" % first + "00" * 30 + "01" for first in (7, 8))
SCHEMES = range(5)
OPTIMAL, HEALTHY, DEGRADED, UNHEALTHY = 1, 2, 3, 4
CENTRALIZED, THRESHOLD = 1, 2
# What asks for something that is never there: an id in, NOT_FOUND with this metric out.
ABSENT = {"GetKeyGenResult": "keygen_result", "GetInsecureKeyGenResult": "insecure_keygen_result",
          "GetCrsGenResult": "crs_gen_result", "GetUserDecryptionResult": "user_decrypt_result",
          "GetKeyGenPreprocResult": "keygen_preproc_result", "AbortKeyGen": "keygen_abort",
          "DestroyMpcContext": "destroy_mpc_context", "GetEpochResult": "get_mpc_epoch_result"}


class Status(Exception):
    """Anything but an answer."""

    def __init__(self, code, message=""):
        super().__init__(code, message)
        self.code = code
        self.message = message


def failed(code, request_id, metric):
    """Nearly every status of the real server says no more."""
    return Status(code, "Failed on requestID %s with metric %s" % (request_id, metric))


def _valid_domain(domain):
    if domain is None or len(domain.chain_id) > 32 or len(domain.salt or bytes(32)) != 32:
        return False
    contract = domain.verifying_contract
    try:
        address = bytes.fromhex(contract[2:])
    except ValueError:
        return False
    return len(address) == 20 and contract == checksummed(address)


def _valid_optional_id(written):
    return written is None or canonical_id(written) is not None


class Party:
    def __init__(self, service, index, seed):
        self.service = service
        self.number = index
        self.signer = Signer(b"%s party %d" % (seed, index))
        self.entries = collections.OrderedDict()  # request id -> joint.Entry
        self.given = collections.deque(maxlen=100)  # answers
        self.key_ids = list(service.key_ids)
        self.alive = True
        self.started = 0  # a tick of joint.Joints
        self.has_sync = True  # False: an older server
        self.initialized = True  # False: before NewMpcEpoch
        self.bucket = None  # decryptions at a time

    # ---- from a path to an answer: bytes, or an answers.Answer ----

    async def answer(self, path, message):
        try:
            return await self._route(path, message)
        except Malformed as problem:
            raise Status(INTERNAL,
                         "failed to decode Protobuf message: %s" % problem) from None

    async def _route(self, path, message):
        if path == HEALTH:
            return self._check(message)
        name = path[len(CORE):] if path.startswith(CORE) else None
        if name in ABSENT:
            return self._absent(name, message)
        method = self._methods().get(name)
        if method is None:
            raise Status(UNIMPLEMENTED)
        return await method(message)

    def _methods(self):
        methods = {"GetHealthStatus": self._health, "PublicDecrypt": self._submit,
                   "GetKeyMaterialAvailability": self._availability,
                   "GetPublicDecryptionResult": self._get,
                   "GetOperatorPublicKey": self._operator_key}
        if self.has_sync:
            methods["PublicDecryptSync"] = self._sync
        return methods

    @staticmethod
    def _check(message):
        if text(fields(message), 1, "HealthCheckRequest.service") not in SERVED:
            raise Status(NOT_FOUND, "service not registered")
        return number(1, SERVING)

    @staticmethod
    def _absent(name, message):
        request_id = canonical_id(read_identifier(message))
        if request_id is None:
            raise failed(INVALID_ARGUMENT, DUMMY_ID, ABSENT[name])
        raise failed(NOT_FOUND, request_id, ABSENT[name])

    @staticmethod
    async def _operator_key(message):
        fields(message)
        raise failed(UNIMPLEMENTED, DUMMY_ID, "fetch_pk")

    # ---- what there is ----

    def _storage(self):
        kind = "Centralized" if self.service.centralized else "Threshold"
        return "%s KMS - file storage with root_path '/kms/keys/PRIV-p%d'" % (kind, self.number)

    async def _availability(self, message):
        fields(message)
        return b"".join(data(1, key) for key in self.key_ids) + data(4, self._storage())

    async def _health(self, message):
        fields(message)
        service = self.service
        out = b"" if service.centralized else data(1, self._peers(), True)
        out += b"".join(data(2, key) for key in self.key_ids) + data(5, self._storage())
        return out + number(6, CENTRALIZED if service.centralized else THRESHOLD)

    def _peers(self):
        parties = self.service.parties.values()
        total, reachable = len(parties), sum(party.alive for party in parties)
        required = total // 3 + 1
        out = identifier(1, CONTEXT) + number(2, self.number) + number(3, required)
        out += number(4, reachable) + number(5, self._state(total, reachable, required))
        for party in parties:
            if party is not self:
                peer = number(1, party.number) + data(2, "127.0.0.1")
                peer += (number(3, 1) + number(4, 1) if party.alive else
                         data(5, "Error : tcp connect error"))
                out += data(6, peer, True)
        return out

    @staticmethod
    def _state(total, reachable, required):
        if reachable == total:
            return OPTIMAL
        if reachable >= 2 * total // 3 + 1:
            return HEALTHY
        return DEGRADED if reachable > required else UNHEALTHY

    # ---- public decryption ----

    def _validate(self, message):
        """(request id, question); key, context and domain are looked at each time."""
        question, metric = Question(message), "public_decrypt_request"
        request_id = canonical_id(question.request_id)
        question.key_id = canonical_id(question.key_id)
        if (request_id is None or question.key_id is None or not question.ciphertexts
                or not _valid_domain(question.domain)
                or any(scheme not in SCHEMES for scheme in question.schemes)
                or not _valid_optional_id(question.context_id)
                or not _valid_optional_id(question.epoch_id)):
            raise failed(INVALID_ARGUMENT, DUMMY_ID, metric)
        if (not self.initialized or canonical_id(question.context_id) not in (None, CONTEXT)
                or canonical_id(question.epoch_id) not in (None, EPOCH)):
            raise failed(NOT_FOUND, request_id, metric)
        if question.key_id not in self.key_ids:
            raise failed(NOT_FOUND, request_id,
                         metric if self.service.centralized else "public_decrypt_inner")
        return request_id, question

    def _start(self, request_id, question):
        pending = sum(not entry.ended.is_set() for entry in self.entries.values())
        if self.bucket is not None and pending >= self.bucket:
            raise failed(RESOURCE_EXHAUSTED, DUMMY_ID, "public_decrypt_request")
        return self.service.joints.enter(self, request_id, question)

    def _held(self, request_id):
        """The entry, unless it failed: then the id may be used again."""
        entry = self.entries.get(request_id)
        return None if entry is None or entry.failed else entry

    async def _submit(self, message):
        request_id, question = self._validate(message)
        if self._held(request_id):
            raise failed(ALREADY_EXISTS, request_id, "public_decrypt_request")
        self._start(request_id, question)
        return b""

    async def _sync(self, message):
        request_id, question = self._validate(message)
        return await self._wait(self._held(request_id) or self._start(request_id, question))

    async def _get(self, message):
        request_id = canonical_id(read_identifier(message))
        if request_id is None:
            raise failed(INVALID_ARGUMENT, DUMMY_ID, "public_decrypt_result")
        entry = self.entries.get(request_id)
        if entry is None:
            raise failed(NOT_FOUND, request_id, "public_decrypt_result")
        return await self._wait(entry)

    async def _wait(self, entry):
        try:
            await asyncio.wait_for(entry.ended.wait(), self.service.window)
        except asyncio.TimeoutError:
            raise failed(UNAVAILABLE, entry.request_id, "public_decrypt_result") from None
        if entry.failed:
            raise failed(INTERNAL, entry.request_id, "public_decrypt_result")
        return entry.answer


class Service:
    """The parties. window: seconds that a result is waited for; the real servers have 60."""

    def __init__(self, total, threshold, seed, key_ids, recorded=None):
        self.centralized = total == 1
        self.window = 60.0
        self.decryptor = Decryptor(recorded)
        self.key_ids = key_ids + self.decryptor.key_ids
        self.joints = Joints(2 * threshold + 1)
        self.stranger = Signer(seed + b" stranger")
        self.parties = {index: Party(self, index, seed) for index in range(1, total + 1)}

    def died(self, party):
        party.alive = False
        self.joints.leave(party)

    def came_back(self, party):
        party.alive = True
        party.started = self.joints.tick()
