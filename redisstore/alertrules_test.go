package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// ruleText changes a stored rule to a text.
func ruleText(text string) task.AlertRuleChange {
	return func(map[string]string, time.Time) (string, task.AlertLogEntry, error) {
		return text, task.AlertLogEntry{What: "rule set", Text: text}, nil
	}
}

func TestStoredAlertRulesAreBounded(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		for i := range 100 {
			if err := s.store.SetAlertRule(ctx, fmt.Sprint("r", i), ruleText("{}")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.store.SetAlertRule(ctx, "r1", ruleText(`{"a":1}`)); err != nil {
			t.Error(err)
		}
		if err := s.store.SetAlertRule(ctx, "more", ruleText("{}")); !errors.Is(err, redisstore.ErrTooManyAlertRules) || !strings.Contains(err.Error(), "at most 100") {
			t.Error(err)
		}
		if r, err := s.store.ReadAlerts(ctx); err != nil || len(r.Rules) != 100 || r.Rules["r1"] != `{"a":1}` {
			t.Errorf("%d rules, %v", len(r.Rules), err)
		}
		if err := s.store.RemoveAlertRule(ctx, "r1", ruleText("not used")); err != nil {
			t.Error(err)
		}
		if err := s.store.SetAlertRule(ctx, "more", ruleText("{}")); err != nil {
			t.Error(err)
		}
	})
}

// A change sees the rules as they are when it is written. It and its entry of the history are written
// together, or not at all.
func TestStoredAlertRulesChangeWithTheirHistory(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		calls := 0
		err := s.store.SetAlertRule(ctx, "r", func(rules map[string]string, now time.Time) (string, task.AlertLogEntry, error) {
			if calls++; calls == 1 {
				if err := s.store.SetAlertRule(ctx, "r", ruleText("other")); err != nil {
					t.Error(err)
				}
			}
			return rules["r"] + " mine", task.AlertLogEntry{What: "rule set", Text: "mine"}, nil
		})
		if r, failed := s.store.ReadAlerts(ctx); err != nil || failed != nil || r.Rules["r"] != "other mine" || calls != 2 {
			t.Errorf("%v, %v, %v, %d calls", r.Rules, err, failed, calls)
		}
		no := errors.New("no")
		refuse := func(map[string]string, time.Time) (string, task.AlertLogEntry, error) {
			return "x", task.AlertLogEntry{What: "refused"}, no
		}
		if err := s.store.SetAlertRule(ctx, "r", refuse); err != no {
			t.Error(err)
		}
		if err := s.store.RemoveAlertRule(ctx, "r", refuse); err != no {
			t.Error(err)
		}
		if log, err := s.store.AlertLog(ctx, "", 10); err != nil || len(log) != 2 || log[0].Text != "mine" || log[1].Text != "other" {
			t.Errorf("%+v, %v", log, err)
		}
		if err := rdb.Set(ctx, s.prefix+"alerts:log", "damaged", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.store.SetAlertRule(ctx, "r", ruleText("more")); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
			t.Error(err)
		}
		if r, err := s.store.ReadAlerts(ctx); err != nil || r.Rules["r"] != "other mine" {
			t.Errorf("%v, %v", r.Rules, err)
		}
	})
}

// Stored alert rules that another program has overwritten are a problem that is shown, and no error.
func TestOverwrittenStoredAlertRulesAreOneProblem(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		if err := rdb.Set(ctx, s.prefix+"definitions:alerts", "damaged", 0).Err(); err != nil {
			t.Fatal(err)
		}
		state, err := alert.ReadState(ctx, s.store)
		if err != nil || len(state.Stored) != 1 {
			t.Fatal(state.Stored, err)
		}
		r := state.Stored[0]
		if want := "it is not used: another program has overwritten this key with one of another type: delete it"; r.Name != s.prefix+"definitions:alerts" || r.Problem() != want {
			t.Errorf("%s: %s", r.Name, r.Problem())
		}
		if err := s.store.SetAlertRule(ctx, "r", ruleText("{}")); err == nil || !strings.Contains(err.Error(), "another program has overwritten a key of pool "+s.pool) {
			t.Error(err)
		}
		if err := rdb.Set(ctx, s.prefix+"alerts", "damaged", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.ReadAlerts(ctx); err == nil {
			t.Error("the state of the rules is damaged, without an error")
		}
	})
}

// The Redis user of a worker reads the stored alert rules, and only that of an operator writes them.
func TestOnlyAnOperatorWritesAlertRules(t *testing.T) {
	server := redisserver.Start(t)
	ctx := t.Context()
	user := func(name, rules string) *redisstore.Store {
		s := redisstore.New(server.User(t, name, strings.Fields(rules)...).Client(t), "default")
		t.Cleanup(func() { s.Close() })
		return s
	}
	const rights = " resetchannels +@all -@admin -@dangerous -function +info"
	operator := user("operator", "resetkeys ~lts:{default}:*"+rights)
	if err := operator.SetAlertRule(ctx, "r", ruleText("{}")); err != nil {
		t.Fatal(err)
	}
	for name, rules := range map[string]string{
		"worker":   "resetkeys %R~lts:{default}:* ~lts:{default}: ~lts:{default}:[^d]*" + rights,
		"producer": "resetkeys ~lts:{default}:inbox resetchannels -@all +rpush",
	} {
		s := user(name, rules)
		err := s.SetAlertRule(ctx, "r", ruleText(`{"a":1}`))
		if !errors.Is(err, task.ErrDenied) || name == "worker" && !strings.Contains(err.Error(), "may not write the alert rules of pool default (use the Redis user of an operator") {
			t.Errorf("%s sets: %v", name, err)
		}
		if err := s.RemoveAlertRule(ctx, "r", ruleText("")); !errors.Is(err, task.ErrDenied) {
			t.Errorf("%s removes: %v", name, err)
		}
		if name != "worker" {
			continue
		}
		if r, err := s.ReadAlerts(ctx); err != nil || r.Rules["r"] != "{}" {
			t.Errorf("%s reads %v, %v", name, r.Rules, err)
		}
		if _, err := s.Enqueue(ctx, []task.Spec{{Kind: "k"}}); err != nil {
			t.Errorf("%s enqueues: %v", name, err)
		}
		if _, err := s.Maintain(ctx, "keeper"); err != nil {
			t.Errorf("%s maintains: %v", name, err)
		}
	}
}
