package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// triggerInbox is the list of triggers that other programs set and remove.
const triggerInbox = "triggers:inbox"

// AwaitTriggerEntries waits until triggers:inbox has an entry, for wait or a second, whichever
// is longer. It reports whether there is one.
func (s *Store) AwaitTriggerEntries(ctx context.Context, wait time.Duration) (bool, error) {
	return s.awaitList(ctx, triggerInbox, wait)
}

// TriggerEntries reads the next entries of triggers:inbox and leaves them there.
func (s *Store) TriggerEntries(ctx context.Context) ([]string, error) {
	_, entries, err := s.peek(ctx, triggerInbox)
	return entries, err
}

// DropTriggerEntry removes the first entry of triggers:inbox. It is rejected unless the
// reason is "". It returns ErrEntryTaken if another entry is the first one.
func (s *Store) DropTriggerEntry(ctx context.Context, entry, why string) error {
	_, err := s.changeTrigger(ctx, "drop", entry, "", "", reason(errors.New(why)), MaxRejected)
	return err
}

// RemoveTriggerOf removes the trigger that the first entry of triggers:inbox names, and the
// entry. It returns ErrEntryTaken if another entry is the first one.
func (s *Store) RemoveTriggerOf(ctx context.Context, entry, name string) error {
	_, err := s.changeTrigger(ctx, "remove", entry, name, "")
	if errors.Is(err, task.ErrNoTrigger) {
		return nil
	}
	return err
}
