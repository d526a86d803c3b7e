package render

import (
	"fmt"
	"strings"
	"time"
)

// volume renders the texts of the volume helpers (GenerateMsg, GenerateError and their kin).
func (r *renderer) volume(row row) {
	pod := r.pod()
	name, unique := "cart-settings", `kubernetes.io/csi/disk.csi.example.net^vol#zone-b/"004 17"`
	base, tail, _ := strings.Cut(row.template, ` for volume "…"`)
	base, args := r.fill(base)
	text := fmt.Sprintf(base, args...) + fmt.Sprintf(" for volume %q (UniqueName: %q)", name, unique)
	if strings.Contains(tail, "(UID:") {
		text += fmt.Sprintf(" pod %q (UID: %q) ", pod.Name, pod.UID)
	} else {
		text += fmt.Sprintf(" on node %q ", "worker-07")
	}
	if strings.Contains(tail, "<err>") {
		text += ": "
	}
	text += r.hostile()
	keys := strings.Fields(row.keys[len(row.keys)-1])
	if r.Structured && r.Minors.First >= 21 && len(keys) > 0 {
		r.call(row.number, row.severity, text, keys)
		return
	}
	row.kind = "printf"
	r.text(row, "%s", []any{text}, row.severity)
}

// operation is one entry of the volume operations.
type operation struct{ name, step, reason string }

var operations = []operation{
	{"MountVolume.SetUp", "MountVolume", "FailedMount"},
	{"MountVolume.MountDevice", "MountVolume", "FailedMount"},
	{"MapVolume.SetUpDevice", "MountVolume", "FailedMapVolume"},
	{"MountVolume.NodeAffinity check", "MountVolume", "FailedMount"},
	{"MountVolume.NodeExapndVolume", "MountVolume", "FailedMount"},
	{"UnmountVolume.TearDown", "UnmountVolume", ""},
	{"UnmountDevice", "UnmountVolume", ""},
	{"AttachVolume.Attach", "AttachVolume", "FailedAttachVolume"},
	{"VerifyControllerAttachedVolume", "AttachVolume", "FailedAttachVolume"},
}

// operations renders nestedpendingoperations, which is printf in every version.
func (r *renderer) operations() {
	waits := []time.Duration{500 * time.Millisecond, time.Second, 64 * time.Second, 122 * time.Second}
	for n := 0; n < 6*len(operations); n++ {
		op, pod, wait := operations[n%len(operations)], r.pod(), waits[n%len(waits)]
		message := r.hostile()
		volume, unique := "archive", "kubernetes.io/nfs/"+pod.UID+"-archive"
		who := fmt.Sprintf("pod %q (UID: %q)", pod.Name, pod.UID)
		truth := Pod{Name: pod.Name, UID: pod.UID}
		device := strings.HasPrefix(op.name, "Attach") || op.name == "UnmountDevice"
		switch {
		case device:
			who, truth = fmt.Sprintf("on node %q", "worker-07"), Pod{}
		case op.step == "UnmountVolume":
			who, truth = fmt.Sprintf("pod %q (UID: %q)", pod.UID, pod.UID), Pod{UID: pod.UID}
		}
		detail := fmt.Sprintf("%s failed for volume %q (UniqueName: %q) %s : %s", op.name, volume, unique, who, message)
		quoted := r.Minors.Last <= 20 || r.Minors.First <= 21 && n%2 == 0
		if quoted {
			detail = fmt.Sprintf("%q", detail)
		}
		at := time.Date(2031, 3, 17, 10, 4, 9, 412305570, time.FixedZone("CEST", 7200))
		c := r.begin(0, "printf", "Error", "E")
		c.Message = fmt.Sprintf("Operation for %q failed. No retries permitted until %v (durationBeforeRetry %v). Error: %s",
			operationKey(r.Minors, n, unique, truth.UID), fmt.Sprint(at)+" m=+5124.770215661", wait, detail)
		c.Volume, c.Backoff = volume, wait.Seconds()
		if truth.UID != "" {
			c.Pod = &truth
		}
		f := Failure{Step: op.step, Message: message}
		if op.reason != "" {
			f.Reason = &op.reason
		}
		if c.Pod != nil { // without one it is the device that failed, not a pod's sync
			c.Failures = []Failure{f}
		}
		r.Klog.Error("%s", c.Message)
		r.end(c)
	}
}

func operationKey(minors Minors, n int, unique, uid string) string {
	if minors.Last <= 18 && n%2 == 0 {
		if uid == "" {
			return fmt.Sprintf("%q", unique)
		}
		return fmt.Sprintf("%q (%q)", unique, uid)
	}
	return fmt.Sprintf("{volumeName:%s podName:%s nodeName:}", unique, uid)
}
