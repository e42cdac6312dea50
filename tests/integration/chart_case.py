# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Helm chart share: a real helm, what it makes of values, and a directory
that stands for a pod's file system.

    made = render("kms-vault", **{"kmsPlugin.socketDir": "/tmp/x"})
    made.only("DaemonSet")["spec"]                    # of one kind; made.text is all of it
    conf = made.conf()                                # hsmbridge.conf
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import yaml

from harness import Authority, HarnessTestCase, TempConfig

SOURCE = Path(os.environ.get("HSMBRIDGE_SOURCE", "."))
K8S = SOURCE / "k8s"
CHART = K8S / "chart"
SERVICES = SOURCE / "tests" / "services"
MONITORING = "monitoring.coreos.com/v1"  # as if these objects were known to the cluster
EXAMPLES = sorted(path.stem for path in (K8S / "values").glob("*.yaml"))
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
UUID = "11111111-2222-3333-4444-555555555555"
AZURE_JSON = '{"tenantId": "%s", "useManagedIdentityExtension": true}' % UUID


def first_line(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@lru_cache
def helm_path():
    return first_line(SERVICES / "helm" / "build.sh")


@lru_cache
def schemas_path():
    return first_line(SERVICES / "kubernetes" / "schemas.py")


@lru_cache
def programs_path():
    """Of kubectl and kubeconform."""
    return Path(first_line(SERVICES / "kubernetes" / "build.sh"))


def helm(*args, **options):
    """A CompletedProcess. Nothing of the user's own configuration; what it caches is gone after."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run([helm_path(), *map(str, args)], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": home}, timeout=60,
                              check=False, **options)


class Rendered:
    def __init__(self, text):
        self.text = text
        self.objects = [each for each in yaml.safe_load_all(text) if each]

    def all(self, kind):
        return [each for each in self.objects if each["kind"] == kind]

    def only(self, kind, suffix=""):
        found = [each for each in self.all(kind) if each["metadata"]["name"].endswith(suffix)]
        assert len(found) == 1, "%d of %s%s" % (len(found), kind, suffix)
        return found[0]

    def config_map(self):
        return self.only("ConfigMap", "-config")["data"]

    def conf(self):
        """hsmbridge.conf, from the ConfigMap for pods or, of a static pod, that for nodes."""
        for each in self.all("ConfigMap"):
            if "hsmbridge.conf" in each["data"]:
                return each["data"]["hsmbridge.conf"]
        raise AssertionError("no hsmbridge.conf")

    def pods(self):
        """[(name, spec)] of everything that has pods, and of the static pod."""
        found = [(each["metadata"]["name"], each["spec"]["template"]["spec"])
                 for each in self.objects if "template" in each.get("spec", {})]
        static = self.static_pod()
        return found + ([("static", static["spec"])] if static else [])

    def static_pod(self):
        for each in self.all("ConfigMap"):
            if "hsmbridge-kms.yaml" in each["data"]:
                return yaml.safe_load(each["data"]["hsmbridge-kms.yaml"])
        return None


def set_words(sets):
    return [word for name, value in sets.items() for word in ("--set", "%s=%s" % (name, value))]


@lru_cache
def template(values, *more, release="hsmbridge", **sets):
    """The CompletedProcess of `helm template` with an example, or with a file elsewhere."""
    path = K8S / "values" / (values + ".yaml") if values in EXAMPLES else values
    files = ["-f", path] if path else []
    return helm("template", release, CHART, "--namespace", "hsmbridge", *files, *more,
                *set_words(sets))


@lru_cache
def render(values, *more, **sets):
    done = template(values, "--api-versions", MONITORING, *more, **sets)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return Rendered(done.stdout)


def conform(text):
    """kubeconform's CompletedProcess."""
    return subprocess.run(
        [programs_path() / "kubeconform", "-strict", "-summary", "-schema-location",
         schemas_path() + "/{{.ResourceKind}}{{.KindSuffix}}.json", "-"], input=text,
        capture_output=True, text=True, timeout=60, check=False)


class ChartTestCase(HarnessTestCase):
    def for_each_example(self, check, beginning=""):
        """check(what it renders to), for every file of k8s/values, or those that begin so."""
        for name in EXAMPLES:
            if name.startswith(beginning):
                with self.subTest(name):
                    check(render(name))

    def for_each_pod(self, check):
        """check(name, spec, what it is of)"""
        def check_pods(made):
            for name, spec in made.pods():
                with self.subTest(name):
                    check(name, spec, made)
        self.for_each_example(check_pods)


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def document_block(first_line):
    """The indented block of docs/kubernetes.md that begins with this line."""
    text = (SOURCE / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    found = re.search(r"(?m)^    %s\n(?:    .*\n|\n(?=    ))*" % re.escape(first_line), text)
    assert found, first_line
    return re.sub(r"(?m)^    ", "", found.group(0))


@contextlib.contextmanager
def environment(**variables):
    """Of this process, while the `with` lasts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class PodFiles(TempConfig):
    """/etc and /run of a pod, in a directory of the test's own; .file is the configuration."""

    def __init__(self):
        super().__init__()
        self.authority = Authority(self.dir)
        self.leaf = self.authority.issue("leaf")

    def place(self, conf):
        """The configuration with these paths in place of the pod's, and files at them."""
        conf = re.sub(r"= (/etc|/run)/", r"= %s\1/" % self.dir, conf)
        conf = re.sub(r"(?m)^module = .*", "module = " + SOFTHSM, conf)
        conf = re.sub(r"(?m)^log = .*", "log = " + self.path("log"), conf)
        for path in re.findall(r"(?m)^\w+_file = (%s\S+)" % re.escape(self.dir), conf):
            self._make(path)
        with open(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="utf-8") as out:
            out.write(conf)

    def _make(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if path.endswith(".key"):
            shutil.copy(self.leaf.key, path)
        elif path.endswith((".pem", ".crt")):
            shutil.copy(self.leaf.cert, path)
        else:
            self.secret(os.path.relpath(path, self.dir), self._secret(path))

    @staticmethod
    def _secret(path):
        name = os.path.basename(path)
        return {"apikey": "A" * 32, "api-key": "kes:v1:" + "A" * 44, "azure.json": AZURE_JSON,
                "ehsm-names": ""}.get(name, UUID)

    def workload_identity(self):
        """What AKS puts into the environment of pods for it."""
        return environment(AZURE_TENANT_ID=UUID, AZURE_CLIENT_ID=UUID,
                           AZURE_FEDERATED_TOKEN_FILE=self.secret("federated", "token"))

    def write(self, mode=0o600):
        """The file is place()'s."""
        return self.file
