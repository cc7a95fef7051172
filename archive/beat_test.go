package archive

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// published returns what Redis says of the only archive of the pool; zero if it says nothing.
func (s *site) published() task.ArchiveInfo {
	s.t.Helper()
	all, err := s.store.Archives(s.t.Context())
	if err != nil || len(all) > 1 {
		s.t.Fatal(all, err)
	}
	if len(all) == 0 {
		return task.ArchiveInfo{}
	}
	return all[0]
}

func TestTheStateOfAnArchiveIsPublished(t *testing.T) {
	s := newSite(t)
	db := open(t, t.TempDir()+"/a.db")
	s.work(5)
	id := ""
	for range 2 { // the second archiver continues the same archive
		s.archiveAll(db)
		last, err := s.store.LastEvent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a := s.published()
		if a.Cursor != last || a.Place != db.Place() || a.PID != os.Getpid() || a.Behind != 0 || a.Trimmed || a.Outage != nil || a.Once || a.Stopped() {
			t.Errorf("%+v", a)
		}
		if id != "" && id != a.ID || a.ID == "" {
			t.Errorf("the ids of an archive are %q and %q", id, a.ID)
		}
		id = a.ID
		s.work(5)
		if a := s.published(); a.Behind <= 0 || a.Behind > patience {
			t.Errorf("with new events: %+v", a)
		}
	}
	if ttl := s.rdb.PTTL(t.Context(), "lts:{p}:archives").Val(); ttl < 24*time.Hour {
		t.Errorf("it expires in %v", ttl)
	}
}

// An archiver that fails does not hide one of the same archive that works.
func TestAnArchiverWithAnOutageDoesNotHideOneThatWorks(t *testing.T) {
	s := newSite(t)
	works := task.ArchiveInfo{ID: "a", Place: "db", Host: "h", PID: 1, Cursor: "0"}
	fails := task.ArchiveInfo{ID: "a", Place: "db", Host: "h", PID: 2, Cursor: "0", Outage: &task.Outage{Of: "the database", Since: time.Now(), Error: "refused"}}
	for _, step := range []struct {
		says task.ArchiveInfo
		want int
	}{{fails, 2}, {works, 1}, {fails, 1}, {works, 1}} {
		if err := s.store.PublishArchive(t.Context(), step.says); err != nil {
			t.Fatal(err)
		}
		if a := s.published(); a.PID != step.want {
			t.Errorf("after %+v: %+v", step.says, a)
		}
	}
}

// archiver is the recipe for an archiver in docs/archive.md.
var archiver = append(viewer[:len(viewer):len(viewer)], "(+hset +hdel +pexpire ~lts:{p}:archives)")

func TestTheRecipeForAnArchiverSufficesToPublish(t *testing.T) {
	s := newSite(t)
	full := s.store
	s.store = redisstore.New(s.server.User(t, "archiver", archiver...).Client(t), s.pool)
	var log lines
	a, err := New(open(t, t.TempDir()+"/a.db"), s.store, Config{Pool: s.pool, Once: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.store = full
	if got := s.published(); !got.Once || log.count("may not") > 0 {
		t.Errorf("%+v\n%s", got, &log.b)
	}
}
