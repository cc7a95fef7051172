package integration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The cases of parents: one has children to make, the other has ended and has one to stop.
func init() {
	call := func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
		err := spreadAll(ctx, st)
		return "spread", err
	}
	faultCases["spread"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "runs", Group: "g", ShardParams: []string{"a", "b"}})
		},
		call:  call,
		again: "spread",
	}
	faultCases["spread stops"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "ended", Shards: 1})
			v.must(spreadAll(context.Background(), v.st))
			_, err := v.st.Stop(context.Background(), "", "ended")
			v.must(err)
		},
		call:  call,
		again: "spread",
	}
	broadcast := func(v *victim) {
		v.base()
		for _, replica := range []string{"r", "s"} {
			v.join(replica, task.Registration{Queues: map[string]task.QueueConfig{"default": {Workers: 9}}, Kinds: map[string]task.Policy{"k": {MaxAttempts: 3}}})
		}
		v.enqueue(task.Spec{Kind: "k", ID: "b", Group: "g", Labels: []string{"host=h"}, Broadcast: true, Hold: true}, task.Spec{Kind: "k", ID: "all", Broadcast: true})
	}
	faultCases["spread broadcast"] = faultCase{prepare: broadcast, call: call, again: "spread"}
	made := func(v *victim) {
		broadcast(v)
		v.must(spreadAll(context.Background(), v.st))
	}
	faultCases["spread loses"] = faultCase{
		prepare: func(v *victim) {
			made(v)
			v.must(v.st.Leave(context.Background(), "s"))
		},
		call:  call,
		again: "spread",
	}
	faultCases["leave broadcast"] = faultCase{
		prepare: made,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return done(st.Leave(ctx, "s"))
		},
	}
	faultCases["drain broadcast"] = faultCase{
		prepare: made,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			asked, err := st.Drain(ctx, "s")
			return fmt.Sprint(asked), err
		},
	}
	faultCases["runnow broadcast"] = faultCase{ // no replica has the label, so the broadcast ends
		prepare: made,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			changes, err := st.RunNow(ctx, "b")
			return fmt.Sprint(changes), err
		},
	}
	faultCases["retry broadcast"] = faultCase{
		prepare: func(v *victim) {
			made(v)
			v.enqueue(task.Spec{Kind: "k", ID: "failed", Labels: []string{"host=h"}, Broadcast: true}) // it ends at once
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			changes, err := st.Retry(ctx, task.Edit{}, "failed")
			return fmt.Sprint(changes), err
		},
	}
	faultCases["enqueue broadcast"] = faultCase{
		prepare: made,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			_, err := st.Enqueue(ctx, []task.Spec{{Kind: "k", ID: "one", Broadcast: true}, {Kind: "k", ID: "none", Labels: []string{"x"}, Broadcast: true}})
			return done(err)
		},
	}
}

// spreadAll calls Spread until no parent is due. A child whose extras are damaged is
// tried again later.
func spreadAll(ctx context.Context, st *redisstore.Store) error {
	for range 100 {
		next, err := st.Spread(ctx)
		if err != nil || next != time.Millisecond {
			return err
		}
	}
	return errors.New("parents are still due after 100 calls")
}

// spreadEnds checks that a child whose extras were damaged is stopped after their repair.
func (v *victim) spreadEnds(what string) {
	v.t.Helper()
	eventually(v.t, 20*time.Second, what+": no parent needs a replica", func() bool {
		next, err := v.st.Spread(context.Background())
		v.must(err)
		return next == 0
	})
}
