package integration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The moments that are recorded, of an attempt or of a process.
const (
	enter      = "enter"
	exit       = "exit"
	terminated = "terminated" // the process got SIGTERM
	vitals     = "vitals"     // the process was asked for its vitals
)

// record is one line that a handler in another process wrote. It outlives the
// process, however that ends.
type record struct {
	What    string
	PID     int
	At      int64 // ns since 1970: all processes share one clock
	Task    string
	Group   string
	Attempt int64
	Fence   int64
	Replica string
	Cause   string // on exit: the cause of the context's end, "" if it had not ended

	Goroutines int    `json:",omitempty"` // vitals
	Heap       uint64 `json:",omitempty"` // vitals: bytes in use
}

type recorder struct{ file *os.File }

func openRecorder(path string) (*recorder, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &recorder{f}, err
}

func (r *recorder) write(what string, t *task.Task, cause error) {
	line := record{What: what, Task: t.ID, Group: t.Group, Attempt: t.Attempt, Fence: t.Fence, Replica: t.Replica}
	if cause != nil {
		line.Cause = cause.Error()
	}
	r.append(line)
}

// append writes a line with this process and the current time.
func (r *recorder) append(line record) {
	line.PID, line.At = os.Getpid(), time.Now().UnixNano()
	b, err := json.Marshal(line)
	if err == nil {
		_, err = r.file.Write(append(b, '\n')) // one call, so that lines stay whole
	}
	if err != nil {
		panic(err)
	}
}

// records are the lines that have been read from a file.
type records struct {
	mu   sync.Mutex
	path string
	read int64 // bytes
	all  []record
}

// recorded returns the records so far, by time.
func (f *fleet) recorded() []record {
	f.t.Helper()
	r := &f.records
	r.mu.Lock()
	defer r.mu.Unlock()
	file, err := os.Open(r.path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.NewSectionReader(file, r.read, math.MaxInt64-r.read))
	if err != nil {
		f.t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // the process is still writing it
		}
		var one record
		if err := json.Unmarshal(line, &one); err != nil {
			f.t.Fatalf("record %q: %v", line, err)
		}
		r.read += int64(len(line))
		r.all = append(r.all, one)
	}
	slices.SortStableFunc(r.all, func(a, b record) int { return int(a.At - b.At) })
	return slices.Clone(r.all)
}

// run is one handler from its entry to its exit. If its process died in
// between, the exit is when the process was gone. to is 0 if neither is known.
type run struct {
	record
	to int64 // ns since 1970
}

// runs pairs the records. The handlers of a killed process end when the process
// was gone.
func runs(records []record, deaths map[int]time.Time) []run {
	type key struct {
		pid     int
		task    string
		attempt int64
	}
	var all []run
	open := map[key]int{}
	for _, r := range records {
		k := key{r.PID, r.Task, r.Attempt}
		switch r.What {
		case enter:
			open[k] = len(all)
			all = append(all, run{record: r})
		case exit:
			if i, ok := open[k]; ok {
				all[i].to = r.At
				delete(open, k)
			}
		}
	}
	for _, i := range open {
		if d, dead := deaths[all[i].PID]; dead {
			all[i].to = d.UnixNano()
		}
	}
	return all
}

// level is how many handlers ran from a moment on.
type level struct {
	at int64 // ns since 1970
	n  int
}

// levels returns the number of handlers over time.
func levels(all []run) []level {
	changes := make([]level, 0, 2*len(all))
	for _, r := range all {
		changes = append(changes, level{r.At, 1})
		if r.to != 0 {
			changes = append(changes, level{r.to, -1})
		}
	}
	// At the same instant ends come before begins: an end makes room for a
	// begin.
	slices.SortFunc(changes, func(a, b level) int { return cmp.Or(cmp.Compare(a.at, b.at), a.n-b.n) })
	n := 0
	for i := range changes {
		n += changes[i].n
		changes[i].n = n
	}
	return changes
}

// overlap returns the most handlers that ran at once according to the records,
// and for how long that many ran.
func overlap(records []record, deaths map[int]time.Time) (top int, at time.Duration) {
	course := levels(runs(records, deaths))
	held := map[int]time.Duration{}
	for i, l := range course {
		top = max(top, l.n)
		if i+1 < len(course) {
			held[l.n] += time.Duration(course[i+1].at - l.at)
		}
	}
	return top, held[top]
}
