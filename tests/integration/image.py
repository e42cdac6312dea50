#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The OCI image: k8s/image/build makes a valid one, the same each time, and each of its programs
works as a cluster would run it: as an unprivileged user, without capabilities, on a root that
cannot be written, with its configuration from a volume. There is no container engine: the image is
unpacked, bwrap confines, and setpriv gives up root and its capabilities last, as a runtime does. (A
user namespace of bwrap's would be simpler, but there root's files are nobody's.)"""

import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sysconfig
import tempfile
import time
import unittest
from pathlib import Path

import debian_packages
from debian_packages import SOURCE, run
from harness import Authority, Double, HarnessTestCase
from kes_server import Caller, make_certificate
from kms_plugin import KmsClient, free_port
from servers import die_with_parent

TAG = "test"
USER = 65532
FOREIGN_USER = 1000650000  # one of a range that a platform picks for each namespace
PROGRAMS = {"usr/bin/cp", "usr/bin/hsmbridge", "usr/bin/p11-kit", "usr/sbin/hsmbridge-kes",
            "usr/sbin/hsmbridge-kms", "usr/libexec/p11-kit/p11-kit-remote",
            "usr/libexec/p11-kit/p11-kit-server"}
CLIENT = "p11-kit-client.so"
MULTIARCH = sysconfig.get_config_var("MULTIARCH")

CONFIGURATION = """
[hsmbridge]
log = stderr

[slot vault]
backend = vault
url = {url}
ca_file = /etc/hsmbridge/ca.pem
auth = token
token_file = /etc/hsmbridge/token

[kes]
address = 127.0.0.1:{port}
cert_file = /etc/hsmbridge/kes.pem
key_file = /etc/hsmbridge/kes.key
admin = {admin}
directory = /run
slot = vault
sealing_key = kek
"""


def build(directory, *options):
    run(SOURCE / "k8s/image/build", "--packages", debian_packages.built(), "--tag", TAG, *options,
        directory)


def wait_for(family, address, process):
    """Until something listens there."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.socket(family) as probe:
                return probe.connect(address)
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.02)


class Image:
    """An image, unpacked once for all tests."""

    directory = None

    @classmethod
    def make(cls):
        if cls.directory:
            return
        cls.directory = Path(tempfile.mkdtemp())
        unittest.addModuleCleanup(shutil.rmtree, cls.directory)
        cls.directory.chmod(0o755)
        cls.layout = cls.directory / "layout"
        build(cls.layout, "--archive", cls.directory / "image.tar")
        run("umoci", "unpack", "--image", f"{cls.layout}:{TAG}", cls.directory / "bundle")
        (cls.directory / "bundle").chmod(0o755)
        cls.root = cls.directory / "bundle/rootfs"
        cls.config = json.loads(run("skopeo", "inspect", "--config",
                                    f"oci:{cls.layout}:{TAG}"))["config"]

    @classmethod
    def module(cls, name):
        return cls.root / f"usr/lib/{MULTIARCH}/pkcs11" / name

    @classmethod
    def confined(cls, command, mounts=(), user=USER):
        """The command line that runs one in the image. mounts: in bwrap's words."""
        environment = [word for line in cls.config["Env"]
                       for word in ("--setenv", *line.split("=", 1))]
        words = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent",
                 "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID",
                 "--cap-add", "CAP_SETPCAP", "--ro-bind", cls.root, "/", "--proc", "/proc",
                 "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", "/usr", "/sys", *mounts,
                 "--clearenv", *environment, "--chdir", cls.config["WorkingDir"],
                 *cls.setpriv(user), *command]
        return [str(word) for word in words]

    @staticmethod
    def setpriv(user):
        """This machine's, at /sys with the libraries it wants: the image has none."""
        libraries = f"/sys/lib/{MULTIARCH}"
        [loader] = Path(f"/usr/lib/{MULTIARCH}").glob("ld-linux*.so.*")
        return [f"{libraries}/{loader.name}", "--library-path", libraries, "/sys/bin/setpriv",
                "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all",
                "--bounding-set=-all", "--no-new-privs"]


class Volume:
    """A directory as kubelet makes it of a Secret, with fsGroup: files of root's in a directory of
    theirs, readable by the group, behind two links."""

    def __init__(self, files):
        self.path = Path(tempfile.mkdtemp())
        version = self.path / "..2026_01_01"
        version.mkdir()
        (self.path / "..data").symlink_to(version.name)
        for name, content in files.items():
            (version / name).write_text(content)
            (version / name).chmod(0o440)
            os.chown(version / name, 0, USER)
            (self.path / name).symlink_to(Path("..data", name))
        version.chmod(0o755)
        os.chown(self.path, 0, USER)
        self.path.chmod(0o3777)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def empty_dir():
    """A volume that the user writes to."""
    directory = tempfile.mkdtemp()
    os.chown(directory, USER, USER)
    return Path(directory)


