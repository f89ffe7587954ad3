{{- /*
The most pods of a component, those included that a rollout has in addition.
Takes: settings (the component's values), most (the most pods without a rollout).
*/ -}}
{{- define "scheduling.mostPods" -}}
{{- $surge := "0" -}}
{{- with .settings.strategy -}}
{{- if eq .type "RollingUpdate" -}}{{- $surge = dig "rollingUpdate" "maxSurge" "25%" . | toString -}}{{- end -}}
{{- end -}}
{{- if hasSuffix "%" $surge -}}
{{- /* Kubernetes rounds up. */ -}}
{{- $surge = div (add (mul (int .most) (trimSuffix "%" $surge | int)) 99) 100 -}}
{{- end -}}
{{- add (int .most) (int $surge) -}}
{{- end }}

{{- /*
The connections of one process. Takes: root, settings. A component's own variable wins.
A worker listens on one beside its pool, of which it does not use all.
*/ -}}
{{- define "scheduling.poolSize" -}}
{{- $size := "10" -}}
{{- range concat .root.Values.extraEnv .settings.extraEnv -}}
{{- if and (eq .name "SCHEDULING_DATABASE_POOL_SIZE") .value -}}{{- $size = .value -}}{{- end -}}
{{- end -}}
{{- $size -}}
{{- end }}

{{- define "scheduling.connections.sum" -}}
{{- $web := .Values.web -}}
{{- $worker := .Values.worker -}}
{{- $webPods := include "scheduling.mostPods" (dict "settings" $web
    "most" ($web.autoscaling.enabled | ternary $web.autoscaling.maxReplicas $web.replicas)) -}}
{{- $workerPods := include "scheduling.mostPods" (dict "settings" $worker
    "most" (eq $worker.autoscaling.type "none" | ternary $worker.replicas $worker.autoscaling.maxReplicas)) -}}
{{ $webPods }} * {{ $web.processes | int }} * {{ include "scheduling.poolSize" (dict "root" $ "settings" $web) }} + {{
  $workerPods }} * {{ include "scheduling.poolSize" (dict "root" $ "settings" $worker) }}
{{- end }}

{{- /* The most connections to the database that all web and worker pods can take. */ -}}
{{- define "scheduling.connections" -}}
{{- $sum := 0 -}}
{{- range include "scheduling.connections.sum" . | splitList " + " -}}
{{- $product := 1 -}}
{{- range splitList " * " . -}}{{- $product = mul $product (int .) -}}{{- end -}}
{{- $sum = add $sum $product -}}
{{- end -}}
{{- $sum -}}
{{- end }}
