package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// The moments of an attempt that leave a record.
const (
	enter = "enter"
	exit  = "exit"
)

// record is one line that a handler in another process left: it outlives the
// process, however that ends.
type record struct {
	What    string
	PID     int
	At      int64 // ns since 1970: all processes share one clock
	Task    string
	Group   string
	Attempt int64
	Cause   string // on exit: why the context had ended, "" where it had not
}

type recorder struct{ file *os.File }

func openRecorder(path string) (*recorder, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &recorder{f}, err
}

func (r *recorder) write(what string, t *worker.Task, cause error) {
	line := record{What: what, PID: os.Getpid(), At: time.Now().UnixNano(), Task: t.ID, Group: t.Group, Attempt: t.Attempt}
	if cause != nil {
		line.Cause = cause.Error()
	}
	b, err := json.Marshal(line)
	if err == nil {
		_, err = r.file.Write(append(b, '\n')) // one call, so that lines stay whole
	}
	if err != nil {
		panic(err)
	}
}

// readRecords returns what has been recorded so far, by time.
func readRecords(t testing.TB, path string) []record {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []record
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // being written
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("record %q: %v", line, err)
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b record) int { return int(a.At - b.At) })
	return all
}

// overlap replays the records and returns the most handlers that ran at once and
// for how long that many did. The handlers of a killed process ended when it was
// gone.
func overlap(records []record, deaths map[int]time.Time) (top int, at time.Duration) {
	type change struct {
		at int64
		by int
	}
	type key struct {
		pid     int
		task    string
		attempt int64
	}
	var changes []change
	open := map[key]bool{}
	for _, r := range records {
		k := key{r.PID, r.Task, r.Attempt}
		if r.What == enter {
			open[k] = true
			changes = append(changes, change{r.At, 1})
		} else if open[k] {
			delete(open, k)
			changes = append(changes, change{r.At, -1})
		}
	}
	for k := range open {
		if d, dead := deaths[k.pid]; dead {
			changes = append(changes, change{d.UnixNano(), -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return int(a.at - b.at) })
	running := 0
	held := map[int]time.Duration{}
	for i, c := range changes {
		running += c.by
		top = max(top, running)
		if i+1 < len(changes) {
			held[running] += time.Duration(changes[i+1].at - c.at)
		}
	}
	return top, held[top]
}
