{{- /*
What runs already. This file is the only one that asks the cluster: nobody else knows how many pods an autoscaler
has chosen. Where there is no cluster to ask, as in `helm template` and in Argo CD, it finds nothing, so that what
is rendered is a pure function of the values.
*/ -}}

{{- /* The Deployment of a component in the cluster, or nothing. Takes: root, component. */ -}}
{{- define "scheduling.running" -}}
{{- $name := printf "%s-%s" (include "scheduling.fullname" .root) .component -}}
{{- lookup "apps/v1" "Deployment" .root.Release.Namespace $name | toYaml -}}
{{- end }}

{{- /*
How many pods a Deployment has. Takes: root, component, replicas, autoscaled.
A Deployment that no longer says a number has one pod at once, whatever an autoscaler wants. So one whose number
was said keeps what runs; and one that never said any, which the annotation tells, goes on like that.
*/ -}}
{{- define "scheduling.replicas" -}}
{{- if not .autoscaled -}}
replicas: {{ .replicas }}
{{- else if not (include "scheduling.isLeftToAutoscaler" .) -}}
replicas: {{ (include "scheduling.running" . | fromYaml).spec.replicas }}
{{- end -}}
{{- end }}

{{- /* Whether a Deployment says no number of pods. Takes: root, component, autoscaled. */ -}}
{{- define "scheduling.isLeftToAutoscaler" -}}
{{- if .autoscaled -}}
{{- $running := include "scheduling.running" . | fromYaml -}}
{{- if or (not $running) (dig "metadata" "annotations" "scheduling/replicas" "" $running) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{- /* The annotation of such a Deployment. Takes: root, component, autoscaled. */ -}}
{{- define "scheduling.replicas.annotations" -}}
{{- if include "scheduling.isLeftToAutoscaler" . -}}
scheduling/replicas: left to the autoscaler
{{- end -}}
{{- end }}

{{- /*
Another name in an upgrade makes new Deployments and removes the old ones at once, before a pod is ready; and a
Deployment that keeps its name cannot change its selector.
*/ -}}
{{- define "scheduling.mistakes.names" -}}
{{- if .Release.IsUpgrade -}}
{{- $name := include "scheduling.fullname" . -}}
{{- range (lookup "apps/v1" "Deployment" .Release.Namespace "").items -}}
{{- $selected := .spec.selector.matchLabels | default dict -}}
{{- $of := dict "root" $ "component" "web" -}}
{{- $expected := include "scheduling.selectorLabels" $of | fromYaml -}}
{{- if eq (omit $selected "app.kubernetes.io/name" | toJson) (omit $expected "app.kubernetes.io/name" | toJson) -}}
{{- $before := trimSuffix "-web" .metadata.name -}}
{{- if or (ne $before $name) (ne (toJson $selected) (toJson $expected)) }}
- This release's objects are called {{ $before }}-…, with the label app.kubernetes.io/name={{ get $selected "app.kubernetes.io/name" }}. nameOverride and fullnameOverride cannot be changed after the install: set them as they were, or install a second release beside this one.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
