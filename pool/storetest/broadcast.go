package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

var broadcastRules = []rule{
	{"BroadcastHasOneChildPerReplica", broadcastHasOneChildPerReplica},
	{"BroadcastGoesToReplicasThatWouldTakeIt", broadcastGoesToTakers},
	{"BroadcastGoesToTheReplicasOfThatInstant", broadcastGoesToThatInstant},
	{"BroadcastWithoutReplicasFails", broadcastWithoutReplicas},
	{"BroadcastHasABoundedNumberOfReplicas", broadcastIsBounded},
	{"BroadcastBeginsWhenItIsDue", broadcastBeginsWhenDue},
	{"BroadcastComesFromEntriesAndTriggers", broadcastFromEntriesAndTriggers},
	{"BroadcastHoldsTheQueueCap", broadcastHoldsTheCap},
}

// broadcast makes a broadcast in queue q and its children.
func (fx *fixture) broadcast(id string, spec task.Spec) {
	fx.Helper()
	spec.ID, spec.Kind, spec.Queue, spec.Broadcast = id, "k", "q", true
	fx.parent(spec)
}

// runs succeeds with the tasks that a replica gets and returns their ids.
func (fx *fixture) runs(replica string) string {
	fx.Helper()
	got := fx.take(replica, 9)
	for _, t := range got {
		fx.accept(succeed(t))
	}
	return strings.Join(ids(got), " ")
}

func broadcastHasOneChildPerReplica(fx *fixture) {
	fx.labelled("r2")
	fx.labelled("r1", "gpu")
	fx.becomeIdle("r1", "r2")
	if r := fx.enqueueAll(task.Spec{ID: "p", Queue: "q", Broadcast: true, Payload: []byte("1"), Headers: map[string]string{"a": "b c"}})[0]; r.State != task.Running {
		fx.Errorf("receipt %+v", r)
	}
	p := fx.wantState("p", task.Running)
	if d := cmp.Diff([]string{"r1", "r2"}, p.ShardParams); d != "" || p.Shards != 2 || !p.Broadcast || p.Counts.Unmade != 2 {
		fx.Errorf("%d replicas (-want +got):\n%s", p.Shards, d)
	}
	fx.spread()
	for i, replica := range []string{"r1", "r2"} {
		if s := fx.Signals(fx, replica); !strings.Contains(strings.Join(s, " "), "q:q") {
			fx.Errorf("%s was signalled for %v", replica, s)
		}
		child := fx.get(fmt.Sprint("p/", i))
		if child.Shard != (task.Shard{Parent: "p", Index: i, Total: 2, Param: replica}) || string(child.Payload) != "1" || child.Headers["a"] != "b c" {
			fx.Errorf("child %+v", child)
		}
		if d := cmp.Diff([]string{"id=" + replica}, child.Labels); d != "" || child.Broadcast || child.Shards != 0 {
			fx.Errorf("labels (-want +got):\n%s", d)
		}
	}
	for i, replica := range []string{"r1", "r2"} {
		got := fx.take(replica, 9)
		fx.wantIDs(got, fmt.Sprint("p/", i))
		if got[0].Shard.Param != replica {
			fx.Errorf("%s got %+v", replica, got[0].Shard)
		}
		r := succeed(got[0])
		r.Result = []byte(fmt.Sprint(i))
		fx.accept(r)
	}
	if p := fx.wantEnd("p", task.Succeeded, task.CodeOK); string(p.Result) != "[0,1]" {
		fx.Errorf("result %s", p.Result)
	}
	for _, id := range []string{"p", "p/0", "p/1"} {
		fx.remove(id)
		fx.wantNoTrace(id)
	}
}

