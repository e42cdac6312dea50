#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenSSH with keys in a real Vault: ssh-keygen -D, logins to a server of this test, the agent."""

import getpass
import os
import re
import socket
import subprocess
import time

import capabilities
from consumers import ConsumerTestCase, main
from harness import module_path

SSHD = "/usr/sbin/sshd"
PRIVSEP = "/run/sshd"  # compiled in; what starts sshd on a machine makes it
SSHD_CONFIG = """ListenAddress 127.0.0.1:%(port)d
HostKey %(host_key)s
AuthorizedKeysFile %(authorized)s
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxAuthTries 20
"""
KINDS = {"rsa": "ssh-rsa", "rsa4": "ssh-rsa", "ec": "ecdsa-sha2-nistp256",
         "p384": "ecdsa-sha2-nistp384", "p521": "ecdsa-sha2-nistp521"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class PublicKeys:
    def listed(self, module, **options):
        """{label: "kind base64"} by ssh-keygen."""
        lines = self.must("ssh-keygen", "-D", module, **options).decode().splitlines()
        return {label: "%s %s" % (kind, blob) for kind, blob, label in map(str.split, lines)}

    def line(self, name):
        """A public key as OpenSSH writes it, made from Vault's own PEM."""
        return self.must("ssh-keygen", "-i", "-m", "PKCS8", "-f", self.pub(name)).decode().strip()

    def assert_certifies(self, module, name, **options):
        """The authority's private key is in the module."""
        user = self.path("user")
        self.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", user)
        authority = self.write("authority.pub", self.line(name) + "\n")
        self.must("ssh-keygen", "-D", module, "-s", authority, "-I", "somebody", "-n", "somebody",
                  user + ".pub", **options)
        text = self.must("ssh-keygen", "-L", "-f", user + "-cert.pub").decode()
        fingerprint = self.must("ssh-keygen", "-l", "-f", authority).split()[1].decode()
        self.assertIn(fingerprint, text)


class OpensshTestCase(PublicKeys, ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "rsa4": "rsa-4096", "ec": "ecdsa-p256", "p384": "ecdsa-p384",
            "p521": "ecdsa-p521", "ed": "ed25519"}


class KeygenTest(OpensshTestCase):
    def test_keygen_when_listing_then_vaults_keys_with_their_labels(self):
        self.assertEqual(self.listed(module_path()), {name: self.line(name) for name in KINDS})
        for name, kind in KINDS.items():
            self.assertTrue(self.line(name).startswith(kind + " "))

    def test_keygen_when_token_has_ed25519_then_it_is_passed_over(self):
        text = self.must_say("ssh-keygen", "-D", module_path())
        self.assertIn("skipping unsupported key type", text)
        self.assertNotIn("ed25519", text)

    def test_keygen_when_signing_a_certificate_then_the_authority_is_remote(self):
        for name in ("ec", "rsa"):
            with self.subTest(name):
                self.setUp()
                self.assert_certifies(module_path(), name)


class Server:
    """An sshd of this test's own, which takes the keys in the file `authorized`."""

    def start_server(self):
        self.need_privsep_directory()
        self.port = free_port()
        host_key = self.path("host_key")
        self.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key)
        with open(host_key + ".pub", encoding="ascii") as file:
            self.known = self.write("known_hosts", "[127.0.0.1]:%d %s" % (self.port, file.read()))
        self.write("authorized", "")
        config = self.write("sshd_config", SSHD_CONFIG % {
            "port": self.port, "host_key": host_key, "authorized": self.path("authorized")})
        self.server_log = self.write("sshd.log", "")
        self.server = self.start(SSHD, "-D", "-f", config, "-E", self.server_log)
        self.wait_for_server()

    def need_privsep_directory(self):
        if os.getuid() == 0 and not os.path.isdir(PRIVSEP):
            os.mkdir(PRIVSEP, 0o755)
            self.addCleanup(os.rmdir, PRIVSEP)

    def wait_for_server(self):
        deadline = time.monotonic() + 20
        while b"Server listening on" not in self.read("sshd.log"):
            if time.monotonic() > deadline or self.server.poll() is not None:
                self.fail(self.read("sshd.log").decode())
            time.sleep(0.01)

    def ssh(self, *options, env=None):
        """A finished login that ran a command."""
        words = [word for option in (
            "UserKnownHostsFile=" + self.known, "StrictHostKeyChecking=yes", "IdentityFile=none",
            "PreferredAuthentications=publickey", *options) for word in ("-o", option)]
        return self.run_program("ssh", "-F", "none", "-p", str(self.port), *words,
                                getpass.getuser() + "@127.0.0.1", "echo in as $LOGNAME",
                                env=env or self.env())


class LoginTestCase(Server, OpensshTestCase):
    def setUp(self):
        super().setUp()
        self.start_server()

    def assert_logs_in(self, name, *options, env=None):
        """With this key alone allowed; the server says which one it took."""
        authorized = self.write("authorized", self.line(name) + "\n")
        before = len(self.read("sshd.log"))
        done = self.ssh(*options, env=env)
        log = self.read("sshd.log")[before:].decode()
        self.assertEqual(done.stdout.decode(), "in as %s\n" % getpass.getuser(),
                         self.told(["ssh"], done) + log)
        fingerprint = self.must("ssh-keygen", "-l", "-f", authorized).split()[1].decode()
        self.assertRegex(log, r"Accepted publickey for \S+ from 127.0.0.1 port \d+ ssh2: \S+ " +
                         re.escape(fingerprint))


