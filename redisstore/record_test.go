package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

// record builds the record of a waiting task. tail is kind, queue and words.
func record(tail, payload string) string {
	return fmt.Sprintf("w0 %013d %016d %s\n%s", 1_700_000_000_000, 127*int64(scoreRange)+5, tail, payload)
}

func TestTaskDecodesFromWhatASpecWrites(t *testing.T) {
	keep, hour := task.Forever, time.Hour
	for _, s := range []task.Spec{
		{}, {Timeout: task.Forever, Retain: &keep}, {Queue: "q", Group: "g", Unique: "u", Timeout: time.Second, MaxAttempts: 4,
			Backoff: task.Backoff{Fixed: true, Base: time.Second}, Headers: map[string]string{"a b": "\"\n€  "}, Retain: &hour, Reply: true},
	} {
		sh := shapeOf(&s)
		queue := sh.queue
		if queue == task.DefaultQueue {
			queue = noQueue
		}
		tail := strings.TrimSuffix("k "+queue+" "+sh.words, " ")
		if n := strings.Count(tail, " "); strings.Contains(tail, "\n") || n != 1+strings.Count(tail, "=") {
			t.Errorf("the header %q cannot be split into words", tail)
		}
		task := decodeTask("x", record(tail, "p\n q"), "", nil)
		if task.Broken != nil {
			t.Fatal(task.Broken)
		}
		s.ID, s.Kind, s.Queue, s.Payload = "x", "k", sh.queue, []byte("p\n q")
		if d := cmp.Diff(s, task.Spec); d != "" {
			t.Errorf("(-written +read):\n%s", d)
		}
	}
}

func TestUniqueKeyThatIsNoNameIsStoredAsAHash(t *testing.T) {
	sh := shapeOf(&task.Spec{Kind: "k", Unique: "a key\nof two lines"})
	if !strings.HasPrefix(sh.unique, "#") || sh.words != "unique="+sh.unique {
		t.Errorf("stored as %q, words %q", sh.unique, sh.words)
	}
}

func TestStateAndVersionOfARecord(t *testing.T) {
	const run = "7000 3 9 1700000001000 0 k r1                                                  "
	for _, c := range []struct {
		letter string
		run    string
		extras []string
		want   task.Task
	}{
		{"w", "", nil, task.Task{State: task.Waiting, Version: 1}},
		{"p", "", nil, task.Task{State: task.Waiting, Version: 2}},
		{"s", "", nil, task.Task{State: task.Scheduled, Version: 1}},
		{"w", run, nil, task.Task{State: task.Running, Version: 9, Attempt: 3, Fence: 7000, Replica: "r1",
			StartedAt: time.UnixMilli(1700000001000)}},
		{"p", run, []string{"v", "5", "attempt", "2", "replica", "r0", "fence", "6", "failures", "2", "progress", "half"},
			task.Task{State: task.Running, Version: 9, Attempt: 3, Fence: 7000, Replica: "r1", Failures: 2, Progress: []byte("half"),
				StartedAt: time.UnixMilli(1700000001000)}},
		{"s", "", []string{"v", "5", "attempt", "2", "lost", "1", "generation", "1", "due_at", "9", "error", "e", "code", "error", "future", "x"},
			task.Task{State: task.Scheduled, Version: 5, Attempt: 2, Lost: 1, Generation: 1, DueAt: time.UnixMilli(9), Error: "e", Code: "error"}},
		{"S", "", []string{"v", "3", "result", "r", "ended_at", "8"},
			task.Task{State: task.Succeeded, Version: 3, Result: []byte("r"), EndedAt: time.UnixMilli(8)}},
		{"X", "", []string{"error", "enough"}, task.Task{State: task.Stopped, Version: 1, Error: "enough", StopWhy: "enough"}},
		{"F", "", nil, task.Task{State: task.Failed, Version: 1}},
		{"E", "", nil, task.Task{State: task.Expired, Version: 1}},
	} {
		got := decodeTask("x", c.letter+record("k -", "")[1:], c.run, c.extras)
		c.want.ID, c.want.Kind, c.want.Queue, c.want.Payload, c.want.CreatedAt = "x", "k", "default", []byte{}, time.UnixMilli(1_700_000_000_000)
		if d := cmp.Diff(c.want, *got, cmpopts.IgnoreUnexported(task.Task{})); d != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.letter, c.extras, d)
		}
	}
}

func TestPriorityIsInTheScore(t *testing.T) {
	for _, priority := range []int64{127, 1, 0, -1, -128} {
		rec := fmt.Sprintf("w0 %013d %016d k -\n", 1, (127-priority)*scoreRange+scoreRange-1)
		if task := decodeTask("x", rec, "", nil); task.Broken != nil || int64(task.Priority) != priority {
			t.Errorf("priority %d, want %d; broken %v", task.Priority, priority, task.Broken)
		}
	}
}

func TestBrokenPartsAreReportedAndTheOthersRead(t *testing.T) {
	for _, c := range []struct{ word, run, field, value, names string }{
		{"max_attempts=many", "", "", "", "max_attempts"}, {"backoff=linear:5", "", "", "", "backoff"}, {"headers=[", "", "", "", "headers"},
		{"timeout_ms=9223372036854775807", "", "", "", "timeout_ms"}, {"retain_ms=for", "", "", "", "retain_ms"}, {"due_at=1e3", "", "", "", "due_at"},
		{"", "1", "", "", "run"}, {"", "x 1 2 1 0 k r", "", "", "run"}, {"", "1 1 2 now 0 k r", "", "", "run"},
		{"", "", "attempt", "-1", "attempt"}, {"", "", "v", "x", "v"}, {"", "", "ended_at", "", "ended_at"},
	} {
		tail := "k q group=g"
		if c.word != "" {
			tail += " " + c.word
		}
		var extras []string
		if c.field != "" {
			extras = []string{c.field, c.value}
		}
		task := decodeTask("x", record(tail, "p"), c.run, append(extras, "failures", "7"))
		if task.Kind != "k" || task.Group != "g" || task.Failures != 7 || string(task.Payload) != "p" {
			t.Errorf("%+v: %+v", c, task)
		}
		if task.Broken == nil || !strings.Contains(task.Broken.Error(), "task x: field "+c.names) {
			t.Errorf("%+v: broken %v", c, task.Broken)
		}
	}
}

func TestBrokenHeaderIsReported(t *testing.T) {
	good := record("k q", "p")
	for _, rec := range []string{
		"", "w", good[:34], good[:35], "?" + good[1:], "w0_" + good[3:], good[:10] + "x" + good[11:], strings.Replace(good, "k q", "k", 1),
	} {
		if task := decodeTask("x", rec, "", nil); task.Broken == nil || !strings.Contains(task.Broken.Error(), "header") {
			t.Errorf("%q: broken %v", rec, task.Broken)
		}
	}
}
