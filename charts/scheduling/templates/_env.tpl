{{- /*
One variable from a Secret: the existing one's key, or in the chart's own the key that is named like the variable.
Takes: root, name, existing, key, and optionally optional.
*/ -}}
{{- define "scheduling.env.secret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ default (include "scheduling.fullname" .root) .existing }}
      key: {{ if .existing }}{{ .key }}{{ else }}{{ .name }}{{ end }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{- /* What the chart itself sets in every container of the application, as a YAML list. */ -}}
{{- define "scheduling.env.own" -}}
- name: APP_ENV
  value: production
- name: PORT
  value: "3000"
- name: SCHEDULING_METRICS_PORT
  value: "9100"
{{- with .Values.logLevel }}
- name: SCHEDULING_LOG_LEVEL
  value: {{ . }}
{{- end }}
{{- with .Values.plugins.enabled }}
- name: SCHEDULING_PLUGINS
  value: {{ join " " . | quote }}
{{- end }}
- name: SCHEDULING_BOOKINGS_ON_CONFLICT
  value: {{ .Values.bookings.onConflict }}
- name: SCHEDULING_ANALYTICS_TYPES_PER_DAY
  value: {{ .Values.analytics.typesPerDay | int | quote }}
- name: SCHEDULING_ANALYTICS_ANONYMOUS_PER_MINUTE
  value: {{ .Values.analytics.anonymousPerMinute | int | quote }}
{{ include "scheduling.env.limits" . }}
{{- if .Values.auth.emailChangeNeedsPassword }}
- name: SCHEDULING_EMAIL_CHANGE_NEEDS_PASSWORD
  value: "true"
{{- end }}
- name: SCHEDULING_DEFAULT_TIME_ZONE
  value: {{ .Values.api.defaultTimeZone | quote }}
{{- if .Values.api.requireIfMatch }}
- name: SCHEDULING_REQUIRE_IF_MATCH
  value: "true"
{{- end }}
{{- with .Values.cors.origins }}
- name: CORS_ORIGINS
  value: {{ join " " . | quote }}
{{- end }}
{{- if or .Values.database.sslRootCert.secret .Values.database.sslRootCert.configMap }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /etc/scheduling/database/ca.crt
{{- end }}
{{ include "scheduling.env.secrets" . }}
{{ include "scheduling.env.email" . }}
{{- end }}

{{- define "scheduling.env.limits" -}}
{{- $limit := .Values.rateLimit -}}
- name: RATE_LIMIT_ENABLED
  value: {{ $limit.enabled | quote }}
- name: SCHEDULING_RATE_LIMIT_FAILED_LOGINS
  value: {{ $limit.failedLogins | int | quote }}
- name: SCHEDULING_RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS
  value: {{ $limit.failedLoginsPerAddress | int | quote }}
- name: SCHEDULING_RATE_LIMIT_REGISTRATIONS
  value: {{ $limit.registrations | int | quote }}
- name: SCHEDULING_RATE_LIMIT_CALLS_PER_USER
  value: {{ $limit.callsPerUser | int | quote }}
{{- /* Without a proxy everybody could name any address. */ -}}
{{- if and $limit.trustedProxies (or .Values.ingress.enabled .Values.httpRoute.enabled) }}
- name: TRUSTED_PROXIES
  value: {{ join " " $limit.trustedProxies | quote }}
{{- end }}
{{- end }}

{{- define "scheduling.env.secrets" -}}
{{- with .Values.auth }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "JWT_SECRET" "existing" .existingSecret "key" .secretKey) }}
{{- if or .existingSecret .jwtSecretFallbacks }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "JWT_SECRET_FALLBACKS" "existing" .existingSecret
    "key" .fallbacksKey "optional" true) }}
{{- end }}
{{- end }}
{{- with .Values.database }}
{{- if .host }}
- name: PGHOST
  value: {{ .host | quote }}
- name: PGPORT
  value: {{ .port | int | quote }}
- name: PGDATABASE
  value: {{ .name | quote }}
- name: PGUSER
  value: {{ .user | quote }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "PGPASSWORD" "existing" .passwordSecret.name
    "key" .passwordSecret.key) }}
{{- else }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "DATABASE_URL" "existing" .existingSecret "key" .urlKey) }}
{{- end }}
{{- end }}
{{- with .Values.redis }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "REDIS_URL" "existing" .existingSecret "key" .urlKey) }}
{{- end }}
{{- end }}

{{- define "scheduling.env.email" -}}
{{- $email := .Values.email -}}
{{- $smtp := $email.smtp -}}
- name: EMAIL_PROVIDER
  value: {{ $email.provider | quote }}
- name: EMAIL_RATE_LIMIT
  value: {{ $email.rateLimit | int | quote }}
- name: EMAIL_RETRY_ATTEMPTS
  value: {{ $email.retryAttempts | int | quote }}
{{- with $email.from }}
- name: EMAIL_FROM
  value: {{ . | quote }}
{{- end }}
{{- with $email.brand.name }}
- name: SCHEDULING_EMAIL_BRAND_NAME
  value: {{ . | quote }}
{{- end }}
{{- with $email.brand.logo }}
- name: SCHEDULING_EMAIL_BRAND_LOGO
  value: {{ . | quote }}
{{- end }}
- name: SCHEDULING_EMAIL_BRAND_COLOR
  value: {{ $email.brand.color | quote }}
{{- with $email.unsubscribeUrl }}
- name: SCHEDULING_EMAIL_UNSUBSCRIBE_URL
  value: {{ . | quote }}
{{- end }}
{{- with $email.frontendUrl }}
- name: SCHEDULING_FRONTEND_URL
  value: {{ . | quote }}
{{- end }}
{{- if eq $email.provider "smtp" }}
- name: SMTP_HOST
  value: {{ $smtp.host | quote }}
- name: SMTP_PORT
  value: {{ $smtp.port | int | quote }}
- name: SMTP_SECURE
  value: {{ $smtp.secure | quote }}
{{- with $smtp.user }}
- name: SMTP_USER
  value: {{ . | quote }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "SMTP_PASS" "existing" $email.existingSecret
    "key" $email.smtpPasswordKey) }}
{{- end }}
{{- else if and (ne $email.provider "mock") (or $email.apiKey $email.existingSecret) }}
{{ include "scheduling.env.secret" (dict "root" $ "name" "EMAIL_API_KEY" "existing" $email.existingSecret
    "key" $email.apiKeyKey) }}
{{- end }}
{{- end }}

{{- /*
All variables of a container, each name once: Kubernetes takes the last of two, server-side apply refuses them.
A component's extraEnv replaces the chart-wide one; validate.yaml refuses the names that the chart sets itself.
Takes: root, own (the component's extraEnv), more (what only this container has).
*/ -}}
{{- define "scheduling.env" -}}
{{- $own := default list .own -}}
{{- $names := dict -}}
{{- range $own }}{{ $_ := set $names .name true }}{{ end -}}
{{- $env := concat (include "scheduling.env.own" .root | fromYamlArray) (default list .more) -}}
{{- range .root.Values.extraEnv }}{{ if not (hasKey $names .name) }}{{ $env = append $env . }}{{ end }}{{ end -}}
{{- toYaml (concat $env $own) }}
{{- end }}
