{{- define "offhook.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* (dict "root" $ "role" "relay") */}}
{{- define "offhook.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "offhook.labels" -}}
{{ include "offhook.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "offhook.image" -}}
{{ .root.Values.image.repository }}-{{ .role }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- /* An address to listen at: (dict "root" $ "port" 8080) */}}
{{- define "offhook.listen" -}}
{{ if contains ":" .root.Values.listenAddress }}[{{ .root.Values.listenAddress }}]{{ else }}{{ .root.Values.listenAddress }}{{ end }}:{{ .port }}
{{- end }}

{{- /* How one role is found by another: (dict "root" $ "role" "worker" "port" "grpc" "number" 7100) */}}
{{- define "offhook.target" -}}
{{- $name := printf "%s-%s" (include "offhook.name" .root) .role -}}
{{ if eq .root.Values.discovery "kubernetes" }}kubernetes:{{ $name }}:{{ .port }}{{ else }}dns:{{ $name }}.{{ .root.Release.Namespace }}.svc:{{ .number }}{{ end }}
{{- end }}

{{- define "offhook.keysSecret" -}}
{{ .Values.keys.existingSecret | default (printf "%s-keys" (include "offhook.name" .)) }}
{{- end }}

{{- define "offhook.apiKeysSecret" -}}
{{ .Values.apiKeys.existingSecret | default (printf "%s-api-keys" (include "offhook.name" .)) }}
{{- end }}

{{- /* What the Jobs around the keys run under. */}}
{{- define "offhook.keyKeeper" -}}
{{ include "offhook.name" . }}-key-keeper
{{- end }}

{{- /* The line `replicas:`. An autoscaler's number is left alone: repeated where Helm can see it, else not said.
(dict "root" $ "own" .Values.worker "kind" "Deployment" "name" "...") */}}
{{- define "offhook.replicas" -}}
{{- if eq .own.autoscaling.kind "none" -}}
replicas: {{ .own.replicas }}
{{- else }}
{{- with lookup "apps/v1" .kind .root.Release.Namespace .name -}}
replicas: {{ .spec.replicas }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Where traces go, as configuration files say it; nothing where they go nowhere. */}}
{{- define "offhook.tracing" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
otlp_endpoint: {{ .endpoint | quote }}
sample_ratio: {{ .sampleRatio }}
{{- end }}
{{- end }}
{{- end }}
