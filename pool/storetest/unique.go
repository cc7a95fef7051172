package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var uniqueRules = []rule{
	{"UniqueKeyIsOneLiveTask", uniqueKeyIsOneLiveTask},
	{"UniqueKeyIsOneTaskForFiftyClients", uniqueKeyIsOneTaskForFiftyClients},
	{"UniqueKeyIsFreeAfterEveryEnd", uniqueKeyIsFreeAfterEveryEnd},
	{"StaleFinisherCannotFreeANewerHoldersKey", staleFinisherCannotFreeANewerHoldersKey},
	{"RetryIsRefusedWhileTheKeyIsTaken", retryIsRefusedWhileTheKeyIsTaken},
	{"RetryTakesTheKeyAgain", retryTakesTheKeyAgain},
	{"UniqueKeyMayBeAnyString", uniqueKeyMayBeAnyString},
}

func uniqueKeyIsOneLiveTask(b *bundle) {
	b.enqueue(task.Spec{ID: "first", Unique: "u"})
	r := b.enqueueAll(task.Spec{ID: "second", Unique: "u", Queue: "q"})[0]
	if r.ID != "first" || !r.Duplicate || r.State != task.Waiting {
		b.Errorf("receipt %+v", r)
	}
	if r := b.enqueueAll(task.Spec{ID: "third", Unique: "v"})[0]; r.Duplicate {
		b.Errorf("another key: %+v", r)
	}
	b.wantNoTrace("second")
}

func uniqueKeyIsOneTaskForFiftyClients(b *bundle) {
	made := make([]task.Receipt, 50)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			r, err := b.Store.Enqueue(b.ctx, []task.Spec{{Kind: "k", Unique: "u"}})
			if err != nil {
				b.Error(err)
				return
			}
			made[i] = r[0]
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range made {
		if r.ID != made[0].ID {
			b.Errorf("receipts of %s and %s", r.ID, made[0].ID)
		}
		if !r.Duplicate {
			fresh++
		}
	}
	if fresh != 1 {
		b.Errorf("%d clients made it", fresh)
	}
}

func uniqueKeyIsFreeAfterEveryEnd(b *bundle) {
	free := func(why string) {
		b.Helper()
		r := b.enqueueAll(task.Spec{Unique: "u"})[0]
		if r.Duplicate {
			b.Fatalf("%s left the key taken by %s, which is %s", why, r.ID, r.State)
		}
		if c := b.stop(r.ID); !c.Done {
			b.Fatalf("stop: %+v", c)
		}
		b.remove(r.ID)
	}
	free("nothing")
	b.accept(succeed(b.start(task.Spec{Unique: "u"})))
	free("success without retention")
	b.accept(succeed(b.start(task.Spec{Unique: "u", Retain: ptr(time.Hour)})))
	free("success with retention")
	b.accept(fail(b.start(task.Spec{Unique: "u"}), task.CodePermanent))
	free("failure")
	t := b.start(task.Spec{Unique: "u"})
	b.stop(t.ID)
	b.accept(fail(t, task.CodeStopped))
	free("stop of a running task")
	b.enqueue(task.Spec{Unique: "u", TTL: time.Millisecond})
	b.passes(time.Millisecond)
	b.maintain()
	free("expiry")
	id := b.start(task.Spec{Unique: "u"}).ID
	b.stop(id)
	if r := b.enqueueAll(task.Spec{Unique: "u"})[0]; !r.Duplicate || r.ID != id {
		b.Errorf("the key of a running task that was asked to stop is free: %+v", r)
	}
}

func staleFinisherCannotFreeANewerHoldersKey(b *bundle) {
	b.enqueue(task.Spec{ID: "old", Unique: "u", Retain: ptr(time.Hour)})
	old := b.claim(task.DefaultQueue, 1)[0]
	b.lose(old)
	b.stop("old") // the key is free again
	newer := b.enqueueAll(task.Spec{ID: "new", Unique: "u"})[0]
	if newer.Duplicate {
		b.Fatalf("receipt %+v", newer)
	}
	for _, r := range []task.Report{succeed(old), fail(old, task.CodePermanent), release(old, 0)} {
		if v := b.report(r)[0]; v == task.Accepted {
			b.Errorf("a stale report was accepted")
		}
	}
	b.remove("old")
	if r := b.enqueueAll(task.Spec{Unique: "u"})[0]; !r.Duplicate || r.ID != "new" {
		b.Errorf("the newer holder lost its key: %+v", r)
	}
}

func retryIsRefusedWhileTheKeyIsTaken(b *bundle) {
	b.enqueue(task.Spec{ID: "old", Unique: "u"})
	b.stop("old")
	b.enqueue(task.Spec{ID: "new", Unique: "u"})
	c := b.retry("old")
	if c.Done || c.State != task.Stopped || !errors.Is(c.Err, task.ErrUniqueTaken) {
		b.Errorf("change %+v", c)
	}
	b.wantState("old", task.Stopped)
	b.stop("new")
	if c := b.retry("old"); !c.Done || c.State != task.Waiting || c.Err != nil {
		b.Errorf("change %+v", c)
	}
}

func retryTakesTheKeyAgain(b *bundle) {
	b.enqueue(task.Spec{ID: "old", Unique: "u"})
	b.stop("old")
	b.retry("old")
	if r := b.enqueueAll(task.Spec{Unique: "u"})[0]; !r.Duplicate || r.ID != "old" {
		b.Errorf("receipt %+v", r)
	}
}

// A key that is no name is stored as its hash: keys that differ anywhere stay apart.
func uniqueKeyMayBeAnyString(b *bundle) {
	long := strings.Repeat("é", task.MaxUnique/2)
	keys := []string{"a b", "a  b", " ", "?", "#", "{x}", "\n", "\x00", "€", long, long[:len(long)-2] + "ä", strings.Repeat("n", 129)}
	for i, key := range keys {
		id := fmt.Sprint("t", i)
		if r := b.enqueueAll(task.Spec{ID: id, Unique: key})[0]; r.Duplicate {
			b.Errorf("key %.20q is that of %s", key, r.ID)
		}
	}
	b.Push(b, `{"kind":"k","unique":"a b"}`)
	b.admit()
	if r := b.Rejects(b); len(r) != 1 {
		b.Errorf("rejects: %q", r)
	}
	for i, key := range keys {
		id := fmt.Sprint("t", i)
		if r := b.enqueueAll(task.Spec{Unique: key})[0]; !r.Duplicate || r.ID != id {
			b.Errorf("key %.20q: receipt %+v, want a duplicate of %s", key, r, id)
		}
		b.stop(id)
		if r := b.enqueueAll(task.Spec{ID: id + "-next", Unique: key})[0]; r.Duplicate {
			b.Errorf("key %.20q is not free after the end of its task: %+v", key, r)
		}
		if c := b.retry(id); c.Done || !errors.Is(c.Err, task.ErrUniqueTaken) {
			b.Errorf("key %.20q: retry %+v", key, c)
		}
	}
	_, err := b.Store.Enqueue(b.ctx, []task.Spec{{Kind: "k", Unique: strings.Repeat("x", task.MaxUnique+1)}})
	var field *task.FieldError
	if !errors.As(err, &field) || field.Field != "unique" {
		b.Errorf("one byte over: %v, want a field error on unique", err)
	}
}
