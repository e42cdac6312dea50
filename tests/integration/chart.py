#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Helm chart by helm's and kubeconform's judgement, and what it makes by that of the programs.

chart.py --write            # makes anew what is derived: the schema's sections, the manifests
"""

import copy
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import unittest

import yaml

import chart_schema
from chart_case import (CHART, EXAMPLES, K8S, SOURCE, ChartTestCase, PodFiles, conform, containers,
                        document_block, helm, render, template)
from consumer_p11_kit import variable, wait_for_server
from harness import cli_path, module_path
from kms_plugin import free_port, kms_path
from process import die_with_parent

MANIFESTS = {  # those that are what the chart makes: of which example, and which part
    "kms-static-pod.yaml": ("kms-static-pod", lambda made: data_of(made, "hsmbridge-kms.yaml")),
    "encryption-configuration.yaml": ("kms-static-pod",
                                      lambda made: data_of(made, "encryption.yaml")),
    "sidecar-pod.yaml": ("sidecar-vault", lambda made: pod_of(made)),
}
EVERY_VALUE = SOURCE / "tests" / "fixtures" / "chart" / "every-value.yaml"
DOCS = [SOURCE / "docs" / "kubernetes.md", K8S / "README.md"]


def data_of(made, key):
    return made.only("ConfigMap", "-kms-files")["data"][key]


class Blocks(yaml.SafeDumper):
    """Texts of several lines as they are."""

    def represent_text(self, text):
        return self.represent_scalar("tag:yaml.org,2002:str", text,
                                     style="|" if "\n" in text else None)


Blocks.add_representer(str, Blocks.represent_text)


def pod_of(made):
    """Without its Deployment, and without helm's labels."""
    template_ = made.only("Deployment")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template_["spec"],
           "metadata": {"name": "application", "namespace": "hsmbridge"}}
    objects = copy.deepcopy([made.only("ServiceAccount"), made.only("ConfigMap"), pod])
    for each in objects:
        each["metadata"]["labels"] = {"app.kubernetes.io/name": "hsmbridge"}
    return yaml.dump_all(objects, Dumper=Blocks, sort_keys=True)


def manifest(name):
    example, part = MANIFESTS[name]
    return ("# SPDX-License-Identifier: Apache-2.0\n"
            "# Made from ../values/%s.yaml by the chart; `tests/integration/chart.py --write`.\n%s"
            % (example, part(render(example))))


