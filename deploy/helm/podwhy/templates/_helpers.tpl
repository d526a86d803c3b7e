{{/* Names, labels and what follows from the agent's configuration. The parts of a pod are in _pod.tpl. */}}

{{- define "podwhy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "podwhy.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "podwhy.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "podwhy.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "podwhy.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* What of the cluster belongs to one installation: two may live side by side. */}}
{{- define "podwhy.clusterName" -}}
{{- printf "%s-%s" (include "podwhy.namespace" .) (include "podwhy.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Immutable in a DaemonSet: no version and nothing that somebody may change. */}}
{{- define "podwhy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "podwhy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "podwhy.labels" -}}
{{ include "podwhy.labelsWith" (list . dict) }}
{{- end }}

{{/* (list ROOT MORE): no key twice, and ours win over everybody's. */}}
{{- define "podwhy.labelsWith" -}}
{{- $root := index . 0 }}
{{- $ours := include "podwhy.selectorLabels" $root | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/part-of" "podwhy" }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- merge $ours (index . 1) $root.Values.commonLabels | toYaml }}
{{- end }}

{{- define "podwhy.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "podwhy.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "podwhy.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry }}
{{- $name := printf "%s%s" (empty $registry | ternary "" (printf "%s/" $registry)) .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* `config` may be written as YAML or, to keep comments, as one text: always the file. */}}
{{- define "podwhy.configText" -}}
{{- if kindIs "string" .Values.config }}
{{- .Values.config }}
{{- else if .Values.config }}
{{- toYaml .Values.config }}
{{- end }}
{{- end }}

{{/* The same as a tree with each section that is asked for below, as JSON. What stands here decides
     rights and mounts, so nobody has to say the same thing twice. */}}
{{- define "podwhy.config" -}}
{{- $config := include "podwhy.configText" . | fromYaml }}
{{- if hasKey $config "Error" }}
{{- fail (printf "config is no YAML: %s" $config.Error) }}
{{- end }}
{{- $asked := dict "journal" dict "files" dict "node" dict "evidence" dict "kubernetes" dict "state" dict "export" dict }}
{{- range $section, $_ := $asked }}
{{- $_ := set $asked $section (default dict (get $config $section)) }}
{{- end }}
{{- $_ := set $asked.node "cni" (default dict $asked.node.cni) }}
{{- toJson $asked }}
{{- end }}

{{/* A switch that is on unless it is written down as false; "true" or empty. */}}
{{- define "podwhy.isOn" -}}
{{- if and (hasKey . "enabled") (not .enabled) }}{{ else }}true{{ end }}
{{- end }}

{{/* Whether the agent watches the API server. */}}
{{- define "podwhy.asksApi" -}}
{{- include "podwhy.isOn" (include "podwhy.config" . | fromJson).kubernetes }}
{{- end }}

{{- define "podwhy.stateFolder" -}}
{{- default "/var/lib/podwhy" (include "podwhy.config" . | fromJson).state.folder }}
{{- end }}

{{/* What cannot work is refused, with the reason. */}}
{{- define "podwhy.refuse" -}}
{{- $rolling := default dict .Values.updateStrategy.rollingUpdate }}
{{- if and (hasKey $rolling "maxSurge") (not (has (toString $rolling.maxSurge) (list "0" "0%"))) }}
{{- fail "updateStrategy.rollingUpdate.maxSurge: two agents on one node would share one state folder, and the second one waits for the first for ever; use maxUnavailable" }}
{{- end }}
{{- if and (or .Values.podMonitor.enabled .Values.serviceMonitor.enabled) (not .Values.http.enabled) }}
{{- fail "podMonitor and serviceMonitor need http.enabled: without it nothing serves /metrics" }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}
{{- fail "podMonitor and serviceMonitor would count everything twice: enable one of them" }}
{{- end }}
{{- if and .Values.existingConfigMap .Values.causes }}
{{- fail "causes: with existingConfigMap, put them into that ConfigMap and name them in diagnosis.causes" }}
{{- end }}
{{- range $which := list "credentials" "tracesCredentials" }}
{{- $given := get $.Values $which }}
{{- if and $given.ca.secretName $given.ca.configMapName }}
{{- fail (printf "%s.ca: secretName or configMapName, not both" $which) }}
{{- end }}
{{- end }}
{{- if not (hasPrefix "/" (include "podwhy.stateFolder" .)) }}
{{- fail "config.state.folder must be an absolute path" }}
{{- end }}
{{- end }}

{{/* Which distribution the nodes are of: as the value says, else as the server's version or its APIs do. */}}
{{- define "podwhy.distribution" -}}
{{- $version := .Capabilities.KubeVersion.Version }}
{{- if .Values.distribution }}
{{- .Values.distribution }}
{{- else if contains "+k3s" $version }}k3s
{{- else if contains "+rke2" $version }}rke2
{{- else if contains "+k0s" $version }}k0s
{{- else if contains "-gke." $version }}gke
{{- else if contains "-eks-" $version }}eks
{{- else if .Capabilities.APIVersions.Has "security.openshift.io/v1" }}openshift
{{- end }}
{{- end }}

{{/* Where that distribution keeps its pod network's configuration and programs, and logs of its own, as
     JSON {config, plugins, logs}. Only what is there is mounted: a folder that is made for the mount is
     empty, and an empty one looks like a fault. */}}
{{- define "podwhy.folders" -}}
{{- $usual := dict "config" "/etc/cni/net.d" "plugins" "/opt/cni/bin" "logs" "" }}
{{- $own := dict
  "k3s" (dict "config" "/var/lib/rancher/k3s/agent/etc/cni/net.d" "plugins" "/var/lib/rancher/k3s/data")
  "rke2" (dict "logs" "/var/lib/rancher/rke2/agent/logs")
  "microk8s" (dict "config" "/var/snap/microk8s/current/args/cni-network" "plugins" "/var/snap/microk8s/current/opt/cni/bin")
  "openshift" (dict "config" "/etc/kubernetes/cni/net.d" "plugins" "/var/lib/cni/bin")
  "gke" (dict "plugins" "/home/kubernetes/bin") }}
{{- merge (dict) (default dict (get $own (include "podwhy.distribution" .))) $usual | toJson }}
{{- end }}