class LoginTest(LoginTestCase):
    def test_login_when_key_is_remote_then_accepted(self):
        for name in KINDS:
            with self.subTest(name):
                self.assert_logs_in(name, "PKCS11Provider=" + module_path(), "BatchMode=yes",
                                    "IdentityAgent=none")

    def test_login_when_no_key_is_allowed_then_denied(self):
        done = self.ssh("PKCS11Provider=" + module_path(), "BatchMode=yes", "IdentityAgent=none")
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"Permission denied (publickey)", done.stderr)


class AgentTestCase(LoginTestCase):
    pin = "any"

    def setUp(self):
        super().setUp()
        self.agent_socket = self.path("agent")
        self.start("ssh-agent", "-D", "-a", self.agent_socket, "-P", module_path(),
                   stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.agent_socket) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.askpass = self.write("askpass", "#!/bin/sh\necho '%s'\n" % self.pin, mode=0o700)

    def agent_env(self, **more):
        return self.env(SSH_AUTH_SOCK=self.agent_socket, SSH_ASKPASS=self.askpass,
                        SSH_ASKPASS_REQUIRE="force", **more)


class AgentTest(AgentTestCase):
    def test_agent_when_card_is_added_then_lists_signs_and_logs_in(self):
        text = self.must_say("ssh-add", "-s", module_path(), env=self.agent_env())
        self.assertIn("Card added: " + module_path(), text)
        listed = self.must("ssh-add", "-L", env=self.agent_env()).decode()
        self.assertEqual({" ".join(line.split()[:2]) for line in listed.splitlines()},
                         {self.line(name) for name in KINDS})
        for name in ("rsa", "ec"):
            with self.subTest(name):
                self.must("ssh-add", "-T", self.write("test.pub", self.line(name) + "\n"),
                          env=self.agent_env())
                self.assert_logs_in(name, "BatchMode=yes", env=self.agent_env())

    def test_agent_when_card_is_removed_then_empty_and_may_come_back(self):
        for _ in range(2):
            self.must("ssh-add", "-s", module_path(), env=self.agent_env())
            self.must("ssh-add", "-e", module_path(), env=self.agent_env())
            done = self.run_program("ssh-add", "-L", env=self.agent_env())
            self.assertIn(b"The agent has no identities", done.stdout + done.stderr)


class PinTest(AgentTestCase):
    """The PIN is the token of a slot that has none; only a key's public half is for everybody."""

    keys = {"ec": "ecdsa-p256"}
    slot_options = {"pin": "token"}

    def setUp(self):
        self.pin = self.vault.make_token(self.vault.setup_signer())
        super().setUp()

    def test_agent_when_pin_is_right_then_logs_in(self):
        self.must("ssh-add", "-s", module_path(), env=self.agent_env())
        self.assert_logs_in("ec", "BatchMode=yes", env=self.agent_env())

    def test_login_when_ssh_asks_for_the_pin_then_logs_in(self):
        self.assert_logs_in("ec", "PKCS11Provider=" + module_path(), "IdentityAgent=none",
                            env=self.agent_env())

    def test_agent_when_pin_is_wrong_then_refused(self):
        self.write("askpass", "#!/bin/sh\necho 1234\n", mode=0o700)
        text = self.must_fail("ssh-add", "-s", module_path(), env=self.agent_env())
        self.assertIn("agent refused operation", text)


class CapabilityTest(PublicKeys, Server, capabilities.CapabilityTestCase):
    client = "OpenSSH"

    def asked(self, pin=None):
        """The environment in which this PIN is the answer."""
        askpass = self.write("askpass", "#!/bin/sh\necho '%s'\n" % (pin or self.target.pin),
                             mode=0o700)
        return self.env(SSH_ASKPASS=askpass, SSH_ASKPASS_REQUIRE="force")

    def can_list(self):
        """By ssh-keygen, which never logs in for that."""
        found = self.listed(self.target.module, env=self.asked())
        for name in ("rsa", "ec"):
            self.expect("(?m)^%s$" % re.escape(self.line(name)), "\n".join(found.values()))

    def log_in(self, name, pin=None):
        self.start_server()
        self.write("authorized", self.line(name) + "\n")
        return self.ssh("PKCS11Provider=" + self.target.module, "IdentityAgent=none",
                        env=self.asked(pin))

    def can_wrong_pin(self):
        done = self.log_in("ec", "98765")
        self.assertEqual(done.returncode, 255)
        self.assertRegex(done.stderr.decode(), "PKCS#11 login failed: PIN incorrect")

    def can_x509(self):
        self.assert_certifies(self.target.module, "ec", env=self.asked())

    def assert_logs_in(self, name):
        done = self.log_in(name)
        if done.returncode != 0:
            self.rejected(("ssh",), done)
        self.assertEqual(done.stdout.decode(), "in as %s\n" % getpass.getuser())
        self.assertIn(b"Accepted publickey", self.read("sshd.log"))

    def can_sign_pkcs1(self):
        self.assert_logs_in("rsa")

    def can_sign_ecdsa(self):
        self.assert_logs_in("ec")

    can_login = can_ssh = can_sign_ecdsa


if __name__ == "__main__":
    main()
