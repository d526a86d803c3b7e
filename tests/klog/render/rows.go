package render

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// row is one line of messages.tsv.
type row struct {
	number      int
	severity    string
	kind        string
	template    string
	keys        []string // variants
	first, last int
}

func readRows(path string) ([]row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []row
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 || f[3] == "" { // header; the one row whose message is no literal
			continue
		}
		template, err := strconv.Unquote(`"` + f[3] + `"`)
		if err != nil {
			// Quotes of the volume helpers and raw literals stand unescaped in the table.
			template = f[3]
		}
		first, _ := strconv.Atoi(strings.TrimPrefix(f[5], "1."))
		last, _ := strconv.Atoi(strings.TrimPrefix(f[6], "1."))
		rows = append(rows, row{i + 1, f[0], f[2], template, strings.Split(f[4], " / "), first, last})
	}
	return rows, nil
}

func (r *renderer) row(row row) {
	switch row.kind {
	case "structured":
		r.structured(row)
	case "printf":
		r.printf(row)
	case "HandleError":
		r.handleError(row)
	case "volume":
		r.volume(row)
	default:
		panic("unknown kind " + row.kind)
	}
}

func (r *renderer) structured(row row) {
	if !r.Structured {
		return
	}
	keys := strings.Fields(row.keys[r.count%len(row.keys)])
	r.call(row.number, row.severity, row.template, keys)
}

// call makes one structured call with a value for each key.
func (r *renderer) call(number int, severity, message string, keys []string) {
	var err error
	method := "InfoS"
	if severity == "E" {
		method = "ErrorS"
		if len(keys) > 0 && keys[0] == "err" {
			err = fmt.Errorf("%s", r.hostile())
			keys = keys[1:]
		} else if r.NilIsInfo {
			severity = "I"
		}
	}
	pod := r.pod()
	c := r.begin(number, "structured", method, severity)
	c.Message = message
	var args []any
	if err != nil {
		c.Pairs = append(c.Pairs, r.textPair("err", err.Error()))
	}
	seen := map[string]bool{}
	for _, key := range keys {
		if seen[key] {
			continue // what becomes of duplicates is a case of its own
		}
		seen[key] = true
		value, truth := r.value(key, pod)
		args = append(args, key, value)
		c.Pairs = append(c.Pairs, truth)
		if key == "pod" {
			c.Pod = &Pod{Namespace: pod.Namespace, Name: pod.Name}
		}
	}
	if c.Pod != nil && seen["podUID"] {
		c.Pod.UID = pod.UID
	}
	if method == "ErrorS" {
		r.Klog.ErrorS(err, message, args...)
	} else {
		r.Klog.InfoS(message, args...)
	}
	r.end(c)
}

var verb = regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z%]`)

// fill gives an argument for each verb.
func (r *renderer) fill(template string) (string, []any) {
	template = strings.ReplaceAll(template, "%w", "%v")
	template = strings.ReplaceAll(template, "%p", "%v")
	var args []any
	for _, v := range verb.FindAllString(template, -1) {
		switch v[len(v)-1] {
		case '%':
		case 'd':
			args = append(args, int64(r.values*37-4000))
		case 't':
			args = append(args, r.values%2 == 0)
		case 's', 'q':
			args = append(args, r.hostile())
		default:
			args = append(args, r.any())
		}
		r.values++
	}
	return template, args
}

func (r *renderer) printf(row row) {
	template, args := r.fill(row.template)
	if template == "Error syncing pod %s (%q), skipping: %v" {
		r.syncRow = row.number // syncErrors renders it with real errors
		return
	}
	r.text(row, template, args, row.severity)
}

// text logs one printf call.
func (r *renderer) text(row row, template string, args []any, severity string) {
	method := map[string]string{"I": "Info", "W": "Warning", "E": "Error", "F": "Fatal"}[severity]
	c := r.begin(row.number, row.kind, method, severity)
	c.Message = fmt.Sprintf(template, args...)
	c.Ambiguous = looksStructured(c.Message)
	switch severity {
	case "I":
		r.Klog.Info(template, args...)
	case "W":
		r.Klog.Warning(template, args...)
	case "E":
		r.Klog.Error(template, args...)
	case "F":
		r.fatal(c, row.number)
		return
	}
	r.end(c)
}

// fatal renders in a process of its own, because klog ends the process.
func (r *renderer) fatal(c *Case, number int) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	command := exec.Command(self, os.Args[1:]...)
	var out bytes.Buffer
	command.Stderr = &out
	command.Env = append(os.Environ(),
		"RENDER_FATAL="+c.Message, "RENDER_AT="+strconv.Itoa(r.count))
	_ = command.Run() // ends with the code of a fatal error
	if out.Len() == 0 {
		panic(fmt.Sprintf("row %d: no fatal line", number))
	}
	c.Bytes = out.String()
	r.write(c)
}

// structuredLook is a printf text that happens to have the shape of a structured message.
var structuredLook = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"(?: [^\s="]+=|\s*$)`)

func looksStructured(text string) bool { return structuredLook.MatchString(text) }

func (r *renderer) handleError(row row) {
	template, args := r.fill(row.template)
	var pod *Pod
	reason := ""
	if strings.Contains(template, "start failed") {
		args, pod, reason = r.startFailed(template)
	}
	text := fmt.Sprintf(template, args...)
	isStructured := r.JSON && row.last >= 31
	method := map[bool]string{true: "Unhandled", false: "Error"}[isStructured]
	c := r.begin(row.number, "HandleError", method, "E")
	c.Pod = pod
	if isStructured {
		c.Kind, c.Message = "structured", "Unhandled Error"
		c.Pairs = []Pair{r.textPair("err", text), {"logger", "UnhandledError", "text"}}
	} else {
		c.Message = text
		c.Ambiguous = looksStructured(text)
	}
	if pod != nil {
		c.Reason = reason
	}
	if isStructured {
		r.Klog.Unhandled(fmt.Errorf("%s", text))
	} else {
		r.Klog.Error("%v", text)
	}
	r.end(c)
}
