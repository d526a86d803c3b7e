// Renders the cases with klog 2.140.0.
package main

import (
	"fmt"
	"os"
	"time"
	_ "unsafe" // for the header's clock and process id

	klog "k8s.io/klog/v2"

	"podwhy/tests/klog/render"
)

//go:linkname clock k8s.io/klog/v2.timeNow
var clock func() time.Time

//go:linkname pid k8s.io/klog/v2/internal/buffer.Pid
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

func (version) InfoS(message string, pairs ...any) {
//line util_linux-amd64.go:12
	klog.InfoS(message, pairs...)
}

func (version) ErrorS(err error, message string, pairs ...any) {
//line pod_workers.go:1017
	klog.ErrorS(err, message, pairs...)
}

func (version) Pod(pod render.Pod) any { return klog.KObj(pod) }

func (version) Unhandled(err error) {
	logger := klog.LoggerWithName(klog.Background(), "UnhandledError")
//line kuberuntime_manager.go:100449
	logger.Error(err, "Unhandled Error")
}

func (version) Pods(pods []render.Pod) any { return klog.KObjSlice(pods) }

func main() {
	if message, header, is := render.Fatal(); is {
		version{}.Set(render.Header(header))
//line server.go:77
		klog.Exitf("%s", message)
	}
	era := render.Era{Klog: version{}, Minors: render.Minors{First: 36, Last: 36}, Structured: true, Blocks: true, JSON: true, Unique: true}
	if err := render.Run(era, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
}
