#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: lintian has nothing to say, and on a fresh machine they are installed, used,
removed and purged, without a trace."""

import re
import shutil
import tempfile
import unittest
from pathlib import Path

import debian_packages
from debian_packages import SOURCE, run

# A machine's life, told in /result: the paths there are, and what was said.
LIFE = r"""
export DEBIAN_FRONTEND=noninteractive
ours="hsmbridge hsmbridge-kms hsmbridge-kes"
apt="apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0"

paths() {
    find / -xdev -path /proc -prune -o -path /dev -prune -o -path /src -prune -o \
        -path /result -prune -o -path /tmp -prune -o -path /var/lib/apt -prune -o \
        -path /var/cache -prune -o -path /var/log -prune -o -print | sort >"/result/$1"
}

mkdir -p /result
$apt update
$apt install opensc openssl p11-kit pkgconf >/result/tools.log 2>&1
paths before
$apt install /packages/*.deb >/result/install.log 2>&1
paths installed
dpkg --verify $ours >/result/verify
HOME=/tmp debian/tests/installed >/result/tests.log
printf '[hsmbridge]\nlog = syslog\n' >/etc/hsmbridge/hsmbridge.conf
echo secret >/etc/hsmbridge/role-id
$apt remove $ours >/result/remove.log 2>&1
paths removed
cp /etc/hsmbridge/hsmbridge.conf /result/kept.conf
mv /etc/hsmbridge/role-id /result/role-id
$apt autoremove --purge >/result/purge.log 2>&1
dpkg --purge $ours >>/result/purge.log 2>&1
paths purged
"""


class PackagesTest(unittest.TestCase):
    def test_lintian_finds_no_error_and_no_warning(self):
        changes = list(debian_packages.built().glob("*.changes"))
        self.assertEqual(len(changes), 1)
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", *changes)
        self.assertEqual(said, "")

    def test_packages_have_the_version_of_the_sources(self):
        version = re.search(r"version: '([^']+)'", (SOURCE / "meson.build").read_text()).group(1)
        for package in debian_packages.built().glob("*.deb"):
            self.assertEqual(run("dpkg-deb", "--field", package, "Version").strip(), version)

    def test_build_dependencies_are_those_of_the_one_list(self):
        """gcc and the like are always there when packages are built."""
        listed = re.findall(r"(?m)^build (\S+)$", (SOURCE / "scripts/packages").read_text())
        control = (SOURCE / "debian/control").read_text()
        field = re.search(r"(?m)^Build-Depends:((?:\n .*)+)", control).group(1)
        wanted = set(re.findall(r"(?m)^ ([a-z0-9.+-]+)", field))
        self.assertEqual(wanted - {"debhelper-compat", "libcmocka-dev"},
                         set(listed) - {"gcc", "libc6-dev", "ninja-build"})


class MachineTest(unittest.TestCase):
    """Each looks at another moment of the one life."""

    @classmethod
    def setUpClass(cls):
        packages = debian_packages.built()
        root = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, root)
        fresh = [SOURCE / "scripts/fresh-root", "--keep", root, "--image",
                 debian_packages.machine_image()]
        run(*fresh, "mkdir", "/packages")
        for package in packages.glob("*.deb"):
            shutil.copy(package, root / "packages")
        cls.result = root / "result"
        try:
            run(*fresh, "sh", "-euc", LIFE)
        except RuntimeError as failed:
            logs = [log.read_text() for log in cls.result.glob("*.log")]
            raise RuntimeError("\n".join([str(failed), *logs])) from None

    def paths(self, moment):
        return set((self.result / moment).read_text().splitlines())

    def test_installed_then_others_find_it_and_programs_start(self):
        text = (self.result / "tests.log").read_text()
        for words in ("hsmbridge --version", "hsmbridge-kms --version", "hsmbridge-kes --version",
                      "pkcs11-tool", "p11-kit", "openssl list"):
            self.assertRegex(text, rf"(?m)^ok: {words}")

    def test_installed_then_files_are_as_packed(self):
        self.assertEqual((self.result / "verify").read_text(), "")

    def test_installed_then_units_are_there_and_none_is_enabled(self):
        new = self.paths("installed") - self.paths("before")
        units = {path for path in new if re.search(r"\.(service|socket)$", path)}
        self.assertEqual({Path(unit).name for unit in units},
                         {"hsmbridge-kms.service", "hsmbridge-kms.socket", "hsmbridge-kes.service"})
        self.assertEqual([path for path in new if ".wants/" in path], [])

    def test_removed_then_configuration_stays(self):
        left = {path for path in self.paths("removed") - self.paths("before")
                if "hsmbridge" in path and not path.startswith("/var/lib/")}
        self.assertEqual(left, {"/etc/hsmbridge", "/etc/hsmbridge/hsmbridge.conf",
                                "/etc/hsmbridge/role-id", "/etc/default/hsmbridge-kms",
                                "/etc/default/hsmbridge-kes"})
        self.assertEqual((self.result / "kept.conf").read_text(), "[hsmbridge]\nlog = syslog\n")

    def test_purged_then_the_machine_is_as_before(self):
        self.assertEqual(self.paths("purged") - self.paths("before"), set())
        self.assertEqual(self.paths("before") - self.paths("purged"), set())


if __name__ == "__main__":
    debian_packages.skip_unless_root()
    unittest.main(verbosity=2)
