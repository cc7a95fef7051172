package storetest

import (
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of task.NoLimit: a group that is exempt from the default limit, and a setting
// or a configuration that replaces a limit with none.
var noLimitRules = []rule{
	{"ExemptGroupRunsBeyondTheDefault", exemptGroupRunsBeyondTheDefault},
	{"ExemptionUnblocksTheGroupAtOnce", exemptionUnblocksTheGroup},
	{"DefaultHoldsAtOnceWithoutTheExemption", defaultHoldsWithoutTheExemption},
	{"LimitOfAnExemptGroupCountsItsRunningTasks", limitOfAnExemptGroup},
	{"NoLimitRemovesTheLimitsOfPoolQueueAndGroups", noLimitRemovesLimits},
	{"ConfigurationExemptsAGroup", configurationExemptsAGroup},
	{"ConfigurationOfNoLimitReplacesLimits", configurationOfNoLimit},
}

func (fx *fixture) enqueueGroup(queue, group string, n int) {
	fx.Helper()
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint(group, "-", queue, i), Queue: queue, Group: group}
	}
	fx.enqueueAll(specs...)
}

func exemptGroupRunsBeyondTheDefault(fx *fixture) {
	fx.limit(task.GroupsScope, "", 1)
	fx.limit(task.GroupScope, "big", task.NoLimit)
	fx.enqueueGroup("q", "big", 4)
	fx.enqueueGroup("q", "small", 2)
	fx.wantIDs(fx.claim("q", 9), "big-q0", "big-q1", "big-q2", "big-q3", "small-q0")
	exempt := task.GroupInfo{Name: "big", Own: true, Running: 4}
	fx.wantGroups(nil, 1, exempt)
	fx.wantGroups([]string{"small", "big"}, 1, exempt, task.GroupInfo{Name: "small", Limit: 1, Running: 1, Held: 1})
	// A new default does not apply to the group.
	fx.limit(task.GroupsScope, "", 2)
	fx.enqueueGroup("p", "big", 2)
	fx.wantIDs(fx.claim("p", 9), "big-p0", "big-p1")
	fx.wantIDs(fx.claim("q", 9), "small-q1")
}

func exemptionUnblocksTheGroup(fx *fixture) {
	for _, own := range []int{2, 0} { // first the group has a limit of its own, then the default
		fx := fx.withNewPool()
		fx.limit(task.GroupsScope, "", 1)
		fx.limit(task.GroupScope, "g", own)
		fx.enqueueGroup("p", "g", 4)
		fx.enqueueGroup("q", "g", 2)
		running := fx.claim("p", 9)
		if n := max(own, 1); len(running) != n {
			fx.Errorf("%d started, want %d", len(running), n)
		}
		fx.wantIDs(fx.claim("q", 9))
		fx.serve("w", "p")
		fx.serve("v", "q")
		fx.becomeIdle("w")
		fx.becomeIdle("v")
		fx.limit(task.GroupScope, "g", task.NoLimit)
		fx.wantSignals("the group is exempt", "v q:q", "w q:p")
		fx.wantGroups([]string{"g"}, 1, task.GroupInfo{Name: "g", Own: true, Running: len(running)})
		fx.wantOrder(ids(fx.claim("q", 9)), "g-q0", "g-q1")
		if n := len(running) + len(fx.claim("p", 9)); n != 4 {
			fx.Errorf("%d of 4 run in an exempt group", n)
		}
	}
}

func defaultHoldsWithoutTheExemption(fx *fixture) {
	fx.limit(task.GroupScope, "g", task.NoLimit)
	fx.limit(task.GroupsScope, "", 2)
	fx.enqueueGroup("q", "g", 8)
	running := fx.claim("q", 4)
	fx.limit(task.GroupScope, "g", 0)
	fx.wantIDs(fx.claim("q", 9))
	fx.wantGroups([]string{"g"}, 2, task.GroupInfo{Name: "g", Limit: 2, Running: 4, Held: 4})
	fx.wantGroups(nil, 2)
	fx.accept(succeed(running[0]), succeed(running[1]))
	fx.wantIDs(fx.claim("q", 9))
	for next := 4; next < 8; next++ {
		fx.accept(succeed(running[2]))
		got := fx.claim("q", 9)
		fx.wantIDs(got, fmt.Sprint("g-q", next))
		running = append(running[:2], running[3], got[0])
	}
}

func limitOfAnExemptGroup(fx *fixture) {
	fx.limit(task.GroupScope, "g", task.NoLimit)
	fx.enqueueGroup("q", "g", 3)
	fx.enqueueGroup("p", "g", 3)
	running := append(fx.claim("q", 2), fx.claim("p", 1)...)
	fx.limit(task.GroupScope, "g", 3)
	fx.wantIDs(fx.claim("q", 9))
	fx.wantIDs(fx.claim("p", 9))
	fx.accept(succeed(running[0]))
	fx.wantIDs(fx.claim("p", 9), "g-p1")
	fx.wantGroups(nil, 0, task.GroupInfo{Name: "g", Limit: 3, Own: true, Running: 3, Held: 2})
}

