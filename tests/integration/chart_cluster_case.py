# SPDX-License-Identifier: Apache-2.0
"""A real API server with the chart's EncryptionConfiguration, for kubectl and helm."""

import shlex
import subprocess

from chart_case import helm, programs_path, render
from kubernetes_server import Cluster


class ChartCluster(Cluster):
    """Its EncryptionConfiguration is the chart's; pods may be made without a controller that makes
    service accounts."""

    def __init__(self, directory):
        self.made = render("kms-static-pod", **{"kmsPlugin.socketDir": directory})
        self.text = self.made.only("ConfigMap", "-kms-files")["data"]["encryption.yaml"]
        super().__init__(directory + "/kms.sock")

    def encryption(self, version):
        return self.text

    def is_up(self):
        return self._server is not None

    def start(self, version="v2"):
        super().start(version, "--disable-admission-plugins=ServiceAccount")

    def kubectl_command(self):
        return [programs_path() / "kubectl", "--server=https://127.0.0.1:%d" % self.port,
                "--token=" + self.token, "--insecure-skip-tls-verify", "--kubeconfig=/dev/null"]

    def kubectl(self, *args, text=None):
        return subprocess.run([*self.kubectl_command(), *map(str, args)], env={"HOME": self.dir},
                              input=text, capture_output=True, text=True, timeout=60, check=False)

    def helm(self, *args, namespace="hsmbridge"):
        return helm(*args, "--namespace=" + namespace, "--kube-token=" + self.token,
                    "--kube-apiserver=https://127.0.0.1:%d" % self.port,
                    "--kube-insecure-skip-tls-verify")

    def shell(self, script, directory):
        """Runs a script there, in which kubectl is the one for this cluster."""
        function = 'kubectl() { %s "$@"; }\n' % shlex.join(map(str, self.kubectl_command()))
        subprocess.run(["bash", "-euc", function + script], cwd=directory, env={"HOME": self.dir},
                       check=True, timeout=60)
