package archive

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

func waitForArchive(c *pool.Config) { c.ArchiveWait = time.Hour }

// waiting returns how many ended tasks wait for the archive.
func (s *site) waiting() (n int) {
	s.t.Helper()
	for t, err := range s.p.Tasks(s.t.Context(), pool.Filter{States: pool.EndedStates()}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if t.Unarchived {
			n++
		}
	}
	return n
}

// wantReleased checks that the archive has the records of all tasks, that none waits for it, and
// that those without a retention are gone.
func (s *site) wantReleased(db *DB) {
	s.t.Helper()
	eventually(s.t, func() error {
		if n := s.waiting(); n > 0 {
			return fmt.Errorf("%d tasks wait for the archive", n)
		}
		return nil
	})
	for n := 1; n <= s.n; n++ {
		r := s.get(db, fmt.Sprint("t", n))[0]
		if r.RecordVersion != r.Version || string(r.Payload) != fmt.Sprintf(`{"n":%d}`, n) {
			s.t.Errorf("the record of task %s was not read: %+v", r.ID, r.Task)
		}
		tasks, err := s.store.Get(s.t.Context(), r.ID)
		if err != nil || (tasks[0] == nil) != (n%5 == 0) {
			s.t.Errorf("task %s, kind %s in Redis: %v, %v", r.ID, r.Kind, tasks[0], err)
		}
	}
}

// The archiver is killed after its commit and before it ends the wait of the archived tasks.
func TestAKilledArchiverLeavesNoTaskWaiting(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		t.Parallel()
		s := newSite(t, waitForArchive)
		s.work(20)
		for page := range 3 {
			before := s.waiting()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s after %d", envChild, s.server.Addr(), s.pool, where, page+1))
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the archiver was not killed: %v\n%s", err, out)
			}
			if n := s.waiting(); n == 0 || n > before {
				t.Errorf("%d tasks wait, %d before", n, before)
			}
			s.work(5)
		}
		db := open(t, where)
		s.archiveAll(db)
		s.wantReleased(db)
	})
}

// The stream has no events of their ends. The kept tasks are read instead.
func TestTasksThatEndedInAGapWaitNoLonger(t *testing.T) {
	s := newSite(t, waitForArchive)
	s.work(20)
	if err := s.rdb.Del(t.Context(), "lts:{p}:events").Err(); err != nil {
		t.Fatal(err)
	}
	s.work(5)
	db := open(t, t.TempDir()+"/a.db")
	s.archiveAll(db)
	s.wantReleased(db)
}

// Without the permission to write the tasks are archived and wait on. An archiver that has it ends
// their wait.
func TestTasksWaitOnWhileTheArchiverMayOnlyRead(t *testing.T) {
	s := newSite(t, waitForArchive)
	full := s.store
	s.store = redisstore.New(s.server.User(t, "viewer", viewer...).Client(t), s.pool)
	db := open(t, t.TempDir()+"/a.db")
	var log lines
	stop := s.archiver(db, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(a *Archiver) { a.page = 5 })
	reader := s.store
	s.store = full
	s.work(20)
	s.store = reader
	s.caughtUp(db)
	stop()
	if n := log.count("may not end the wait of archived tasks"); n != 1 || s.waiting() != 20 {
		t.Errorf("%d lines, %d tasks wait", n, s.waiting())
	}
	s.store = full
	s.archiver(db, Config{})
	s.wantReleased(db)
}
