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
	{"ByUniqueFindsTheLiveTaskElseTheLastEnded", byUniqueFindsTheTask},
}

func uniqueKeyIsOneLiveTask(fx *fixture) {
	fx.enqueue(task.Spec{ID: "first", Unique: "u"})
	r := fx.enqueueAll(task.Spec{ID: "second", Unique: "u", Queue: "q"})[0]
	if r.ID != "first" || !r.Duplicate || r.State != task.Waiting {
		fx.Errorf("receipt %+v", r)
	}
	if r := fx.enqueueAll(task.Spec{ID: "third", Unique: "v"})[0]; r.Duplicate {
		fx.Errorf("another key: %+v", r)
	}
	fx.wantNoTrace("second")
}

func uniqueKeyIsOneTaskForFiftyClients(fx *fixture) {
	made := make([]task.Receipt, 50)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			r, err := fx.Store.Enqueue(fx.ctx, []task.Spec{{Kind: "k", Unique: "u"}})
			if err != nil {
				fx.Error(err)
				return
			}
			made[i] = r[0]
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range made {
		if r.ID != made[0].ID {
			fx.Errorf("receipts of %s and %s", r.ID, made[0].ID)
		}
		if !r.Duplicate {
			fresh++
		}
	}
	if fresh != 1 {
		fx.Errorf("%d clients made it", fresh)
	}
}

func uniqueKeyIsFreeAfterEveryEnd(fx *fixture) {
	free := func(why string) {
		fx.Helper()
		r := fx.enqueueAll(task.Spec{Unique: "u"})[0]
		if r.Duplicate {
			fx.Fatalf("%s left the key taken by %s, which is %s", why, r.ID, r.State)
		}
		if c := fx.stop(r.ID); !c.Done {
			fx.Fatalf("stop: %+v", c)
		}
		fx.remove(r.ID)
	}
	free("nothing")
	fx.accept(succeed(fx.start(task.Spec{Unique: "u"})))
	free("success without retention")
	fx.accept(succeed(fx.start(task.Spec{Unique: "u", Retain: ptr(time.Hour)})))
	free("success with retention")
	fx.accept(fail(fx.start(task.Spec{Unique: "u"}), task.CodePermanent))
	free("failure")
	t := fx.start(task.Spec{Unique: "u"})
	fx.stop(t.ID)
	fx.accept(fail(t, task.CodeStopped))
	free("stop of a running task")
	fx.enqueue(task.Spec{Unique: "u", TTL: time.Millisecond})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	free("expiry")
	id := fx.start(task.Spec{Unique: "u"}).ID
	fx.stop(id)
	if r := fx.enqueueAll(task.Spec{Unique: "u"})[0]; !r.Duplicate || r.ID != id {
		fx.Errorf("the key of a running task that was asked to stop is free: %+v", r)
	}
}

func staleFinisherCannotFreeANewerHoldersKey(fx *fixture) {
	fx.enqueue(task.Spec{ID: "old", Unique: "u", Retain: ptr(time.Hour)})
	old := fx.claim(task.DefaultQueue, 1)[0]
	fx.loseLeases(old)
	fx.stop("old") // the key is free again
	newer := fx.enqueueAll(task.Spec{ID: "new", Unique: "u"})[0]
	if newer.Duplicate {
		fx.Fatalf("receipt %+v", newer)
	}
	for _, r := range []task.Report{succeed(old), fail(old, task.CodePermanent), release(old, 0)} {
		if v := fx.report(r)[0]; v == task.Accepted {
			fx.Errorf("a stale report was accepted")
		}
	}
	fx.remove("old")
	if r := fx.enqueueAll(task.Spec{Unique: "u"})[0]; !r.Duplicate || r.ID != "new" {
		fx.Errorf("the newer holder lost its key: %+v", r)
	}
}

func retryIsRefusedWhileTheKeyIsTaken(fx *fixture) {
	fx.enqueue(task.Spec{ID: "old", Unique: "u"})
	fx.stop("old")
	fx.enqueue(task.Spec{ID: "new", Unique: "u"})
	c := fx.retry("old")
	if c.Done || c.State != task.Stopped || !errors.Is(c.Err, task.ErrUniqueTaken) {
		fx.Errorf("change %+v", c)
	}
	fx.wantState("old", task.Stopped)
	fx.stop("new")
	if c := fx.retry("old"); !c.Done || c.State != task.Waiting || c.Err != nil {
		fx.Errorf("change %+v", c)
	}
}

