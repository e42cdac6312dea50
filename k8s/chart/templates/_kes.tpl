{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* The KES server's pod. */}}

{{- define "hsmbridge.kes.tlsSecret" -}}
{{- $tls := .Values.kes.tls -}}
{{- if and $tls.existingSecret $tls.certManager.enabled -}}
{{- fail "kes.tls: has existingSecret and certManager.enabled; one of them makes the certificate" -}}
{{- else if $tls.existingSecret -}}
{{ $tls.existingSecret }}
{{- else if $tls.certManager.enabled -}}
{{ include "hsmbridge.fullname" . }}-kes-tls
{{- else -}}
{{- fail "kes.tls: the server has no certificate; set existingSecret (a Secret of type kubernetes.io/tls) or certManager.enabled" -}}
{{- end -}}
{{- end }}

{{- define "hsmbridge.kes.port" -}}
{{ regexFind "[0-9]+$" .Values.kes.address }}
{{- end }}

{{/* Keys in files are one directory's: it has to be where every replica sees it. */}}
{{- define "hsmbridge.kes.check" -}}
{{- $kes := .Values.kes -}}
{{- range $option := list "slot" "vault_slot" }}
{{- $slot := index $kes.config $option }}
{{- if and $slot (not $.Values.existingConfigMap) (not (hasKey $.Values.slots $slot)) }}
{{- fail (printf "kes.config.%s: there is no slot '%s' in slots" $option $slot) }}
{{- end }}
{{- end }}
{{- if and $kes.persistence.enabled (not $kes.config.directory) }}
{{- fail "kes.persistence.enabled: only keys in files need a volume; set kes.config.directory" }}
{{- end }}
{{- if and $kes.config.directory (not $kes.persistence.enabled) }}
{{- fail "kes.config.directory: keys would end with their pod; set kes.persistence.enabled" }}
{{- end }}
{{- $several := or $kes.autoscaling.enabled (gt (int $kes.replicas) 1) }}
{{- if and $kes.persistence.enabled $several (not (has "ReadWriteMany" $kes.persistence.accessModes)) }}
{{- fail "kes.persistence.accessModes: several replicas need ReadWriteMany; or set kes.replicas to 1" }}
{{- end }}
{{- end }}

{{/* TLS without a client's certificate is let in as far as /version, by skip_auth in values.yaml. */}}
{{- define "hsmbridge.kes.probe" -}}
httpGet:
  scheme: HTTPS
  path: /version
  port: kes
timeoutSeconds: 5
periodSeconds: 10
{{- end }}

{{- define "hsmbridge.kes.container" -}}
{{- $kes := .Values.kes -}}
name: hsmbridge-kes
image: {{ include "hsmbridge.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/usr/sbin/hsmbridge-kes]
{{- with $kes.extraArgs }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $kes.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: kes
    containerPort: {{ include "hsmbridge.kes.port" . }}
livenessProbe:
  {{- include "hsmbridge.kes.probe" . | nindent 2 }}
  failureThreshold: 6
readinessProbe:
  {{- include "hsmbridge.kes.probe" . | nindent 2 }}
securityContext:
  {{- include "hsmbridge.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml $kes.resources | nindent 2 }}
volumeMounts:
  {{- include "hsmbridge.mounts" . | nindent 2 }}
  - name: tls
    mountPath: /run/tls
    readOnly: true
  {{- if $kes.persistence.enabled }}
  - name: keys
    mountPath: {{ $kes.config.directory }}
  {{- end }}
  {{- with $kes.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "hsmbridge.kes.volumes" -}}
{{- $kes := .Values.kes -}}
{{ include "hsmbridge.volumes" . }}
- name: tls
  secret:
    secretName: {{ include "hsmbridge.kes.tlsSecret" . }}
    defaultMode: 0440
{{- if $kes.persistence.enabled }}
- name: keys
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-kes" (include "hsmbridge.fullname" .)) $kes.persistence.existingClaim }}
{{- end }}
{{- with $kes.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Replicas on different nodes where there are several. */}}
{{- define "hsmbridge.kes.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "hsmbridge.selectorLabels" (list . "kes") | nindent 6 }}
{{- end }}
