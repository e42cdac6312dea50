{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* hsmbridge.conf(5) from values. */}}

{{/* One value: (list PATH VALUE), PATH as in values.yaml for the message. */}}
{{- define "hsmbridge.conf.value" -}}
{{- $path := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "bool" $value -}}
{{ ternary "yes" "no" $value }}
{{- else if kindIs "float64" $value -}}
{{ printf "%.0f" $value }}
{{- else -}}
{{- $text := toString $value -}}
{{- if regexMatch "[\r\n]|\\s;" $text -}}
{{- fail (printf "%s: a value is one line without ' ;', which begins a comment" $path) -}}
{{- end -}}
{{- if gt (len $text) 150 -}}
{{- fail (printf "%s: the value is longer than a line of hsmbridge.conf; give a list, each item has a line" $path) -}}
{{- end -}}
{{ $text }}
{{- end -}}
{{- end }}

{{/* The options of a section: (list PATH OPTIONS). A list repeats its option. */}}
{{- define "hsmbridge.conf.options" -}}
{{- $path := index . 0 -}}
{{- range $name, $value := index . 1 }}
{{- $where := printf "%s.%s" $path $name }}
{{- range $item := ternary $value (list $value) (kindIs "slice" $value) }}
{{ $name }} = {{ include "hsmbridge.conf.value" (list $where $item) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hsmbridge.conf.kes" -}}
{{- $kes := .Values.kes }}

[kes]
{{- $own := dict "address" $kes.address "cert_file" "/run/tls/tls.crt" "key_file" "/run/tls/tls.key" }}
{{- include "hsmbridge.conf.options" (list "kes.config" (merge $own $kes.config)) }}
{{- range $name, $policy := $kes.policies }}

[kes-policy {{ $name }}]
{{- include "hsmbridge.conf.options" (list (printf "kes.policies.%s" $name) $policy) }}
{{- end }}
{{- end }}

{{- define "hsmbridge.conf" -}}
[hsmbridge]
{{- include "hsmbridge.conf.options" (list "config" .Values.config) }}
{{- range $name, $options := .Values.slots }}

[slot {{ $name }}]
backend = {{ $options.backend }}
{{- include "hsmbridge.conf.options" (list (printf "slots.%s" $name) (omit $options "backend")) }}
{{- end }}
{{- if .Values.kes.enabled }}
{{- include "hsmbridge.conf.kes" . }}
{{- end }}
{{- end }}

{{- define "hsmbridge.configName" -}}
{{ default (printf "%s-config" (include "hsmbridge.fullname" .)) .Values.existingConfigMap }}
{{- end }}

{{/* The Secret of an entry of .Values.secrets: (list CONTEXT NAME ENTRY) */}}
{{- define "hsmbridge.secretName" -}}
{{- $secret := index . 2 -}}
{{- if $secret.existingSecret -}}
{{ $secret.existingSecret }}
{{- else if $secret.data -}}
{{ include "hsmbridge.fullname" (index . 0) }}-{{ index . 1 }}
{{- else -}}
{{- fail (printf "secrets.%s: has neither existingSecret nor data; only a KMS plugin whose secretsFrom is 'node' needs none of them" (index . 1)) -}}
{{- end -}}
{{- end }}

{{/* Pods are replaced when what they read at the start is another. */}}
{{- define "hsmbridge.checksums" -}}
checksum/config: {{ print (include "hsmbridge.conf" .) (toJson .Values.files) | sha256sum }}
{{- $made := dict -}}
{{- range $name, $secret := .Values.secrets }}
{{- with $secret.data }}{{- $_ := set $made $name . }}{{- end }}
{{- end }}
{{- with $made }}
checksum/secrets: {{ toJson . | sha256sum }}
{{- end }}
{{- end }}
