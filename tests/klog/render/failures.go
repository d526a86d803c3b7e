package render

import (
	"errors"
	"fmt"
	"strings"
)

const (
	sandbox   = "c03b7a91e5d24f68b1a0937ce46d52f8917b3e0ac5d84f2619e7b05d3c8a64f1"
	syncError = "Error syncing pod, skipping"
)

func text(s string) *string { return &s }

// steps and the reasons that the kubelet prints with them.
var steps = []struct{ step, reason string }{
	{"StartContainer", "CrashLoopBackOff"}, {"StartContainer", "RunContainerError"},
	{"StartContainer", "CreateContainerConfigError"}, {"StartContainer", "PreCreateHookError"},
	{"StartContainer", "CreateContainerError"}, {"StartContainer", "PreStartHookError"},
	{"StartContainer", "PostStartHookError"}, {"StartContainer", "ErrImagePull"},
	{"StartContainer", "ImagePullBackOff"}, {"StartContainer", "ErrImageNeverPull"},
	{"StartContainer", "InvalidImageName"}, {"StartContainer", "ImageInspectError"},
	{"StartContainer", "RegistryUnavailable"}, {"StartContainer", "SignatureValidationFailed"},
	{"StartContainer", "ImageVolumeMountFailed"}, {"StartContainer", "RROUnsupported"},
	{"KillContainer", "KillContainerError"}, {"RemoveContainer", "RemoveContainerError"},
	{"CreatePodSandbox", "CreatePodSandboxError"}, {"ConfigPodSandbox", "ConfigPodSandboxError"},
	{"KillPodSandbox", "KillPodSandboxError"}, {"ResizePodInPlace", "ResizePodInPlaceError"},
	{"CreatePodSandbox", `failed to get sandbox runtime: no runtime for "gvisor" is configured`},
	{"StartContainer", "some free, text: with [brackets] and commas"},
	{"FutureStep", "FutureReason"},
}

// result is one BuildContainerResult as sync_result.go words it.
func (r *renderer) result(pod Pod) Failure {
	r.values++
	s := steps[r.values%len(steps)]
	target := "cart-api"
	switch s.step {
	case "CreatePodSandbox", "ResizePodInPlace":
		target = pod.Full()
	case "KillPodSandbox":
		target = pod.UID
	case "ConfigPodSandbox":
		target = sandbox
	}
	message := r.hostile()
	if strings.HasPrefix(s.reason, "failed to get") {
		message = ""
	}
	return Failure{s.step, text(target), text(s.reason), message}
}

func (f Failure) Error() string {
	return fmt.Sprintf("failed to %q for %q with %s: %q", f.Step, *f.Target, *f.Reason, f.Message)
}

// aggregate is utilerrors.NewAggregate(…).Error().
func aggregate(failures []Failure) string {
	var texts []string
	for _, f := range failures {
		texts = append(texts, f.Error())
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// syncErrors renders every step, reason and hostile message, alone and in aggregates.
func (r *renderer) syncErrors() {
	for n := 0; n < 160; n++ {
		pod := r.pod()
		var failures []Failure
		seen := map[string]bool{}
		for want := []int{1, 1, 2, 3, 1, 5}[n%6]; len(failures) < want; {
			f := r.result(pod)
			if !seen[f.Error()] {
				seen[f.Error()] = true
				failures = append(failures, f)
			}
		}
		prefix := []string{"", "", "", "error killing pod: "}[n%4]
		r.syncError(pod, prefix+aggregate(failures), failures)
	}
	for _, bare := range bareErrors {
		r.syncError(r.pod(), bare.Message, []Failure{bare})
	}
}

// bareErrors carry no clause.
var bareErrors = []Failure{
	{"WaitForNetwork", nil, text("NetworkNotReady"), "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"},
	{"WaitForVolumes", nil, text("FailedMount"), "unmounted volumes=[a b], unattached volumes=[], failed to process volumes=[]: context deadline exceeded"},
	{"TerminatePod", nil, nil, "mounted volumes=[a b]: timed out waiting for the condition"},
	{"SyncPod", nil, nil, "rpc error: code = Unknown desc = \"what\" [is, this]"},
	{"SyncPod", nil, nil, "something\nnobody knows"},
}

func (r *renderer) syncError(pod Pod, message string, failures []Failure) {
	if r.Minors.Last >= 21 {
		c := r.begin(0, "structured", "ErrorS", "E")
		c.Message, c.Pod, c.Failures = syncError, &pod, failures
		c.Pairs = []Pair{r.textPair("err", message), {"pod", pod.Ref(), "text"}, r.uidPair("podUID", pod.UID)}
		r.Klog.ErrorS(errors.New(message), syncError, "pod", r.Klog.Pod(pod), "podUID", UID(pod.UID))
		r.end(c)
		return
	}
	c := r.begin(r.syncRow, "printf", "Error", "E")
	c.Message = fmt.Sprintf("Error syncing pod %s (%q), skipping: %v", pod.UID, pod.Full(), message)
	c.Pod, c.Failures = &pod, failures
	r.Klog.Error("Error syncing pod %s (%q), skipping: %v", pod.UID, pod.Full(), message)
	r.end(c)
}

// startFailed is what kuberuntime_manager.go hands to HandleError.
func (r *renderer) startFailed(template string) ([]any, *Pod, string) {
	pod := r.pod()
	reason := []string{"RunContainerError", "ErrImagePull", "CreateContainerConfigError"}[r.values%3]
	kind := []string{"container", "init container", "ephemeral container"}[r.values%3]
	message := `failed to pull and unpack image "registry.example.net/a:1": not found`
	var args []any
	switch {
	case strings.HasPrefix(template, "%v %+v"):
		dump := "&Container{Name:cart-api,Image:registry.example.net/a:1,Command:[/bin/sh],Args:[-c set -e\n\t\t\tif [ \"$A\" = '}' ]; then\n\n\techo \"x=y\" >&2\n > z\nE0317 08:42:15.306118    2148 a.go:1] \"forged\"\nfi],Env:[]EnvVar{EnvVar{Name:PASSWORD,Value:not-a-real-one,ValueFrom:nil,},},}"
		args = []any{kind, dump, pod.Full(), reason, message}
	case strings.HasPrefix(template, "%v %v"):
		args = []any{kind, "cart-api", pod.Full(), reason, message}
	case strings.HasPrefix(template, "%v"):
		return []any{kind, reason, message}, nil, reason
	default:
		return []any{reason, message}, nil, reason
	}
	return args, &pod, reason
}
