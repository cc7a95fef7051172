package redisstore_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// ltask is a task of the walk with labels.
type ltask struct {
	id, group string
	labels    []string
	priority  int8
	seq       int        // order of equal priorities
	run       *task.Task // the attempt, nil while it waits
}

// labelWalk has a model of one queue with at most 16 lines.
type labelWalk struct {
	*testing.T
	*site
	rng      *rand.Rand
	tasks    map[string]*ltask
	replicas map[string]task.Registration
	calls    map[string]int64
	seq      int
	limit    int // of the queue, 0 for none
	group    int // limit of the group
}

// TestLabelsHoldOnARandomWalk makes random calls with tasks and replicas of different labels.
// Each claim must get exactly the first tasks that the replica may take and the limits allow.
// After each step the doctor compares all lines with the tasks and the replicas.
func TestLabelsHoldOnARandomWalk(t *testing.T) {
	randomly(t, *walkSteps, func(t *testing.T, rdb *redis.Client, steps int) {
		seed := *walkSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Logf("seed %d (repeat with -walk.seed=%d)", seed, seed)
		w := &labelWalk{T: t, site: newSite(t, rdb), rng: rand.New(rand.NewPCG(seed, 0)), tasks: map[string]*ltask{},
			replicas: map[string]task.Registration{}, calls: map[string]int64{}}
		w.enlist()
		for range steps {
			w.step()
			w.inspect()
		}
	})
}

func (w *labelWalk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *labelWalk) step() {
	switch ctx := w.Context(); w.rng.IntN(12) {
	case 0, 1, 2, 3:
		w.make()
	case 4, 5, 6:
		w.exchange(1 + w.rng.IntN(4))
	case 7, 8:
		w.end()
	case 9: // stop, or a new priority
		if m := w.some(func(m *ltask) bool { return m.run == nil }); m != nil && w.rng.IntN(2) == 0 {
			_, err := w.store.Stop(ctx, "", m.id)
			w.must(err)
			delete(w.tasks, m.id)
		} else if m != nil {
			p := int8(w.rng.IntN(3))
			_, err := w.store.Change(ctx, task.Edit{Priority: &p}, m.id)
			w.must(err)
			if p != m.priority {
				w.seq++
				m.priority, m.seq = p, w.seq
			}
		}
	case 10:
		if len(w.replicas) > 1 && w.rng.IntN(2) == 0 {
			r := w.replica()
			if w.some(func(m *ltask) bool { return m.run != nil && m.run.Replica == r.Replica }) == nil {
				w.must(w.store.Leave(ctx, r.Replica))
				delete(w.replicas, r.Replica)
			}
		} else {
			w.enlist()
		}
	case 11:
		w.limit, w.group = w.rng.IntN(4), w.rng.IntN(3)
		w.must(w.store.Configure(ctx, task.Setting{Scope: task.QueueScope, Name: "q", Limit: &w.limit},
			task.Setting{Scope: task.GroupScope, Name: "g", Limit: &w.group}))
	}
}

// subset returns some of the labels.
func (w *labelWalk) subset(labels ...string) []string {
	return slices.DeleteFunc(labels, func(string) bool { return w.rng.IntN(3) == 0 })
}

func (w *labelWalk) enlist() {
	r := task.Registration{Replica: fmt.Sprint("r", w.rng.IntN(1000000)), Host: fmt.Sprint("h", w.rng.IntN(2)), Lease: time.Hour,
		Labels: w.subset("a", "ab", "b"), Exclusive: w.rng.IntN(3) == 0, Kinds: map[string]task.Policy{"k": {}},
		Queues: map[string]task.QueueConfig{"q": {Workers: 4}}}
	_, err := w.store.Join(w.Context(), r)
	w.must(err)
	w.replicas[r.Replica] = r
}

func (w *labelWalk) replica() task.Registration {
	ids := slices.Sorted(maps.Keys(w.replicas))
	return w.replicas[ids[w.rng.IntN(len(ids))]]
}

func (w *labelWalk) some(fits func(*ltask) bool) *ltask {
	ids := slices.Sorted(maps.Keys(w.tasks))
	ids = slices.DeleteFunc(ids, func(id string) bool { return !fits(w.tasks[id]) })
	if len(ids) == 0 {
		return nil
	}
	return w.tasks[ids[w.rng.IntN(len(ids))]]
}

func (w *labelWalk) make() {
	w.seq++
	m := &ltask{id: fmt.Sprint("t", w.seq), priority: int8(w.rng.IntN(3)), seq: w.seq}
	switch w.rng.IntN(8) {
	case 0:
		m.labels = []string{"host=h0"}
	case 1:
		m.labels = []string{"id=" + w.replica().Replica}
	default:
		m.labels = w.subset("a", "ab", "b")
	}
	if w.rng.IntN(3) == 0 {
		m.group = "g"
	}
	w.tasks[m.id] = m
	w.enqueue(w.T, task.Spec{ID: m.id, Queue: "q", Labels: m.labels, Priority: m.priority, Group: m.group, Retain: new(time.Duration)})
}