func broadcastGoesToTakers(fx *fixture) {
	fx.labelled("plain")
	fx.labelled("gpu", "gpu")
	fx.joinLabelled(task.Registration{Replica: "exclusive", Labels: []string{"gpu"}, Exclusive: true, Host: "h1", Disabled: []string{"kk"}})
	fx.joinLabelled(task.Registration{Replica: "other", Labels: []string{"gpu"}, Host: "h1", Kinds: map[string]task.Policy{"kk": {}}})
	disabled := task.Registration{Replica: "disabled", Labels: []string{"gpu"}, Kinds: map[string]task.Policy{"k": {}}, Host: "h1"}
	for i := range 300 {
		disabled.Disabled = append(disabled.Disabled, fmt.Sprint("j", i))
	}
	disabled.Disabled = append(disabled.Disabled, "k")
	fx.joinLabelled(disabled)
	fx.labelled("drains", "gpu")
	fx.askToDrain("drains")
	fx.join(task.Registration{Replica: "elsewhere", Queues: map[string]task.QueueConfig{"qq": {Workers: 1}}})
	for name, tt := range map[string]struct {
		labels []string
		want   []string
	}{
		"t-none": {nil, []string{"gpu", "plain"}},
		"t-gpu":  {[]string{"gpu"}, []string{"exclusive", "gpu"}},
		"t-host": {[]string{"host=h1"}, []string{"exclusive"}},
		"t-both": {[]string{"gpu", "host=h1"}, []string{"exclusive"}},
	} {
		fx.broadcast(name, task.Spec{Labels: tt.labels, Retain: new(time.Duration)})
		p := fx.get(name)
		if d := cmp.Diff(tt.want, p.ShardParams); d != "" {
			fx.Errorf("%s (-want +got):\n%s", name, d)
		}
		if d := cmp.Diff(task.CanonicalLabels(append(tt.labels, "id="+tt.want[0])), fx.get(name+"/0").Labels); d != "" {
			fx.Errorf("%s (-want +got):\n%s", name, d)
		}
		for i, replica := range tt.want {
			if got := fx.runs(replica); got != fmt.Sprint(name, "/", i) {
				fx.Errorf("%s got %q", replica, got)
			}
		}
		fx.wantNoTrace(name)
	}
	disabled.Disabled = nil
	fx.joinLabelled(disabled)
	fx.broadcast("enabled", task.Spec{})
	if p := fx.get("enabled"); !slices.Contains(p.ShardParams, "disabled") {
		fx.Errorf("a replica that has joined again is not in %v", p.ShardParams)
	}
}

func broadcastGoesToThatInstant(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.enqueue(task.Spec{ID: "p", Queue: "q", Broadcast: true})
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	fx.labelled("c")
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Failed: 1})
	if got := fx.runs("c"); got != "" {
		fx.Errorf("a replica that joined later got %s", got)
	}
	if got := fx.runs("a"); got != "p/0" {
		fx.Errorf("a got %q", got)
	}
	if p := fx.wantEnd("p", task.Failed, task.CodeChildren); p.Error != "of 2 shards 1 failed; the first: p/1: replica b has gone" {
		fx.Errorf("error %q", p.Error)
	}
}

func broadcastWithoutReplicas(fx *fixture) {
	fx.join(task.Registration{Replica: "other", Kinds: map[string]task.Policy{"k": {}}, Queues: map[string]task.QueueConfig{"qq": {Workers: 1}}})
	fx.enqueue(task.Spec{ID: "p", Queue: "q", Broadcast: true, Labels: []string{"gpu", "a"}, Reply: true})
	if p := fx.wantEnd("p", task.Failed, task.CodeNoHandler); p.Error != "no live replica of queue q with the labels a gpu has a handler for kind k" {
		fx.Errorf("error %q", p.Error)
	}
	fx.wantReply("p", "failed", "no_handler")
	fx.enqueue(task.Spec{ID: "gone", Queue: "q", Broadcast: true, Retain: new(time.Duration)})
	fx.wantNoTrace("gone")
	fx.enqueueAll(task.Spec{ID: "held", Queue: "q", Broadcast: true, Hold: true}, task.Spec{ID: "delayed", Queue: "q", Broadcast: true, Delay: time.Millisecond})
	fx.runNow("held")
	fx.wantEnd("held", task.Failed, task.CodeNoHandler)
	fx.waitPast(2 * time.Millisecond)
	fx.maintain()
	fx.spread()
	fx.wantEnd("delayed", task.Failed, task.CodeNoHandler)
	fx.retry("held")
	fx.wantEnd("held", task.Failed, task.CodeNoHandler)

	// A retry chooses again, because there was none.
	fx.labelled("r")
	fx.retry("held")
	fx.spread()
	if got := fx.runs("r"); got != "held/0" {
		fx.Errorf("r got %q", got)
	}
	if events := fx.eventsOf("p"); len(events) != 2 || events[0].State != task.Running || events[1].State != task.Failed {
		fx.Errorf("events %+v", events)
	}
}

