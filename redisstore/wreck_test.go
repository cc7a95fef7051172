package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// wreck is a pool with a task in every state, in replica "r". Because of its limit of 100 the pool
// keeps the set of all running tasks.
type wreck struct {
	*site
	t     *testing.T
	calls int64
}

// wreckQueues are the queues that replica "r" serves.
var wreckQueues = map[string]task.QueueConfig{"default": {Workers: 9}, "q": {Workers: 9}, "q2": {Workers: 9}}

func newWreck(t *testing.T, rdb *redis.Client) *wreck {
	w := &wreck{site: newSite(t, rdb), t: t}
	w.joinAgain()
	w.limit(task.GroupScope, "g", 1)
	w.limit(task.GroupScope, "exempt", task.NoLimit)
	w.limit(task.PoolScope, "", 100)
	keep := time.Hour
	w.enqueue(task.Spec{ID: "run", Group: "g", Unique: "u-run", Priority: 100, Deadline: time.Hour},
		task.Spec{ID: "halt", Priority: 99},
		task.Spec{ID: "fail", Priority: 90, MaxAttempts: 1}, task.Spec{ID: "done", Priority: 80, Retain: &keep})
	got := w.claim(4)
	w.exchange(nil, reportOn(got[2], task.Fail), reportOn(got[3], task.Succeed))
	if _, err := w.store.Stop(t.Context(), "enough", "halt"); err != nil {
		t.Fatal(err)
	}
	w.enqueue(task.Spec{ID: "wait", Unique: "u"}, task.Spec{ID: "wait2", TTL: time.Hour}, task.Spec{ID: "blocked", Group: "g"},
		task.Spec{ID: "later", Delay: time.Hour}, task.Spec{ID: "other", Queue: "q"})
	w.findsNothing()
	return w
}

func (w *wreck) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *wreck) joinAgain() {
	w.t.Helper()
	_, err := w.store.Join(w.t.Context(), task.Registration{
		Replica: "r", Lease: time.Hour, Queues: wreckQueues, Kinds: map[string]task.Policy{"k": {}}})
	w.must(err)
}

func (w *wreck) limit(scope task.Scope, name string, n int) {
	w.t.Helper()
	w.must(w.store.Configure(w.t.Context(), task.Setting{Scope: scope, Name: name, Limit: &n}))
}

func (w *wreck) enqueue(specs ...task.Spec) {
	w.t.Helper()
	w.site.enqueue(w.t, specs...)
}

func (w *wreck) exchange(claims []task.Claim, reports ...task.Report) task.Exchanged {
	w.t.Helper()
	got, err := w.tryExchange(claims, reports...)
	w.must(err)
	return got
}

func (w *wreck) tryExchange(claims []task.Claim, reports ...task.Report) (task.Exchanged, error) {
	w.calls++
	return w.store.Exchange(w.t.Context(), task.Exchange{Replica: "r", Sequence: 1, Call: w.calls, Lease: time.Hour,
		Grace: time.Second, Reports: reports, Claims: claims})
}

// claim claims up to n tasks of a queue and returns them in the order of their start.
func (w *wreck) claim(n int, queues ...string) []*task.Task {
	w.t.Helper()
	queue := "default"
	if len(queues) > 0 {
		queue = queues[0]
	}
	return tasksOf(w.exchange([]task.Claim{{Queue: queue, N: n}}))
}

// find returns the findings that have not been quarantined.
func (w *wreck) find(fix bool) []task.Finding {
	w.t.Helper()
	found, err := w.store.WalkKeys(w.t.Context(), fix)
	w.must(err)
	return slices.DeleteFunc(found, func(f task.Finding) bool {
		return f.Severity == task.SeverityOK || f.Severity == task.SeverityNote || f.Code == "quarantined"
	})
}

func (w *wreck) findsNothing() {
	w.t.Helper()
	if found := w.find(false); len(found) > 0 {
		w.t.Fatalf("found %+v", found)
	}
}

// do runs a command on one of the pool's keys directly, without the pool's scripts.
func (w *wreck) do(command string, name string, args ...any) {
	w.t.Helper()
	w.must(w.rdb.Do(w.t.Context(), append([]any{command, w.prefix + name}, args...)...).Err())
}

