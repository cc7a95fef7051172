package redisstore_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
	"github.com/ltsworker/ltsworker/worker"
)

// argv is what a script's header says of its ARGV: how many come first, and how
// many each further item has; 0 where the header says no fixed number.
func argv(script string) (first, each int) {
	text := lua.Source(script)
	m := regexp.MustCompile(`(?s)-- ` + script + `: .*?-- ARGV  (.*?)\n-- (?:Returns|Keeps)`).FindStringSubmatch(text)
	if m == nil {
		return 0, 0
	}
	say := strings.ReplaceAll(m[1], "\n--      ", "")
	say = regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(say, "")
	head, tail, per := strings.Cut(say, "then per ")
	first = len(strings.FieldsFunc(strings.Trim(head, " ,"), func(r rune) bool { return r == ',' }))
	if per {
		_, items, _ := strings.Cut(tail, ":")
		each = len(strings.Split(items, ","))
	}
	return first, each
}

// unfixed are the scripts whose number of arguments no header fixes, and why.
var unfixed = map[string]string{
	"enqueue":   "a task brings as many further strings as it says",
	"inbox":     "an entry brings a reason or a task, which brings as many further strings as it says",
	"configure": "groups follow the settings, as many as there are",
	"join":      "policies follow the settings, as many as there are",
	"mend":      "groups, as many as there are",
}

// TestCallsPassWhatTheHeadersSay makes every call whose number of arguments the
// header fixes and counts them.
func TestCallsPassWhatTheHeadersSay(t *testing.T) {
	ctx := t.Context()
	two := 2
	report := func(op worker.Op) func(s *site) error {
		return func(s *site) error {
			_, _, err := s.store.Exchange(ctx, []worker.Report{{ID: "x", Op: op}, {ID: "y", Op: op}}, nil)
			return err
		}
	}
	maintain := func(s *site) error { _, err := s.store.Maintain(ctx, "r"); return err }
	calls := map[string]struct {
		items int
		call  func(s *site) error
	}{
		"claim": {0, func(s *site) error {
			_, _, err := s.store.Exchange(ctx, nil, []worker.Claim{{Replica: "r", Queue: "q", N: 1, Lease: time.Second, Call: 1}})
			return err
		}},
		"succeed": {2, report(worker.Succeed)},
		"fail":    {2, report(worker.Fail)},
		"release": {2, report(worker.Release)},
		"renew": {3, func(s *site) error {
			_, err := s.store.Renew(ctx, worker.Renewal{Replica: "r", Held: make([]worker.Held, 3)})
			return err
		}},
		"reap":    {0, maintain},
		"promote": {0, maintain},
		"purge":   {0, maintain},
		"check":   {0, maintain},
		"leave":   {0, func(s *site) error { return s.store.Leave(ctx, "r") }},
		"ring":    {0, func(s *site) error { return s.store.Ring(ctx, "r") }},
		"drain":   {0, func(s *site) error { _, err := s.store.Drain(ctx, "other"); return err }},
		"wake":    {0, func(s *site) error { return s.store.Wake(ctx, "q") }},
		"peek":    {0, func(s *site) error { _, err := s.store.AdmitInbox(ctx); return err }},
		"stats":   {0, func(s *site) error { _, err := s.store.Stats(ctx); return err }},
		"rights":  {1, func(s *site) error { return s.open(t, s.rdb).Ring(ctx, "r") }},
		"forget":  {0, func(s *site) error { return s.store.ForgetQueue(ctx, "q") }},
		"regroup": {0, func(s *site) error {
			return s.store.Configure(ctx, worker.Setting{Scope: worker.GroupsScope, Limit: &two})
		}},
		"stop":   {0, func(s *site) error { _, err := s.store.Stop(ctx, "why", "x"); return err }},
		"retry":  {0, func(s *site) error { _, err := s.store.Retry(ctx, "x"); return err }},
		"delete": {0, func(s *site) error { _, err := s.store.Delete(ctx, "x"); return err }},
	}
	for _, script := range scripts(t) {
		c, counted := calls[script]
		if _, exempt := unfixed[script]; counted == exempt {
			t.Errorf("%s is counted: %v, exempt: %v", script, counted, exempt)
		}
		if !counted {
			continue
		}
		s := newSite(t, miniClient(t))
		s.join(t, "r")
		s.rdb.SAdd(ctx, s.prefix+"queues", "q")
		var sent recorder
		s.rdb.AddHook(&sent)
		err := c.call(s)
		got := sent.ran(script)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %d calls, %v", script, len(got), err)
			continue
		}
		first, each := argv(script)
		if want := first + each*c.items; len(got[0]) != want {
			t.Errorf("%s is called with %d arguments, its header says %d and %d each", script, len(got[0]), first, each)
		}
	}
}

// scripts are the names of all scripts.
func scripts(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../lua/*.lua")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(p), ".lua")
	}
	return paths
}

// TestScriptsSurviveAFlush checks that a server that has forgotten the scripts is
// sent them again, in the middle of a bundle of calls too.
func TestScriptsSurviveAFlush(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.join(t, "r")
		ctx := t.Context()
		for i := range int64(3) {
			if _, err := s.store.Enqueue(ctx, []worker.Spec{{Kind: "k"}, {Kind: "k"}}); err != nil {
				t.Fatal(err)
			}
			if i == 1 { // one of the two scripts of the next call is known
				if err := rdb.ScriptFlush(ctx).Err(); err != nil {
					t.Fatal(err)
				}
			}
			_, claimed, err := s.store.Exchange(ctx, nil, []worker.Claim{{Replica: "r", Queue: "default", N: 1, Lease: time.Minute, Call: 2*i + 1}})
			if err != nil || len(claimed[0].Tasks) != 1 {
				t.Fatal(claimed, err)
			}
			if i == 2 {
				if err := rdb.ScriptFlush(ctx).Err(); err != nil {
					t.Fatal(err)
				}
			}
			done := claimed[0].Tasks[0]
			verdicts, claimed, err := s.store.Exchange(ctx, []worker.Report{{ID: done.ID, Fence: done.Fence, Op: worker.Succeed}},
				[]worker.Claim{{Replica: "r", Queue: "default", N: 1, Lease: time.Minute, Call: 2*i + 2}})
			if err != nil || verdicts[0] != worker.Accepted || len(claimed[0].Tasks) != 1 {
				t.Fatal(verdicts, claimed, err)
			}
		}
	})
}
