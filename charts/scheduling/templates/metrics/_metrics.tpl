{{- /* What finds this release's series in PromQL. */ -}}
{{- define "scheduling.metrics.matchers" -}}
{{- $default := printf "namespace=%q,job=%q" .Release.Namespace .Release.Name -}}
{{ default $default .Values.metrics.matchers }}
{{- end }}

{{- /* How a target is scraped, the same for both kinds of monitor. */ -}}
{{- define "scheduling.metrics.endpoint" -}}
port: metrics
path: /metrics
{{- with .Values.metrics.monitor }}
interval: {{ .interval }}
scrapeTimeout: {{ .scrapeTimeout }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
