package task

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
)

func TestLogOfATaskWithoutAReplicaIsKeptInIt(t *testing.T) {
	tk := &Task{}
	tk.Logf("page %d of %d", 1, 2)
	tk.Logf("100%%\n")
	fmt.Fprint(tk.LogWriter(), "a\xff")
	if want := "page 1 of 2\n100%\na\uFFFD"; tk.Log != want {
		t.Errorf("%q, want %q", tk.Log, want)
	}
	tk.SetLog([]byte("other"))
	if tk.Log != "other" {
		t.Errorf("%q", tk.Log)
	}
	tk.SetLog([]byte(strings.Repeat("x", 2*DefaultLogLen)))
	if len(tk.Log) != DefaultLogLen {
		t.Errorf("%d bytes", len(tk.Log))
	}
	for _, n := range []int{3, 0, NoLog} {
		if tk.LimitLog(n); len(tk.Log) != max(n, 0) {
			t.Errorf("limit %d: %q", n, tk.Log)
		}
	}
	tk.Logf("secret")
	if tk.Log != "" {
		t.Errorf("%q", tk.Log)
	}
}

func TestLogHandlerWritesOneLinePerRecord(t *testing.T) {
	tk := &Task{}
	log := slog.New(tk.LogHandler(&slog.HandlerOptions{Level: slog.LevelWarn}))
	log.Info("dropped")
	log.With("page", 7).WithGroup("g").Warn("two\nlines", "err", io.EOF)
	line, rest, ended := strings.Cut(tk.Log, "\n")
	if !ended || rest != "" || !strings.HasSuffix(line, ` level=WARN msg="two\nlines" page=7 g.err=EOF`) {
		t.Errorf("%q", tk.Log)
	}
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		tk = &Task{}
		return tk.LogHandler(nil)
	}, func(t *testing.T) map[string]any { return parseText(tk.Log) })
}

// parseText reads the last line of a slog.TextHandler, with groups as maps.
func parseText(log string) map[string]any {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	all := map[string]any{}
	for _, part := range strings.Fields(lines[len(lines)-1]) {
		name, value, _ := strings.Cut(part, "=")
		in := all
		path := strings.Split(name, ".")
		for _, group := range path[:len(path)-1] {
			if in[group] == nil {
				in[group] = map[string]any{}
			}
			in = in[group].(map[string]any)
		}
		in[path[len(path)-1]] = value
	}
	return all
}

func TestLogIsSafeForConcurrentUseWithoutAReplica(t *testing.T) {
	tk := &Task{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { tk.Logf("line") })
	}
	wg.Wait()
	if tk.Log != strings.Repeat("line\n", 8) {
		t.Errorf("%q", tk.Log)
	}
}
