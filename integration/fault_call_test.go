package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func group(name string, limit int) task.Setting {
	return task.Setting{Scope: task.GroupScope, Name: name, Limit: &limit}
}

// base is a replica r, a group g with a limit of one, and a policy.
func (v *victim) base() {
	v.t.Helper()
	v.join("r", task.Registration{
		Queues: map[string]task.QueueConfig{"default": {Workers: 9, Limit: 20}},
		Kinds:  map[string]task.Policy{"k": {MaxAttempts: 3}},
		Limit:  50, Groups: task.Groups{Limits: map[string]int{"g": 1}},
	})
}

// exchange reports and claims in one call, and returns a short form of both
// results.
func (v *victim) exchange(ctx context.Context, st *redisstore.Store, call int64, n int, reports ...task.Report) (string, error) {
	v.t.Helper()
	return v.exchangeOn(ctx, st, "default", call, n, reports...)
}

// exchangeOn is exchange for another queue than the default one.
func (v *victim) exchangeOn(ctx context.Context, st *redisstore.Store, queue string, call int64, n int, reports ...task.Report) (string, error) {
	for i := range reports {
		reports[i].Queue, reports[i].Last = queue, true
		if task := v.held[reports[i].ID]; task != nil {
			reports[i].Fence = task.Fence
		}
	}
	x := claimOf(call, n, time.Minute)
	x.Claims[0].Queue, x.Reports = queue, reports
	got, err := st.Exchange(ctx, x)
	if err != nil {
		return "", err
	}
	var words []string
	for _, v := range got.Verdicts {
		words = append(words, string(v))
	}
	for _, task := range tasksOf(got) {
		words = append(words, fmt.Sprintf("%s/%d", task.ID, task.Attempt))
	}
	return strings.Join(words, " "), nil
}

func maintain(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
	u, err := st.Maintain(ctx, "r")
	return fmt.Sprint("busy=", u.Busy, " inbox=", u.Inbox, " lost=", u.Lost), err
}

func admit(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
	more, err := st.AdmitInbox(ctx, nil)
	return fmt.Sprint("more=", more), err
}

func changed(changes []task.Change, err error) (string, error) {
	var words []string
	for _, c := range changes {
		words = append(words, fmt.Sprintf("%s:%s:%v", c.ID, c.State, c.Done))
	}
	return strings.Join(words, " "), err
}

func done(err error) (string, error) { return "", err }

var forever = task.Forever

// blockedGroup is a full group with a blocked task.
func blockedGroup(v *victim) {
	v.base()
	v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b", Group: "g"}, task.Spec{Kind: "k", ID: "c"})
	v.claim(1, 1, time.Minute)
}

// reject pushes entries that are rejected and sets v.rejected.
func (v *victim) reject(entries ...any) {
	v.t.Helper()
	v.push(entries...)
	_, err := v.open(v.rdb).AdmitInbox(context.Background(), nil) // does not count as a call of v.st
	v.must(err)
	for r, err := range v.st.Rejected(context.Background()) {
		v.must(err)
		v.rejected = append(v.rejected, r.ID)
	}
}

// casesOf returns the names of the cases of a script.
func casesOf(script string) []string {
	var names []string
	for name := range faultCases {
		if of, _, _ := strings.Cut(name, " "); of == script {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// eachScript runs f for every case of every script. It fails for a script
// without a case.
func eachScript(t *testing.T, f func(t *testing.T, script string, c faultCase)) {
	for _, script := range scripts(t) {
		cases := casesOf(script)
		if len(cases) == 0 {
			t.Errorf("lua/%s.lua has no case in faultCases", script)
		}
		for _, name := range cases {
			t.Run(name, func(t *testing.T) { f(t, script, faultCases[name]) })
		}
	}
}

// everyScript makes a store call every script once, so that the server has
// cached the scripts and the store knows it. The pool is empty afterwards.
func everyScript(v *victim, st *redisstore.Store) {
	v.t.Helper()
	ctx, zero, one := context.Background(), 0, 1
	_, err := st.Join(ctx, task.Registration{Replica: "r", Lease: time.Hour})
	v.must(err)
	v.must(st.Configure(ctx, task.Setting{Scope: task.GroupsScope, Limit: &one}))
	v.push(`{"kind":"k","id":"x","group":"w"}`)
	_, err = st.AdmitInbox(ctx, nil)
	v.must(err)
	_, err = st.Enqueue(ctx, []task.Spec{{Kind: "k", ID: "y", Group: "w"}})
	v.must(err)
	_, err = st.Exchange(ctx, claimOf(1, 1, time.Millisecond))
	v.must(err)
	v.must(st.Configure(ctx, task.Setting{Scope: task.GroupsScope, Limit: &zero})) // inserts y into its queue
	v.must(v.rdb.Del(ctx, v.key("task:x")).Err())
	v.later()
	_, err = st.Maintain(ctx, "r") // finds x without a body
	v.must(err)
	v.must(st.Configure(ctx, task.Setting{Scope: task.PoolScope, Limit: &one})) // updates the running counts and wakes every queue
	_, err = st.Get(ctx, "y")
	v.must(err)
	_, err = st.Renew(ctx, task.Renewal{Replica: "r", Lease: time.Hour})
	v.must(err)
	_, err = st.Stop(ctx, "why", "y")
	v.must(err)
	_, err = st.Retry(ctx, task.Edit{}, "x")
	v.must(err)
	_, err = st.RunNow(ctx, "x")
	v.must(err)
	_, err = st.Delete(ctx, "y")
	v.must(err)
	v.must(st.Wake(ctx, "r"))
	_, err = st.Drain(ctx, "nobody")
	v.must(err)
	if err := st.ForgetQueue(ctx, "nowhere"); !errors.Is(err, task.ErrNoQueue) {
		v.t.Fatal(err)
	}
	if err := st.PutBack(ctx, "1-0", nil); !errors.Is(err, task.ErrNoReject) {
		v.t.Fatal(err)
	}
	_, err = st.DropRejected(ctx, "1-0")
	v.must(err)
	if err := st.PauseTrigger(ctx, "none"); !errors.Is(err, task.ErrNoTrigger) {
		v.t.Fatal(err)
	}
	_, err = st.FireTriggers(ctx, nil, 1)
	v.must(err)
	_, err = st.Stats(ctx)
	v.must(err)
	for _, err := range st.Inspect(ctx, task.Inspection{}) {
		v.must(err)
	}
	v.must(st.Leave(ctx, "r"))
	v.must(st.LeaveSubscription(ctx, "g", "c"))
	v.must(v.rdb.Del(ctx, v.keyed(v.keys())...).Err())
}

// keyed returns the full names of keys.
func (v *victim) keyed(names []string) []string {
	full := make([]string, len(names))
	for i, name := range names {
		full[i] = v.key(name)
	}
	return full
}
