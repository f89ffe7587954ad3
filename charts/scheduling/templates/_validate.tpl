{{- define "scheduling.mistakes" -}}
{{- if not .Values.image.repository }}
- image.repository is empty. Build the image with `make image`, push it to a registry of yours, and name it:
    --set image.repository=registry.example.com/scheduling
{{- end }}
{{- include "scheduling.mistakes.secrets" . }}
{{- include "scheduling.mistakes.email" . }}
{{- include "scheduling.mistakes.hooks" . }}
{{- include "scheduling.mistakes.env" . }}
{{- include "scheduling.mistakes.objects" . }}
{{- include "scheduling.mistakes.names" . }}
{{- end }}

{{- /* A setting must come from an existing Secret or from a value. Takes: root, existing, path, inline, literal. */ -}}
{{- define "scheduling.mistakes.oneOf" -}}
{{- $section := first (splitList "." .path) -}}
{{- if and .existing .inline }}
- {{ $section }}.existingSecret and {{ .path }} are both set. Keep one of them.
{{- else if not (or .existing .inline) }}
{{- $name := printf "%s-%s" (include "scheduling.fullname" .root) $section }}
- {{ .what }} is missing. Create a Secret with it:
    kubectl create secret generic {{ $name }} --namespace {{ .root.Release.Namespace }} --from-literal={{ .literal }}
  and name that:
    --set {{ $section }}.existingSecret={{ $name }}
{{- end }}
{{- end }}

{{- define "scheduling.mistakes.secrets" -}}
{{- with .Values.auth }}
{{- include "scheduling.mistakes.oneOf" (dict "root" $ "existing" .existingSecret "path" "auth.jwtSecret"
    "inline" .jwtSecret "what" "The key that signs tokens"
    "literal" (printf `%s="$(openssl rand -base64 48)"` .secretKey)) }}
{{- if and .jwtSecret (lt (len .jwtSecret) 32) }}
- auth.jwtSecret has fewer than 32 bytes. Take the output of: openssl rand -base64 48
{{- end }}
{{- if and .existingSecret .jwtSecretFallbacks }}
- auth.jwtSecretFallbacks is for inline values. Put the older keys into the Secret {{ .existingSecret }}, as {{ .fallbacksKey }}.
{{- end }}
{{- end }}
{{- with .Values.database }}
{{- if .host }}
{{- range $path, $value := dict "database.existingSecret" .existingSecret "database.url" .url }}
{{- if $value }}
- database.host and {{ $path }} are both set. Keep one of them.
{{- end }}
{{- end }}
{{- if not .passwordSecret.name }}
- database.passwordSecret.name is empty, and database.host is set. Name the Secret with the password of the role {{ .user }}.
{{- end }}
{{- else }}
{{- include "scheduling.mistakes.oneOf" (dict "root" $ "existing" .existingSecret "path" "database.url"
    "inline" .url "what" "The URL of the database"
    "literal" (printf "%s='postgresql://USER:PASSWORD@HOST:5432/NAME'" .urlKey)) }}
{{- end }}
{{- if and .url (not (regexMatch "^postgres(ql)?://" .url)) }}
- database.url must start with postgresql://
{{- end }}
{{- if and .sslRootCert.secret .sslRootCert.configMap }}
- database.sslRootCert.secret and database.sslRootCert.configMap are both set. Keep one of them.
{{- end }}
{{- end }}
{{- with .Values.redis }}
{{- include "scheduling.mistakes.oneOf" (dict "root" $ "existing" .existingSecret "path" "redis.url"
    "inline" .url "what" "The URL of the Redis"
    "literal" (printf "%s='redis://HOST:6379/0'" .urlKey)) }}
{{- if and .url (not (regexMatch "^(rediss?|sentinel)://" .url)) }}
- redis.url must start with redis://, rediss:// or sentinel://
{{- end }}
{{- end }}
{{- end }}

