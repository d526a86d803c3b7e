package render

import "fmt"

type panics struct{}

func (panics) String() string { panic("no text") }

// oddCalls are calls that break the rules and what klog makes of them.
func (r *renderer) oddCalls() {
	if !r.Structured {
		return
	}
	for _, message := range append(hostiles, "ends in =<", `key="`, "x err=<") {
		c := r.begin(0, "structured", "InfoS", "I")
		// A structured message is quoted, newlines and all.
		c.Message = message
		c.Ambiguous = message != "" && message[len(message)-1] == '\n'
		c.Pairs = []Pair{{"n", "1", "raw"}}
		r.Klog.InfoS(message, "n", 1)
		r.end(c)
	}
	c := r.begin(0, "structured", "InfoS", "I")
	c.Message = "a key without a value"
	c.Pairs = []Pair{{"lonely", "(MISSING)", "text"}}
	r.Klog.InfoS(c.Message, "lonely")
	r.end(c)

	c = r.begin(0, "structured", "InfoS", "I")
	c.Message = "the same key twice"
	c.Pairs = []Pair{{"a", "1", "raw"}, {"a", "2", "raw"}}
	if r.Unique {
		c.Pairs = c.Pairs[1:]
	}
	r.Klog.InfoS(c.Message, "a", 1, "a", 2)
	r.end(c)

	if r.Blocks { // earlier versions let the panic through or print it in Go's own words
		c = r.begin(0, "structured", "InfoS", "I")
		c.Message = "a panicking value"
		c.Pairs = []Pair{{"v", "<panic: no text>", "text"}, {"after", "still here", "text"}}
		r.Klog.InfoS(c.Message, "v", panics{}, "after", "still here")
		r.end(c)
	}
	for i, text := range hostiles {
		c = r.begin(0, "structured", "ErrorS", "E")
		c.Message = fmt.Sprintf("block %d in the middle", i)
		c.Pairs = []Pair{r.textPair("err", text), r.textPair("dashed-key", text), {"colon:", "3", "raw"}, r.textPair("last", text)}
		r.Klog.ErrorS(fmt.Errorf("%s", text), c.Message, "dashed-key", text, "colon:", 3, "last", text)
		r.end(c)
	}
}