class ImageCase(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        Image.make()

    def confined(self, *command, **options):
        return subprocess.run(Image.confined(command, **options), capture_output=True, text=True,
                              timeout=60, check=False)

    def says(self, *command, **options):
        done = self.confined(*command, **options)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout


class LayoutTest(ImageCase):
    def test_layout_when_read_by_others_then_one_image_with_one_layer(self):
        layers = json.loads(run("umoci", "stat", "--json", "--image", f"{Image.layout}:{TAG}"))
        self.assertEqual(len(layers["history"]), 1)
        seen = json.loads(run("skopeo", "inspect", f"oci:{Image.layout}:{TAG}"))
        self.assertEqual((len(seen["Layers"]), seen["Os"]), (1, "linux"))
        raw = json.loads(run("skopeo", "inspect", "--raw",
                             f"oci-archive:{Image.directory / 'image.tar'}:{TAG}"))
        self.assertEqual(raw["layers"][0]["digest"], seen["Layers"][0])

    def test_config_then_unprivileged_user_with_a_home(self):
        self.assertEqual(Image.config["User"], f"{USER}:{USER}")
        self.assertNotIn("Entrypoint", Image.config)
        home = Image.root / "home/hsmbridge"
        self.assertIn(f"HOME=/{home.relative_to(Image.root)}", Image.config["Env"])
        self.assertEqual(home.stat().st_uid, USER)
        self.assertIn(f"\nhsmbridge:x:{USER}:{USER}:", (Image.root / "etc/passwd").read_text())
        version = run("dpkg-parsechangelog", "-l", SOURCE / "debian/changelog", "-S", "Version")
        self.assertEqual(Image.config["Labels"]["org.opencontainers.image.version"],
                         version.strip())

    def test_image_when_built_again_then_the_same_to_the_byte(self):
        build(Image.directory / "again")
        index = [(Image.directory / name / "index.json").read_text()
                 for name in ("layout", "again")]
        self.assertEqual(*index)

    def test_build_when_used_wrongly_then_one_line_says_so(self):
        program = SOURCE / "k8s/image/build"
        for words, line in ((["--nonsense", "x"], "build: no option --nonsense; see --help"),
                            (["--tag"], "build: --tag needs a value"),
                            ([], "build: one LAYOUT is needed; see --help"),
                            ([Image.layout], f"build: {Image.layout} is there already")):
            done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (1, line + "\n"))


class ContentsTest(ImageCase):
    def test_programs_then_ours_p11_kit_and_cp_only(self):
        found = set()
        for path in Image.root.rglob("*"):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & 0o111 and ".so" not in path.name:
                found.add(str(path.relative_to(Image.root)))
        self.assertEqual(found, PROGRAMS)

    def test_files_then_none_lends_rights_and_none_is_writable_by_all(self):
        for path in Image.root.rglob("*"):
            mode = path.lstat().st_mode
            name = str(path.relative_to(Image.root))
            self.assertFalse(stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID), name)
            if mode & stat.S_IWOTH and not stat.S_ISLNK(mode):
                self.assertIn(name, ("tmp", "var/tmp"))

    def test_files_then_nothing_of_the_machine_that_built_it(self):
        for name in ("etc/apt", "etc/hostname", "etc/resolv.conf", "var/lib/apt",
                     "var/cache/apt", "var/log/dpkg.log", "dev/null"):
            self.assertFalse((Image.root / name).exists(), name)

    def test_packages_when_a_scanner_looks_then_all_are_named_with_their_licences(self):
        listed = run("dpkg-query", "--admindir", Image.root / "var/lib/dpkg", "-W", "-f",
                     "${Package} ${db:Status-Abbrev}\n").splitlines()
        names = {line.split()[0] for line in listed if line.split()[1] == "ii"}
        self.assertLessEqual({"hsmbridge", "hsmbridge-kes", "hsmbridge-kms", "libc6", "libssl3",
                              "libcurl4", "ca-certificates"}, names)
        for name in names:
            self.assertTrue((Image.root / "usr/share/doc" / name / "copyright").exists(), name)

    def test_authorities_then_the_bundle_has_them(self):
        bundle = Image.root / "etc/ssl/certs/ca-certificates.crt"
        context = ssl.create_default_context(cafile=str(bundle))
        self.assertGreater(len(context.get_ca_certs()), 100)


