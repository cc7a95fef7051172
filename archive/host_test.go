package archive

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// askedHosts counts the calls of Hosts.
type askedHosts struct {
	Source
	calls int
}

func (a *askedHosts) Hosts(ctx context.Context, replicas ...string) (map[string]task.Host, error) {
	a.calls++
	return a.Source.Hosts(ctx, replicas...)
}

func TestAttemptsHaveTheirHostsAfterRedisHasForgottenTheReplica(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		t.Parallel()
		name, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t)
		db := open(t, where)
		s.work(3)
		s.archiveAll(db)
		want := func(id string) {
			t.Helper()
			for _, a := range s.get(db, id)[0].Attempts {
				if a.Host != name || a.IP != "127.0.0.1" {
					t.Errorf("attempt %d of %s has the host %q, %q", a.Attempt, id, a.Host, a.IP)
				}
			}
		}
		if n := len(s.get(db, "t2")[0].Attempts); n != 2 {
			t.Fatalf("%d attempts", n)
		}
		want("t2")

		// A later archiver learns nothing of the replica.
		live, err := s.store.Replicas(t.Context())
		if err != nil || len(live) != 1 {
			t.Fatal(live, err)
		}
		s.rdb.HDel(t.Context(), "lts:{p}:replica:"+live[0].ID, "runs_on")
		s.work(5)
		s.archiveAll(db)
		want("t2")
		want("t8")

		// The row goes with the last task.
		for range 2 { // the tasks, then what belonged to them
			if _, err := db.removeOld(t.Context(), s.pool, time.Now().Add(2*hostEvery)); err != nil {
				t.Fatal(err)
			}
		}
		var left int
		if err := db.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM lts_replicas").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d replicas are left, %v", left, err)
		}
	})
}

// The host of a replica is read once, not for each page of events.
func TestHostsAreReadOnce(t *testing.T) {
	s := newSite(t)
	db := open(t, t.TempDir()+"/a.db")
	source := &askedHosts{Source: s.store}
	stop := s.archiver(db, Config{}, func(a *Archiver) { a.source, a.page = source, 5 })
	s.work(10)
	s.caughtUp(db)
	stop()
	if source.calls != 1 {
		t.Errorf("the hosts were read %d times", source.calls)
	}
}
