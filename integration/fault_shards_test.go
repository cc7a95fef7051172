package integration

import (
	"context"
	"errors"

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
}

// spreadAll calls Spread until no parent needs it.
func spreadAll(ctx context.Context, st *redisstore.Store) error {
	for range 100 {
		next, err := st.Spread(ctx)
		if err != nil || next == 0 {
			return err
		}
	}
	return errors.New("parents still need a replica after 100 calls")
}