func broadcastIsBounded(fx *fixture) {
	n := 120
	if fx.Full && !fx.Emulated {
		n = task.MaxMembers
	}
	for i := range n {
		fx.join(task.Registration{Replica: fmt.Sprint("r", i), Kinds: map[string]task.Policy{"k": {}}, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}})
	}
	fx.broadcast("p", task.Spec{})
	fx.wantCounts("p", task.ShardCounts{Pending: n})
	fx.stop("p")
	fx.spread()
	fx.broadcast("large", task.Spec{Payload: make([]byte, 1<<20)})
	if p := fx.wantEnd("large", task.Failed, task.CodeChildren); !strings.Contains(p.Error, "over 64 MiB") {
		fx.Errorf("error %q", p.Error)
	}
	if n < task.MaxMembers {
		return
	}
	fx.labelled("more")
	fx.broadcast("many", task.Spec{})
	if p := fx.wantEnd("many", task.Failed, task.CodeChildren); !strings.Contains(p.Error, "more than 1000 replicas") {
		fx.Errorf("error %q", p.Error)
	}
}

func broadcastBeginsWhenDue(fx *fixture) {
	fx.labelled("early")
	fx.enqueueAll(task.Spec{ID: "held", Queue: "q", Broadcast: true, Hold: true}, task.Spec{ID: "delayed", Queue: "q", Broadcast: true, Delay: time.Millisecond})
	fx.spread()
	fx.noError(fx.Store.Leave(fx.ctx, "early"))
	fx.labelled("r")
	fx.waitPast(2 * time.Millisecond)
	fx.maintain()
	fx.runNow("held")
	fx.spread()
	for _, id := range []string{"delayed", "held"} {
		if d := cmp.Diff([]string{"r"}, fx.get(id).ShardParams); d != "" {
			fx.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	if got := fx.runs("r"); got != "delayed/0 held/0" && got != "held/0 delayed/0" {
		fx.Errorf("r got %q", got)
	}
}

func broadcastFromEntriesAndTriggers(fx *fixture) {
	fx.labelled("r")
	fx.Push(fx, `{"kind":"k","queue":"q","id":"p","broadcast":true,"fail_fast":true}`, `{"kind":"k","id":"bad","broadcast":true,"shards":2}`,
		`{"kind":"k","id":"one","broadcast":true,"labels":["id=r"]}`)
	fx.admit()
	fx.spread()
	if p := fx.wantState("p", task.Running); !p.FailFast || !p.Broadcast {
		fx.Errorf("parent %+v", p)
	}
	if reasons := fx.Rejects(fx); len(reasons) != 2 || !strings.HasPrefix(reasons[0], "broadcast and shards cannot both be set") || !strings.Contains(reasons[1], "leave out broadcast") {
		fx.Errorf("rejects %q", reasons)
	}
	if got := fx.runs("r"); got != "p/0" {
		fx.Errorf("r got %q", got)
	}
	fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour, Task: task.Spec{Kind: "k", Queue: "q", Broadcast: true}}, fx.past())
	fx.wantFired("enqueued")
	fx.spread()
	if got := fx.runs("r"); !strings.HasSuffix(got, "/0") {
		fx.Errorf("r got %q", got)
	}
}

func broadcastHoldsTheCap(fx *fixture) {
	n := 1
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: &n})
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("p", task.Spec{})
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Unmade: 1})
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	if got := fx.runs("a"); got != "p/0" {
		fx.Errorf("a got %q", got)
	}
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	fx.wantEnd("p", task.Failed, task.CodeChildren)
}
