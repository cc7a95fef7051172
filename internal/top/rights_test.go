package top

import (
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

func TestReadOnlyUserGetsNoKeysThatChangeSomething(t *testing.T) {
	server := redisserver.Start(t)
	admin := newSite(t, "redis://"+server.Addr())
	admin.join("r1", "q")
	admin.enqueue(task.Spec{Kind: "k", ID: "x", Queue: "q"})
	reads := []string{"%R~lts:{p}:*", "resetchannels", "-@all", "+@read", "+@connection", "-@admin", "-@dangerous", "+info", "+time", "+eval_ro", "+evalsha_ro"}
	s := newSite(t, server.User(t, "viewer", reads...).URL())
	s.read()
	for _, keys := range []string{"1 g p", "r", "s", "down p", "enter s", "G enter t", "n", "esc esc 3 d"} {
		s.press(strings.Fields(keys)...)
		s.shows("this user may read the pool, and change nothing", "Enter open  read-only user")
		if s.asked != nil || s.done != nil {
			t.Errorf("%s asks %+v", keys, s.asked)
		}
		s.press("x")
		if picture := strings.Join(s.lines(), "\n"); strings.Contains(picture, "change nothing") {
			t.Errorf("after another key:\n%s", picture)
		}
	}
	if err := server.Client(t).Do(t.Context(), "ACL", "SETUSER", "viewer", "~lts:{p}:*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	s.reader.checked = time.Time{} // the next check is due
	s.read()
	s.press("1", "g")
	s.shows("Enter open  p pause")
}
