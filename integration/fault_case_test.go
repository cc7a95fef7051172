package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// faultCase makes one script do everything that it can do, in one call of a
// store's method.
type faultCase struct {
	prepare func(v *victim)
	call    func(ctx context.Context, v *victim, st *redisstore.Store) (string, error)
	// again is the result of a repeated call after a lost reply; "" means that
	// it equals the first result.
	again string
}

// faultCases are the cases by name. The first word of a name is the script.
var faultCases = map[string]faultCase{
	"enqueue": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "old", Group: "g"})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			receipts, err := st.Enqueue(ctx, []task.Spec{
				{Kind: "k", ID: "a"}, {Kind: "k", ID: "b", Group: "g"}, {Kind: "k", ID: "a"}, {Kind: "k"},
				{Kind: "k", ID: "c", Unique: "u", Delay: time.Hour, TTL: 2 * time.Hour, Deadline: 3 * time.Hour},
			})
			var words []string
			for _, r := range receipts {
				words = append(words, fmt.Sprintf("%s:%s:%v", r.ID, r.State, r.Duplicate))
			}
			return strings.Join(words, " "), err
		},
	},
	"exchange claims": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "late", TTL: time.Millisecond, Unique: "u", Retain: &forever},
				task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b", Group: "g"},
				task.Spec{Kind: "k", ID: "c"}, task.Spec{Kind: "k", ID: "due", Delay: time.Millisecond})
			v.later()
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchange(ctx, st, 1, 3)
		},
	},
	"exchange succeeds": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g", Unique: "u", Deadline: time.Hour, Headers: map[string]string{"h": "1"}},
				task.Spec{Kind: "k", ID: "b", Group: "g"}, task.Spec{Kind: "k", ID: "c"}, task.Spec{Kind: "k", ID: "d"})
			v.claim(1, 2, time.Minute)
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchange(ctx, st, 2, 1, task.Report{ID: "a", Result: []byte("1")}, task.Report{ID: "c"}, task.Report{ID: "nobody"})
		},
	},
	"exchange fails": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b", Group: "g"},
				task.Spec{Kind: "k", ID: "c", Unique: "u", Deadline: time.Hour}, task.Spec{Kind: "k", ID: "d"},
				task.Spec{Kind: "k", ID: "e"}, task.Spec{Kind: "k", ID: "f"})
			v.claim(1, 4, time.Minute)
			v.stop("d")
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchange(ctx, st, 2, 1,
				task.Report{ID: "a", Op: task.Fail, Code: task.CodeError, Error: "no", DelaySet: true, Delay: time.Hour},
				task.Report{ID: "c", Op: task.Fail, Code: task.CodePermanent, Error: "no", Log: "l"},
				task.Report{ID: "d", Op: task.Fail, Code: task.CodeStopped, Error: "no"},
				task.Report{ID: "e", Op: task.Fail, Code: task.CodeError, Error: "no", DelaySet: true})
		},
	},
	"exchange releases": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b", Group: "g"},
				task.Spec{Kind: "other", ID: "c", Unique: "u", Deadline: time.Hour}, task.Spec{Kind: "k", ID: "d"},
				task.Spec{Kind: "k", ID: "e"}, task.Spec{Kind: "k", ID: "f"})
			v.claim(1, 4, time.Minute)
			v.stop("d")
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchange(ctx, st, 2, 1,
				task.Report{ID: "a", Op: task.Release, Code: task.CodeReleased, Delay: time.Hour},
				task.Report{ID: "c", Op: task.Release, Code: task.CodeNoHandler},
				task.Report{ID: "d", Op: task.Release, Code: task.CodeReleased},
				task.Report{ID: "e", Op: task.Release, Code: task.CodeReleased})
		},
	},
	"renew": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "c"}, task.Spec{Kind: "k", ID: "d"})
			v.claim(1, 3, time.Second)
			v.stop("c")
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			fence := v.held["a"].Fence
			got, err := st.Renew(ctx, task.Renewal{
				Replica: "r", Lease: time.Minute, Outages: []task.Outage{{Of: "the remote", Since: time.UnixMilli(1), Error: "away"}},
				Held: []task.HeldClaim{
					{Fence: fence, Held: 2, Left: task.Forever, IDs: []string{"a", "c"}}, // d is no longer held
					{Fence: 1, Held: 1, Left: time.Second},
				},
				Updates: []task.AttemptUpdate{
					{ID: "a", Fence: fence, Progress: []byte("50"), Slow: true}, {ID: "d", Fence: fence + 1, Progress: []byte("1")},
					{ID: "nobody", Fence: 1, Slow: true},
				},
			})
			return fmt.Sprint(got.Verdicts, len(got.Stops)), err
		},
	},
	"reap": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b", Group: "g"},
				task.Spec{Kind: "k", ID: "c", Unique: "u", Deadline: time.Hour},
				task.Spec{Kind: "k", ID: "d", Timeout: time.Millisecond, MaxAttempts: 1})
			v.claim(1, 3, time.Millisecond)
			v.stop("c")
			v.later()
		},
		call:  maintain,
		again: "busy=false inbox=false lost=0", // the findings are only logged
	},
	"reap orphans": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a"}, task.Spec{Kind: "k", ID: "b"})
			v.claim(1, 1, time.Millisecond)
			v.must(v.rdb.Del(context.Background(), v.key("task:a")).Err())
			v.later()
		},
		call: maintain,
	},
	"promote": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "b", Group: "g", Delay: time.Millisecond}, task.Spec{Kind: "k", ID: "due", Delay: time.Millisecond},
				task.Spec{Kind: "k", ID: "late", TTL: time.Millisecond, Unique: "u"},
				task.Spec{Kind: "k", ID: "late2", TTL: time.Millisecond, Group: "g"}, task.Spec{Kind: "k", ID: "p", Group: "g"})
			v.later()
		},
		call: maintain,
	},
	"purge": {
		prepare: func(v *victim) {
			soon := time.Millisecond
			v.base()
			v.join("dead", task.Registration{Lease: time.Millisecond, EventAge: 2 * time.Millisecond})
			v.enqueue(task.Spec{Kind: "k", ID: "a", Retain: &soon}, task.Spec{Kind: "k", ID: "b", Retain: &soon}, task.Spec{Kind: "k", ID: "c"})
			v.claim(1, 2, time.Minute)
			v.end(task.Report{ID: "a"})
			v.end(task.Report{ID: "b", Op: task.Fail, Code: task.CodePermanent, Error: "no"})
			v.must(v.st.Wake(context.Background(), "dead"))
			v.later()
		},
		call: maintain,
	},
	"stop": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "run"}, task.Spec{Kind: "k", ID: "ended"})
			v.claim(1, 2, time.Minute)
			v.end(task.Report{ID: "ended", Op: task.Fail, Code: task.CodePermanent, Error: "no"})
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g", Unique: "u", Deadline: time.Hour}, task.Spec{Kind: "k", ID: "b", Group: "g"},
				task.Spec{Kind: "k", ID: "s", Delay: time.Hour})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return changed(st.Stop(ctx, "why", "run", "ended", "a", "s", "nobody"))
		},
		again: "run:running:false ended:failed:false a:stopped:false s:stopped:false nobody::false",
	},
	"retry": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "f"}, task.Spec{Kind: "k", ID: "live", Group: "g"})
			v.claim(1, 1, time.Minute)
			v.end(task.Report{ID: "f", Op: task.Fail, Code: task.CodePermanent, Error: "no"})
			v.enqueue(task.Spec{Kind: "k", ID: "s", Unique: "u", Group: "g"})
			v.stop("s")
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return changed(st.Retry(ctx, task.Edit{}, "f", "live", "s", "nobody"))
		},
	},
	"runnow": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "f"}, task.Spec{Kind: "k", ID: "live", Group: "g"})
			v.claim(1, 1, time.Minute)
			v.end(task.Report{ID: "f", Op: task.Fail, Code: task.CodeError, Error: "no", Delay: time.Hour, DelaySet: true})
			v.enqueue(task.Spec{Kind: "k", ID: "s", Group: "g", Delay: time.Hour}, task.Spec{Kind: "k", ID: "t", Deadline: 2 * time.Hour, Delay: time.Hour})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return changed(st.RunNow(ctx, "f", "live", "s", "t", "nobody"))
		},
	},
	"delete": {
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "f"}, task.Spec{Kind: "k", ID: "s", Retain: &forever}, task.Spec{Kind: "k", ID: "live"})
			v.claim(1, 2, time.Minute)
			v.end(task.Report{ID: "f", Op: task.Fail, Code: task.CodePermanent, Error: "no"})
			v.end(task.Report{ID: "s", Result: []byte("1")})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return changed(st.Delete(ctx, "f", "s", "live", "nobody"))
		},
		again: "f::false s::false live:waiting:false nobody::false",
	},
	"configure": {
		prepare: blockedGroup,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			one, off := 1, false
			return done(st.Configure(ctx, group("g", 2), task.Setting{Scope: task.QueueScope, Name: "new", Limit: &one, Pause: &off}))
		},
	},
	"regroup": {
		prepare: func(v *victim) {
			one := 1
			v.base()
			v.configure(task.Setting{Scope: task.GroupsScope, Limit: &one})
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "h"}, task.Spec{Kind: "k", ID: "b", Group: "h"})
			v.claim(1, 1, time.Minute)
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			two := 2
			return done(st.Configure(ctx, task.Setting{Scope: task.GroupsScope, Limit: &two}))
		},
	},
	"join": {
		prepare: blockedGroup,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			warnings, err := st.Join(ctx, task.Registration{
				Replica: "s", Lease: time.Hour, Queues: map[string]task.QueueConfig{"more": {Workers: 1, Limit: 3}},
				Kinds: map[string]task.Policy{"k": {MaxAttempts: 9}},
				Limit: 60, Groups: task.Groups{Limits: map[string]int{"g": 2}},
			})
			return fmt.Sprint(len(warnings), " warnings"), err
		},
	},
	"leave": {
		prepare: func(v *victim) {
			v.base()
			v.join("s", task.Registration{
				Queues: map[string]task.QueueConfig{"default": {Workers: 9}}, Kinds: map[string]task.Policy{"k": {MaxAttempts: 3}},
			})
			v.claim(1, 1, time.Minute) // it gets fewer tasks than it has slots for
			v.later()
			_, err := v.st.Exchange(context.Background(), task.Exchange{Replica: "s", Sequence: 1, Call: 1, Lease: time.Minute, Idle: true})
			v.must(err)
			v.later()
			// r, which has been idle for longer, is woken for a. s takes over
			// the signal.
			v.enqueue(task.Spec{Kind: "k", ID: "a"}, task.Spec{Kind: "k", ID: "s", Queue: "other", Delay: time.Hour})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return done(st.Leave(ctx, "r"))
		},
	},
	"drain": {
		prepare: func(v *victim) { v.base() },
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			asked, err := st.Drain(ctx, "r", "nobody")
			return fmt.Sprint(asked), err
		},
	},
	"forget": {
		prepare: func(v *victim) {
			v.base()
			on := true
			v.must(v.st.Configure(context.Background(), task.Setting{Scope: task.QueueScope, Name: "unused", Pause: &on}))
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			err := st.ForgetQueue(ctx, "unused")
			if errors.Is(err, task.ErrNoQueue) { // the first call has removed it already
				err = nil
			}
			return done(err)
		},
	},
	"signal": {
		prepare: func(v *victim) { v.base() },
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return done(st.Wake(ctx, "r"))
		},
	},
	"wake": {
		prepare: func(v *victim) {
			on := true
			v.base()
			v.configure(task.Setting{Scope: task.PoolScope, Pause: &on})
			v.enqueue(task.Spec{Kind: "k", ID: "a"}, task.Spec{Kind: "k", ID: "s", Delay: time.Hour})
			v.claim(1, 1, time.Minute) // it gets fewer tasks than it has slots for
			v.later()
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			off := false // every queue may have claimable tasks again
			return done(st.Configure(ctx, task.Setting{Scope: task.PoolScope, Pause: &off}))
		},
	},
	"count": {
		prepare: func(v *victim) {
			v.join("r", task.Registration{Queues: map[string]task.QueueConfig{"default": {Workers: 9}}})
			v.enqueue(task.Spec{Kind: "k", ID: "a"}, task.Spec{Kind: "k", ID: "b"})
			v.claim(1, 1, time.Minute)
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			nine := 9
			return done(st.Configure(ctx, task.Setting{Scope: task.PoolScope, Limit: &nine}))
		},
	},
	"check": {
		prepare: func(v *victim) {
			blockedGroup(v)
			ctx := context.Background()
			v.must(v.rdb.ZRem(ctx, v.key("wait:default"), "c").Err())
			v.must(v.rdb.Del(ctx, v.key("task:b")).Err())
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			for f, err := range st.Inspect(ctx, task.Inspection{Fix: true}) {
				// A full Redis is an error for an operator, but must not
				// prevent the repair.
				if err == nil && f.Severity == task.SeverityError && f.Fixed == "" && f.Check != "memory" {
					err = fmt.Errorf("%s: %s", f.What, f.Do)
				}
				if err != nil {
					return "", err
				}
			}
			return "", nil
		},
	},
	"consumers": {
		prepare: func(v *victim) {
			v.base()
			_, _, err := v.st.ReadSubscription(context.Background(), "g", "c", 1, time.Hour, 0)
			v.must(err)
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return done(st.LeaveSubscription(ctx, "g", "c"))
		},
	},
	"rights": {
		prepare: func(v *victim) { v.base() },
		call:    func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) { return done(st.Check(ctx)) },
	},
	"inbox": {
		prepare: func(v *victim) {
			v.base()
			v.push(`{"kind":"k","id":"a","group":"g"}`, `{"kind":"k","id":"a"}`, `{"kind":"k"}`, `{"kind":"k"}`, `nonsense`)
			v.must(v.rdb.LMove(context.Background(), v.key("inbox"), v.key("inbox:open"), "LEFT", "RIGHT").Err())
		},
		call: admit,
	},
	"readmit": {
		prepare: func(v *victim) {
			v.base()
			v.reject(`{"kind":"k","id":"a","prio":1}`, "nonsense")
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			err := st.PutBack(ctx, v.rejected[0], []byte(`{"kind":"k","id":"a"}`))
			if errors.Is(err, task.ErrNoReject) { // an earlier call has put it back
				return "none", nil
			}
			return done(err)
		},
	},
	"discard": {
		prepare: func(v *victim) {
			v.base()
			v.reject("nonsense", "more nonsense", `{"kind":"k","id":"a","prio":1}`)
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			dropped, err := st.DropRejected(ctx, v.rejected[0], "1-0", v.rejected[2])
			return fmt.Sprint(dropped), err
		},
	},
}
