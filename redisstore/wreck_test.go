package redisstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// wreck is a pool with a task in every state, in replica "r".
type wreck struct {
	*site
	t *testing.T
}

func newWreck(t *testing.T, rdb *redis.Client) *wreck {
	w := &wreck{site: newSite(t, rdb), t: t}
	w.join(t, "r")
	one := 1
	keep := time.Hour
	w.must(w.store.Configure(t.Context(), worker.Setting{Scope: worker.GroupScope, Name: "g", Limit: &one}))
	w.enqueue(worker.Spec{ID: "run", Group: "g", Unique: "u-run", Priority: 100, Deadline: time.Hour},
		worker.Spec{ID: "fail", Priority: 90, MaxAttempts: 1}, worker.Spec{ID: "done", Priority: 80, Retain: &keep})
	got := w.claim(3)
	for _, task := range got[1:] {
		op := worker.Succeed
		if task.ID == "fail" {
			op = worker.Fail
		}
		if _, _, err := w.store.Exchange(t.Context(), []worker.Report{{ID: task.ID, Fence: task.Fence, Op: op, Code: worker.CodeError}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.enqueue(worker.Spec{ID: "wait", Unique: "u"}, worker.Spec{ID: "wait2", TTL: time.Hour}, worker.Spec{ID: "parked", Group: "g"},
		worker.Spec{ID: "later", Delay: time.Hour}, worker.Spec{ID: "other", Queue: "q"})
	w.findsNothing()
	return w
}

func (w *wreck) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *wreck) enqueue(specs ...worker.Spec) {
	w.t.Helper()
	for i := range specs {
		specs[i].Kind = "k"
	}
	_, err := w.store.Enqueue(w.t.Context(), specs)
	w.must(err)
}

var wreckCalls int64

func (w *wreck) claim(n int, queues ...string) []*worker.Task {
	w.t.Helper()
	wreckCalls++
	queue := "default"
	if len(queues) > 0 {
		queue = queues[0]
	}
	_, claimed, err := w.store.Exchange(w.t.Context(), nil, []worker.Claim{{
		Replica: "r", Queue: queue, N: n, Lease: time.Hour, Grace: time.Second, Call: wreckCalls}})
	w.must(err)
	return claimed[0].Tasks
}

// find returns what is broken where it stands.
func (w *wreck) find(fix bool) []worker.Finding {
	w.t.Helper()
	found, err := w.store.WalkKeys(w.t.Context(), fix)
	w.must(err)
	return slices.DeleteFunc(found, func(f worker.Finding) bool {
		return f.Severity == worker.SeverityOK || f.Severity == worker.SeverityNote || f.Code == "quarantined"
	})
}

func (w *wreck) findsNothing() {
	w.t.Helper()
	if found := w.find(false); len(found) > 0 {
		w.t.Fatalf("found %+v", found)
	}
}

// do runs a command on the pool's keys, behind the pool's back.
func (w *wreck) do(command string, name string, args ...any) {
	w.t.Helper()
	w.must(w.rdb.Do(w.t.Context(), append([]any{command, w.prefix + name}, args...)...).Err())
}

func (w *wreck) score(name, member string) float64 {
	w.t.Helper()
	score, err := w.rdb.ZScore(w.t.Context(), w.prefix+name, member).Result()
	w.must(err)
	return score
}

func (w *wreck) state(id string) worker.State {
	w.t.Helper()
	got, err := w.store.Get(w.t.Context(), id)
	w.must(err)
	if got[0] == nil {
		return ""
	}
	return got[0].State
}

func (w *wreck) fence(id string) int64 {
	w.t.Helper()
	got, err := w.store.Get(w.t.Context(), id)
	w.must(err)
	return got[0].Fence
}

func codes(found []worker.Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, f.Code)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
