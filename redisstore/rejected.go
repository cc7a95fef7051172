package redisstore

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// invalidTrigger is the code of rejected entries of triggers:inbox.
const invalidTrigger = "invalid_trigger"

// Rejected reads the rejected entries, newest first.
func (s *Store) Rejected(ctx context.Context) iter.Seq2[task.Reject, error] {
	return func(yield func(task.Reject, error) bool) {
		for before := "+"; ; {
			var page []redis.XMessage
			err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
				page, err = rdb.XRevRangeN(ctx, s.key("inbox:rejected"), before, "-", rejectPage).Result()
				return err
			})
			if err != nil {
				yield(task.Reject{}, s.fail(ctx, "rejected", err))
				return
			}
			for _, e := range page {
				if !yield(decodeReject(e), nil) {
					return
				}
				before = "(" + e.ID
			}
			if len(page) < rejectPage {
				return
			}
		}
	}
}

// GetRejected reads rejected entries in the order of the ids; nil for one that does not
// exist.
func (s *Store) GetRejected(ctx context.Context, ids ...string) ([]*task.Reject, error) {
	if err := checkRejectIDs(ids); err != nil {
		return nil, err
	}
	var rejects []*task.Reject
	err := s.pipeline(ctx, ids, rejectPage, func(p redis.Pipeliner, id string) func() {
		found := p.XRange(ctx, s.key("inbox:rejected"), id, id)
		return func() {
			var r *task.Reject
			for _, e := range found.Val() {
				r = new(decodeReject(e))
			}
			rejects = append(rejects, r)
		}
	})
	if err != nil {
		return nil, s.fail(ctx, "rejected", err)
	}
	return rejects, nil
}

func decodeReject(e redis.XMessage) task.Reject {
	field := func(name string) string {
		text, _ := e.Values[name].(string)
		return text
	}
	r := task.Reject{ID: e.ID, Code: field("code"), Reason: field("reason"), Task: field("task"), Entry: field("entry")}
	if ms, _, err := splitCursor(e.ID); err == nil {
		r.At = time.UnixMilli(int64(ms))
	}
	r.Bytes, _ = strconv.Atoi(field("bytes"))
	return r
}

// checkRejectIDs returns an error for an id that is no position of one entry.
func checkRejectIDs(ids []string) error {
	for _, id := range ids {
		if _, _, err := splitCursor(id); err != nil || !strings.Contains(id, "-") {
			return &task.FieldError{Field: "id", Msg: fmt.Sprintf(`must be that of a rejected entry, such as "1700000000000-0", not %q`, clipName(id))}
		}
	}
	return nil
}

// PutBack removes a rejected entry and appends text to the inbox, or to triggers:inbox if it
// comes from there. A nil text is the text of the entry.
func (s *Store) PutBack(ctx context.Context, id string, text []byte) error {
	if err := checkRejectIDs([]string{id}); err != nil {
		return err
	}
	replaces := text != nil
	if replaces {
		rejects, err := s.GetRejected(ctx, id)
		if err != nil {
			return err
		}
		if r := rejects[0]; r == nil || r.Code != invalidTrigger { // a replica checks the text of a trigger
			if err := checkEntry(text); err != nil {
				return err
			}
		}
	}
	answer, err := s.once(ctx, readmitScript, "put back", id, replaces, text)
	switch {
	case err != nil:
		return err
	case answer == "none":
		return task.ErrNoReject
	case answer == "cut":
		return task.ErrRejectCut
	case answer != "done":
		return fmt.Errorf("put back: unknown reply %q", clipName(answer))
	}
	return nil
}

// checkEntry returns an error if no replica would accept the entry.
func checkEntry(entry []byte) error {
	if len(entry) > MaxEntry {
		return &task.FieldError{Field: "entry", Msg: fmt.Sprintf("is %d bytes long; the limit is %d", len(entry), MaxEntry)}
	}
	if _, err := ParseEntry(entry); err != nil {
		return &task.FieldError{Field: "entry", Msg: "cannot become a task: " + reason(err)}
	}
	return nil
}

// DropRejected removes rejected entries and returns, in their order, which of them
// existed. With an error it returns those of the pages before.
func (s *Store) DropRejected(ctx context.Context, ids ...string) (dropped []bool, err error) {
	if err := checkRejectIDs(ids); err != nil {
		return nil, err
	}
	for len(ids) > 0 {
		var page []string
		page, ids = splitAt(ids, changePage)
		answer, err := s.once(ctx, discardScript, "drop rejected", stringArgs(page)...)
		if err != nil {
			return dropped, err
		}
		if len(answer) != len(page) {
			return dropped, fmt.Errorf("drop rejected: the reply has %d digits for %d entries", len(answer), len(page))
		}
		for _, digit := range answer {
			dropped = append(dropped, digit == '1')
		}
	}
	return dropped, nil
}

// once calls a script that uses lib/once.lua and returns its reply, a text.
func (s *Store) once(ctx context.Context, sc *script, what string, args ...any) (string, error) {
	seq := s.takeSequence()
	defer s.putSequence(seq)
	seq.call++
	reply, err := s.run(ctx, sc, append([]any{seq.name + ":rejected", seq.call}, args...)...)
	if err != nil {
		return "", s.fail(ctx, what, err)
	}
	r := readSingle(what, reply)
	text := r.string()
	return text, r.err
}
