// What the chart promises, held against what Helm renders: rights, mounts, objects that appear only when
// they are switched on. Syntax and schemas are deploy/check's.
package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

const chart = "../../deploy/helm/podwhy"

type object = map[string]any

// at follows names and, as int, places in lists; nil where something is not there.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, _ := value.(object)
			value = fields[step]
		case int:
			items, _ := value.([]any)
			if step >= len(items) {
				return nil
			}
			value = items[step]
		}
	}
	return value
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}

func text(value any) string {
	word, _ := value.(string)
	return word
}

func words(value any) []string {
	var found []string
	for _, item := range list(value) {
		found = append(found, text(item))
	}
	return found
}

func helm(t *testing.T, arguments ...string) []byte {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		t.Fatal("HELM is not set: run deploy/check")
	}
	command := exec.Command(program, arguments...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		t.Fatalf("helm %s: %s", strings.Join(arguments, " "), complaints.String())
	}
	return output
}

func renderedFrom(t *testing.T, folder string, arguments ...string) []object {
	t.Helper()
	output := helm(t, append([]string{"template", "podwhy", folder, "-n", "podwhy"}, arguments...)...)
	var objects []object
	for _, document := range bytes.Split(output, []byte("\n---\n")) {
		var it object
		if err := yaml.UnmarshalStrict(document, &it); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if it != nil {
			objects = append(objects, it)
		}
	}
	return objects
}

func rendered(t *testing.T, arguments ...string) []object {
	t.Helper()
	return renderedFrom(t, chart, arguments...)
}

func of(objects []object, kind string) []object {
	var found []object
	for _, it := range objects {
		if it["kind"] == kind {
			found = append(found, it)
		}
	}
	return found
}

func kinds(objects []object) []string {
	var found []string
	for _, it := range objects {
		found = append(found, text(it["kind"]))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func daemonSet(t *testing.T, objects []object) object {
	t.Helper()
	found := of(objects, "DaemonSet")
	if len(found) != 1 {
		t.Fatalf("%d DaemonSets", len(found))
	}
	return found[0]
}

// pods are all pod specifications: the agent's and the test's.
func pods(objects []object) []any {
	var found []any
	for _, it := range of(objects, "DaemonSet") {
		found = append(found, at(it, "spec", "template", "spec"))
	}
	for _, it := range of(objects, "Pod") {
		found = append(found, it["spec"])
	}
	return found
}

func variants(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{chart + "/ci/*-values.yaml", chart + "/../values/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no values in %s: %v", pattern, err)
		}
		found = append(found, files...)
	}
	return found
}

func Test_o27_no_variant_gives_a_pod_more_than_it_needs(t *testing.T) {
	for _, values := range variants(t) {
		objects := rendered(t, "-f", values)
		for _, pod := range pods(objects) {
			if at(pod, "hostPID") != nil || at(pod, "hostIPC") != nil {
				t.Errorf("%s: a namespace of the host", values)
			}
			if at(pod, "securityContext", "seccompProfile", "type") != "RuntimeDefault" {
				t.Errorf("%s: seccomp", values)
			}
			context := at(pod, "containers", 0, "securityContext")
			if at(context, "privileged") == true || at(context, "allowPrivilegeEscalation") != false || at(context, "readOnlyRootFilesystem") != true {
				t.Errorf("%s: %v", values, context)
			}
			if dropped := words(at(context, "capabilities", "drop")); !slices.Equal(dropped, []string{"ALL"}) {
				t.Errorf("%s: drops %v", values, dropped)
			}
			for _, added := range words(at(context, "capabilities", "add")) {
				if added != "DAC_READ_SEARCH" {
					t.Errorf("%s: adds %s", values, added)
				}
			}
		}
	}
}

func Test_o27_by_default_it_is_uid_0_with_one_capability_on_the_hosts_network(t *testing.T) {
	pod := at(daemonSet(t, rendered(t)), "spec", "template", "spec")
	if at(pod, "hostNetwork") != true || at(pod, "dnsPolicy") != "ClusterFirstWithHostNet" {
		t.Error("not on the host's network")
	}
	context := at(pod, "containers", 0, "securityContext")
	want := object{
		"runAsUser": 0.0, "runAsGroup": 0.0, "runAsNonRoot": false, "privileged": false,
		"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
		"capabilities": object{"drop": []any{"ALL"}, "add": []any{"DAC_READ_SEARCH"}},
	}
	got, _ := json.Marshal(context)
	wanted, _ := json.Marshal(want)
	if !bytes.Equal(got, wanted) {
		t.Errorf("%s\nis not\n%s", got, wanted)
	}
}

