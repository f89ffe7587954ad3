{{- /*
The template of a pod. Takes: root, component, settings (the component's values), container (its name), args,
and optionally more (YAML of the container), env (variables that only it has), wait (first for the schema),
restartPolicy, grace (seconds), spread, serviceAccount.
*/ -}}
{{- define "scheduling.podTemplate" -}}
{{- $v := .root.Values -}}
{{- $s := .settings -}}
metadata:
  labels:
    {{- mergeOverwrite (dict) $v.commonLabels $v.podLabels (default dict $s.podLabels)
      (include "scheduling.selectorLabels" . | fromYaml) | toYaml | nindent 4 }}
  {{- with mergeOverwrite (dict) $v.podAnnotations (default dict $s.podAnnotations)
      (include "scheduling.checksums" .root | fromYaml) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ default (include "scheduling.serviceAccountName" .root) .serviceAccount }}
  automountServiceAccountToken: false
  # The variables that it adds for every Service of the namespace would look like settings of the application.
  enableServiceLinks: false
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with .grace }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml $v.podSecurityContext | nindent 4 }}
  {{- with $v.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $v.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $s.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with default $v.nodeSelector $s.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with default $v.tolerations $s.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $s.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $s.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- include "scheduling.spread" . | nindent 4 }}
  {{- end }}
  {{- if or .wait $s.initContainers }}
  initContainers:
    {{- with $s.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if .wait }}
    - name: wait-for-database
      args: ["db", "wait", "--timeout", {{ $v.migrations.waitTimeoutSeconds | int | quote }}]
      {{- include "scheduling.container" . | nindent 6 }}
      resources:
        {{- toYaml $v.migrations.resources | nindent 8 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .container }}
      args:
        {{- toYaml .args | nindent 8 }}
      {{- include "scheduling.container" . | nindent 6 }}
      {{- with .more }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $s.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with $s.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "scheduling.volumes" . | nindent 4 }}
{{- end }}

{{- /* What every container of the application has. */ -}}
{{- define "scheduling.container" -}}
image: {{ include "scheduling.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
env:
  {{- include "scheduling.env" (dict "root" .root "own" .settings.extraEnv "more" .env) | nindent 2 }}
{{- with concat .root.Values.extraEnvFrom (default list .settings.extraEnvFrom) }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- with .root.Values.database.sslRootCert }}
  {{- if or .secret .configMap }}
  - name: database-ca
    mountPath: /etc/scheduling/database
    readOnly: true
  {{- end }}
  {{- end }}
  {{- with concat .root.Values.extraVolumeMounts (default list .settings.extraVolumeMounts) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* How a Deployment replaces its pods. Takes: root, settings (the component's values). */ -}}
{{- define "scheduling.rollout" -}}
revisionHistoryLimit: {{ .root.Values.revisionHistoryLimit }}
strategy:
  {{- /* The default has what only a RollingUpdate may have. */ -}}
  {{- $strategy := .settings.strategy }}
  {{- eq $strategy.type "RollingUpdate" | ternary $strategy (omit $strategy "rollingUpdate") | toYaml | nindent 2 }}
{{- end }}

{{- define "scheduling.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.tmpSizeLimit }}
{{- with .root.Values.database.sslRootCert }}
{{- if .secret }}
- name: database-ca
  secret:
    secretName: {{ .secret }}
    # A CloudNativePG Secret holds the authority's private key too, which no pod should see.
    items:
      - key: {{ .key }}
        path: ca.crt
{{- else if .configMap }}
- name: database-ca
  configMap:
    name: {{ .configMap }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with concat .root.Values.extraVolumes (default list .settings.extraVolumes) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* matchLabelKeys: a rollout counts its new pods only, or the old ones would push them to the wrong nodes. */ -}}
{{- define "scheduling.spread" -}}
{{- $selector := dict "matchLabels" (include "scheduling.selectorLabels" . | fromYaml) -}}
{{- $default := dict "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash") -}}
{{- $constraints := list -}}
{{- range .settings.topologySpreadConstraints }}
{{- $constraints = append $constraints (hasKey . "labelSelector" | ternary . (merge (dict) . $default)) }}
{{- end }}
{{- toYaml $constraints }}
{{- end }}

{{- /* A probe of the worker or of the web. Takes: path, port, timing. */ -}}
{{- define "scheduling.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
{{ toYaml .timing }}
{{- end }}

{{- /* Takes: port, probes (the component's values). */ -}}
{{- define "scheduling.probes" -}}
{{- $port := .port -}}
{{- range $name, $path := dict "startup" "startup" "liveness" "live" "readiness" "ready" }}
{{ $name }}Probe:
  {{- include "scheduling.probe" (dict "path" (printf "/health/%s" $path) "port" $port
      "timing" (index $.probes $name)) | nindent 2 }}
{{- end }}
{{- end }}
