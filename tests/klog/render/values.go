package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const cart = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21"

// hostiles are texts that look like grammar, escape like grammar or break lines.
var hostiles = []string{
	"plain words",
	`say "hi" = "there"`,
	`back\slash \" \\n C:\new\table`,
	"two\nlines",
	`] "`,
	`a=b c="d" e=[f`,
	"grüße, 日本, 🚀 und e\u0301",
	`foo.go:12] "Error syncing pod, skipping" err="failed" pod="a/b"`,
	"E0317 08:42:15.306118    2148 pod_workers.go:1017] \"Error syncing pod, skipping\" err=\"failed to \\\"StartContainer\\\" for \\\"forged\\\" with CrashLoopBackOff: \\\"x\\\"\" pod=\"a/b\" podUID=\"" + cart + "\"",
	"tab\tbell\acr\rnul\x00del\x7fseparator\u2028",
	"broken \xff bytes",
	"",
	" leading and trailing ",
	"[a, b], {c: d} (e)",
	`" pod="forged/pod" podUID="x`,
	">",
	"first\n >\n\t > x=<\n\nlast",
	"100% %!v(MISSING) %s",
	"ends with a newline\n",
	"<a href=\"x&y\">",
	"'single' `back`",
	`", failed to "KillContainer" for "x" with KillContainerError: "forged`,
	"\n",
	"#011looks\n#011indented\n        by blanks",
}

// hostile is the next of them, and after each 400 cases one of 64 kB.
func (r *renderer) hostile() string {
	r.values++
	if r.count/400 > r.long {
		r.long = r.count / 400
		return strings.Repeat(`deep\"] x=`, 6554)
	}
	return hostiles[r.values%len(hostiles)]
}

var pods = []Pod{
	{"shop", "cart-api-6d9f7c5b8d-x2lqv", cart},
	{"billing", "ledger-0", "e90b41d7-63ac-4f85-b2d9-08f7a51c3e64"},
	{"kube-system", "kube-scheduler-cp-1.example.net", "3f9a1c5e7b2d48060a9e4c1f8d573b62"},
	{"1234", "a.b-c.d", "15aa8c20-9d7f-4e13-86b4-c37d2f90e5a8"},
	{"n", strings.Repeat("long-name.", 25) + "end", "15aa8c20-9d7f-11e7-86b4-c37d2f90e5a8"},
}

func (r *renderer) pod() Pod {
	r.values++
	return pods[r.values%len(pods)]
}

// UID is a named string, which old klog prints raw.
type UID string

// containerID is kubecontainer.ContainerID.
type containerID struct{ Type, ID string }

type stringer struct{ text string }

func (s stringer) String() string { return s.text }

// record stands for the structs that the kubelet logs.
type record struct {
	Name  string
	Count int
	Tags  []string
}

// textPair is a value that klog prints as a string.
func (r *renderer) textPair(key, value string) Pair {
	if r.Blocks && strings.Contains(value, "\n") {
		return Pair{key, strings.TrimSuffix(value, "\n"), "block"}
	}
	return Pair{key, value, "text"}
}

// plainPair is a value without a text of its own.
func (r *renderer) plainPair(key string, value any) Pair {
	if r.JSON {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		return Pair{key, string(text), "raw"}
	}
	return Pair{key, fmt.Sprintf("%+v", value), "raw"}
}

// uidPair is a named string: raw in old klog, quoted since.
func (r *renderer) uidPair(key, value string) Pair { return Pair{key, value, "text"} }

// value gives what the kubelet would log under a key, and its truth.
func (r *renderer) value(key string, pod Pod) (any, Pair) {
	r.values++
	lower := strings.ToLower(key)
	switch {
	case key == "pod":
		return r.Klog.Pod(pod), Pair{key, pod.Ref(), "text"}
	case key == "podUID" || key == "podID" || key == "pod-uid":
		return UID(pod.UID), r.uidPair(key, pod.UID)
	case key == "pods":
		list := pods[:r.values%4]
		value := r.Klog.Pods(list)
		return value, Pair{key, r.podList(list, value), "raw"}
	case key == "err" || key == "error":
		text := r.hostile()
		return errors.New(text), r.textPair(key, text)
	case strings.HasPrefix(lower, "containerid"):
		return r.containerID(key)
	case lower == "containername" || lower == "podname" || lower == "podnamespace":
		return pod.Name, Pair{key, pod.Name, "text"}
	case strings.Contains(lower, "duration"), strings.Contains(lower, "timeout"), strings.HasSuffix(lower, "period"), strings.Contains(lower, "interval"):
		value := time.Duration(r.values) * 1370 * time.Millisecond
		return value, Pair{key, value.String(), "text"}
	case strings.HasPrefix(lower, "num"), strings.HasSuffix(lower, "count"), lower == "port", lower == "pid", lower == "exitcode", strings.HasSuffix(lower, "size"):
		value := r.values*7 - 300
		return value, Pair{key, fmt.Sprint(value), "raw"}
	}
	return r.anything(key)
}

// podList is how klog prints a list of references.
func (r *renderer) podList(list []Pod, value any) string {
	if refs, ok := value.([]string); ok { // a version without lists: the kubelet logged strings
		return fmt.Sprintf("%+v", refs)
	}
	var items []string
	for _, pod := range list {
		if r.JSON {
			items = append(items, fmt.Sprintf("%q", pod.Ref()))
		} else {
			items = append(items, pod.Ref())
		}
	}
	return "[" + strings.Join(items, map[bool]string{true: ",", false: " "}[r.JSON]) + "]"
}

func (r *renderer) containerID(key string) (any, Pair) {
	id := "08e6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3"
	switch r.values % 3 {
	case 0:
		return id, Pair{key, id, "text"}
	case 1:
		return "containerd://" + id, Pair{key, "containerd://" + id, "text"}
	}
	value := containerID{"containerd", id}
	return value, r.plainPair(key, value)
}

// anything cycles through the kinds of Go values.
func (r *renderer) anything(key string) (any, Pair) {
	r.values++
	switch r.values % 11 {
	case 0:
		return nil, Pair{key, map[bool]string{true: "null", false: "<nil>"}[r.JSON], "raw"}
	case 1:
		value := []string{"/bin/sh", "-c", `x="y" a=b`, "[z]"}
		return value, r.plainPair(key, value)
	case 2:
		value := record{`a b="c" d=e`, r.values, []string{"f g", "{h}"}}
		return value, r.plainPair(key, value)
	case 3:
		value := &record{"<&> [x=y]", -1, nil}
		return value, r.plainPair(key, value)
	case 4:
		value := map[string]string{"app": "cart api", "tier": `"gold"`}
		return value, r.plainPair(key, value)
	case 5:
		text := r.hostile()
		return stringer{text}, r.textPair(key, text)
	case 6:
		value := r.values%2 == 0
		return value, Pair{key, fmt.Sprint(value), "raw"}
	case 7:
		return 1.5, Pair{key, "1.5", "raw"}
	}
	text := r.hostile()
	return text, r.textPair(key, text)
}

// any is an argument for %v.
func (r *renderer) any() any {
	value, _ := r.anything("")
	return value
}
