package console

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestQueries(t *testing.T) {
	for text, want := range map[string]query{
		"":                           {},
		"state:failed kind:a kind:b": {State: task.Failed, Kinds: []string{"a", "b"}},
		`error:"Disk full" queue:q`:  {Error: []string{"disk full"}, Queues: []string{"q"}},
		"0356KAB":                    {IDs: []string{"0356KAB"}},
		"a:b/3":                      {},
		"id:a:b/3":                   {IDs: []string{"a:b/3"}},
		"age:>1h age:<3d":            {Older: time.Hour, Newer: 72 * time.Hour},
		"age:>1d12h age:<2.5d":       {Older: 36 * time.Hour, Newer: 60 * time.Hour},
		"label:zone=eu label:gpu":    {Labels: []string{"zone=eu", "gpu"}},
		"order:reverse":              {Reverse: true},
		"hold:true parent:p unique:u group:g payload:X": {Hold: true, Parent: "p", Unique: "u", Groups: []string{"g"}, Data: []string{"x"}},
	} {
		got, err := parseQuery(text)
		if text == "a:b/3" {
			if err == nil {
				t.Errorf("%q is accepted", text)
			}
			continue
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got)\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"state:broken", "age:1h", "age:>x", "age:>-1h", "hold:no", "order:time", "kinds:a"} {
		if got, err := parseQuery(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestQueriesSelectTasks(t *testing.T) {
	now := time.Now()
	a := &task.Task{State: task.Failed, Error: "Disk full on sda", CreatedAt: now.Add(-2 * time.Hour), Result: []byte("done"),
		Spec: task.Spec{Kind: "k", Queue: "q", Group: "g", Labels: []string{"x", "y"}, Payload: []byte(`{"Customer":7}`)}}
	for text, want := range map[string]bool{
		"error:disk": true, "error:disk error:sda": true, "error:disk error:sdb": false, "payload:customer": true, "payload:done": true,
		"label:x": true, "label:x label:z": false, "age:>1h": true, "age:<1h": false, "group:g": true, "group:h": false, "state:waiting": false,
	} {
		q, err := parseQuery(text)
		if got := q.matches(a, now); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
