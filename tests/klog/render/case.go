// Package render makes the kubelet's log calls with hostile values and records what is true of each.
// Owns templates, values and truths; never klog's own rendering, which is the caller's Klog.
package render

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Klog is one version of klog. Every method logs one call from the place that Callers names for it.
type Klog interface {
	Info(format string, args ...any)
	Warning(format string, args ...any)
	Error(format string, args ...any)
	InfoS(message string, pairs ...any)
	ErrorS(err error, message string, pairs ...any)
	// Unhandled is utilruntime.HandleError of 1.31 and later.
	Unhandled(err error)
	// Pod and Pods are klog.KObj and the lists that this version knows.
	Pod(pod Pod) any
	Pods(pods []Pod) any
	// Set puts the header's process id and time.
	Set(pid int, now time.Time)
}

// Caller is what the header says of the place of a call.
type Caller struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Callers by method of Klog; each version's main.go says the same in its line directives.
var Callers = map[string]Caller{
	"Info":      {"kubelet.go", 2457},
	"Warning":   {"status_manager.go", 1},
	"Error":     {"nestedpendingoperations.go", 352},
	"InfoS":     {"util_linux-amd64.go", 12},
	"ErrorS":    {"pod_workers.go", 1017},
	"Unhandled": {"kuberuntime_manager.go", 100449},
	"Fatal":     {"server.go", 77},
}

// Pod is a pod as klog.KObj wants it.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

func (p Pod) GetName() string      { return p.Name }
func (p Pod) GetNamespace() string { return p.Namespace }

// Full is the kubelet's format.Pod.
func (p Pod) Full() string { return fmt.Sprintf("%s_%s(%s)", p.Name, p.Namespace, p.UID) }

// Ref is namespace/name.
func (p Pod) Ref() string { return p.Namespace + "/" + p.Name }

// Pair is one key and what its value must decode to.
type Pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// How is "text" (decoded equal), "raw" (equal as it stands) or "block" (a trailing newline
	// cannot be told from none).
	How string `json:"how"`
}

// Failure is one item of a sync error.
type Failure struct {
	Step    string  `json:"step"`
	Target  *string `json:"target"`
	Reason  *string `json:"reason"`
	Message string  `json:"message"`
}

// Case is one rendered line and its truth.
type Case struct {
	Row       int       `json:"row"`
	Kind      string    `json:"kind"`
	Bytes     string    `json:"bytes"`
	Severity  string    `json:"severity"`
	Stamp     string    `json:"stamp"`
	Pid       int       `json:"pid"`
	Caller    Caller    `json:"caller"`
	Message   string    `json:"message"`
	Ambiguous bool      `json:"ambiguous,omitempty"`
	Pairs     []Pair    `json:"pairs,omitempty"`
	Pod       *Pod      `json:"pod,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Failures  []Failure `json:"failures,omitempty"`
	Volume    string    `json:"volume,omitempty"`
	Backoff   float64   `json:"backoff,omitempty"`
}

// Minors that one klog version stands for.
type Minors struct{ First, Last int }

// Era is what depends on the klog version.
type Era struct {
	Klog       Klog
	Minors     Minors
	Structured bool // knows InfoS and ErrorS
	NilIsInfo  bool // ErrorS(nil, …) prints I
	Blocks     bool // values with newlines become blocks
	JSON       bool // values without a text of their own are JSON
	Unique     bool // duplicate keys are dropped, the last stays
}

// renderer writes cases for one era.
type renderer struct {
	Era
	out    *json.Encoder
	log    *os.File
	count  int
	values int
	long   int
	// syncRow is the row of the printf sync error, where this era has it.
	syncRow int
}

// Fatal tells the process that logs one fatal line which; it is not set in the one that renders.
func Fatal() (message string, header int, is bool) {
	message, is = os.LookupEnv("RENDER_FATAL")
	header, _ = strconv.Atoi(os.Getenv("RENDER_AT"))
	return message, header, is
}

// Run renders every row of the table at path, and the cases beside it, to out.
func Run(era Era, table string, out io.Writer) error {
	rows, err := readRows(table)
	if err != nil {
		return err
	}
	log, err := os.CreateTemp("", "klog")
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	os.Stderr = log
	buffered := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	r := &renderer{Era: era, out: encoder, log: log}
	for _, row := range rows {
		if row.first > era.Minors.Last || row.last < era.Minors.First {
			continue
		}
		r.row(row)
	}
	r.syncErrors()
	r.operations()
	r.oddCalls()
	return buffered.Flush()
}

// Header is the process id and time of the nth case.
func Header(n int) (int, time.Time) {
	pid := []int{7, 2148, 1234567, 4194304, 482130}[n%5]
	micros := n * 104729 % 1000000
	return pid, time.Date(2031, time.Month(n%12+1), n%28+1, n%24, n*7%60, n*13%60, micros*1000, time.UTC)
}

// begin sets header and truth of the next call.
func (r *renderer) begin(row int, kind, method, severity string) *Case {
	r.count++
	pid, at := Header(r.count)
	r.Klog.Set(pid, at)
	return &Case{
		Row: row, Kind: kind, Severity: severity, Pid: pid,
		Stamp: at.Format("01-02T15:04:05.000000"), Caller: Callers[method],
	}
}

// end reads what klog wrote and writes the case.
func (r *renderer) end(c *Case) {
	bytes, err := os.ReadFile(r.log.Name())
	if err != nil || len(bytes) == 0 {
		panic(fmt.Sprintf("nothing logged for row %d: %v", c.Row, err))
	}
	if err := r.log.Truncate(0); err != nil {
		panic(err)
	}
	if _, err := r.log.Seek(0, io.SeekStart); err != nil {
		panic(err)
	}
	c.Bytes = string(bytes)
	r.write(c)
}

func (r *renderer) write(c *Case) {
	if c.Kind != "structured" { // klog adds a newline only where none is
		c.Message = strings.TrimSuffix(c.Message, "\n")
	}
	if err := r.out.Encode(c); err != nil {
		panic(err)
	}
}
