package pool

import (
	"context"
	"errors"
	"strings"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// admitEntries applies or rejects the entries that other programs have pushed to
// triggers:inbox. It reports whether more may be left.
func (t *Triggers) admitEntries(ctx context.Context) (more bool, err error) {
	entries, err := t.p.store.TriggerEntries(ctx)
	for _, entry := range entries {
		switch err := t.admit(ctx, entry); {
		case errors.Is(err, task.ErrEntryTaken):
			return true, nil // another replica applies entries, too
		case err != nil:
			return true, err
		}
	}
	return len(entries) > 0, err
}

func (t *Triggers) admit(ctx context.Context, entry string) error {
	def, remove, err := trigger.DecodeEntry([]byte(entry))
	switch {
	case err != nil:
	case remove:
		return t.p.store.RemoveTriggerOf(ctx, entry, def.Name)
	default:
		var invalid *FieldError
		if _, err = t.set(ctx, *def, "", entry, nil); err == nil || !errors.As(err, &invalid) {
			return err
		}
	}
	return t.p.store.DropTriggerEntry(ctx, entry, strings.TrimPrefix(err.Error(), "set trigger "+def.Name+": "))
}