func Test_o27_folders_of_the_node_are_read_only_but_for_the_state(t *testing.T) {
	never := []string{"/", "/etc", "/opt", "/run", "/proc", "/dev", "/var", "/var/lib", "/var/lib/kubelet", "/var/log/journal", "/var/lib/containerd"}
	for _, values := range variants(t) {
		for _, pod := range pods(rendered(t, "-f", values)) {
			folders := map[string]string{}
			for _, volume := range list(at(pod, "volumes")) {
				if path := text(at(volume, "hostPath", "path")); path != "" {
					folders[text(at(volume, "name"))] = path
					if slices.Contains(never, path) {
						t.Errorf("%s mounts %s", values, path)
					}
					if strings.HasPrefix(path, "/var/log/") {
						t.Errorf("%s mounts %s, which a runtime may create; /var/log holds it", values, path)
					}
				}
			}
			for _, mount := range list(at(pod, "containers", 0, "volumeMounts")) {
				name := text(at(mount, "name"))
				if _, isHost := folders[name]; isHost && name != "state" && at(mount, "readOnly") != true {
					t.Errorf("%s: %s may be written", values, folders[name])
				}
				delete(folders, name)
			}
			for _, path := range folders {
				t.Errorf("%s: %s is a volume that nothing mounts", values, path)
			}
		}
	}
}

func Test_what_the_configuration_reads_is_mounted_and_nothing_else(t *testing.T) {
	mounted := func(arguments ...string) []string {
		var found []string
		for _, volume := range list(at(daemonSet(t, rendered(t, arguments...)), "spec", "template", "spec", "volumes")) {
			if path := text(at(volume, "hostPath", "path")); path != "" && at(volume, "name") != "state" {
				found = append(found, path)
			}
		}
		slices.Sort(found)
		return found
	}
	usual := mounted()
	want := []string{"/etc/cni/net.d", "/opt/cni/bin", "/run/log/journal", "/sys/fs/cgroup", "/var/lib/cni/networks", "/var/log"}
	if !slices.Equal(usual, want) {
		t.Errorf("%v", usual)
	}
	for _, one := range []struct {
		set         string
		more, fewer []string
	}{
		{"config.node.cni.enabled=false", nil, []string{"/etc/cni/net.d", "/opt/cni/bin", "/var/lib/cni/networks"}},
		{"config.journal.enabled=false", nil, []string{"/run/log/journal"}},
		{"config.journal.folder=/srv/journal", []string{"/srv/journal"}, []string{"/run/log/journal"}},
		{"config.journal.more_folders={/srv/other,/var/log/journal.more}", []string{"/srv/other"}, nil},
		{"config.evidence.cgroups=false", nil, []string{"/sys/fs/cgroup"}},
		{"config.evidence.volume_names=true", []string{"/var/lib/kubelet/pods"}, nil},
		{"config.evidence.runtime_socket=/run/crio/crio.sock", []string{"/run/crio"}, nil},
		{"config.evidence.pod_logs=/srv/pods", []string{"/srv/pods"}, nil},
		{"config.files.paths={/srv/a/kubelet.log=kubelet,/var/log/b.log=kubelet}", []string{"/srv/a"}, nil},
		{"config.node.cni.config_folders={/etc/other/net.d}", []string{"/etc/other/net.d"}, []string{"/etc/cni/net.d"}},
		{"distribution=gke", []string{"/home/kubernetes/bin"}, []string{"/opt/cni/bin"}},
		{"distribution=openshift", []string{"/etc/kubernetes/cni/net.d", "/var/lib/cni/bin"}, []string{"/etc/cni/net.d", "/opt/cni/bin"}},
		{"distribution=rke2", []string{"/var/lib/rancher/rke2/agent/logs"}, nil},
		{"distribution=eks", nil, nil},
	} {
		want := append(slices.Clone(one.more), slices.DeleteFunc(slices.Clone(usual), func(path string) bool { return slices.Contains(one.fewer, path) })...)
		slices.Sort(want)
		if got := mounted("--set", one.set); !slices.Equal(got, want) {
			t.Errorf("%s mounts %v, not %v", one.set, got, want)
		}
	}
}