def options():
    return json.loads(subprocess.run([cli_path(), "options", "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)


class ExamplesTest(ChartTestCase):
    """Every file of k8s/values."""

    def test_lint_when_any_example_then_no_complaint(self):
        for name in EXAMPLES:
            with self.subTest(name):
                done = helm("lint", "--strict", CHART, "-f",
                            K8S / "values" / (name + ".yaml"))
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertNotIn("[WARNING]", done.stdout)

    def test_template_when_any_example_then_objects_conform(self):
        def check(made):
            self.assertGreaterEqual(len(made.objects), 1)
            done = conform(made.text)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("Valid: %d, Invalid: 0, Errors: 0, Skipped: 0" % len(made.objects),
                          done.stdout)
        self.for_each_example(check)

    def test_template_when_every_value_is_set_then_objects_conform(self):
        for more in ({}, {"sidecar.form": "direct"}, {"sidecar.native": "false"}):
            made = render(EVERY_VALUE, **more)
            done = conform(made.text)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(len({each["kind"] for each in made.objects}), 14)
            for _, spec in made.pods():
                for container in containers(spec):
                    if container["name"] not in ("hsmbridge-module", "application"):
                        self.assertIn({"name": "extra", "mountPath": "/extra"},
                                      container["volumeMounts"])

    def test_values_when_the_chart_has_them_then_a_template_reads_them(self):
        templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())

        def leaves(values):
            for name, value in values.items():
                yield name
                if isinstance(value, dict) and name not in ("resources", "config", "nodeSelector"):
                    yield from leaves(value)
        for name in set(leaves(yaml.safe_load((CHART / "values.yaml").read_text()))):
            self.assertRegex(templates, r"\.%s\b" % name)

    def test_conform_when_a_property_is_no_kubernetes_one_then_refused(self):
        text = render("kes-vault").text.replace("enableServiceLinks", "enableServiceLink")
        self.assertIn("enableServiceLink", conform(text).stdout)

    def test_configuration_when_any_example_then_every_slot_is_valid(self):
        def check(made):
            conf = made.conf()
            with PodFiles() as files, files.workload_identity():
                files.place(conf)
                module = self.open_module(files)
                labels = {module.token_info(slot).label for slot in module.slots()}
                module.finalize()
                self.assertEqual(len(labels), len(re.findall(r"(?m)^\[slot ", conf)), files.log())
                self.assertNotIn(" error: ", files.log())
        self.for_each_example(check)

    def test_configuration_when_any_example_then_no_secret_is_in_a_config_map(self):
        typed = (r"(?m)^(secret_id|role_id|apikey|api_key|password|user_token|client_secret|token|"
                 r"jwt) = (?!pkcs11:)")

        def check(made):
            for each in made.all("ConfigMap"):
                self.assertNotRegex(each["data"].get("hsmbridge.conf", ""), typed)
        self.for_each_example(check)


class PodsTest(ChartTestCase):
    """What admission policies ask of every pod."""

    def test_containers_when_any_example_then_restricted(self):
        def check(pod, spec, _):
            self.assertFalse(spec["automountServiceAccountToken"])
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for container in containers(spec):
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]}})
            if pod not in ("hsmbridge-kms", "static"):
                self.assertTrue(spec["securityContext"]["runAsNonRoot"])
                self.assertEqual(spec["securityContext"]["runAsUser"], 65532)
                self.assertNotIn("hostPath", json.dumps(spec))
                self.assertNotIn("hostNetwork", spec)
        self.for_each_pod(check)

    def test_user_when_null_then_left_to_the_platform(self):
        for name, where in (("kes-vault", "kes"), ("sidecar-vault", "sidecar")):
            made = render(name, **{where + ".runAsUser": "null", where + ".runAsGroup": "null"})
            self.assertEqual(made.pods()[0][1]["securityContext"], {
                "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}})

    def test_containers_when_any_example_then_image_and_memory_are_named(self):
        def check(_, spec, __):
            for container in containers(spec):
                self.assertRegex(container["image"], r"[:@](?!latest$)[\w.:-]+$")
                self.assertIn("memory", container["resources"]["limits"])
        self.for_each_pod(check)

    def test_mounts_when_any_example_then_each_has_a_volume_and_each_volume_is_mounted(self):
        def check(_, spec, __):
            mounted = {mount["name"] for container in containers(spec)
                       for mount in container["volumeMounts"]}
            self.assertEqual(mounted, {volume["name"] for volume in spec["volumes"]})
        self.for_each_pod(check)

    def test_files_when_named_in_the_configuration_then_mounted(self):
        def check(_, spec, made):
            mounted = {mount["mountPath"] for container in containers(spec)
                       for mount in container["volumeMounts"]}
            for path in re.findall(r"(?m)^\w+_file = (/\S+)", made.conf()):
                self.assertTrue(any((path + "/").startswith(each + "/") for each in mounted), path)
        self.for_each_pod(check)

    def test_static_pod_when_rendered_then_nothing_of_the_cluster(self):
        pod = render("kms-static-pod").static_pod()
        for word in ("configMap", "secretKeyRef", "serviceAccountName", "projected", '"secret":'):
            self.assertNotIn(word, json.dumps(pod))
        self.assertTrue(pod["spec"]["hostNetwork"])


class SidecarTest(ChartTestCase):
    def test_server_when_rendered_then_application_has_socket_and_client_only(self):
        spec = render("sidecar-vault").pods()[0][1]
        application, (copy, server) = spec["containers"][0], spec["initContainers"]
        address = "/run/hsmbridge/pkcs11.sock"
        self.assertIn({"name": "P11_KIT_SERVER_ADDRESS", "value": "unix:path=" + address},
                      application["env"])
        self.assertIn("--name=" + address, server["args"])
        self.assertIn("/opt/hsmbridge/p11-kit-client.so", copy["command"])
        self.assertEqual({mount["mountPath"] for mount in application["volumeMounts"]},
                         {"/opt/hsmbridge", "/run/hsmbridge"})
        self.assertEqual(server["restartPolicy"], "Always")

    def test_server_when_run_then_the_probe_succeeds_and_the_client_sees_the_token(self):
        """The commands of the pod, with this machine's paths."""
        made = render("sidecar-vault")
        server = made.pods()[0][1]["initContainers"][1]
        with PodFiles() as files:
            files.place(made.conf())

            def local(words):
                return [word.replace("/run/hsmbridge", files.dir)
                        .replace("/opt/hsmbridge/hsmbridge.so", module_path()) for word in words]
            probe = local(server["startupProbe"]["exec"]["command"])
            self.assertNotEqual(subprocess.run(probe, stderr=subprocess.DEVNULL,
                                               check=False).returncode, 0)
            process = subprocess.Popen(local(server["command"] + server["args"]), env=files.env(),
                                       stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
            try:
                wait_for_server(files.path("pkcs11.sock"), process)
                subprocess.run(probe, check=True)
                address = "unix:path=" + files.path("pkcs11.sock")
                told = subprocess.run(["pkcs11-tool", "--module", client_path(), "--list-slots"],
                                      env=files.env(P11_KIT_SERVER_ADDRESS=address), check=True,
                                      capture_output=True, text=True, timeout=30)
                self.assertRegex(told.stdout, r"token label +: web\n")
            finally:
                process.terminate()
                process.wait(10)

    def test_server_when_not_native_then_beside_the_application(self):
        spec = render("sidecar-pkcs11").pods()[0][1]
        self.assertEqual([each["name"] for each in spec["containers"]],
                         ["hsmbridge", "application"])
        self.assertIn("readinessProbe", spec["containers"][0])

    def test_direct_when_rendered_then_application_has_module_and_configuration(self):
        spec = render("direct-vault").pods()[0][1]
        application = spec["containers"][0]
        self.assertIn({"name": "PKCS11_MODULE", "value": "/opt/hsmbridge/hsmbridge.so"},
                      application["env"])
        self.assertLessEqual({"/opt/hsmbridge", "/etc/hsmbridge", "/run/secrets/vault"},
                             {mount["mountPath"] for mount in application["volumeMounts"]})
        self.assertEqual([each["name"] for each in spec["initContainers"]], ["hsmbridge-module"])

    def test_templates_when_of_another_chart_then_the_same_pod(self):
        """As docs/kubernetes.md has it: a chart that depends on this one."""
        with PodFiles() as files:
            parent = files.path("parent")
            os.makedirs(os.path.join(parent, "templates"))
            os.makedirs(os.path.join(parent, "charts"))
            os.symlink(CHART, os.path.join(parent, "charts", "hsmbridge"))
            self.write(parent, "Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"
                       "dependencies: [{name: hsmbridge, version: 0.1.0}]\n")
            self.write(parent, "values.yaml", "hsmbridge:\n" + indented(
                (K8S / "values" / "sidecar-vault.yaml").read_text(), "  ")
                + "  sidecarExample: {enabled: false}\n")
            self.write(parent, "templates/deployment.yaml",
                       document_block("# templates/deployment.yaml"))
            done = helm("template", "app", parent)
            self.assertEqual(done.returncode, 0, done.stderr)
            checked = conform(done.stdout)
            self.assertEqual(checked.returncode, 0, checked.stdout)
            for word in ("name: app-hsmbridge-config", "/run/hsmbridge/pkcs11.sock",
                         "p11-kit-client.so", "runAsUser: 65532"):
                self.assertIn(word, done.stdout)

    @staticmethod
    def write(parent, name, text):
        with open(os.path.join(parent, name), "w", encoding="utf-8") as out:
            out.write(text)


def indented(text, by):
    without = re.sub(r"(?ms)^sidecarExample:.*", "", text)
    return "".join(by + line if line.strip() else line for line in without.splitlines(True))


class RefusalsTest(ChartTestCase):
    """A value that is wrong is named, with what would be right."""

    def assert_refused(self, example, *words, **sets):
        done = template(example, **sets)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_schema_when_value_is_none_of_the_charts_then_named(self):
        self.assert_refused("kms-vault", "kmsPlugin", "additional properties 'sockets' not allowed",
                            **{"kmsPlugin.sockets": "x"})

    def test_schema_when_option_is_none_of_the_backends_then_named(self):
        self.assert_refused("kms-vault", "/slots/vault", "additional properties 'tenant_id' not "
                            "allowed", **{"slots.vault.tenant_id": "x"})

    def test_schema_when_secret_is_typed_then_named(self):
        self.assert_refused("kms-vault", "/slots/vault", "'secret_id' not allowed",
                            **{"slots.vault.secret_id": "x"})

    def test_schema_when_backend_is_unknown_then_the_known_ones(self):
        self.assert_refused("kms-vault", "/slots/vault/backend", "must be one of", "'pkcs11'",
                            **{"slots.vault.backend": "valut"})

    def test_schema_when_value_is_of_another_form_then_what_would_be_right(self):
        for name, value, *words in (
                ("slots.vault.timeout", "3", "/slots/vault/timeout"),
                ("slots.vault.auth", "approl", "/slots/vault/auth", "'approle'"),
                ("kmsPlugin.secretsFrom", "vault", "/kmsPlugin/secretsFrom", "'node', 'cluster'"),
                ("kmsPlugin.healthz.port", "0", "/kmsPlugin/healthz/port"),
                ("kmsPlugin.keys[0].socket", "a/b", "/kmsPlugin/keys/0/socket"),
                ("kes.policies.app.identities[0]", "abc", "/kes/policies/app/identities/0"),
                ("kes.config.store", "files", "/kes/config/store", "'directory'"),
                ("sidecar.form", "proxy", "/sidecar/form", "'server', 'direct'"),
                ("image.tag", "latest", "/image/tag"),
                ("image.digest", "sha256:abc", "/image/digest")):
            with self.subTest(name):
                self.assert_refused("kms-vault", *words, **{name: value})

    def test_template_when_parts_do_not_fit_then_one_line_says_what_would(self):
        for example, text, sets in (
                ("kms-vault", "kmsPlugin.keys[0].slot: there is no slot 'valut'",
                 {"kmsPlugin.keys[0].slot": "valut"}),
                ("kms-vault", "slots.vault.auth: the KMS plugin cannot log in with a service "
                 "account", {"slots.vault.auth": "kubernetes"}),
                ("kms-azure-json", "slots.azure.auth: the KMS plugin cannot log in by workload "
                 "identity", {"slots.azure.auth": "workload_identity"}),
                ("kms-vault", "secrets.vault: has neither existingSecret nor data",
                 {"kmsPlugin.secretsFrom": "cluster"}),
                ("kms-vault", "secrets.vault: has existingSecret and data",
                 {"secrets.vault.existingSecret": "a", "secrets.vault.data.b": "c"}),
                ("kes-vault", "kes.tls: has existingSecret and certManager.enabled",
                 {"kes.tls.existingSecret": "a"}),
                ("kes-vault", "kes.tls: the server has no certificate",
                 {"kes.tls.certManager.enabled": "false"}),
                ("kes-vault", "kes.config.slot: there is no slot 'valut'",
                 {"kes.config.slot": "valut"}),
                ("kes-vault", "kes.config.directory: keys would end with their pod",
                 {"kes.config.directory": "/keys"}),
                ("kes-azure-workload-identity", "several replicas need ReadWriteMany",
                 {"kes.replicas": "2"}),
                ("sidecar-vault", "sidecar.slot: is missing", {"sidecar.slot": ""}),
                ("sidecar-vault", "sidecarExample.image: is missing", {"sidecarExample.image": ""}),
                ("sidecar-vault", "tokens.vault-login: secrets has an entry of this name",
                 {"secrets.vault-login.existingSecret": "a"}),
                ("sidecar-vault", "slots.web.keys: a value is one line without ' ;'",
                 {"slots.web.keys": "a ; b"}),
                ("ehsm-enroll", "appid: enroll", {"slots.sgx.appid": "8d5dd3b8"}),
                ("ehsm-enroll", "ehsmEnroll.kubectlImage: is missing",
                 {"ehsmEnroll.kubectlImage": ""})):
            with self.subTest(text):
                self.assert_refused(example, text, **sets)


class ValuesTest(ChartTestCase):
    def test_secrets_when_given_as_data_then_a_secret_of_a_clear_name(self):
        made = render("kes-vault", **{"secrets.vault.data.role-id": "abc"})
        secret = made.only("Secret")
        self.assertEqual((secret["metadata"]["name"], secret["data"]),
                         ("hsmbridge-vault", {"role-id": "YWJj"}))
        self.assertIn("secretName: hsmbridge-vault\n", made.text)
        self.assertIn("checksum/secrets", made.text)

    def test_checksum_when_the_configuration_changes_then_another(self):
        def checksum(**sets):
            made = render("kes-vault", **sets).only("Deployment")
            return made["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        self.assertEqual(checksum(), checksum())
        self.assertNotEqual(checksum(), checksum(**{"slots.vault.timeout": "5s"}))

    def test_image_when_digest_is_given_then_in_place_of_the_tag(self):
        digest = "sha256:" + "0a" * 32
        made = render("kms-vault", **{"image.digest": digest, "image.repository": "r.example/h"})
        self.assertIn("image: r.example/h@%s\n" % digest, made.text)

    def test_values_when_of_several_types_then_written_as_the_program_reads_them(self):
        conf = render("direct-zama-threshold", **{"slots.kms.read_only": "true"}).conf()
        for line in ("chain_id = 10901", "read_only = yes", "threshold = 1"):
            self.assertIn(line + "\n", conf)
        self.assertEqual(conf.count("\nparties = "), 4)

    def test_several_modes_when_enabled_then_all_are_made(self):
        made = render("kes-vault", "-f", K8S / "values" / "sidecar-vault.yaml",
                      **{"kes.config.slot": "web"})
        self.assertEqual({each["metadata"]["name"] for each in made.all("Deployment")},
                         {"hsmbridge-kes", "hsmbridge-example"})

    def test_monitors_when_the_cluster_does_not_know_them_then_none(self):
        text = template("kes-vault").stdout
        self.assertNotIn("ServiceMonitor", text)
        self.assertIn("ServiceMonitor", render("kes-vault").text)
        self.assertIn("PodMonitor", render("kms-vault").text)

    def test_schema_when_compared_then_sections_are_the_programs(self):
        expected = chart_schema.sections(options())
        schema = chart_schema.read()["definitions"]
        self.assertEqual(set(schema), set(expected), "run chart.py --write")
        for name in schema:
            with self.subTest(name):
                self.assertEqual(schema[name], expected[name], "run chart.py --write")

    def test_manifests_when_compared_then_what_the_chart_makes(self):
        for name in MANIFESTS:
            with self.subTest(name):
                self.assertEqual((K8S / "manifests" / name).read_text(encoding="utf-8"),
                                 manifest(name), "run chart.py --write")

    def test_manifests_when_kubernetes_has_their_kind_then_they_conform(self):
        for path in sorted((K8S / "manifests").glob("*.yaml")):
            if path.name not in ("encryption-configuration.yaml", "kube-apiserver+json.yaml"):
                with self.subTest(path.name):
                    done = conform(path.read_text(encoding="utf-8"))
                    self.assertEqual(done.returncode, 0, done.stdout)
                    self.assertNotIn("Valid: 0", done.stdout)


class DocumentsTest(ChartTestCase):
    def text(self):
        return "\n".join(path.read_text(encoding="utf-8") for path in DOCS)

    def test_documents_when_they_name_files_then_those_are_there(self):
        names = set(re.findall(r"k8s/(?:values|manifests)/[\w.+-]+\.yaml", self.text()))
        names.discard("k8s/values/NAME.yaml")
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertTrue((SOURCE / name).exists(), name)

    def test_documents_when_there_is_an_example_then_the_index_has_it(self):
        index = DOCS[1].read_text(encoding="utf-8")
        for folder in ("values", "manifests"):
            for path in (K8S / folder).iterdir():
                self.assertIn("%s/%s" % (folder, path.name), index)

    def test_documents_when_they_name_a_value_then_the_chart_has_it(self):
        names = set(re.findall(r"--set ([\w.\[\]]+)=", self.text()))
        names |= set(re.findall(r"`((?:kmsPlugin|kes|sidecar|sidecarExample|ehsmEnroll|image)"
                                r"\.[\w.]+)`", self.text()))
        names.discard("kes.yml")
        self.assertGreater(len(names), 5)
        for name in names:
            with self.subTest(name):
                self.assertTrue(self.is_value(re.sub(r"\[\d+\]", "", name).split(".")))

    @staticmethod
    def is_value(path):
        schema = chart_schema.read()
        for name in path:
            schema = schema.get("items", schema)
            schema = schema["properties"].get(name, schema.get("additionalProperties"))
            if not schema:
                return False
        return True

    def test_documents_when_they_show_slots_then_those_are_rendered(self):
        with PodFiles() as files:
            path = files.secret("values", document_block("slots:"))
            made = render("direct-vault", "-f", path)
        self.assertIn("url = https://vault-1.vault:8200\n", made.conf())
        self.assertIn("-----BEGIN CERTIFICATE-----", made.config_map()["vault-ca.pem"])

    def test_documents_when_they_have_a_helm_command_then_it_works(self):
        """As `helm template`, which needs no cluster."""
        text = DOCS[0].read_text(encoding="utf-8").replace("\\\n", " ")
        commands = re.findall(r"(?m)^    helm (.*k8s/values/.*)$", text)
        self.assertGreater(len(commands), 3)
        for command in commands:
            words = command.replace("upgrade --install", "template")
            with self.subTest(words):
                done = helm(*words.replace("--create-namespace", "").split(), cwd=SOURCE)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_documents_when_they_tell_a_log_line_then_a_source_has_it(self):
        """Symptoms are looked up by their text."""
        sources = "".join(path.read_text(encoding="utf-8") for folder in ("remote", "tools")
                          for path in (SOURCE / folder).rglob("*.c"))
        sources = re.sub(r'"\s*\n\s*"', "", sources)
        lines = re.findall(r"(?m)^\| `([^`]+)` \|", DOCS[0].read_text(encoding="utf-8"))
        self.assertGreater(len(lines), 5)
        for line in lines:
            for part in re.split(r" ?\.\.\. ?|[A-Z_]{3,}", line):
                with self.subTest(line, part=part):
                    self.assertIn(part.strip(), sources)


class ProgramsTest(ChartTestCase):
    """The pods' command lines, by the programs themselves."""

    def test_kms_when_any_example_then_its_arguments_are_taken(self):
        def check(made):
            args = [arg.replace("$(POD_IP)", "127.0.0.1")
                    for arg in made.pods()[0][1]["containers"][0]["args"]]
            done = subprocess.run([kms_path(), *args, "--version"], capture_output=True, text=True,
                                  timeout=30, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.for_each_example(check, "kms-")

    def test_kes_when_any_example_then_it_serves_and_the_probe_is_answered(self):
        for name in EXAMPLES:
            if name.startswith("kes-"):
                with self.subTest(name):
                    self.serve_and_probe(name)

    def test_kes_when_of_the_documents_then_it_serves(self):
        with PodFiles() as files:
            self.serve_and_probe("kes-vault", "-f", files.secret("values", document_block("kes:")))

    def serve_and_probe(self, name, *more):
        port = free_port()
        made = render(name, *more, **{"kes.address": "127.0.0.1:%d" % port})
        container = made.only("Deployment")["spec"]["template"]["spec"]["containers"][0]
        probe = container["readinessProbe"]["httpGet"]
        with PodFiles() as files, files.workload_identity():
            conf = made.conf()
            directory = re.search(r"(?m)^directory = (.*)$", conf)
            if directory:
                os.mkdir(files.path("keys"), 0o700)
                conf = conf.replace(directory.group(0), "directory = " + files.path("keys"))
            files.place(conf)
            process = subprocess.Popen([kes_path(), *container.get("args", [])], env=files.env(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                       preexec_fn=die_with_parent)
            try:
                self.assertEqual(self.get(port, probe["path"], process), 200)
            finally:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=30)

    def get(self, port, path, process, seconds=20):
        """As kubelet does: over TLS that it does not verify, without a certificate of its own."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        deadline = time.monotonic() + seconds
        while True:
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > deadline:
                    self.fail("the server does not listen: " + process.stderr.read())
                time.sleep(0.05)
            finally:
                connection.close()


def client_path():
    return os.path.join(variable("p11_module_path"), "p11-kit-client.so")


def kes_path():
    return os.path.join(os.environ["HSMBRIDGE_BUILD"], "tools", "kes", "hsmbridge-kes")


def write():
    chart_schema.write(options())
    for name in MANIFESTS:
        (K8S / "manifests" / name).write_text(manifest(name), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main(verbosity=2)