class ConfinementTest(ImageCase):
    def setUp(self):
        self.volume = empty_dir()
        self.addCleanup(shutil.rmtree, self.volume)

    def test_process_then_no_capability_no_privilege_and_no_way_to_get_one(self):
        self.says("cp", "/proc/self/status", "/run/", mounts=("--bind", self.volume, "/run"))
        status = dict(line.split(":\t", 1)
                      for line in (self.volume / "status").read_text().splitlines()
                      if ":\t" in line)
        self.assertEqual(status["Uid"].split(), [str(USER)] * 4)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")

    def test_root_when_written_then_refused(self):
        for place in ("/usr/bin/x", "/home/hsmbridge/x", "/var/tmp/x"):
            done = self.confined("cp", "/etc/passwd", place)
            self.assertIn("Read-only file system", done.stderr)

    def test_programs_then_each_tells_its_version(self):
        version = Image.config["Labels"]["org.opencontainers.image.version"]
        for program in sorted(PROGRAMS):
            name = os.path.basename(program)
            if name.startswith("hsmbridge"):
                self.assertIn(f"{name} {version}", self.says(name, "--version"))
        self.assertIn("coreutils", self.says("cp", "--version"))

    def test_modules_when_the_user_is_a_foreign_one_then_p11_kit_finds_ours(self):
        for user in (USER, FOREIGN_USER):
            self.assertIn("library-manufacturer: hsmbridge",
                          self.says("p11-kit", "list-modules", user=user))

    def test_modules_when_an_init_container_hands_them_on_then_they_are_the_files(self):
        self.says("cp", "/opt/hsmbridge/hsmbridge.so", f"/opt/hsmbridge/{CLIENT}", "/run/",
                  mounts=("--bind", self.volume, "/run"))
        for name in ("hsmbridge.so", CLIENT):
            self.assertEqual((self.volume / name).read_bytes(), Image.module(name).read_bytes())


class ServiceTest(ImageCase):
    """With a key service on loopback; configuration and sockets are mounted as volumes would be."""

    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit(web="ecdsa-p256", kek="aes256-gcm96")
        self.port = free_port()
        own = self.enter(tempfile.TemporaryDirectory())
        self.authority = Authority(own)
        self.admin = make_certificate(own, "admin")
        server = self.authority.issue("kes", ("127.0.0.1",))
        volume = self.enter(Volume({
            "hsmbridge.conf": CONFIGURATION.format(url=self.vault.url, port=self.port,
                                                   admin=self.admin.identity),
            "ca.pem": Path(self.vault.ca).read_text(),
            "kes.pem": Path(server.cert).read_text(),
            "kes.key": Path(server.key).read_text(),
            "token": self.vault.token}))
        self.run_directory = empty_dir()
        self.addCleanup(shutil.rmtree, self.run_directory)
        self.mounts = ("--ro-bind", volume.path, "/etc/hsmbridge",
                       "--bind", self.run_directory, "/run")

    def start(self, *command, family=socket.AF_UNIX, listens):
        process = subprocess.Popen(Image.confined(command, mounts=self.mounts),
                                   stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        wait_for(family, listens, process)

    def in_run(self, name):
        return str(self.run_directory / name)

    def test_tool_when_a_slot_is_configured_then_it_checks_lists_and_signs(self):
        self.assertIn("vault", self.says("hsmbridge", "check", mounts=self.mounts))
        self.assertRegex(self.says("hsmbridge", "list", mounts=self.mounts), r"\bweb\b")
        self.says("hsmbridge", "sign", "--key", "web", "--in", "/etc/passwd", "--out", "/run/sig",
                  mounts=self.mounts)
        self.says("hsmbridge", "verify", "--key", "web", "--in", "/etc/passwd", "--signature",
                  "/run/sig", mounts=self.mounts)

    def test_module_when_served_by_p11_kit_then_another_process_signs(self):
        self.start("p11-kit", "server", "--foreground", "--provider",
                   "/opt/hsmbridge/hsmbridge.so", "--name", "/run/pkcs11", "pkcs11:",
                   listens=self.in_run("pkcs11"))
        address = "unix:path=" + self.in_run("pkcs11")
        (self.run_directory / "digest").write_bytes(bytes(32))
        client = subprocess.run(
            ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups",
             "pkcs11-tool", "--module", Image.module(CLIENT), "--sign", "--mechanism", "ECDSA",
             "--label", "web", "--input-file", "digest", "--output-file", "signature"],
            cwd=self.run_directory, capture_output=True, check=False, timeout=60,
            env={**os.environ, "HOME": "/", "P11_KIT_SERVER_ADDRESS": address})
        self.assertEqual(client.returncode, 0, client.stderr)
        self.assertEqual((self.run_directory / "signature").stat().st_size, 64)

    def test_plugin_when_it_serves_then_what_it_seals_opens(self):
        self.start("hsmbridge-kms", "--slot", "vault", "--key", "kek", "--listen",
                   "unix:///run/kms.sock", listens=self.in_run("kms.sock"))
        client = KmsClient(self.in_run("kms.sock"))
        self.addCleanup(client.close)
        sealed = client.encrypt(bytes(32))
        self.assertEqual(client.decrypt(sealed), bytes(32))
        self.assertEqual(client.status().healthz, "ok")

    def test_server_when_it_serves_then_a_key_is_made_and_used(self):
        self.start("hsmbridge-kes", family=socket.AF_INET, listens=("127.0.0.1", self.port))
        admin = Caller(f"https://127.0.0.1:{self.port}", self.authority.path, self.admin)
        self.assertEqual(admin.call("PUT", "/v1/key/create/app").status, 200)
        self.assertEqual(admin.call("PUT", "/v1/key/generate/app").status, 200)


if __name__ == "__main__":
    debian_packages.skip_unless_root()
    unittest.main(verbosity=2)