// As on a cluster: `helm template --kube-version` drops what a distribution adds to the version.
func Test_a_distribution_is_recognised_by_its_servers_version(t *testing.T) {
	loaded, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	for version, folder := range map[string]string{
		"v1.32.4+k3s1":         "/var/lib/rancher/k3s/data",
		"v1.32.4+rke2r1":       "/var/lib/rancher/rke2/agent/logs",
		"v1.32.4-gke.1106006":  "/home/kubernetes/bin",
		"v1.32.4-eks-dcf0a9f8": "/opt/cni/bin",
		"v1.32.4+k0s.0":        "/opt/cni/bin",
		"v1.32.4":              "/opt/cni/bin",
	} {
		server := chartutil.DefaultCapabilities.Copy()
		server.KubeVersion = chartutil.KubeVersion{Version: version, Major: "1", Minor: "32"}
		values, err := chartutil.ToRenderValues(loaded, nil, chartutil.ReleaseOptions{Name: "podwhy", Namespace: "podwhy"}, server)
		if err != nil {
			t.Fatal(err)
		}
		files, err := engine.Render(loaded, values)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(files["podwhy/templates/daemonset.yaml"], "path: "+folder+"\n") {
			t.Errorf("%s does not mount %s", version, folder)
		}
		if notes := files["podwhy/templates/NOTES.txt"]; strings.Contains(version, "gke") != strings.Contains(notes, "This is GKE") || !strings.Contains(notes, "podwhy why shop/web-0") {
			t.Errorf("%s says: %s", version, notes)
		}
	}
}

func Test_o28_rights_are_to_read_pods_and_nodes_or_none_at_all(t *testing.T) {
	objects := rendered(t)
	roles := of(objects, "ClusterRole")
	if len(roles) != 1 || len(of(objects, "ClusterRoleBinding")) != 1 || len(of(objects, "Role")) != 0 {
		t.Fatalf("%v", kinds(objects))
	}
	rules := list(roles[0]["rules"])
	if len(rules) != 1 || !slices.Equal(words(at(rules, 0, "apiGroups")), []string{""}) ||
		!slices.Equal(words(at(rules, 0, "resources")), []string{"pods", "nodes"}) ||
		!slices.Equal(words(at(rules, 0, "verbs")), []string{"get", "list", "watch"}) {
		t.Errorf("%v", rules)
	}
	if at(pods(objects)[0], "automountServiceAccountToken") != true {
		t.Error("no token for the watch")
	}
	for _, form := range []string{"config.kubernetes.enabled=false", "config=kubernetes: {enabled: false}"} {
		without := rendered(t, "--set", form)
		for _, kind := range kinds(without) {
			if strings.Contains(kind, "Role") {
				t.Errorf("%s: a %s", form, kind)
			}
		}
		for _, pod := range pods(without) {
			if at(pod, "automountServiceAccountToken") != false {
				t.Errorf("%s: a token is mounted", form)
			}
		}
	}
}

func Test_o26_each_object_appears_exactly_when_it_is_switched_on(t *testing.T) {
	usual := kinds(rendered(t))
	if want := []string{"ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "Pod", "ServiceAccount"}; !slices.Equal(usual, want) {
		t.Errorf("%v", usual)
	}
	for arguments, appears := range map[string][]string{
		"namespace.create=true":                                                 {"Namespace"},
		"quota.enabled=true":                                                    {"ResourceQuota"},
		"networkPolicy.enabled=true":                                            {"NetworkPolicy"},
		"openshift.securityContextConstraints.create=true":                      {"SecurityContextConstraints"},
		"http.enabled=false":                                                    {},
		"page.enabled=false":                                                    {},
		"podMonitor.enabled=true":                                               {"PodMonitor"},
		"serviceMonitor.enabled=true":                                           {"Service", "ServiceMonitor"},
		"prometheusRule.enabled=true,prometheusRule.additionalGroups[0].name=a": {"PrometheusRule"},
	} {
		var more []string
		for _, kind := range kinds(rendered(t, "--set", arguments)) {
			if !slices.Contains(usual, kind) {
				more = append(more, kind)
			}
		}
		slices.Sort(appears)
		if !slices.Equal(more, appears) {
			t.Errorf("%s: %v instead of %v", arguments, more, appears)
		}
	}
}

