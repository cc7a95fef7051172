package alert

import (
	"errors"
	"testing"
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
