package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestDoctorShowsArchivesToEveryone(t *testing.T) {
	s := newSite(t, miniClient(t))
	s.enqueue(t, task.Spec{ID: "x", Delay: time.Hour})
	last, err := s.store.LastEvent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := s.now(t)
	// write writes the description of an archive that is at the cursor and was silent for so long.
	write := func(cursor string, silent time.Duration, more string) {
		s.rdb.HSet(t.Context(), s.prefix+"archives", "id", fmt.Sprintf(`{"place":"tasks.db","host":"h","pid":7,"cursor":%q,"seen_at":%d%s}`,
			cursor, now.Add(-silent).UnixMilli(), more))
	}
	wait := func(d time.Duration) func() { return func() { s.waitForArchive(t, d) } }
	const waits = "ok: ended tasks are kept until an archive has them, for at most 1h0m0s"
	outage := fmt.Sprintf(`,"outage":{"of":"the database","since":%d,"error":"connection refused"}`, now.UnixMilli())
	for _, c := range []struct {
		do   func()
		want []string // prefixes of the findings
	}{
		{func() {}, nil},
		{wait(time.Hour), []string{"warning: ended tasks are kept for 1h0m0s until an archive has them, and no archiver runs"}},
		{func() { write(last, 0, "") }, []string{"ok: tasks.db: has all events", waits}},
		{func() { write("0", 0, "") }, []string{"ok: tasks.db: follows the pool, ", waits}},
		{func() { write(last, 2*time.Minute, "") }, []string{"warning: tasks.db: its archiver (process 7 on h) stopped 2m", waits}},
		{func() { write(last, 2*time.Minute, `,"once":true`) }, []string{"ok: tasks.db: has all events", waits}},
		{func() { write(last, 0, outage) }, []string{"warning: tasks.db: its archiver (process 7 on h) cannot use the database since ", waits}},
		{func() { write("none", 0, "") }, []string{"ok: tasks.db: ", waits}},
		{func() { write("0", 0, ""); wait(time.Millisecond)() },
			[]string{"ok: tasks.db: follows the pool, ", "warning: ended tasks are removed after 1ms although no archive has them"}},
		{func() {
			wait(task.NoWait)()
			write("1-0", 0, "")
			s.rdb.HSet(t.Context(), s.prefix+"meta", "events:trimmed", "9999999999999-0")
		}, []string{"warning: tasks.db: events were trimmed before it had read them"}},
		{func() {
			s.rdb.Del(t.Context(), s.prefix+"archives")
			s.rdb.Set(t.Context(), s.prefix+"archives", "x", 0)
		}, nil},
	} {
		c.do()
		var got []string
		for _, f := range s.findings(t, "archive") {
			got = append(got, string(f.Severity)+": "+f.What)
			if (f.Severity == task.SeverityOK) != (f.Do == "") {
				t.Errorf("%+v", f)
			}
		}
		same := len(got) == len(c.want)
		for i := range c.want {
			same = same && strings.HasPrefix(got[i], c.want[i])
		}
		if !same {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Each server is reported once, with the number of replicas whose tasks need it.
func TestDoctorShowsServersThatTasksNeed(t *testing.T) {
	s := newSite(t, miniClient(t))
	s.join(t, "r1", "r2", "r3")
	engine := task.Outage{Of: "the Docker engine", Since: time.Unix(1_700_000_000, 0), Error: "connection refused"}
	later := engine
	later.Since = engine.Since.Add(time.Hour)
	for replica, outages := range map[string][]task.Outage{
		"r1": {later}, "r2": {engine, {Of: "the exporter of k", Since: engine.Since, Error: "disk full"}}, "r3": {},
	} {
		if _, err := s.store.Renew(t.Context(), task.Renewal{Replica: replica, Lease: time.Hour, Outages: outages}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, f := range s.findings(t, "outages") {
		got = append(got, fmt.Sprint(f.Severity, " ", f.What, " ", f.Figures["replicas"]))
	}
	want := []string{"warning calls to the Docker engine fail since 2023-11-14T22:13:20Z on replica r1 and 1 more: connection refused 2",
		"warning calls to the exporter of k fail since 2023-11-14T22:13:20Z on replica r2: disk full 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