// rewrite replaces part of a task's record.
func (w *wreck) rewrite(id, old, new string) {
	w.t.Helper()
	record := w.rdb.Get(w.t.Context(), w.prefix+"task:"+id).Val()
	if !strings.Contains(record, old) {
		w.t.Fatalf("%q is not in the record %q", old, record)
	}
	w.do("SET", "task:"+id, strings.Replace(record, old, new, 1))
}

func (w *wreck) score(name, member string) float64 {
	w.t.Helper()
	score, err := w.rdb.ZScore(w.t.Context(), w.prefix+name, member).Result()
	w.must(err)
	return score
}

// in returns the time after d in the unit of the pool's keys.
func (w *wreck) in(d time.Duration) float64 { return float64(w.now(w.t).Add(d).UnixMilli()) }

func (w *wreck) task(id string) *task.Task {
	w.t.Helper()
	got, err := w.store.Get(w.t.Context(), id)
	w.must(err)
	return got[0]
}

func (w *wreck) state(id string) task.State {
	w.t.Helper()
	if t := w.task(id); t != nil {
		return t.State
	}
	return ""
}

// fence returns the claim of the running task.
func (w *wreck) fence(id string) int64 {
	w.t.Helper()
	return w.task(id).Fence
}

// runEntry returns a readable run entry.
func runEntry(fence int64, replica string) string {
	return fmt.Sprintf("%-66s", fmt.Sprintf("%d 1 2 %d 0 k %s", fence, time.Now().UnixMilli(), replica))
}

// class returns the class of replica "r".
func (w *wreck) class() string {
	w.t.Helper()
	return w.rdb.HGet(w.t.Context(), w.prefix+"replica:r", "class").Val()
}

func (w *wreck) maintain() task.Maintenance {
	w.t.Helper()
	w.do("DEL", "lock:maintenance")
	u, err := w.store.Maintain(w.t.Context(), "keeper")
	w.must(err)
	return u
}

// wreckTasks are the tasks that works runs to their end.
var wreckTasks = []string{"run", "halt", "wait", "wait2", "blocked", "other"}

// works runs every task that can start to its end. It checks that nothing of them is left and
// nothing is damaged.
func (w *wreck) works() {
	w.t.Helper()
	var claims []task.Claim
	for q := range wreckQueues {
		claims = append(claims, task.Claim{Queue: q, N: 9})
	}
	w.maintain()
	var last task.Exchanged
	for range 8 {
		tasks, err := w.store.Get(w.t.Context(), wreckTasks...)
		w.must(err)
		var reports []task.Report
		live := 0
		for _, t := range tasks {
			if t != nil && !t.State.Terminal() {
				live++
				if t.State == task.Running {
					reports = append(reports, reportOn(t, task.Succeed))
				}
			}
		}
		if live == 0 {
			break
		}
		if last, err = w.tryExchange(claims, reports...); errors.Is(err, task.ErrNotJoined) {
			w.joinAgain()
		} else {
			w.must(err)
		}
	}
	if st, err := w.store.Stats(w.t.Context()); err != nil || st.Waiting+st.Running > 0 {
		w.t.Errorf("%d waiting, %d running, %v; the last answer was %+v", st.Waiting, st.Running, err, last)
	}
	for name := range w.dump(w.t) {
		name = strings.TrimPrefix(name, w.prefix)
		for _, live := range []string{"wait:", "run:", "claims", "leases", "group:", "expiring", "unique:", "counted", "stop:"} {
			if strings.HasPrefix(name, live) {
				w.t.Errorf("%s is left", name)
			}
		}
	}
	w.findsNothing()
}

func codes(found []task.Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, f.Code)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// detach detaches a running task for an hour.
func (w *wreck) detach(id string) {
	w.t.Helper()
	fence := w.fence(id)
	w.must(w.store.IssueToken(w.t.Context(), "default", task.Attempt{ID: id, Fence: fence}, "h"))
	got := w.exchange(nil, task.Report{ID: id, Queue: "default", Fence: fence, Op: task.Detached, Code: task.CodeDetached, Delay: time.Hour})
	if got.Verdicts[0] != task.Accepted {
		w.t.Errorf("detach: %v", got.Verdicts)
	}
}

func (w *wreck) stop(id string) {
	w.t.Helper()
	_, err := w.store.Stop(w.t.Context(), "", id)
	w.must(err)
}
