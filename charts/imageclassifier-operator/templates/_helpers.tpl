{{- define "imageclassifier-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "imageclassifier-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "imageclassifier-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "imageclassifier-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "imageclassifier-operator.selectorLabels" -}}
app.kubernetes.io/name: imageclassifier-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "imageclassifier-operator.labels" -}}
{{ include "imageclassifier-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "imageclassifier-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "imageclassifier-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: say which account to use when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "imageclassifier-operator.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.global.imageRegistry }}
{{- $host := first (splitList "/" $repository) }}
{{- $named := and (contains "/" $repository) (or (contains "." $host) (contains ":" $host) (eq $host "localhost")) }}
{{- $repository = printf "%s/%s" . (ternary (trimPrefix (printf "%s/" $host) $repository) $repository $named) }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}