func retryTakesTheKeyAgain(fx *fixture) {
	fx.enqueue(task.Spec{ID: "old", Unique: "u"})
	fx.stop("old")
	fx.retry("old")
	if r := fx.enqueueAll(task.Spec{Unique: "u"})[0]; !r.Duplicate || r.ID != "old" {
		fx.Errorf("receipt %+v", r)
	}
}

// A key that is not a name is stored as its hash. Different keys must stay different.
func uniqueKeyMayBeAnyString(fx *fixture) {
	long := strings.Repeat("é", task.MaxUnique/2)
	keys := []string{"a b", "a  b", " ", "?", "#", "{x}", "\n", "\x00", "€", long, long[:len(long)-2] + "ä", strings.Repeat("n", 129)}
	for i, key := range keys {
		id := fmt.Sprint("t", i)
		if r := fx.enqueueAll(task.Spec{ID: id, Unique: key})[0]; r.Duplicate {
			fx.Errorf("key %.20q is taken by %s", key, r.ID)
		}
	}
	fx.Push(fx, `{"kind":"k","unique":"a b"}`)
	fx.admit()
	if r := fx.Rejects(fx); len(r) != 1 {
		fx.Errorf("rejects: %q", r)
	}
	for i, key := range keys {
		id := fmt.Sprint("t", i)
		if r := fx.enqueueAll(task.Spec{Unique: key})[0]; !r.Duplicate || r.ID != id {
			fx.Errorf("key %.20q: receipt %+v, want a duplicate of %s", key, r, id)
		}
		fx.stop(id)
		if r := fx.enqueueAll(task.Spec{ID: id + "-next", Unique: key})[0]; r.Duplicate {
			fx.Errorf("key %.20q is not free after the end of its task: %+v", key, r)
		}
		if c := fx.retry(id); c.Done || !errors.Is(c.Err, task.ErrUniqueTaken) {
			fx.Errorf("key %.20q: retry %+v", key, c)
		}
	}
	_, err := fx.Store.Enqueue(fx.ctx, []task.Spec{{Kind: "k", Unique: strings.Repeat("x", task.MaxUnique+1)}})
	var field *task.FieldError
	if !errors.As(err, &field) || field.Field != "unique" {
		fx.Errorf("one byte over: %v, want a field error on unique", err)
	}
}

func byUniqueFindsTheTask(fx *fixture) {
	want := func(key, id string, state task.State) {
		fx.Helper()
		t, err := fx.Store.ByUnique(fx.ctx, key)
		fx.noError(err)
		if id == "" && t != nil || id != "" && (t == nil || t.ID != id || t.State != state || string(t.Payload) != "p") {
			fx.Errorf("%s: %+v, want %s %s", key, t, id, state)
		}
	}
	make := func(id, key string) { fx.enqueue(task.Spec{ID: id, Unique: key, Payload: []byte("p")}) }
	want("u", "", "")
	make("first", "u")
	make("other", "no name")
	want("u", "first", task.Waiting)
	want("no name", "other", task.Waiting)
	want(task.UniqueKey("no name"), "other", task.Waiting)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "first")
	want("u", "first", task.Running)
	fx.accept(fail(fx.get("first"), task.CodePermanent))
	want("u", "first", task.Failed)
	fx.waitPast(time.Millisecond)
	make("second", "u")
	want("u", "second", task.Waiting)
	fx.stop("second")
	want("u", "second", task.Stopped)
	fx.waitPast(time.Millisecond)
	fx.retry("first")
	want("u", "first", task.Waiting)
	fx.stop("first")
	want("u", "first", task.Stopped)
	fx.remove("first")
	want("u", "second", task.Stopped)
	// More ended tasks than one page.
	for i := range 450 {
		fx.stop(fx.enqueue(task.Spec{ID: fmt.Sprint("t", i)}))
	}
	want("u", "second", task.Stopped)
	want("none", "", "")
}