func Test_credentials_are_files_of_secrets_whose_changes_arrive(t *testing.T) {
	pod := pods(rendered(t, "-f", chart+"/ci/everything-values.yaml"))[0]
	var environment []string
	for _, one := range list(at(pod, "containers", 0, "env")) {
		environment = append(environment, text(at(one, "name")))
	}
	for _, name := range []string{
		"PODWHY_EXPORT_HEADERS_FILE", "PODWHY_EXPORT_TOKEN_FILE", "PODWHY_EXPORT_CERTIFICATE", "PODWHY_EXPORT_CLIENT_CERTIFICATE",
		"PODWHY_EXPORT_CLIENT_KEY", "PODWHY_EXPORT_TRACES_HEADERS_FILE", "PODWHY_EXPORT_TRACES_CERTIFICATE",
	} {
		if !slices.Contains(environment, name) {
			t.Errorf("%s is not set", name)
		}
	}
	for _, mount := range list(at(pod, "containers", 0, "volumeMounts")) {
		if at(mount, "subPath") != nil {
			t.Errorf("%v: a file that is mounted alone never changes", mount)
		}
	}
}

// Each value that people look for in a chart, and where Kubernetes reads it.
func Test_values_that_people_expect_arrive_where_kubernetes_reads_them(t *testing.T) {
	inPod := func(path ...any) []any { return append([]any{"spec", "template", "spec"}, path...) }
	for _, one := range []struct {
		value, set string
		path       []any
	}{
		{"resources", `{"requests":{"memory":"64Mi"},"limits":{"memory":"200Mi","cpu":"1"}}`, inPod("containers", 0, "resources", "limits", "cpu")},
		{"tolerations", `[{"key":"gpu","operator":"Exists"}]`, inPod("tolerations", 0, "key")},
		{"affinity", `{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[]}}}`, inPod("affinity", "nodeAffinity")},
		{"nodeSelector", `{"pool":"general"}`, inPod("nodeSelector", "pool")},
		{"priorityClassName", `"low"`, inPod("priorityClassName")},
		{"updateStrategy", `{"rollingUpdate":{"maxUnavailable":3}}`, []any{"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}},
		{"podLabels", `{"team":"a"}`, []any{"spec", "template", "metadata", "labels", "team"}},
		{"podAnnotations", `{"linkerd.io/inject":"disabled"}`, []any{"spec", "template", "metadata", "annotations", "linkerd.io/inject"}},
		{"extraEnv", `[{"name":"NO_PROXY","value":".svc"}]`, nil},
		{"extraVolumes", `[{"name":"more","emptyDir":{}}]`, nil},
		{"extraVolumeMounts", `[{"name":"more","mountPath":"/more"}]`, nil},
		{"imagePullSecrets", `[{"name":"registry"}]`, inPod("imagePullSecrets", 0, "name")},
		{"hostNetwork", `false`, inPod("hostNetwork")},
		{"seLinuxOptions", `{"type":"spc_t"}`, inPod("securityContext", "seLinuxOptions", "type")},
		{"terminationGracePeriodSeconds", `60`, inPod("terminationGracePeriodSeconds")},
		{"image", `{"registry":"mirror.example","repository":"a/b","tag":"1"}`, inPod("containers", 0, "image")},
	} {
		usual, changed := daemonSet(t, rendered(t)), daemonSet(t, rendered(t, "--set-json", one.value+"="+one.set))
		told := func(it object) string {
			content, err := json.Marshal(at(it, one.path...))
			if err != nil {
				t.Fatal(err)
			}
			return string(content)
		}
		if told(usual) == told(changed) {
			t.Errorf("%s=%s changes nothing at %v", one.value, one.set, one.path)
		}
	}
	digest := "sha256:" + strings.Repeat("0", 64)
	if got := at(daemonSet(t, rendered(t, "--set-string", "image.tag=1,image.digest="+digest)), inPod("containers", 0, "image")...); got != "ghcr.io/podwhy/podwhy@"+digest {
		t.Errorf("a digest goes over a tag, not %v", got)
	}
}

func Test_a_new_configuration_rolls_the_agents_and_other_values_do_not(t *testing.T) {
	sum := func(arguments ...string) string {
		return text(at(daemonSet(t, rendered(t, arguments...)), "spec", "template", "metadata", "annotations", "checksum/config"))
	}
	first := sum()
	if first == "" || first == sum("--set", "config.log.level=debug") || first == sum("--set", "causes.a\\.yaml=x") {
		t.Error("a change of the configuration is not seen")
	}
	if first != sum("--set", "quota.enabled=true") {
		t.Error("the agents roll for nothing")
	}
}

func Test_the_agents_are_chosen_and_the_test_is_not_one_of_them(t *testing.T) {
	objects := rendered(t)
	selector, _ := at(daemonSet(t, objects), "spec", "selector", "matchLabels").(object)
	if len(selector) != 2 {
		t.Errorf("selectors cannot change, so nothing belongs in them that might: %v", selector)
	}
	matches := func(labels any) bool {
		for name, value := range selector {
			if at(labels, name) != value {
				return false
			}
		}
		return true
	}
	if !matches(at(daemonSet(t, objects), "spec", "template", "metadata", "labels")) || matches(at(of(objects, "Pod")[0], "metadata", "labels")) {
		t.Error("selector and labels")
	}
}

// Rules and dashboards are full of braces that are not Helm's.
func Test_rules_and_dashboards_arrive_word_for_word(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "podwhy")
	if err := os.CopyFS(folder, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const board = `{"title": "{{ node }}", "legend": "{{ $labels.step }}"}`
	write("files/dashboards/made-up.json", board)
	write("files/rules/made-up.yaml", "groups:\n- name: made-up\n  rules:\n  - {alert: Kept, expr: up, annotations: {summary: '{{ $labels.node }}'}}\n  - {alert: Left, expr: up}\n  - {record: kept, expr: up}\n")
	objects := renderedFrom(t, folder, "--set", "dashboards.enabled=true,prometheusRule.enabled=true,prometheusRule.defaultRules.disabled={Left}")
	var boards []string
	for _, it := range of(objects, "ConfigMap") {
		if at(it, "metadata", "labels", "grafana_dashboard") == "1" {
			boards = append(boards, strings.TrimSpace(text(at(it, "data", "made-up.json"))))
		}
	}
	if !slices.Contains(boards, board) {
		t.Errorf("%v", boards)
	}
	var told []string
	for _, group := range list(at(of(objects, "PrometheusRule")[0], "spec", "groups")) {
		if at(group, "name") != "made-up" {
			continue
		}
		for _, rule := range list(at(group, "rules")) {
			told = append(told, text(at(rule, "alert"))+text(at(rule, "record"))+text(at(rule, "annotations", "summary")))
		}
	}
	if want := []string{"Kept{{ $labels.node }}", "kept"}; !slices.Equal(told, want) {
		t.Errorf("%v", told)
	}
}

// A page leads to the right agent, book and logs wherever they are.
func Test_alerts_name_this_installations_agent_and_links(t *testing.T) {
	objects := rendered(t, "--set", "prometheusRule.enabled=true,namespaceOverride=watch,nameOverride=why", "--set",
		"prometheusRule.logsUrl=https://logs.example/?node={node},prometheusRule.defaultRules.runbookUrl=https://books.example/podwhy")
	seen := 0
	for _, group := range list(at(of(objects, "PrometheusRule")[0], "spec", "groups")) {
		for _, rule := range list(at(group, "rules")) {
			name, annotation := text(at(rule, "alert")), func(key string) string { return text(at(rule, "annotations", key)) }
			if want := "https://books.example/podwhy#" + strings.ToLower(name); annotation("runbook_url") != want {
				t.Errorf("%s: %s", name, annotation("runbook_url"))
			}
			if why := annotation("why_without_plugin"); why != "" {
				seen++
				if strings.Contains(why, "-n podwhy") || strings.Count(why, "kubectl -n watch ") != 2 || !strings.Contains(why, "app.kubernetes.io/name=why ") {
					t.Errorf("%s: %s", name, why)
				}
				if annotation("logs_url") != "https://logs.example/?node={{ $labels.node }}" {
					t.Errorf("%s: %s", name, annotation("logs_url"))
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d alerts name a node's agent", seen)
	}
}

// What the schema knows and values.yaml does not show, nobody finds.
func Test_every_value_of_the_schema_has_its_default_and_its_comment(t *testing.T) {
	var schema, values object
	for name, into := range map[string]*object{"values.schema.json": &schema, "values.yaml": &values} {
		content, err := os.ReadFile(filepath.Join(chart, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(content, into); err != nil {
			t.Fatal(err)
		}
	}
	var missing func(schema, values any, path string)
	missing = func(part, values any, path string) {
		if reference := text(at(part, "$ref")); reference != "" {
			part = at(schema, "definitions", strings.TrimPrefix(reference, "#/definitions/"))
		}
		// What Kubernetes defines is empty until somebody needs it.
		if slices.Contains([]string{"resources", "seLinuxOptions", "updateStrategy"}, strings.TrimPrefix(path, ".")) {
			return
		}
		fields, _ := at(part, "properties").(object)
		for name, field := range fields {
			shown, isObject := values.(object)
			if _, is := shown[name]; isObject && !is {
				t.Errorf("%s.%s is in the schema only", path, name)
			} else {
				missing(field, shown[name], path+"."+name)
			}
		}
	}
	missing(schema, values, "")
}
