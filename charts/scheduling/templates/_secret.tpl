{{- /* What the Secret of the chart holds: every inline value, under the name of its variable. */ -}}
{{- define "scheduling.secretData" -}}
{{- $values := dict
    "JWT_SECRET" .Values.auth.jwtSecret
    "JWT_SECRET_FALLBACKS" (join " " .Values.auth.jwtSecretFallbacks)
    "DATABASE_URL" .Values.database.url
    "REDIS_URL" .Values.redis.url
    "EMAIL_API_KEY" .Values.email.apiKey
    "SMTP_PASS" .Values.email.smtp.password -}}
{{- range $name, $value := $values }}
{{- if $value }}
{{ $name }}: {{ $value | b64enc }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Pods are replaced when what the chart manages for them changes. */ -}}
{{- define "scheduling.checksums" -}}
{{- with include "scheduling.secretData" . -}}
checksum/secret: {{ sha256sum . }}
{{- end -}}
{{- end }}
