// Renders the cases with klog 1.0.0.
package main

import (
	"fmt"
	"os"
	"time"
	_ "unsafe" // for the header's clock and process id

	klog "k8s.io/klog"

	"podwhy/tests/klog/render"
)

//go:linkname clock k8s.io/klog.timeNow
var clock func() time.Time

//go:linkname pid k8s.io/klog.pid
var pid int

type version struct{}

func (version) Set(id int, now time.Time) {
	pid = id
	clock = func() time.Time { return now }
}

func (version) Info(format string, args ...any) {
//line kubelet.go:2457
	klog.Infof(format, args...)
}

func (version) Warning(format string, args ...any) {
//line status_manager.go:1
	klog.Warningf(format, args...)
}

func (version) Error(format string, args ...any) {
//line nestedpendingoperations.go:352
	klog.Errorf(format, args...)
}

// This version has no structured calls.
func (version) InfoS(string, ...any)         { panic("no structured calls") }
func (version) ErrorS(error, string, ...any) { panic("no structured calls") }
func (version) Pod(pod render.Pod) any       { return pod.Full() }

func (version) Unhandled(error) { panic("HandleError is printf") }

func (version) Pods(pods []render.Pod) any {
	refs := []string{}
	for _, pod := range pods {
		refs = append(refs, pod.Ref())
	}
	return refs
}

func main() {
	if message, header, is := render.Fatal(); is {
		version{}.Set(render.Header(header))
//line server.go:77
		klog.Exitf("%s", message)
	}
	era := render.Era{Klog: version{}, Minors: render.Minors{First: 15, Last: 18}}
	if err := render.Run(era, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
}
