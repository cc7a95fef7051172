package redisstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// argv reads from a script's header how many arguments come first and how many each further item
// has. Both are 0 if the header fixes no number.
func argv(script string) (first, each int) {
	text, err := os.ReadFile("../lua/" + script + ".lua")
	if err != nil {
		panic(err)
	}
	m := regexp.MustCompile(`(?s)-- ` + script + `: .*?-- ARGV  (.*?)\n-- (?:Returns|Keeps)`).FindStringSubmatch(string(text))
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

// unfixed maps each script whose header fixes no number of arguments to the reason.
var unfixed = map[string]string{
	"enqueue":   "groups of tasks, each with as many strings as it says",
	"exchange":  "reports by queue, claim and op, then claims, as many as each count says",
	"renew":     "claims with as many ids as each says, then updates",
	"inbox":     "an entry brings a reason or a task, which brings as many further strings as it says",
	"configure": "groups follow the settings, as many as there are",
	"join":      "settings, kinds and queues, as many as each count says",
	"get":       "ids, as many as there are",
	"select":    "kinds, queues and groups, as many as each count says, then ids",
	"match":     "queues, as many as there are",
	"wake":      "queues, as many as there are",
	"stop":      "ids, as many as there are",
	"retry":     "ids, as many as there are",
	"runnow":    "ids, as many as there are",
	"change":    "ids, as many as there are",
	"delete":    "ids, as many as there are",
	"bulk":      "an audit entry with as many fields as its count says, then chunks",
	"discard":   "ids, as many as there are",
	"deliver":   "a report with as many strings as its op needs",
	"fire":      "triggers with as many firings as each says",
	"spread":    "no arguments",
	"trigger":   "an op with the strings that it needs",
	"reports":   "an entry brings a reason or a report, which brings as many further strings as its op needs",
}

// TestCallsPassWhatTheHeadersSay makes every call whose number of arguments the header fixes and
// counts the arguments.
func TestCallsPassWhatTheHeadersSay(t *testing.T) {
	ctx := t.Context()
	two := 2
	maintain := func(s *site) error { _, err := s.store.Maintain(ctx, "r"); return err }
	calls := map[string]struct {
		items int
		call  func(s *site) error
	}{
		"reap":    {0, maintain},
		"promote": {0, maintain},
		"purge":   {0, maintain},
		"check":   {0, maintain},
		"leave":   {0, func(s *site) error { return s.store.Leave(ctx, "r") }},
		"signal":  {0, func(s *site) error { return s.store.Wake(ctx, "r") }},
		"drain":   {0, func(s *site) error { _, err := s.store.Drain(ctx, "other"); return err }},
		"peek":    {0, func(s *site) error { _, err := s.store.AdmitInbox(ctx, nil); return err }},
		"stats":   {0, func(s *site) error { _, err := s.store.Stats(ctx); return err }},
		"rights":  {0, func(s *site) error { return s.open(t, s.rdb).Wake(ctx, "r") }},
		"archived": {1, func(s *site) error {
			_, err := s.store.Archived(ctx, &task.Task{Spec: task.Spec{ID: "x"}, CreatedAt: time.Unix(1, 0)})
			return err
		}},
		"forget": {0, func(s *site) error { return s.store.ForgetQueue(ctx, "q") }},
		"token": {0, func(s *site) error {
			if err := s.store.IssueToken(ctx, "q", task.Attempt{ID: "x", Fence: 1}, "h"); !errors.Is(err, task.ErrLeaseLost) {
				return err
			}
			return nil
		}},
		"checkpoint": {0, func(s *site) error {
			if err := s.store.Checkpoint(ctx, "q", task.Attempt{ID: "x", Fence: 1}, 1, nil); !errors.Is(err, task.ErrLeaseLost) {
				return err
			}
			return nil
		}},
		"readmit": {0, func(s *site) error {
			if err := s.store.PutBack(ctx, "1-0", nil); !errors.Is(err, task.ErrNoReject) {
				return err
			}
			return nil
		}},
		"count": {0, func(s *site) error {
			return s.store.Configure(ctx, task.Setting{Scope: task.PoolScope, Limit: &two})
		}},
		"consumers": {0, func(s *site) error { return s.store.LeaveSubscription(ctx, "g", "c") }},
		"regroup": {0, func(s *site) error {
			s.block(ctx, "q")
			return s.store.Configure(ctx, task.Setting{Scope: task.GroupsScope, Limit: &two})
		}},
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
			t.Errorf("%s has %d arguments, its header says %d first and %d for each item", script, len(got[0]), first, each)
		}
	}
}

// block enqueues a task that its group's limit blocks.
func (s *site) block(ctx context.Context, queue string) {
	s.rdb.ZAdd(ctx, s.prefix+"group:wait:"+queue, redis.Z{Member: "g 0000000000000001 x"})
}

// scripts returns the names of all scripts.
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

// TestScriptsSurviveAFlush checks that the store sends the scripts again to a server that has
// flushed them.
func TestScriptsSurviveAFlush(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.join(t, "r")
		ctx := t.Context()
		var reports []task.Report
		for call := int64(1); call < 8; call++ {
			s.enqueue(t, task.Spec{})
			if call%2 == 0 {
				if err := rdb.ScriptFlush(ctx).Err(); err != nil {
					t.Fatal(err)
				}
			}
			x := claimOf(call, "default", 1)
			x.Reports = reports
			got, err := s.store.Exchange(ctx, x)
			if err != nil || len(tasksOf(got)) != 1 || slices.Contains(got.Verdicts, task.LeaseLost) {
				t.Fatal(got, err)
			}
			reports = []task.Report{reportOn(tasksOf(got)[0], task.Succeed)}
		}
	})
}

// The store sends the text of a script once to a server that keeps it.
func TestScriptsAreSentByHash(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.join(t, "r")
		for call := int64(1); call < 3; call++ { // the first call of each script sends its text
			s.enqueue(t, task.Spec{})
			if _, err := s.store.Exchange(t.Context(), claimOf(call, "default", 1)); err != nil {
				t.Fatal(err)
			}
		}
		var sent recorder
		rdb.AddHook(&sent)
		for call := int64(3); call < 9; call++ {
			s.enqueue(t, task.Spec{})
			if _, err := s.store.Exchange(t.Context(), claimOf(call, "default", 1)); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range sent.take() {
			if c[0] != "evalsha" {
				t.Errorf("the text of a script was sent again: %.60v", c)
			}
		}
	})
}
