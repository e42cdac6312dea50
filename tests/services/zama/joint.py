# SPDX-License-Identifier: Apache-2.0
"""Public decryptions that the parties do together: each answers once enough of them were asked.

A party that was asked keeps its result under the request id, and so the answer of an id is that of
the first question with it, whatever a later one says. A party that comes back from a restart takes
part in what was pending, but is never done with it itself, as was seen of the real one.
"""

import asyncio
import itertools

from .answers import Answer
from .ciphertexts import Undecryptable

KEPT = 6000  # results of a party


class Entry:
    """What a party has under a request id."""

    def __init__(self, party, request_id, question):
        self.party = party
        self.request_id = request_id
        self.question = question
        self.ended = asyncio.Event()
        self.answer = None  # and ended: it failed

    @property
    def failed(self):
        return self.ended.is_set() and self.answer is None

    def compute(self):
        if self.ended.is_set():
            return
        decrypt = self.party.service.decryptor.decrypt
        try:
            plain = [decrypt(self.question.key_id, entry) for entry in self.question.ciphertexts]
            self.answer = Answer(self.party.signer, self.question, self.request_id, plain)
            self.party.given.append(self.answer)
        except Undecryptable:
            pass
        self.ended.set()


class Joint:
    """A request id, as all parties see it."""

    def __init__(self, began):
        self.began = began
        self.enough = False
        self.entries = {}  # of the parties that hold it


class Joints:
    def __init__(self, needed):
        self.needed = needed
        self.latency = 0.002
        self._ticks = itertools.count(1)
        self._joints = {}

    def tick(self):
        return next(self._ticks)

    def enter(self, party, request_id, question):
        """The party's new entry."""
        entry = party.entries[request_id] = Entry(party, request_id, question)
        while len(party.entries) > KEPT:
            self._joints.pop(next(iter(party.entries)), None)
            del party.entries[next(iter(party.entries))]
        joint = self._joints.setdefault(request_id, Joint(self.tick()))
        joint.entries[party.number] = entry
        if joint.enough:
            self._finish(joint, entry)
        elif len(joint.entries) >= self.needed:
            joint.enough = True
            for each in joint.entries.values():
                self._finish(joint, each)
        return entry

    def _finish(self, joint, entry):
        if entry.party.started < joint.began:
            asyncio.get_running_loop().call_later(self.latency, entry.compute)

    def leave(self, party):
        """The party died; what is pending no longer has it."""
        for request_id in party.entries:
            joint = self._joints.get(request_id)
            if joint:
                joint.entries.pop(party.number, None)
                if not joint.entries:  # nobody remembers it
                    del self._joints[request_id]
        party.entries.clear()
        party.given.clear()
