{{/* The parts of a pod that runs podwhy on a node: the DaemonSet and the test share them. */}}

{{/* Which folders of the node are mounted, as a JSON list of {path, type, follows}: what the
     configuration reads, and nothing else. All read-only. */}}
{{- define "podwhy.hostPaths" -}}
{{- $config := include "podwhy.config" . | fromJson }}
{{- $folders := include "podwhy.folders" . | fromJson }}
{{- $paths := list (dict "path" "/var/log" "type" "Directory") }}
{{- if include "podwhy.isOn" $config.journal }}
{{- if $config.journal.folder }}
{{- $paths = append $paths (dict "path" $config.journal.folder "type" "Directory") }}
{{- else if or (not $config.journal.root) (eq $config.journal.root "/") }}
{{- /* Never /var/log/journal: creating it would switch journald to persistent storage. */}}
{{- $paths = append $paths (dict "path" "/run/log/journal" "type" "DirectoryOrCreate") }}
{{- else }}
{{- $paths = append $paths (dict "path" $config.journal.root "type" "Directory") }}
{{- end }}
{{- end }}
{{- if include "podwhy.isOn" $config.journal }}
{{- range $config.journal.more_folders }}
{{- $paths = append $paths (dict "path" . "type" "Directory") }}
{{- end }}
{{- end }}
{{- if include "podwhy.isOn" $config.node.cni }}
{{- $cni := $config.node.cni }}
{{- $places := concat (default (list $folders.config) $cni.config_folders) (default (list $folders.plugins) $cni.plugin_folders) (list (default "/var/lib/cni/networks" $cni.lease_folder)) }}
{{- range $places }}
{{- $paths = append $paths (dict "path" . "type" "DirectoryOrCreate") }}
{{- end }}
{{- end }}
{{- if not (eq (toString (get $config.evidence "cgroups")) "false") }}
{{- $paths = append $paths (dict "path" (default "/sys/fs/cgroup" $config.evidence.cgroup_root) "type" "Directory") }}
{{- end }}
{{- with $config.evidence.pod_logs }}
{{- $paths = append $paths (dict "path" . "type" "Directory") }}
{{- end }}
{{- if $config.evidence.volume_names }}
{{- /* Volumes that are mounted after the agent's start are to be seen. */}}
{{- $paths = append $paths (dict "path" (default "/var/lib/kubelet/pods" $config.evidence.kubelet_pods) "type" "Directory" "follows" true) }}
{{- end }}
{{- with $config.evidence.runtime_socket }}
{{- /* The folder: a runtime that starts again makes its socket anew. */}}
{{- $paths = append $paths (dict "path" (dir .) "type" "Directory" "follows" true) }}
{{- end }}
{{- if include "podwhy.isOn" $config.files }}
{{- with $folders.logs }}
{{- $paths = append $paths (dict "path" . "type" "DirectoryOrCreate") }}
{{- end }}
{{- range $config.files.paths }}
{{- $paths = append $paths (dict "path" (splitList "=" . | first | dir) "type" "DirectoryOrCreate") }}
{{- end }}
{{- end }}
{{- $kept := list }}
{{- $seen := list }}
{{- range $paths }}
{{- $path := .path | clean }}
{{- if not (or (has $path $seen) (and (hasPrefix "/var/log/" $path) (ne $path "/var/log"))) }}
{{- $seen = append $seen $path }}
{{- $kept = append $kept (merge (dict "path" $path "name" (regexReplaceAll "[^a-z0-9]+" (lower $path) "-" | trimPrefix "-" | trunc -57 | trimPrefix "-" | printf "node-%s")) .) }}
{{- end }}
{{- end }}
{{- toJson $kept }}
{{- end }}

