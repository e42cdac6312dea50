{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/*
Where things are in every pod:
  /etc/hsmbridge          hsmbridge.conf, and what .Values.files holds
  /run/secrets/NAME       an entry of .Values.secrets or of .Values.tokens
No subPath anywhere: a changed Secret shows in the pod, and is read again.
*/}}

{{/* Volumes of configuration and secrets, from objects of the cluster. */}}
{{- define "hsmbridge.volumes" -}}
- name: config
  configMap:
    name: {{ include "hsmbridge.configName" . }}
{{- include "hsmbridge.secretVolumes" . }}
{{- range $name, $token := .Values.tokens }}
{{- if hasKey $.Values.secrets $name }}
{{- fail (printf "tokens.%s: secrets has an entry of this name, too; both would be /run/secrets/%s" $name $name) }}
{{- end }}
- name: token-{{ $name }}
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ $token.audience | quote }}
          expirationSeconds: {{ default 3600 $token.expirationSeconds | int64 }}
{{- end }}
{{- end }}

{{- define "hsmbridge.secretVolumes" -}}
{{- range $name, $secret := .Values.secrets }}
- name: secret-{{ $name }}
  secret:
    secretName: {{ include "hsmbridge.secretName" (list $ $name $secret) }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- define "hsmbridge.mounts" -}}
{{ include "hsmbridge.fileMounts" . }}
{{- range $name, $_ := .Values.tokens }}
- name: token-{{ $name }}
  mountPath: /run/secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}

{{/* Without tokens. */}}
{{- define "hsmbridge.fileMounts" -}}
- name: config
  mountPath: /etc/hsmbridge
  readOnly: true
{{- range $name, $_ := .Values.secrets }}
- name: secret-{{ $name }}
  mountPath: /run/secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}
