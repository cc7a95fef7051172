package docker

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/executor/async"
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

// The engine does not know the container any more. What this process has read of its output is
// a result only if it is all of it.
func TestOutputOfAContainerThatWasRemoved(t *testing.T) {
	engine := httptest.NewServer(nil) // 404 to every request
	t.Cleanup(engine.Close)
	for name, c := range map[string]struct {
		watched *watched
		result  string
		log     string
		want    string // in the error; "" for none
	}{
		"not seen":       {nil, "", "", "does not exist any more"},
		"complete":       {&watched{exit: new(0), read: true}, "half", "log", ""},
		"cut":            {&watched{exit: new(0)}, "", "log", "before its output was read"},
		"engine was cut": {&watched{broken: true}, "", "log", "before its output was read"},
		"being read":     {&watched{}, "", "", "is not read yet"},
	} {
		x, _, err := newExecutor(Config{Pool: "media", Image: "image", Host: strings.Replace(engine.URL, "http", "tcp", 1)})
		if err != nil {
			t.Fatal(err)
		}
		if c.watched != nil {
			c.watched.out, c.watched.cancel = newOutput(&x.cfg, task.TruncateLargeResult), func() {}
			_, err1 := stdoutOf{c.watched.out}.Write([]byte("half"))
			_, err2 := stderrOf{c.watched.out}.Write([]byte("log"))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			x.watched["id"] = c.watched
		}
		got, err := x.Output(t.Context(), async.Job{Name: "job", Ref: "engine/id"})
		if string(got.Result) != c.result || string(got.Log) != c.log || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, log %q, %v", name, got.Result, got.Log, err)
		}
	}
}
