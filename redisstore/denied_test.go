package redisstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const viewerRights = " resetchannels -@all +@read +@connection -@admin -@dangerous +info +time +eval_ro +evalsha_ro"

func TestDeniedCallsSayWhatTheUserMayNotDo(t *testing.T) {
	server := redisserver.Start(t)
	if _, err := redisstore.New(server.Client(t), "p").Enqueue(t.Context(), []task.Spec{{Kind: "k"}}); err != nil {
		t.Fatal(err)
	}
	reading := func(s *redisstore.Store) error {
		_, err := s.Stats(t.Context())
		return err
	}
	writing := func(s *redisstore.Store) error {
		_, err := s.Enqueue(t.Context(), []task.Spec{{Kind: "k"}})
		return err
	}
	maintaining := func(s *redisstore.Store) error {
		_, err := s.Maintain(t.Context(), "keeper")
		return err
	}
	const (
		mayRead = "permission denied: this user may read the pool, and change nothing (use a user that may write: ACL users in docs/operations.md)"
		noKeys  = "permission denied: this user may not access the keys of pool p (check the name of the pool; which keys a user has: ACL users in docs/operations.md)"
		users   = "(ACL users in docs/operations.md lists what each user needs)"
		worker  = "(a worker's ACL user needs %R~lts:{p}:* ~lts:{p}: ~lts:{p}:[^d]* +@all -@admin -@dangerous -function +info)"
	)
	for name, c := range map[string]struct {
		rules string
		call  func(s *redisstore.Store) error
		want  string // the user's name is replaced by "this user"
	}{
		"viewer writes":               {"%R~lts:{p}:*" + viewerRights, writing, mayRead},
		"viewer maintains":            {"%R~lts:{p}:*" + viewerRights, maintaining, mayRead},
		"viewer of another pool":      {"%R~lts:{q}:*" + viewerRights, reading, noKeys},
		"viewer of another pool, too": {"%R~lts:{q}:*" + viewerRights, writing, noKeys},
		"half a worker":               {"~lts:{p}:* +@all -xadd", writing, "permission denied: this user may not run XADD " + worker},
		"half a viewer":               {"%R~lts:{p}:*" + viewerRights + " -hget", reading, "permission denied: this user may not run HGET " + users},
		"a viewer without HLEN":       {"%R~lts:{p}:*" + viewerRights + " -hlen", reading, "permission denied: this user may not run a command of a script (ltsworker doctor names the command; ACL users in docs/operations.md lists what each user needs)"},
		"producer reads":              {"~lts:{p}:inbox -@all +rpush", reading, "permission denied: this user may not run HGET " + users},
		"producer writes":             {"~lts:{p}:inbox -@all +rpush", writing, "permission denied: this user may not run EVALSHA_RO " + worker},
	} {
		t.Run(name, func(t *testing.T) {
			s := redisstore.New(server.User(t, "u", strings.Fields(c.rules)...).Client(t), "p")
			t.Cleanup(func() { s.Close() })
			err := c.call(s)
			if got := strings.ReplaceAll(errorText(err), "user u may", "this user may"); got != c.want || !errors.Is(err, task.ErrDenied) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAnInspectionThatStopsAtTheRightsSaysSo(t *testing.T) {
	server := redisserver.Start(t)
	for name, c := range map[string]struct {
		rules      string
		fix        bool
		what, does string
	}{
		"viewer repairs":         {"%R~lts:{p}:*" + viewerRights, true, "this user may read the pool, and change nothing", "run doctor without --fix, or as a user that may write"},
		"viewer of another pool": {"%R~lts:{q}:*" + viewerRights, false, "this user may not access the keys of pool p", "check the name of the pool"},
		"half a worker":          {"~lts:{p}:* +@all -xadd", false, "this user may not run XADD", "ACL SETUSER … %R~lts:{p}:* ~lts:{p}: ~lts:{p}:[^d]* +@all"},
		"no scripts":             {"~lts:{p}:* +@all -evalsha_ro", false, "this user may not run scripts on the pool's keys", "ACL SETUSER … %R~lts:{p}:* ~lts:{p}: ~lts:{p}:[^d]* +@all"},
	} {
		t.Run(name, func(t *testing.T) {
			s := redisstore.New(server.User(t, "u", strings.Fields(c.rules)...).Client(t), "p")
			t.Cleanup(func() { s.Close() })
			var last task.Finding
			for f, err := range s.Inspect(t.Context(), task.Inspection{Fix: c.fix}) {
				if err != nil {
					t.Fatal(err)
				}
				last = f
			}
			if last.Check != "rights" || !last.Open() || !strings.HasPrefix(last.What, "the rest was not checked: "+c.what) || !strings.HasPrefix(last.Do, c.does) {
				t.Errorf("the last finding is %+v", last)
			}
		})
	}
}