{{/* Secrets as folders, so that what rotates is seen: a list of {name, folder, source, items, env}. */}}
{{- define "podwhy.secretVolumes" -}}
{{- $volumes := list }}
{{- range $which, $prefix := dict "credentials" "PODWHY_EXPORT_" "tracesCredentials" "PODWHY_EXPORT_TRACES_" }}
{{- $given := get $.Values $which }}
{{- $part := eq $which "credentials" | ternary "export" "traces" }}
{{- with $given.headers }}
{{- if .secretName }}
{{- $volumes = append $volumes (dict "name" (printf "%s-headers" $part) "secret" .secretName "items" (dict "headers" .key) "env" (dict (printf "%sHEADERS_FILE" $prefix) "headers")) }}
{{- end }}
{{- end }}
{{- with $given.token }}
{{- if .secretName }}
{{- $volumes = append $volumes (dict "name" (printf "%s-token" $part) "secret" .secretName "items" (dict "token" .key) "env" (dict (printf "%sTOKEN_FILE" $prefix) "token")) }}
{{- end }}
{{- end }}
{{- with $given.ca }}
{{- if or .secretName .configMapName }}
{{- $volumes = append $volumes (dict "name" (printf "%s-ca" $part) "secret" .secretName "configMap" .configMapName "items" (dict "ca.crt" .key) "env" (dict (printf "%sCERTIFICATE" $prefix) "ca.crt")) }}
{{- end }}
{{- end }}
{{- with $given.client }}
{{- if .secretName }}
{{- $volumes = append $volumes (dict "name" (printf "%s-client" $part) "secret" .secretName "items" (dict "tls.crt" .certificateKey "tls.key" .privateKeyKey) "env" (dict (printf "%sCLIENT_CERTIFICATE" $prefix) "tls.crt" (printf "%sCLIENT_KEY" $prefix) "tls.key")) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $volumes }}
{{- end }}

{{- define "podwhy.env" -}}
- name: PODWHY_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- with .Values.clusterName }}
- name: PODWHY_CLUSTER_NAME
  value: {{ . | quote }}
{{- end }}
- name: PODWHY_HTTP_ENABLED
  value: {{ .Values.http.enabled | toString | quote }}
{{- if .Values.http.enabled }}
- name: PODWHY_HTTP_LISTEN
  value: ":{{ .Values.http.port }}"
{{- end }}
- name: PODWHY_PAGE_ENABLED
  value: {{ .Values.page.enabled | toString | quote }}
{{- if .Values.page.enabled }}
- name: PODWHY_PAGE_LISTEN
  value: "127.0.0.1:{{ .Values.page.port }}"
{{- end }}
{{- if .Values.causes }}
{{- $files := list }}
{{- range $name, $_ := .Values.causes }}
{{- $files = append $files (printf "/etc/podwhy/causes-%s" $name) }}
{{- end }}
- name: PODWHY_DIAGNOSIS_CAUSES
  value: {{ join "," $files | quote }}
{{- end }}
{{- range $volume := include "podwhy.secretVolumes" . | fromJsonArray }}
{{- range $name, $file := $volume.env }}
- name: {{ $name }}
  value: /etc/podwhy-secrets/{{ $volume.name }}/{{ $file }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "podwhy.volumeMounts" -}}
- name: config
  mountPath: /etc/podwhy
  readOnly: true
- name: state
  mountPath: {{ include "podwhy.stateFolder" . }}
{{- range include "podwhy.hostPaths" . | fromJsonArray }}
- name: {{ .name }}
  mountPath: {{ .path }}
  readOnly: true
{{- if .follows }}
  mountPropagation: HostToContainer
{{- else if semverCompare ">=1.33.0-0" $.Capabilities.KubeVersion.Version }}
  recursiveReadOnly: IfPossible
{{- end }}
{{- end }}
{{- range include "podwhy.secretVolumes" . | fromJsonArray }}
- name: {{ .name }}
  mountPath: /etc/podwhy-secrets/{{ .name }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* All volumes but the state's, which the test has of its own. */}}
{{- define "podwhy.volumes" -}}
- name: config
  configMap:
    name: {{ default (include "podwhy.fullname" .) .Values.existingConfigMap }}
{{- range include "podwhy.hostPaths" . | fromJsonArray }}
- name: {{ .name }}
  hostPath:
    path: {{ .path }}
    type: {{ .type }}
{{- end }}
{{- range $volume := include "podwhy.secretVolumes" . | fromJsonArray }}
- name: {{ $volume.name }}
  {{- if $volume.secret }}
  secret:
    secretName: {{ $volume.secret }}
    defaultMode: 0400
  {{- else }}
  configMap:
    name: {{ $volume.configMap }}
  {{- end }}
    items:
    {{- range $file, $key := $volume.items }}
      - key: {{ $key }}
        path: {{ $file }}
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "podwhy.podSecurityContext" -}}
{{- toYaml .Values.podSecurityContext }}
{{- with .Values.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "podwhy.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "podwhy.network" -}}
hostNetwork: {{ .Values.hostNetwork }}
dnsPolicy: {{ default (.Values.hostNetwork | ternary "ClusterFirstWithHostNet" "ClusterFirst") .Values.dnsPolicy }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
