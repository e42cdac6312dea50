{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Names, labels, image and account. All take the chart's own context. */}}

{{- define "hsmbridge.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough that "-kes-tls" and the like fit behind it. */}}
{{- define "hsmbridge.fullname" -}}
{{- $name := include "hsmbridge.name" . -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ default $both .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- end }}

{{/* What a workload is found by: (list CONTEXT COMPONENT). It never changes. */}}
{{- define "hsmbridge.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "hsmbridge.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Of a pod: without what changes though the pod stays the same. (list CONTEXT COMPONENT) */}}
{{- define "hsmbridge.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "hsmbridge.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: hsmbridge
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list CONTEXT COMPONENT) */}}
{{- define "hsmbridge.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "hsmbridge.podLabels" . }}
{{- end }}

{{/* Of pods that log in to Azure by workload identity, which its webhook looks for. */}}
{{- define "hsmbridge.identityLabels" -}}
{{- if .Values.azureWorkloadIdentity.enabled -}}
azure.workload.identity/use: "true"
{{- end }}
{{- end }}

{{- define "hsmbridge.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}
{{- if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ default .Chart.AppVersion $image.tag }}
{{- end }}
{{- end }}

{{- define "hsmbridge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "hsmbridge.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Of a container that needs nothing of its node; what PSS calls restricted. */}}
{{- define "hsmbridge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Of a pod: (list UID GID). The group reads the mounted secrets. Null: the platform picks them. */}}
{{- define "hsmbridge.podSecurity" -}}
{{- $uid := index . 0 -}}
{{- $gid := index . 1 -}}
runAsNonRoot: {{ ne (toString $uid) "0" }}
{{- if not (kindIs "invalid" $uid) }}
runAsUser: {{ int64 $uid }}
{{- end }}
{{- if not (kindIs "invalid" $gid) }}
runAsGroup: {{ int64 $gid }}
fsGroup: {{ int64 $gid }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}
