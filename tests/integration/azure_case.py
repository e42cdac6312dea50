# SPDX-License-Identifier: Apache-2.0
"""What the tests of Azure slots share: one stand-in for a class, a slot "kv" for its vault and a
slot "hsm" for its Managed HSM."""

import ctypes

from harness import AzureDouble, HarnessTestCase, TempConfig
from azure_server import HSM, WEB  # harness has put it on the path
from p11_types import Ulong, mechanism_of, template

__all__ = ["HSM", "WEB", "AzureTestCase"]


class AzureTestCase(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.azure = AzureDouble()
        cls.addClassCleanup(cls.azure.__exit__)
        cls.set_up_azure()

    @classmethod
    def set_up_azure(cls):
        """Keys and rights that all of a class's tests use."""

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.addCleanup(self.azure.allow_all)
        self.addCleanup(self.azure.clear)
        self.azure.reset()

    def place(self, host=WEB, **options):
        """Options of a slot without its credential."""
        return dict({"backend": "azure", "url": "https://" + host, "ca_file": self.azure.ca,
                     "connect_to": "::" + self.azure.connect_to}, **options)

    def add_slot(self, name="kv", host=WEB, **options):
        """By the first application's secret."""
        secret = self.config.secret("secret-" + name, self.azure.client_secret)
        self.config.slot(name, None, **self.place(host, **dict({
            "auth": "client_secret", "tenant_id": self.azure.tenant,
            "client_id": self.azure.client_id, "client_secret_file": secret}, **options)))

    def open_slot(self, name="kv", host=WEB, read_write=False, **options):
        """A session of the module."""
        self.add_slot(name, host, **options)
        return self.open_session(name, read_write)

    def open_session(self, name="kv", read_write=False):
        self.p11 = self.open_module(self.config)
        return self.enter(self.p11.session(self.p11.slot(name), read_write=read_write))

    # ---- calls that p11.py does not spell ----

    @staticmethod
    def make(session, name, *args):
        handle = Ulong()
        session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def create(self, session, attributes):
        return self.make(session, "C_CreateObject", template(attributes), len(attributes))

    @staticmethod
    def wrap(session, mechanism, wrapping, key):
        return session._output("C_WrapKey", ctypes.byref(mechanism_of(mechanism)), wrapping, key)

    def unwrap(self, session, mechanism, unwrapping, wrapped, attributes):
        return self.make(session, "C_UnwrapKey", ctypes.byref(mechanism_of(mechanism)), unwrapping,
                         wrapped, len(wrapped), template(attributes), len(attributes))

    def assert_log_says(self, *words):
        log = self.config.log()
        for word in words:
            self.assertIn(word, log)
