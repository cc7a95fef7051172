package failures

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// Errors that differ only in numbers and ids have one cause. Words with a digit stay apart.
func TestErrorsThatDifferInNumbersAndIDsHaveOneCause(t *testing.T) {
	of := func(text string) string {
		return Cause(&task.Task{Spec: task.Spec{Kind: "k"}, Code: task.CodeError, Error: text})
	}
	for _, same := range [][2]string{
		{"dial tcp 10.0.0.7:4321: refused", "dial tcp 10.0.12.9:80: refused"},
		{"order ORD-3f9a1c2b, request 6f1c2a9e-12ab-44f0-9d3e-aabbccddeeff", "order ORD-90bd77aa, request abcdefab-cdef-4bcd-8ef0-0123456789ab"},
		{"write /spool/3fa91c-2026-11-02.csv.tmp: full", "write /spool/900bcd-2026-11-28.csv.tmp: full"},
		{"hash deadbeefcafe", "hash 0123456789ab"},
		{"after 10.123s", "after 9.8s"},
		{"task 01ARZ3NDEKTSV4RRFFQ69G5FAV", "task 01BX5ZZKBKACTAV9WEVGEMMVS0"},
	} {
		if of(same[0]) != of(same[1]) {
			t.Errorf("%q and %q have two causes: %q and %q", same[0], same[1], common(same[0]), common(same[1]))
		}
	}
	for _, other := range [][2]string{
		{"s3: access denied", "ec2: access denied"},
		{"postgres14: refused", "rabbitmq3: refused"},
		{"ERR-1001-timeout", "ERR-2002-refused"},
		{"cannot open the database", "cannot open the archive"},
		{"field amount", "field currency"},
		{"connection refused", "connection reset"},
		{"well-known error", "well-known warning"},
	} {
		if of(other[0]) == of(other[1]) {
			t.Errorf("%q and %q have one cause: %q", other[0], other[1], common(other[0]))
		}
	}
	a, b := &task.Task{Spec: task.Spec{Kind: "a"}, Error: "x"}, &task.Task{Spec: task.Spec{Kind: "b"}, Error: "x"}
	if got := len(Groups([]*task.Task{a, b})); got != 2 {
		t.Errorf("tasks of two kinds have %d groups", got)
	}
	for want, of := range map[string]*task.Task{
		"permanent: cannot read #,# here": {Code: task.CodePermanent, Error: "cannot read \"12,50\"\n here"},
		"timeout":                         {Code: task.CodeTimeout},
		"refused":                         {Code: task.CodeError, Error: "refused"},
	} {
		if got := Cause(of); got != want {
			t.Errorf("%+v: %q, not %q", of, got, want)
		}
	}
	if got := []rune(Cause(&task.Task{Code: task.CodeError, Error: strings.Repeat("错", 1000)})); len(got) != maxCause+1 {
		t.Errorf("a long error has a cause of %d runes", len(got))
	}
}
