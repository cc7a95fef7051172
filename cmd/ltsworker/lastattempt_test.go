package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestALiveTaskShowsAnEarlierErrorAsThatOfItsLastAttempt(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		state            task.State
		progress         string
		code, last, note string // lines of get, and the cell of ls
		due              bool
	}{
		{state: task.Running, last: "lost: lease ended", note: "last: lease ended"},
		{state: task.Running, progress: "half", last: "lost: lease ended", note: "half"},
		{state: task.Waiting, last: "lost: lease ended", note: "last: lease ended", due: true},
		{state: task.Scheduled, last: "lost: lease ended", note: "due", due: true},
		{state: task.Failed, code: "lost", note: "lease ended"},
	} {
		x := &task.Task{Spec: task.Spec{ID: "a"}, State: tt.state, Code: task.CodeLost, Error: "lease ended",
			DueAt: now.Add(-time.Minute), Progress: []byte(tt.progress)}
		var out strings.Builder
		if err := printTask(&out, x, now, "", "", nil, nil); err != nil {
			t.Fatal(err)
		}
		lines := map[string]string{}
		for line := range strings.Lines(out.String()) {
			name, value, _ := strings.Cut(line, "  ")
			lines[name] = strings.TrimSpace(value)
		}
		if lines["code"] != tt.code || lines["last attempt"] != tt.last || (lines["error"] != "") != (tt.code != "") || (lines["due"] != "") != tt.due {
			t.Errorf("get of a %s task:\n%s", tt.state, &out)
		}
		cells := map[string]string{}
		for _, c := range taskColumns {
			cells[c.name] = c.cell(x, now)
		}
		if cells["note"] != tt.note || (cells["due"] != "-") != tt.due {
			t.Errorf("ls of a %s task: %q", tt.state, cells)
		}
	}
}
