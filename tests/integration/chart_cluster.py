#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Helm chart before a real API server: what it makes is taken, and with the
EncryptionConfiguration and the command line that it makes Secrets are sealed."""

import json
import os
import re
import shutil
import unittest

import yaml

from chart_case import (CHART, EXAMPLES, K8S, MONITORING, ChartTestCase, document_block, render,
                        set_words)
from chart_cluster_case import ChartCluster
from harness import RealVault, TempConfig
from kms_cluster_case import VALUE
from kms_plugin import Plugin, free_port

NOT_IN_THE_CLUSTER = ("Certificate",)  # kinds of other projects, without a definition here


class ClusterTest(ChartTestCase):
    """One API server for all: it takes some seconds to start."""

    @classmethod
    def setUpClass(cls):
        cls.vault = cls.enterClassContext(RealVault())
        cls.vault.setup_transit(k8s="aes256-gcm96")
        cls.config = cls.enterClassContext(TempConfig())
        cls.config.slot("vault", cls.vault)
        cls.cluster = cls.enterClassContext(ChartCluster(cls.config.dir))
        cls.enterClassContext(Plugin(cls.config, *cls.arguments(), listen=False, http=False))
        cls.cluster.start()
        cls.cluster.wait_ready()
        for name in ("hsmbridge", "kms", "restricted"):
            cls.cluster.kubectl("create", "namespace", name)

    @classmethod
    def arguments(cls):
        """The static pod's, but for the port, which another test may have."""
        container = cls.cluster.made.static_pod()["spec"]["containers"][0]
        return [re.sub(r"(--healthz-port=).*", r"\g<1>%d" % free_port(), arg)
                for arg in container["args"]]

    def must(self, *args, **options):
        done = self.cluster.kubectl(*args, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_secret_when_written_then_sealed_by_the_charts_configuration(self):
        """By the commands of docs/kubernetes.md, "Verify"."""
        lines = document_block("kubectl create secret generic probe --from-literal=value=visible")
        for line in lines.splitlines():
            if line.startswith("kubectl"):
                told = self.must(*line.split()[1:])
        self.assertEqual(told, "ok")
        self.assertTrue(self.cluster.stored("probe").startswith(b"k8s:enc:kms:v2:hsmbridge:"))
        self.assertEqual(self.cluster.create_secret("sealed", VALUE), 201)
        stored = self.cluster.stored("sealed")
        self.assertTrue(stored.startswith(b"k8s:enc:kms:v2:hsmbridge:"), stored[:60])
        self.assertNotIn(VALUE.encode(), stored)
        self.assertEqual(self.cluster.read_secret("sealed"), VALUE)

    def test_objects_when_any_example_then_the_api_server_takes_them(self):
        for name in EXAMPLES:
            with self.subTest(name):
                objects = [each for each in render(name).objects
                           if each["kind"] not in NOT_IN_THE_CLUSTER
                           and each["apiVersion"] != MONITORING]
                told = self.must("apply", "--dry-run=server", "-f", "-",
                                 text=yaml.safe_dump_all(objects))
                self.assertEqual(told.count("(server dry run)"), len(objects), told)

    def test_objects_when_one_is_wrong_then_the_api_server_says_so(self):
        text = render("kes-vault").text.replace("runAsUser: 65532", "runAsUser: -1")
        done = self.cluster.kubectl("apply", "--dry-run=server", "-f", "-", text=text)
        self.assertIn("runAsUser", done.stderr)

    def in_restricted_namespace(self, spec):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
        return self.cluster.kubectl("apply", "--dry-run=server", "--namespace=restricted", "-f",
                                    "-", text=json.dumps(pod))

    def test_restricted_namespace_when_pods_need_no_host_path_then_admitted(self):
        """Pod Security Standards, enforced by the API server."""
        self.must("label", "namespace", "restricted",
                  "pod-security.kubernetes.io/enforce=restricted")

        def check(pod, spec, _):
            told = self.in_restricted_namespace(spec)
            if pod in ("hsmbridge-kms", "static"):
                self.assertIn("violates PodSecurity", told.stderr)
            else:
                self.assertEqual(told.returncode, 0, told.stderr)
        self.for_each_pod(check)

    def test_manifests_when_applied_then_the_api_server_takes_them(self):
        for path in sorted((K8S / "manifests").glob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            if "apiserver.config.k8s.io" not in text and "+json" not in path.name:
                with self.subTest(path.name):
                    told = self.must("apply", "--dry-run=server", "-f", path)
                    self.assertIn("(server dry run)", told)

    def chart(self):
        """Without the version that it needs: this API server was built without being told its."""
        path = self.config.path("chart")
        if not os.path.isdir(path):
            shutil.copytree(CHART, path)
            text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
            with open(path + "/Chart.yaml", "w", encoding="utf-8") as out:
                out.write(re.sub(r"(?m)^kubeVersion:.*\n", "", text))
        return path

    def must_helm(self, command, release, example, *more, **sets):
        done = self.cluster.helm(command, release, self.chart(), "-f",
                                 K8S / "values" / (example + ".yaml"), *more, *set_words(sets))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_release_when_installed_upgraded_and_uninstalled_then_only_the_keys_stay(self):
        self.must_helm("install", "bridge", "kes-azure-workload-identity")
        self.must_helm("upgrade", "bridge", "kes-azure-workload-identity",
                       **{"slots.azure.timeout": "5s", "image.tag": "0.2.0"})
        deployment = json.loads(self.must("get", "deployment", "bridge-hsmbridge-kes", "-o", "json",
                                          "--namespace=hsmbridge"))
        self.assertEqual(deployment["spec"]["template"]["spec"]["containers"][0]["image"],
                         "hsmbridge:0.2.0")
        done = self.cluster.helm("uninstall", "bridge")
        self.assertEqual(done.returncode, 0, done.stderr)
        left = self.must("get", "all,configmap,pvc,netpol,pdb,sa", "-o", "name",
                         "--namespace=hsmbridge", "-l", "app.kubernetes.io/instance=bridge")
        self.assertEqual(left, "persistentvolumeclaim/bridge-hsmbridge-kes\n")

    def test_static_pod_when_fetched_as_documented_then_the_files_of_the_nodes(self):
        done = self.cluster.helm("install", "hsmbridge", self.chart(), "-f",
                                 K8S / "values" / "kms-static-pod.yaml", namespace="kube-system")
        self.assertEqual(done.returncode, 0, done.stderr)
        block = document_block("helm upgrade --install hsmbridge k8s/chart --namespace kube-system "
                               "-f k8s/values/kms-static-pod.yaml")
        self.cluster.shell(block.partition("\n")[2], self.config.dir)
        for name, manifest in (("hsmbridge-kms.yaml", "kms-static-pod.yaml"),
                               ("encryption.yaml", "encryption-configuration.yaml")):
            with open(self.config.path(name), encoding="utf-8") as found:
                self.assertEqual(yaml.safe_load(found), yaml.safe_load(
                    (K8S / "manifests" / manifest).read_text(encoding="utf-8")))

    def notes(self, example, **sets):
        return self.must_helm("install", "hsmbridge", example, "--dry-run=client",
                              **sets).partition("\nNOTES:\n")[2]

    def test_notes_when_installed_then_the_next_step_and_what_is_risky(self):
        self.assertIn("get configmap hsmbridge-kms-files", self.notes("kms-vault"))
        self.assertNotIn("WARNING", self.notes("kms-vault"))
        self.assertIn("WARNING: the plugin's credentials are Secrets", self.notes(
            "kms-vault", **{"kmsPlugin.secretsFrom": "cluster",
                            "secrets.vault.existingSecret": "vault-approle"}))
        self.assertIn("logs job/hsmbridge-enroll -c enroll", self.notes("ehsm-enroll"))
        self.assertIn("https://hsmbridge-kes.hsmbridge:7373",
                      self.notes("kes-azure-workload-identity"))

    def test_patch_when_applied_as_kubeadm_does_then_flag_and_mounts_are_there(self):
        with open(self.config.path("kube-apiserver.yaml"), "w", encoding="utf-8") as out:
            json.dump(KUBEADM_POD, out)
        patch = K8S / "manifests" / "kube-apiserver+json.yaml"
        told = self.must("patch", "--local", "-f", self.config.path("kube-apiserver.yaml"),
                         "--type=json", "--patch-file", patch, "-o", "json")
        spec = json.loads(told)["spec"]
        container = spec["containers"][0]
        self.assertEqual(container["command"][:2], KUBEADM_POD["spec"]["containers"][0]["command"])
        self.assertIn("--encryption-provider-config=/etc/kubernetes/encryption.yaml",
                      container["command"])
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"]}
        self.assertEqual(mounts, volumes)
        self.assertIn("/run/hsmbridge-kms", volumes.values())

    def test_commands_when_of_the_documents_then_kubectl_takes_them(self):
        """Those that verify and write anew, as they stand there."""
        command = document_block("kubectl get secrets --all-namespaces -o json "
                                 "| kubectl replace -f -")
        get, replace = (each.split()[1:] for each in command.split("|"))
        self.assertEqual(self.cluster.create_secret("old", VALUE), 201)
        before = self.cluster.request("GET", self.cluster.SECRETS + "/old")[1]["metadata"]
        self.must(*replace, text=self.must(*get))
        self.assertEqual(self.cluster.read_secret("old"), VALUE)
        after = self.cluster.request("GET", self.cluster.SECRETS + "/old")[1]["metadata"]
        self.assertEqual(before["uid"], after["uid"])


KUBEADM_POD = {  # as much of kubeadm's manifest as the patch touches
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "kube-apiserver", "namespace": "kube-system"},
    "spec": {
        "containers": [{"name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.37.2",
                        "command": ["kube-apiserver", "--secure-port=6443"],
                        "volumeMounts": [{"name": "k8s-certs",
                                          "mountPath": "/etc/kubernetes/pki"}]}],
        "volumes": [{"name": "k8s-certs", "hostPath": {"path": "/etc/kubernetes/pki"}}]}}


if __name__ == "__main__":
    unittest.main(verbosity=2)
