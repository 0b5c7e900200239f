{{- define "portwarden.selector" -}}
app.kubernetes.io/name: portwarden
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "portwarden.metadata" -}}
name: {{ .Release.Name }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "portwarden.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* Refuses values that contradict each other. */ -}}
{{- define "portwarden.refuse" -}}
{{- if and .Values.config .Values.configSecret }}
{{- fail "expected config or configSecret, found both: remove one" }}
{{- else if not (or .Values.config .Values.configSecret) }}
{{- fail "expected config or configSecret, found neither: set config to the users and rules, or configSecret to the name of a Secret with auth_config.yml" }}
{{- else if and .Values.configSecret (or .Values.registry.url .Values.state.url) }}
{{- fail "configSecret has registry.url and state.url in its auth_config.yml: remove these values" }}
{{- else if and .Values.config (not .Values.registry.url) }}
{{- fail "expected registry.url, the address of the registry, found none: set it, as http://registry.example:5000" }}
{{- else if and .Values.config (gt (int .Values.replicas) 1) (not .Values.state.url) }}
{{- fail (printf "%d replicas share their state in a database: set state.url, or replicas to 1" (int .Values.replicas)) }}
{{- else if eq .Values.token.secret .Values.tls.secret }}
{{- fail "token.secret is tls.secret: each renewal of the certificate would end all logins; give tokens a key of their own" }}
{{- else if regexMatch "^postgres(ql)?://[^/?#]*:[^/?#@]*@|[?&]password=" .Values.state.url }}
{{- fail "state.url has a password: remove it, and set state.passwordSecret to the name of a Secret with the key password" }}
{{- end }}
{{- end }}

{{- /* auth_config.yml: `config`, and over it what the rest of the chart relies on. */ -}}
{{- define "portwarden.config" -}}
{{- $ours := dict
  "server" (dict "addr" ":8443" "certificate" "tls.crt" "key" "tls.key")
  "token" (dict "certificate" "token.crt" "key" "token.key")
  "metrics" (dict "addr" ":9090")
  "control" (dict "socket" "/run/portwarden/control.sock")
  "registry" (dict "url" .Values.registry.url) }}
{{- if .Values.state.url }}
{{- $state := dict "url" .Values.state.url }}
{{- if .Values.state.passwordSecret }}
{{- $_ := set $state "password_file" "database.password" }}
{{- end }}
{{- $_ := set $ours "state" $state }}
{{- end }}
{{- $defaults := dict "token" (dict "issuer" "Portwarden" "expiration" 900) }}
{{- toYaml (mergeOverwrite $defaults (deepCopy .Values.config) $ours) }}
...
{{- end }}