func noLimitRemovesLimits(fx *fixture) {
	for _, s := range []task.Setting{
		{Scope: task.PoolScope}, {Scope: task.QueueScope, Name: "q"}, {Scope: task.GroupsScope},
	} {
		fx := fx.withNewPool()
		fx.enqueueGroup("q", "g", 3)
		s.Limit = ptr(1)
		fx.configure(s)
		running := fx.claim("q", 9)
		if len(running) != 1 {
			fx.Errorf("%s: %d started under a limit of 1", s.Scope, len(running))
		}
		s.Limit = ptr(task.NoLimit)
		fx.configure(s)
		if n := len(fx.claim("q", 9)); n != 2 {
			fx.Errorf("%s: %d more started without a limit, want 2", s.Scope, n)
		}
		st := fx.stats()
		if st.Limit != 0 || st.Queues[0].Limit != 0 {
			fx.Errorf("%s: limits %d and %d", s.Scope, st.Limit, st.Queues[0].Limit)
		}
		fx.wantGroups(nil, 0)
		// The tasks that started without a limit count towards the next one.
		fx.enqueue(task.Spec{ID: "next", Queue: "q", Group: "g"})
		s.Limit = ptr(3)
		fx.configure(s)
		fx.wantIDs(fx.claim("q", 9))
		fx.accept(succeed(running[0]))
		fx.wantIDs(fx.claim("q", 9), "next")
	}
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(1)})
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(task.NoLimit)})
	fx.enqueueGroup("q", "g", 2)
	if q := fx.stats().Queues[0]; q.MaxLen != 0 || q.Waiting != 2 {
		fx.Errorf("queue %+v", q)
	}
}

func configurationExemptsAGroup(fx *fixture) {
	exempt := func(replica string) task.Registration {
		return task.Registration{Replica: replica, Groups: task.Groups{Limits: map[string]int{"g": task.NoLimit}}}
	}
	fx.limit(task.GroupsScope, "", 1)
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueGroup("q", "g", 3)
	fx.wantIDs(fx.claim("q", 9), "g-q0")
	fx.serve("w", "q")
	fx.becomeIdle("w")
	if w := fx.join(exempt("a")); len(w) != 1 || !strings.Contains(w[0], "groups.limits.g was 1 and is now none") {
		fx.Errorf("warnings %q", w)
	}
	fx.wantSignals("the group is exempt", "w q:q")
	fx.wantIDs(fx.claim("q", 9), "g-q1", "g-q2")
	if w := fx.join(exempt("b")); len(w) != 0 {
		fx.Errorf("warnings of an equal configuration %q", w)
	}
	// A limit that was set live holds until a configuration changes.
	fx.limit(task.GroupScope, "g", 2)
	fx.join(exempt("c"))
	fx.wantGroups(nil, 1, task.GroupInfo{Name: "g", Limit: 2, Own: true, Running: 3})
	limited := exempt("d")
	limited.Groups.Limits["g"] = 4
	fx.join(limited)
	if w := fx.join(exempt("e")); len(w) != 1 {
		fx.Errorf("warnings %q", w)
	}
	fx.wantGroups(nil, 1, task.GroupInfo{Name: "g", Own: true, Running: 3})
	if w := fx.join(limited); len(w) != 1 || !strings.Contains(w[0], "groups.limits.g was none and is now 4") {
		fx.Errorf("warnings %q", w)
	}
}

func configurationOfNoLimit(fx *fixture) {
	config := func(replica string, n int) task.Registration {
		return task.Registration{Replica: replica, Limit: n, Groups: task.Groups{DefaultLimit: n},
			Queues: map[string]task.QueueConfig{"q": {Workers: 1, Limit: n, MaxLen: n}}}
	}
	fx.limit(task.PoolScope, "", 5)
	fx.join(config("a", 2))
	fx.enqueueGroup("q", "g", 2)
	fx.enqueueGroup("p", "g", 4)
	running := append(fx.claim("q", 9), fx.claim("p", 9)...)
	fx.wantIDs(running, "g-q0", "g-q1")
	fx.serve("w", "p")
	fx.becomeIdle("w")
	w := fx.join(config("b", task.NoLimit))
	want := []string{"queues.q.max_len was 2 and is now none", "limit was 2 and is now none", "groups.default_limit was 2 and is now none", "queues.q.limit was 2 and is now none"}
	for i, warning := range w {
		w[i], _, _ = strings.Cut(warning, ",")
	}
	if d := cmp.Diff(want, w); d != "" {
		fx.Error("warnings (-want +got):\n", d)
	}
	fx.wantSignals("no limits", "w q:p")
	fx.wantIDs(fx.claim("p", 2), "g-p0", "g-p1")
	fx.enqueueGroup("q", "h", 3)
	if q := fx.stats().Queues; fx.stats().Limit != 0 || q[1].Limit != 0 || q[1].MaxLen != 0 {
		fx.Errorf("limit %d, queues %+v", fx.stats().Limit, q)
	}
	// The first limit of the pool after that counts the tasks that run.
	fx.join(task.Registration{Replica: "c", Limit: 4})
	fx.wantIDs(fx.claim("q", 9))
	fx.accept(succeed(running[0]))
	fx.wantIDs(fx.claim("q", 9), "h-q0")
	if w := fx.join(config("d", task.NoLimit)); len(w) != 1 || !strings.Contains(w[0], "limit was 4") {
		fx.Errorf("warnings %q", w)
	}
}
