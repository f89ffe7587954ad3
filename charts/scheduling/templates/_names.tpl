{{- define "scheduling.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 44 | trimSuffix "-" }}
{{- end }}

{{- /* 44 characters leave room in the 63 of a label for the longest suffix, "-migrate-" and a hash of ten. */ -}}
{{- define "scheduling.fullname" -}}
{{- $name := include "scheduling.name" . -}}
{{- $default := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ default $default .Values.fullnameOverride | trunc 44 | trimSuffix "-" }}
{{- end }}

{{- define "scheduling.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "scheduling.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "scheduling.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{- /* What never changes in the life of an object. Takes: root, component. */ -}}
{{- define "scheduling.selectorLabels" -}}
app.kubernetes.io/name: {{ include "scheduling.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* A selector of the pods of several components. Takes: root, components. */ -}}
{{- define "scheduling.podSelector" -}}
matchLabels:
  {{- omit (include "scheduling.selectorLabels" . | fromYaml) "app.kubernetes.io/component" | toYaml | nindent 2 }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values:
      {{- toYaml .components | nindent 6 }}
{{- end }}

{{- /* Labels and annotations of an object. Takes: root, component, and optionally labels and annotations. */ -}}
{{- define "scheduling.metadata" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63)
  "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63)
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/part-of" "scheduling" -}}
{{- $own := include "scheduling.selectorLabels" . | fromYaml -}}
labels:
  {{- mergeOverwrite $labels .root.Values.commonLabels (default dict .labels) $own | toYaml | nindent 2 }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
