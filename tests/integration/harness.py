# SPDX-License-Identifier: Apache-2.0
"""What integration tests stand on: servers, configurations, the module under test.

    from harness import CK, Double, HarnessTestCase, P11Error, TempConfig, module

    class SealedTest(HarnessTestCase):
        def test_sign_when_sealed_then_device_error(self):
            vault = self.enter(Double())                  # stopped when the test ends
            vault.setup_transit("app")                    # mounts transit, makes ECDSA keys
            config = self.enter(TempConfig())
            config.slot("web", vault, timeout="1s")       # token login unless told otherwise
            p11 = self.open_module(config)                # C_Initialize; finalized at the end
            with p11.session(p11.slot("web")) as session:
                key = session.private_key("app")
                vault.state(sealed=True)
                self.assert_rv(CK.CKR_DEVICE_ERROR, session.sign, key, CK.CKM_ECDSA, bytes(32))
            self.assertIn("sealed", config.log())

Servers, the client for setting them up, faults and counters: ../services/servers.py and
vault_client.py; for Azure azure_server.py. Calls into the module: p11.py. HSMBRIDGE_MODULE names
the module's file, HSMBRIDGE_CLI the command line tool.
"""

import os
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "services")]

from azure_server import AzureDouble  # noqa: E402
from double.tls import Authority, Leaf  # noqa: E402
from p11 import CK, Module, P11Error, Rv, oaep, pss  # noqa: E402
from servers import Directory, Double, KubernetesStub, RealVault  # noqa: E402
from vault_client import ServerError  # noqa: E402

__all__ = ["CK", "Authority", "AzureDouble", "Double", "HarnessTestCase", "KubernetesStub", "Leaf",
           "P11Error", "RealVault", "Rv", "ServerError", "TempConfig", "cli_path", "module",
           "module_path", "oaep", "pss"]


def module_path():
    path = os.environ.get("HSMBRIDGE_MODULE")
    if not path:
        raise RuntimeError("HSMBRIDGE_MODULE must name the module's file, hsmbridge.so")
    return os.path.abspath(path)


def cli_path():
    path = os.environ.get("HSMBRIDGE_CLI")
    if not path:
        raise RuntimeError("HSMBRIDGE_CLI must name the command line tool, hsmbridge")
    return os.path.abspath(path)


class TempConfig(Directory):
    """A configuration file and the files it names.

    slot() and option() only note; write() puts it on disk, and so do .path's users below.
    """

    def __init__(self, **options):
        """options: of the [hsmbridge] section; the log goes to a file that log() reads."""
        super().__init__()
        self.file = self.path("hsmbridge.conf")
        self._global = dict({"log": self.path("log"), "log_level": "debug"}, **options)
        self._slots = {}
        self._lines = []

    def secret(self, name, text, mode=0o600):
        """A file with a secret; returns its path."""
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)  # whatever the umask
        return path

    def slot(self, name, server=None, **options):
        """A slot for a VaultServer, logging in with its root token, unless options say otherwise;
        an option that is None is left out, a list is written as repeated options."""
        section = {"backend": "vault"}
        if server is not None:
            section.update(url=server.url, mount="transit")
            if server.ca:
                section["ca_file"] = server.ca
            else:
                section["insecure_transport"] = "yes"
            if "auth" not in options and "pin" not in options:
                section.update(auth="token",
                               token_file=self.secret("token-" + name, server.token))
        section.update(options)
        self._slots[name] = {key: value for key, value in section.items() if value is not None}
        self.write()

    def remove_slot(self, name):
        del self._slots[name]
        self.write()

    def line(self, text):
        """A line as it stands at the end of the file."""
        self._lines.append(text)
        self.write()

    def text(self):
        lines = ["[hsmbridge]"] + self._options(self._global)
        for name, options in self._slots.items():
            lines += ["", "[slot %s]" % name] + self._options(options)
        return "\n".join(lines + self._lines) + "\n"

    @staticmethod
    def _options(options):
        return ["%s = %s" % (key, value) for key, values in options.items()
                for value in (values if isinstance(values, (list, tuple)) else [values])]

    def write(self, mode=0o600):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(self.text())
        os.chmod(self.file, mode)
        return self.file

    def env(self, **more):
        """An environment for a program under test."""
        return dict(os.environ, HSMBRIDGE_CONFIG=self.file, **more)

    def log(self):
        try:
            with open(self.path("log"), encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def clear_log(self):
        with open(self.path("log"), "w", encoding="utf-8"):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def module():
    """The module under test, loaded once in this process."""
    if module.loaded is None:
        module.loaded = Module(module_path())
    return module.loaded


module.loaded = None


class HarnessTestCase(unittest.TestCase):
    def enter(self, context):
        """Enters a context that is left when the test ends."""
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def open_module(self, config):
        """The module under test, initialized with a TempConfig until the test ends."""
        loaded = module()
        loaded.initialize(config.write())
        self.addCleanup(loaded.call, "C_Finalize", None)
        return loaded

    def assert_rv(self, expected, function, *args, **named):
        """function(...) fails with exactly this result code."""
        with self.assertRaises(P11Error) as caught:
            function(*args, **named)
        self.assertEqual(caught.exception.rv, expected, str(caught.exception))

    def assert_told(self, config, expected, function, *words, within):
        """function() fails with this result code in so many seconds, and the log has the words."""
        config.clear_log()
        begin = time.monotonic()
        self.assert_rv(expected, function)
        self.assertLess(time.monotonic() - begin, within)
        for word in words:
            self.assertIn(word, config.log())

    def run_cli(self, config, *args, **options):
        """The command line tool with a TempConfig; a CompletedProcess with text."""
        return subprocess.run([cli_path(), *args], env=config.env(), capture_output=True, text=True,
                              timeout=options.pop("timeout", 60), check=False, **options)
