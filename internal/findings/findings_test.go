package findings

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestTextsAreFilledWithValues(t *testing.T) {
	f := New("queue_unserved", Named("queue", "a{waiting}|b"), Count("waiting", 1))
	if f.What != "no live replica serves queue a{waiting}|b, where 1 task waits" || f.Severity != task.SeverityWarning || f.Check != "queues" {
		t.Errorf("%+v", f)
	}
	for n, want := range map[int]string{0: "on replica r: x", 1: "on replica r and 1 more: x", 12: "on replica r and 12 more: x"} {
		f := New("outage", Named("replica", "r"), Count("others", n), Named("error", "x"), As(task.SeverityNote))
		if !strings.HasSuffix(f.What, want) || f.Severity != task.SeverityNote || f.Figures["others"] != float64(n) {
			t.Errorf("%d: %+v", n, f)
		}
	}
	if f := New("bad_setting", Named("id", "limit"), Named("detail", `a"b`)); f.What != `the field limit is "a\"b", which is not a value that the field can have` || f.Task != "limit" {
		t.Errorf("%+v", f)
	}
	if f := New("archive_none", Named("wait", "1h0m0s")); !strings.Contains(f.What, "1h0m0s") || !strings.Contains(f.Do, "{wait: none}") {
		t.Errorf("%+v", f)
	}
	if f := New("later", Named("id", "x"), Named("detail", "y")); f.What != "later x y" || f.Severity != task.SeverityError || f.Check != entries {
		t.Errorf("a code of another version: %+v", f)
	}
}

// Each code has a check, a severity and a text. What an operator has to act on has an advice.
func TestCodesAreComplete(t *testing.T) {
	for _, code := range Codes() {
		x, known := Of(code)
		if !known || x.Check == "" || x.Severity == "" || x.What == "" || x.Do == "" && (task.Finding{Severity: x.Severity}).Open() {
			t.Errorf("%s: %+v", code, x)
		}
	}
	if want := len(server) + len(pool) + len(damages); len(Codes()) != want {
		t.Errorf("%d codes, want %d: one is in two tables", len(Codes()), want)
	}
}