// takes reports whether a replica may take a task.
func takes(r task.Registration, m *ltask) bool {
	info := task.ReplicaInfo{ID: r.Replica, Host: r.Host, Labels: r.Labels, Exclusive: r.Exclusive}
	return info.Takes(m.labels)
}

// next returns the first n tasks that a replica may start.
func (w *labelWalk) next(r task.Registration, n int) (ids []string) {
	running, inGroup := 0, 0
	var waiting []*ltask
	for _, m := range w.tasks {
		switch {
		case m.run == nil && takes(r, m):
			waiting = append(waiting, m)
		case m.run != nil:
			running++
			if m.group != "" {
				inGroup++
			}
		}
	}
	slices.SortFunc(waiting, func(a, b *ltask) int { return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.seq, b.seq)) })
	for _, m := range waiting {
		if len(ids) == n || w.limit > 0 && running >= w.limit {
			break
		}
		if m.group != "" && w.group > 0 && inGroup >= w.group {
			continue
		}
		running++
		if m.group != "" {
			inGroup++
		}
		ids = append(ids, m.id)
	}
	return ids
}

// exchange claims n tasks for a random replica. With 0 it asks which queues are ready.
func (w *labelWalk) exchange(n int) {
	r := w.replica()
	want, free := w.next(r, n), len(w.next(r, 1))
	w.calls[r.Replica]++
	x := task.Exchange{Replica: r.Replica, Sequence: 1, Call: w.calls[r.Replica], Lease: time.Hour, Idle: n == 0}
	if n > 0 {
		x.Claims = []task.Claim{{Queue: "q", N: n}}
	}
	got, err := w.store.Exchange(w.Context(), x)
	w.must(err)
	var ids []string
	for _, t := range tasksOf(got) {
		ids = append(ids, t.ID)
		w.tasks[t.ID].run = t
	}
	if !slices.Equal(ids, want) {
		w.Fatalf("replica %+v got %v of %d, want %v", r, ids, n, want)
	}
	if n == 0 && free > 0 && !slices.Contains(got.Ready, "q") {
		w.Fatalf("replica %+v could start %v, and the queue is not ready", r, w.next(r, 1))
	}
	if n > 0 && got.Short[0] && len(w.next(r, 1)) > 0 {
		w.Fatalf("replica %+v could start %v, and the claim is short", r, w.next(r, 1))
	}
}

// end ends a running task, and asks which queues are ready.
func (w *labelWalk) end() {
	m := w.some(func(m *ltask) bool { return m.run != nil })
	if m == nil {
		w.exchange(0)
		return
	}
	r := reportOn(m.run, []task.Op{task.Succeed, task.Succeed, task.Release}[w.rng.IntN(3)])
	replica := m.run.Replica
	w.calls[replica]++
	x := task.Exchange{Replica: replica, Sequence: 1, Call: w.calls[replica], Lease: time.Hour, Reports: []task.Report{r}}
	got, err := w.store.Exchange(w.Context(), x)
	w.must(err)
	if got.Verdicts[0] != task.Accepted {
		w.Fatalf("report on %s: %s", m.id, got.Verdicts[0])
	}
	if m.run = nil; r.Op == task.Succeed {
		delete(w.tasks, m.id)
	}
	w.exchange(0)
}

// inspect lets the doctor compare the keys.
func (w *labelWalk) inspect() {
	w.Helper()
	waiting := 0
	for _, m := range w.tasks {
		if m.run == nil {
			waiting++
		}
	}
	st, err := w.store.Stats(w.Context())
	w.must(err)
	if st.Waiting != waiting {
		w.Fatalf("%d tasks wait, want %d", st.Waiting, waiting)
	}
	for f, err := range w.store.Inspect(w.Context(), task.Inspection{}) {
		w.must(err)
		if f.Check == "entries" && f.Severity != task.SeverityOK {
			w.Fatalf("%+v", f)
		}
	}
	if len(w.tasks) > 0 {
		return
	}
	for key := range w.keysWith("#") {
		if !strings.Contains(key, ":served:") {
			w.Fatalf("%s remains", key)
		}
	}
}

// keysWith returns the keys of the pool that contain a text.
func (w *labelWalk) keysWith(text string) map[string]bool {
	found := map[string]bool{}
	keys, err := w.rdb.Keys(w.Context(), strings.NewReplacer("{", "\\{", "}", "\\}").Replace(w.prefix)+"*"+text+"*").Result()
	w.must(err)
	for _, k := range keys {
		found[k] = true
	}
	return found
}
