package archive

import (
	"testing"

	"github.com/ltsworker/ltsworker/redisstore"
)

// viewer are the rights of the recipe for a viewer in docs/operations.md.
var viewer = []string{"%R~lts:{p}:*", "resetchannels", "-@all", "+@read", "+@connection", "-@admin", "-@dangerous",
	"+info", "+time", "+eval_ro", "+evalsha_ro", "+cluster|slots"}

func TestARedisUserThatOnlyReadsSuffices(t *testing.T) {
	s := newSite(t)
	s.work(5)
	s.store = redisstore.New(s.server.User(t, "viewer", viewer...).Client(t), s.pool)
	db := open(t, t.TempDir()+"/a.db")
	s.archiveAll(db)
	if r := s.get(db, "t1")[0]; len(r.Payload) == 0 || len(r.Result) == 0 {
		t.Errorf("%+v", r.Task)
	}
	if r := s.get(db, "t2")[0]; len(r.Attempts) != 2 || r.Attempts[0].Log == "" {
		t.Errorf("%+v", r)
	}
}