{{- define "scheduling.mistakes.email" -}}
{{- with .Values.email }}
{{- $inline := .apiKey -}}
{{- $needed := has .provider (list "sendgrid" "resend") -}}
{{- $path := "email.apiKey" -}}
{{- $key := .apiKeyKey -}}
{{- if eq .provider "smtp" }}
{{- $inline = .smtp.password }}
{{- $needed = .smtp.user }}
{{- $path = "email.smtp.password" }}
{{- $key = .smtpPasswordKey }}
{{- if not .smtp.host }}
- email.smtp.host is empty, and email.provider is smtp.
{{- end }}
{{- end }}
{{- if or $needed (and .existingSecret $inline) }}
{{- include "scheduling.mistakes.oneOf" (dict "root" $ "existing" .existingSecret "path" $path "inline" $inline
    "what" (printf "What the e-mail provider %s identifies us by" .provider)
    "literal" (printf "%s='…'" $key)) }}
{{- end }}
{{- if and (ne .provider "mock") (not .from) }}
- email.from is empty. Name the sender, such as: --set email.from='Scheduling <noreply@example.com>'
{{- end }}
{{- end }}
{{- end }}

{{- define "scheduling.mistakes.hooks" -}}
{{- if and .Values.migrations.enabled .Values.migrations.useHelmHooks (include "scheduling.secretData" . | trim) }}
- migrations.useHelmHooks runs the Job before the chart's own Secret exists. Set existingSecret instead of the value of {{
  include "scheduling.secretData" . | fromYaml | keys | sortAlpha | join ", " }}.
{{- end }}
{{- if and .Values.bootstrapAdmin.enabled (not .Values.bootstrapAdmin.existingSecret) }}
{{- $name := printf "%s-admin" (include "scheduling.fullname" .) }}
- bootstrapAdmin needs a Secret with the admin's address and password:
    kubectl create secret generic {{ $name }} --namespace {{ .Release.Namespace }} --from-literal={{ .Values.bootstrapAdmin.emailKey }}='admin@example.com' --from-literal={{ .Values.bootstrapAdmin.passwordKey }}="$(openssl rand -base64 18)"
  and name that:
    --set bootstrapAdmin.existingSecret={{ $name }}
{{- end }}
{{- end }}

{{- /* The names that the chart sets have values of their own, and other parts of the chart rely on them. */ -}}
{{- define "scheduling.mistakes.env" -}}
{{- $own := list "SCHEDULING_ADMIN_EMAIL" "SCHEDULING_CURRENT_JOB" "SCHEDULING_PASSWORD" -}}
{{- range include "scheduling.env.own" . | fromYamlArray }}{{ $own = append $own .name }}{{ end -}}
{{- $lists := dict "extraEnv" .Values.extraEnv "web.extraEnv" .Values.web.extraEnv
    "worker.extraEnv" .Values.worker.extraEnv "migrations.extraEnv" .Values.migrations.extraEnv -}}
{{- range $path, $list := $lists }}
{{- $seen := dict }}
{{- range $list }}
{{- if has .name $own }}
- {{ $path }} has {{ .name }}, which the chart sets from a value of its own. Set that value, or leave {{ .name }} out.
{{- else if hasKey $seen .name }}
- {{ $path }} has {{ .name }} twice.
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- end }}
{{- end }}

{{- define "scheduling.mistakes.objects" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
- ingress.hosts is empty. Name the host, such as: --set 'ingress.hosts={api.example.com}'
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
- httpRoute.parentRefs is empty. Name the Gateway, such as: --set 'httpRoute.parentRefs[0].name=public'
{{- end }}
{{- with .Values.web }}
{{- if and (eq .server "waitress") (gt (int .processes) 1) }}
- web.processes is {{ int .processes }}, and waitress serves with one process. Raise web.replicas instead, or set web.server to granian.
{{- end }}
{{- end }}
{{- with .Values.web.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
- web.autoscaling.minReplicas is more than web.autoscaling.maxReplicas.
{{- end }}
{{- end }}
{{- with .Values.worker.autoscaling }}
{{- if and (ne .type "none") (gt (int .minReplicas) (int .maxReplicas)) }}
- worker.autoscaling.minReplicas is more than worker.autoscaling.maxReplicas.
{{- end }}
{{- if and (eq .type "keda") (not .keda.serverAddress) }}
- worker.autoscaling.keda.serverAddress is empty. Say where Prometheus is, such as:
    --set worker.autoscaling.keda.serverAddress=http://prometheus.monitoring:9090
{{- end }}
{{- end }}
{{- end }}
