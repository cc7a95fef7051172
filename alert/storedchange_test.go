package alert

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A change of a rule that was read earlier fails if the rule has changed since.
func TestStoredRulesThatHaveChangedAreKept(t *testing.T) {
	f, ctx := newFakeStore(), t.Context()
	r := Rule{Name: "r", When: Waiting}
	read := func() *StoredRule {
		s, err := ReadState(ctx, f)
		if err != nil || len(s.Stored) != 1 {
			t.Fatal(s.Stored, err)
		}
		return &s.Stored[0]
	}
	if err := SetRuleIf(ctx, f, r, "ann", nil); err != nil {
		t.Fatal(err)
	}
	if err := SetRuleIf(ctx, f, r, "bob", nil); !errors.Is(err, ErrRuleChanged) {
		t.Errorf("created twice: %v", err)
	}
	old := read()
	if err := SetRuleIf(ctx, f, r, "ann", old); err != nil {
		t.Fatal(err)
	}
	changed := read()
	if !changed.SetAt.After(old.SetAt) {
		t.Errorf("two versions have the same time: %s", old.SetAt)
	}
	for what, err := range map[string]error{"set": SetRuleIf(ctx, f, r, "bob", old), "removed": RemoveRuleIf(ctx, f, old, "bob")} {
		if !errors.Is(err, ErrRuleChanged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if now := read(); now.By != "ann" || !now.SetAt.Equal(changed.SetAt) || len(f.log) != 2 {
		t.Errorf("%+v, %+v", now, f.log)
	}
	if err := RemoveRuleIf(ctx, f, changed, "ann"); err != nil || len(f.rules) > 0 {
		t.Errorf("%v, %v", f.rules, err)
	}
}

// Events are counted for each window on its own.
func TestWindowsOfStoredRulesAreBounded(t *testing.T) {
	f, ctx := newFakeStore(), t.Context()
	for i := range 10 {
		store(t, f, Rule{Name: fmt.Sprint("r", i), When: Failed, Window: time.Duration(i+1) * time.Hour})
	}
	for _, r := range []Rule{{Name: "more", When: Lost, Window: time.Minute}, {Name: "more", When: Failed}} {
		err := SetRule(ctx, f, r, "ann")
		want := " because the stored rules of a pool have at most 10 different windows in which events are counted; use one of 1h, 2h, 3h, 4h, 5h, 6h, 7h, 8h, 9h, 10h"
		if all := task.FieldErrors(err); len(all) != 1 || all[0].Field != "window" || !strings.HasSuffix(all[0].Msg, want) {
			t.Errorf("%v", err)
		}
	}
	store(t, f, Rule{Name: "same", When: Lost, Window: time.Hour})
	store(t, f, Rule{Name: "none", When: ReplicaGone, Window: time.Minute})
	store(t, f, Rule{Name: "r9", When: Failed, Window: time.Minute})
}
