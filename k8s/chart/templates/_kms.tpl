{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* The KMS plugin's pod, for the DaemonSet and for the static pod. */}}

{{- define "hsmbridge.kms.args" -}}
{{- $kms := .Values.kmsPlugin -}}
{{- range $kms.keys }}
- --slot={{ .slot }}
- --key={{ .key }}
- --listen=unix://{{ $kms.socketDir }}/{{ .socket }}
{{- end }}
- --healthz-address={{ include "hsmbridge.kms.healthHost" . }}
- --healthz-port={{ $kms.healthz.port }}
- --healthz-timeout=4s
{{- if $kms.metrics.enabled }}
- --metrics-address=$(POD_IP)
- --metrics-port={{ $kms.metrics.port }}
{{- end }}
{{- with $kms.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* On the node's network the node's other addresses are nobody's business. */}}
{{- define "hsmbridge.kms.healthHost" -}}
{{ ternary "127.0.0.1" "0.0.0.0" .Values.kmsPlugin.hostNetwork }}
{{- end }}

{{- define "hsmbridge.kms.probe" -}}
httpGet:
  {{- if .Values.kmsPlugin.hostNetwork }}
  host: 127.0.0.1
  {{- end }}
  path: {{ .path }}
  port: {{ .Values.kmsPlugin.healthz.port }}
timeoutSeconds: 5
{{- end }}

{{- define "hsmbridge.kms.container" -}}
{{- $kms := .Values.kmsPlugin -}}
name: hsmbridge-kms
image: {{ include "hsmbridge.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/usr/sbin/hsmbridge-kms]
args:
  {{- include "hsmbridge.kms.args" . | trim | nindent 2 }}
{{- if or $kms.metrics.enabled $kms.extraEnv }}
env:
  {{- if $kms.metrics.enabled }}
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- end }}
  {{- with $kms.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- if $kms.metrics.enabled }}
ports:
  - name: metrics
    containerPort: {{ $kms.metrics.port }}
{{- end }}
# A key service that is away is no reason to start the plugin anew: /livez asks nobody.
livenessProbe:
  {{- include "hsmbridge.kms.probe" (dict "Values" .Values "path" "/livez") | nindent 2 }}
  periodSeconds: 10
readinessProbe:
  {{- include "hsmbridge.kms.probe" (dict "Values" .Values "path" "/healthz") | nindent 2 }}
  periodSeconds: 20
securityContext:
  {{- include "hsmbridge.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml $kms.resources | nindent 2 }}
volumeMounts:
  - name: socket
    mountPath: {{ $kms.socketDir }}
  {{- include "hsmbridge.fileMounts" . | nindent 2 }}
  {{- if $kms.azureJson.enabled }}
  - name: azure-json
    mountPath: {{ $kms.azureJson.path }}
    readOnly: true
  {{- end }}
  {{- with $kms.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What the node itself has. */}}
{{- define "hsmbridge.kms.nodeVolumes" -}}
- name: socket
  hostPath:
    path: {{ .Values.kmsPlugin.socketDir }}
    type: DirectoryOrCreate
{{- if .Values.kmsPlugin.azureJson.enabled }}
- name: azure-json
  hostPath:
    path: {{ .Values.kmsPlugin.azureJson.path }}
    type: File
{{- end }}
{{- with .Values.kmsPlugin.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Secrets as files below nodeDirectory: what needs no API server to be read. */}}
{{- define "hsmbridge.kms.nodeSecrets" -}}
{{- range $name, $_ := .Values.secrets }}
- name: secret-{{ $name }}
  hostPath:
    path: {{ $.Values.kmsPlugin.nodeDirectory }}/secrets/{{ $name }}
    type: Directory
{{- end }}
{{- end }}

{{/* Both kinds of pod. */}}
{{- define "hsmbridge.kms.podSpec" -}}
{{- $kms := .Values.kmsPlugin -}}
automountServiceAccountToken: false
enableServiceLinks: false
hostNetwork: {{ $kms.hostNetwork }}
# The node's resolver: that of the cluster may wait for the API server, which waits for this pod.
dnsPolicy: {{ $kms.dnsPolicy }}
priorityClassName: {{ $kms.priorityClassName }}
terminationGracePeriodSeconds: 20
securityContext:
  {{- include "hsmbridge.podSecurity" (list $kms.runAsUser $kms.runAsGroup) | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{ include "hsmbridge.kms.container" . | nindent 4 | trim }}
{{- end }}

{{/* A login that needs the API server cannot be what the API server waits for. */}}
{{- define "hsmbridge.kms.check" -}}
{{- $kms := .Values.kmsPlugin -}}
{{- if not $kms.keys }}
{{- fail "kmsPlugin.keys: is empty; name a slot and a key, as in k8s/values/kms-vault.yaml" }}
{{- end }}
{{- range $i, $key := $kms.keys }}
{{- if not (or $.Values.existingConfigMap (hasKey $.Values.slots $key.slot)) }}
{{- fail (printf "kmsPlugin.keys[%d].slot: there is no slot '%s' in slots" $i $key.slot) }}
{{- end }}
{{- end }}
{{- range $name, $slot := .Values.slots }}
{{- if and (eq $slot.backend "vault") (eq (default "token" $slot.auth) "kubernetes") }}
{{- fail (printf "slots.%s.auth: the KMS plugin cannot log in with a service account, whose token comes from the API server that waits for the plugin; take approle or cert" $name) }}
{{- end }}
{{- if and (eq $slot.backend "azure") (eq (default "" $slot.auth) "workload_identity") }}
{{- fail (printf "slots.%s.auth: the KMS plugin cannot log in by workload identity, whose token comes from the API server that waits for the plugin; take managed_identity or azure_json" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hsmbridge.kms.staticPod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: hsmbridge-kms
  namespace: kube-system
  labels:
    app.kubernetes.io/name: {{ include "hsmbridge.name" . }}
    app.kubernetes.io/component: kms
    tier: control-plane
spec:
  {{- include "hsmbridge.kms.podSpec" . | nindent 2 }}
  volumes:
    - name: config
      hostPath:
        path: {{ .Values.kmsPlugin.nodeDirectory }}
        type: Directory
    {{- with include "hsmbridge.kms.nodeSecrets" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- include "hsmbridge.kms.nodeVolumes" . | nindent 4 }}
{{- end }}

{{- define "hsmbridge.kms.encryptionConfiguration" -}}
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  {{- range .Values.kmsPlugin.keys }}
  - resources: {{ toJson .resources }}
    providers:
      - kms:
          apiVersion: v2
          name: {{ .provider }}
          endpoint: unix://{{ $.Values.kmsPlugin.socketDir }}/{{ .socket }}
          timeout: 3s
      # Reads what was written before encryption. Take it away once everything is written anew.
      - identity: {}
  {{- end }}
{{- end }}
