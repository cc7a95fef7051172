//go:build unix

package command

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestLinesOfTheStandardErrorSetProgress(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", maxMessage)
	for _, tt := range []struct{ name, in, log, progress string }{
		{"one line", "::progress 0.4 cutting\n", "", `{"done":0.4,"message":"cutting"}`},
		{"among others", "one\n::progress 0.1\ntwo\n::progress 0.25 half of half\nthree", "one\ntwo\nthree", `{"done":0.25,"message":"half of half"}`},
		{"no message", "::progress 1\n", "", `{"done":1}`},
		{"no newline", "::progress 0", "", `{"done":0}`},
		{"a carriage return", "::progress 0.5 x\r\n", "", `{"done":0.5,"message":"x"}`},
		{"several spaces", "::progress   0.5   a  b \n", "", `{"done":0.5,"message":"a  b"}`},
		{"odd bytes", "::progress 5e-1 \"\x1b[31m\\\xff\n", "", `{"done":0.5,"message":"\"[31m\\` + "\uFFFD" + `"}`},
		{"long message", "::progress 0.5 " + long + "\n", "", `{"done":0.5,"message":"` + strings.Repeat("é", maxMessage/2) + `…"}`},
		{"no number", "::progress\n::progress \n::progress x\n::progress NaN\n", "::progress\n::progress \n::progress x\n::progress NaN\n", ""},
		{"out of range", "::progress 40\n::progress -0.1 x\n::progress Inf\n", "::progress 40\n::progress -0.1 x\n::progress Inf\n", ""},
		{"not the beginning", " ::progress 0.4\nx ::progress 0.4\n::progressing 1\n", " ::progress 0.4\nx ::progress 0.4\n::progressing 1\n", ""},
		{"a beginning only", "::pro", "::pro", ""},
		{"a long line", "::progress 0.4 " + strings.Repeat("x", 2*maxProgressLine) + "\n", "::progress 0.4 " + strings.Repeat("x", 2*maxProgressLine) + "\n", ""},
		{"empty lines", "\n\n::progress 0.4\n\n", "\n\n\n", `{"done":0.4}`},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			tk := newTask("")
			tk.LimitLog(task.MaxLogLen)
			s := newStderr(tk)
			for in := tt.in; in != ""; {
				n := min(size, len(in))
				if got, err := s.Write([]byte(in[:n])); got != n || err != nil {
					t.Fatalf("%d, %v", got, err)
				}
				in = in[n:]
			}
			s.close()
			if tk.Log != tt.log || string(tk.Progress) != tt.progress {
				t.Errorf("%s, %d bytes at once: log %.200q, progress %.200q; want %.200q, %.200q", tt.name, size, tk.Log, tk.Progress, tt.log, tt.progress)
			}
		}
	}
}

func TestBeginningOfALineIsInTheLogAtOnce(t *testing.T) {
	t.Parallel()
	tk := newTask("")
	s := newStderr(tk)
	for _, step := range []struct{ write, log string }{
		{"loading", "loading"}, {" 50%\r", "loading 50%\r"}, {"done\n", "loading 50%\rdone\n"}, {"::x", "loading 50%\rdone\n::x"},
	} {
		if _, _ = s.Write([]byte(step.write)); tk.Log != step.log {
			t.Errorf("after %q the log is %q", step.write, tk.Log)
		}
	}
}

func TestCommandSetsProgressAndLog(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"0", "1", "65", "75"} {
		a := runScript(t, "echo one >&2; echo '::progress 0.5 half' >&2; echo two >&2; exit "+status, "")
		if string(a.log) != "one\ntwo\n" || a.progress != `{"done":0.5,"message":"half"}` || (a.err == nil) != (status == "0") {
			t.Errorf("exit %s: %q, %q, %v", status, a.log, a.progress, a.err)
		}
		if a.err != nil && strings.Contains(a.err.Error(), "progress") {
			t.Error(a.err)
		}
	}
}

func TestCommandWithoutALogKeepsNothingOfItsStandardError(t *testing.T) {
	t.Parallel()
	cfg := shell("echo secret >&2; echo '::progress 0.5' >&2; exit 3")
	cfg.MaxLog = task.NoLog
	a := runConfig(t, cfg, "")
	if len(a.log) > 0 || a.err == nil || a.err.Error() != "command ended with exit status 3" || a.progress != `{"done":0.5}` {
		t.Errorf("%q, %q, %v", a.log, a.progress, a.err)
	}
}
