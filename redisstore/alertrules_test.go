package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestStoredAlertRulesAreBounded(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		for i := range 100 {
			if err := s.store.SetAlertRule(ctx, fmt.Sprint("r", i), "{}"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.store.SetAlertRule(ctx, "r1", `{"a":1}`); err != nil {
			t.Error(err)
		}
		if err := s.store.SetAlertRule(ctx, "more", "{}"); !errors.Is(err, redisstore.ErrTooManyAlertRules) || !strings.Contains(err.Error(), "at most 100") {
			t.Error(err)
		}
		if r, err := s.store.ReadAlerts(ctx); err != nil || len(r.Rules) != 100 || r.Rules["r1"] != `{"a":1}` {
			t.Errorf("%d rules, %v", len(r.Rules), err)
		}
		for _, want := range []bool{true, false} {
			if found, err := s.store.RemoveAlertRule(ctx, "r1"); err != nil || found != want {
				t.Errorf("removed: %v, %v, want %v", found, err, want)
			}
		}
		if err := s.store.SetAlertRule(ctx, "more", "{}"); err != nil {
			t.Error(err)
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
	if err := operator.SetAlertRule(ctx, "r", "{}"); err != nil {
		t.Fatal(err)
	}
	for name, rules := range map[string]string{
		"worker":   "resetkeys %R~lts:{default}:* ~lts:{default}: ~lts:{default}:[^d]*" + rights,
		"producer": "resetkeys ~lts:{default}:inbox resetchannels -@all +rpush",
	} {
		s := user(name, rules)
		err := s.SetAlertRule(ctx, "r", `{"a":1}`)
		if !errors.Is(err, task.ErrDenied) || name == "worker" && !strings.Contains(err.Error(), "may not write the alert rules of pool default (use the Redis user of an operator") {
			t.Errorf("%s sets: %v", name, err)
		}
		if _, err := s.RemoveAlertRule(ctx, "r"); !errors.Is(err, task.ErrDenied) {
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
