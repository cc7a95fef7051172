package redisstore

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

func TestFindingsUseTheSingular(t *testing.T) {
	var got []string
	add := func(code string, values ...findings.Value) { got = append(got, findings.New(code, values...).What) }
	refusing := make([]task.ReplicaInfo, maxRefusals+1)
	for i := range refusing {
		refusing[i] = task.ReplicaInfo{ID: fmt.Sprint("r", i), Refuses: "no memory"}
	}
	inspectRefusals(refusing, 0, add)
	last := got[len(got)-1]
	got = nil
	inspectDisabled([]task.ReplicaInfo{{ID: "e", Disabled: []string{"cut"}}}, add)
	w := &inspection{checked: 1, broken: 1, slow: 1, report: func(f task.Finding) bool { got = append(got, f.What); return true }}
	w.summarize()
	w.reportSlow()
	want := []string{"1 more replica takes no tasks", "the handler for kind cut is disabled in the only live replica, e", "1 key or index entry, of which 1 is broken or was", "1 running task is past its soft timeout"}
	if diff := cmp.Diff(want, append([]string{last}, got...)); diff != "" {
		t.Error(diff)
	}
}
