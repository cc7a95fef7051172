package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

var triggerInboxRules = []rule{
	{"EntryOfATriggerIsAppliedOnceAndInItsOrder", triggerEntryIsAppliedOnce},
	{"EntryOfATriggerThatIsInvalidIsRejected", invalidTriggerEntryIsRejected},
	{"EntryOfATriggerWakesOneReplica", triggerEntryWakesOneReplica},
}

// triggerEntries pushes entries for triggers and returns what a replica reads.
func (fx *fixture) triggerEntries(entries ...string) []string {
	fx.Helper()
	if len(entries) > 0 {
		fx.PushTriggers(fx, entries...)
	}
	got, err := fx.Store.TriggerEntries(fx.ctx)
	fx.noError(err)
	return got
}

// setEntry makes the change that an entry requests. It returns the error.
func (fx *fixture) setEntry(entry, definition string) error {
	fx.Helper()
	at := fx.Now(fx).Add(time.Hour)
	done, err := fx.Store.SetTrigger(fx.ctx, task.TriggerChange{
		Read: fx.trigger("t"), Name: "t", Definition: definition, Planned: at, Due: at, Anchor: at, Entry: entry,
	})
	if err == nil && !done {
		fx.Error("the trigger has changed since it was read")
	}
	return err
}

// Two replicas have read the same entries.
func triggerEntryIsAppliedOnce(fx *fixture) {
	const first, second = `{"name":"t","every_ms":1000}`, `{"name":"t","every_ms":2000}`
	if got := fx.triggerEntries(first, second, first); fmt.Sprint(got) != fmt.Sprint([]string{first, second, first}) {
		fx.Fatalf("entries %q", got)
	}
	taken := func(what string, err error) {
		fx.Helper()
		if !errors.Is(err, task.ErrEntryTaken) {
			fx.Errorf("%s: %v", what, err)
		}
	}
	taken("the second entry first", fx.setEntry(second, "2"))
	fx.noError(fx.setEntry(first, "1"))
	taken("the first entry again", fx.setEntry(first, "1"))
	fx.noError(fx.setEntry(second, "2"))
	if got := fx.trigger("t").Definition; got != "2" {
		fx.Errorf("definition %q", got)
	}
	taken("a drop of another entry", fx.Store.DropTriggerEntry(fx.ctx, second, "wrong"))
	taken("a removal by another entry", fx.Store.RemoveTriggerOf(fx.ctx, second, "t"))
	fx.noError(fx.Store.RemoveTriggerOf(fx.ctx, first, "t"))
	if got := fx.trigger("t"); got.Version != "" {
		fx.Errorf("the trigger is left: %+v", got)
	}
	got := fx.triggerEntries(first)
	fx.noError(fx.Store.RemoveTriggerOf(fx.ctx, got[0], "t")) // there is none
	if got := fx.triggerEntries(); len(got) != 0 {
		fx.Errorf("%q are left", got)
	}
}

func invalidTriggerEntryIsRejected(fx *fixture) {
	const entry = `{"name":"t"}`
	fx.triggerEntries(entry, entry)
	fx.noError(fx.Store.DropTriggerEntry(fx.ctx, entry, ""))
	fx.noError(fx.Store.DropTriggerEntry(fx.ctx, entry, "it is wrong"))
	var ids []string
	for r, err := range fx.Store.Rejected(fx.ctx) {
		fx.noError(err)
		if r.Code != "invalid_trigger" || r.Reason != "it is wrong" || r.Entry != entry {
			fx.Errorf("%+v", r)
		}
		ids = append(ids, r.ID)
	}
	if len(ids) != 1 {
		fx.Fatalf("%d rejected entries", len(ids))
	}
	// It is put back where it came from.
	fx.noError(fx.Store.PutBack(fx.ctx, ids[0], []byte(`{"name":"u"}`)))
	if got := fx.triggerEntries(); len(got) != 1 || got[0] != `{"name":"u"}` {
		fx.Errorf("entries %q", got)
	}
}

func triggerEntryWakesOneReplica(fx *fixture) {
	text, err := trigger.Encode(&trigger.Definition{Name: "t", Every: time.Hour, Task: task.Spec{Kind: "k"}})
	fx.noError(err)
	fx.triggerEntries(string(text))
	await := func() bool {
		fx.Helper()
		has, err := fx.Store.AwaitTriggerEntries(fx.ctx, time.Second)
		fx.noError(err)
		return has
	}
	if !await() || await() {
		fx.Error("the entry did not wake one replica")
	}
	// The replica that was woken has died: maintenance reports the entry.
	m, err := fx.Store.Maintain(fx.ctx, "r")
	fx.noError(err)
	if !m.TriggerEntries {
		fx.Errorf("%+v", m)
	}
	fx.noError(fx.setEntry(string(text), string(text)))
	if got := fx.triggerEntries(); len(got) != 0 {
		fx.Errorf("%q are left", got)
	}
}
