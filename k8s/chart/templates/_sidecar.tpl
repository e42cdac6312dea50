{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/*
For pods of other charts, which name this chart as a dependency and pass its context:

  {{ include "hsmbridge.sidecar.container" .Subcharts.hsmbridge }}

Two forms. "hsmbridge.sidecar.*": the module runs in a container of its own, behind `p11-kit
server` on a unix socket, and the application loads p11-kit-client.so: it needs no file of ours but
that one, and sees no credential. "hsmbridge.direct.*": the application loads hsmbridge.so itself,
which has every mechanism; its image needs the libraries that docs/kubernetes.md lists.

Each form has .initContainers, .volumes, .env and .mounts, lists to be put into the pod and into the
application's container; the first one has .container, too. The socket lets in its own user only:
the application runs with sidecar.runAsUser, which hsmbridge.sidecar.podSecurity sets for the pod.
*/}}

{{- define "hsmbridge.sidecar.podSecurity" -}}
{{ include "hsmbridge.podSecurity" (list .Values.sidecar.runAsUser .Values.sidecar.runAsGroup) }}
{{- end }}

{{/* cp is all that it takes: a file of the image into a volume. */}}
{{- define "hsmbridge.sidecar.copy" -}}
{{- $root := index . 0 -}}
- name: hsmbridge-module
  image: {{ include "hsmbridge.image" $root }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: [cp, -L, /opt/hsmbridge/{{ index . 1 }}, /module/]
  securityContext:
    {{- include "hsmbridge.containerSecurity" $root | nindent 4 }}
  resources:
    {{- toYaml $root.Values.sidecar.resources | nindent 4 }}
  volumeMounts:
    - name: hsmbridge-module
      mountPath: /module
{{- end }}

{{- define "hsmbridge.sidecar.moduleVolume" -}}
- name: hsmbridge-module
  emptyDir:
    sizeLimit: 32Mi
{{- end }}

{{- define "hsmbridge.sidecar.moduleMount" -}}
- name: hsmbridge-module
  mountPath: /opt/hsmbridge
  readOnly: true
{{- end }}

{{/* ---- behind p11-kit server ---- */}}

{{- define "hsmbridge.sidecar.container" -}}
{{- $sidecar := .Values.sidecar -}}
{{- if not $sidecar.slot }}
{{- fail "sidecar.slot: is missing; the slot whose token the application sees" }}
{{- end }}
- name: hsmbridge
  image: {{ include "hsmbridge.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- if $sidecar.native }}
  # Starts before the application and ends after it (Kubernetes 1.29).
  restartPolicy: Always
  {{- end }}
  command: [p11-kit, server]
  args:
    - --foreground
    - --name=/run/hsmbridge/pkcs11.sock
    - --provider=/opt/hsmbridge/hsmbridge.so
    - pkcs11:token={{ $sidecar.slot }}
  {{- with $sidecar.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # Whether the socket is there: a hard link to it can be made. p11-kit answers no probe, and nothing
  # else in the image looks at files.
  {{ ternary "startupProbe" "readinessProbe" $sidecar.native }}:
    exec:
      command: [cp, -fl, /run/hsmbridge/pkcs11.sock, /run/hsmbridge/.started]
    periodSeconds: 1
    failureThreshold: 60
  securityContext:
    {{- include "hsmbridge.containerSecurity" . | nindent 4 }}
  resources:
    {{- toYaml $sidecar.resources | nindent 4 }}
  volumeMounts:
    - name: hsmbridge-socket
      mountPath: /run/hsmbridge
    {{- include "hsmbridge.mounts" . | nindent 4 }}
    {{- with $sidecar.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "hsmbridge.sidecar.initContainers" -}}
{{ include "hsmbridge.sidecar.copy" (list . "p11-kit-client.so") }}
{{- if .Values.sidecar.native }}
{{ include "hsmbridge.sidecar.container" . }}
{{- end }}
{{- end }}

{{- define "hsmbridge.sidecar.volumes" -}}
{{ include "hsmbridge.volumes" . }}
{{ include "hsmbridge.sidecar.moduleVolume" . }}
- name: hsmbridge-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- with .Values.sidecar.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hsmbridge.sidecar.env" -}}
- name: P11_KIT_SERVER_ADDRESS
  value: unix:path=/run/hsmbridge/pkcs11.sock
- name: PKCS11_MODULE
  value: /opt/hsmbridge/p11-kit-client.so
{{- end }}

{{- define "hsmbridge.sidecar.mounts" -}}
{{ include "hsmbridge.sidecar.moduleMount" . }}
- name: hsmbridge-socket
  mountPath: /run/hsmbridge
{{- end }}

{{/* ---- the module itself ---- */}}

{{- define "hsmbridge.direct.initContainers" -}}
{{ include "hsmbridge.sidecar.copy" (list . "hsmbridge.so") }}
{{- end }}

{{- define "hsmbridge.direct.volumes" -}}
{{ include "hsmbridge.volumes" . }}
{{ include "hsmbridge.sidecar.moduleVolume" . }}
{{- with .Values.sidecar.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hsmbridge.direct.env" -}}
- name: PKCS11_MODULE
  value: /opt/hsmbridge/hsmbridge.so
- name: HSMBRIDGE_CONFIG
  value: /etc/hsmbridge/hsmbridge.conf
{{- with .Values.sidecar.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hsmbridge.direct.mounts" -}}
{{ include "hsmbridge.sidecar.moduleMount" . }}
{{ include "hsmbridge.mounts" . }}
{{- with .Values.sidecar.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
