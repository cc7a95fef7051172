package docker

import (
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// The engine keeps only the end of a long output. What was read while the container ran
// is its beginning.
func TestOutputThatTheEngineHasDropped(t *testing.T) {
	cfg := &Config{MaxResult: 10, MaxLog: 100}
	read := func(text string, large task.LargeResult) *output {
		out := newOutput(cfg, large)
		if _, err := (stdoutOf{out}).Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		left, seen, want string
		large            task.LargeResult
	}{
		"dropped":        {"end", "all, end", "all, end", ""},
		"seen in part":   {"all, end", "all", "all, end", ""},
		"longer results": {"the end", "the result and the end", "the result", ""},
		"exported":       {"the end", "the result and the end", "the result and the end", task.ExportLargeResult},
	} {
		out := read(c.left, c.large)
		out.restore(read(c.seen, c.large))
		if string(out.stdout) != c.want || out.total != int64(max(len(c.left), len(c.seen))) {
			t.Errorf("%s: %q of %d bytes", name, out.stdout, out.total)
		}
	}
}
