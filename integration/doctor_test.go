package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

var damageSeed = flag.Uint64("damage.seed", 0, "seed of the damage; 0 takes a new one")

// inspect walks the pool and returns the findings about its entries, without
// the notes.
func inspect(t testing.TB, p *pool.Pool, fix bool) []pool.Finding {
	t.Helper()
	var found []pool.Finding
	for f, err := range p.Inspect(context.Background(), pool.Inspection{Fix: fix}) {
		if err != nil {
			t.Fatal(err)
		}
		// A quarantined key stays there until an operator has checked it.
		if f.Check == "entries" && f.Severity != pool.SeverityOK && f.Severity != pool.SeverityNote && f.Code != "quarantined" {
			found = append(found, f)
		}
	}
	return found
}

// TestDoctorFindsNothingInAPoolAtWork repairs a pool as fast as it can while
// tasks go through every state. A task between two states must not be reported
// as broken, and no repair may run a task twice.
func TestDoctorFindsNothingInAPoolAtWork(t *testing.T) {
	s := newSite(t)
	cfg := slots(10)
	cfg.Groups.DefaultLimit = 2
	var runs sync.Map
	flaky := func(_ context.Context, tk *task.Task) ([]byte, error) {
		n, _ := runs.LoadOrStore(tk.ID, new(atomic.Int64))
		if n.(*atomic.Int64).Add(1) == 1 && tk.Priority == 1 {
			return nil, pool.RetryAfter(errors.New("once"), time.Millisecond)
		}
		return nil, nil
	}
	s.replicas(3, cfg, "k", flaky)
	c := s.client()

	n := volume(1000, 3000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; i < n; i += 100 {
			var specs []pool.Spec
			for j := range 100 {
				spec := pool.Spec{Kind: "k", Priority: int8(j % 3), Deadline: time.Hour, Unique: fmt.Sprintf("u%d", i+j)}
				if j%2 == 0 {
					spec.Group = fmt.Sprintf("g%d", j%10)
				}
				if j%5 == 0 {
					spec.Delay = time.Duration(j) * time.Millisecond
				}
				specs = append(specs, spec)
			}
			if _, err := c.EnqueueAll(context.Background(), specs); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	walks := 0
	for busy, late := true, time.Now().Add(patience); busy; walks++ {
		if time.Now().After(late) {
			t.Fatalf("the pool is still at work after %v", patience)
		}
		select {
		case <-done:
			st := stats(t, c)
			busy = st.Waiting+st.Running+st.Scheduled > 0
		default:
		}
		if found := inspect(t, c, true); len(found) > 0 {
			t.Fatalf("in walk %d: %+v", walks, found)
		}
	}
	t.Logf("%d walks", walks)
	if st := idle(t, c); st.Ended[task.Succeeded] != int64(n) {
		t.Errorf("%d tasks succeeded, want %d", st.Ended[task.Succeeded], n)
	}
}

// TestBrokenEntriesAreInNobodysWay damages a pool at work in many ways and lets
// a doctor or the replicas' own maintenance repair it. Every remaining task
// must end, and nothing may be left.
func TestBrokenEntriesAreInNobodysWay(t *testing.T) {
	for _, by := range []string{"doctor", "maintenance"} {
		t.Run(by, func(t *testing.T) {
			seed := *damageSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("again with -damage.seed=%d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			s := newSite(t)
			ctx := context.Background()
			c := s.client()
			var specs []pool.Spec
			for i := range 400 {
				spec := pool.Spec{Kind: "k", ID: fmt.Sprintf("t%d", i), Retain: ptr(task.Forever)}
				switch i % 4 {
				case 1:
					spec.Group = fmt.Sprintf("g%d", i%5)
				case 2:
					spec.Delay = time.Second
				case 3:
					spec.Unique = fmt.Sprintf("u%d", i)
				}
				specs = append(specs, spec)
			}
			enqueueAll(t, c, specs)
			deleted := map[string]bool{}
			for range 60 {
				id := fmt.Sprintf("t%d", rng.IntN(400))
				switch rng.IntN(7) {
				case 0:
					s.rdb.Del(ctx, s.key("task:"+id))
					deleted[id] = true
				case 1:
					s.rdb.ZRem(ctx, s.key("wait:default"), id)
				case 2:
					s.rdb.ZRem(ctx, s.key("scheduled"), id)
				case 3:
					if !deleted[id] {
						// The state that the claim of a dead replica writes,
						// but without the claim.
						s.rdb.ZRem(ctx, s.key("wait:default"), id)
						s.rdb.ZRem(ctx, s.key("scheduled"), id)
						s.rdb.SetRange(ctx, s.key("task:"+id), 0, "p")
						run := fmt.Sprintf("1 1 2 %d 0 k gone", time.Now().UnixMilli())
						s.rdb.HSet(ctx, s.key("run:default"), id, fmt.Sprintf("%-66s", run))
					}
				case 4:
					s.rdb.SAdd(ctx, s.key(fmt.Sprintf("group:run:g%d", rng.IntN(5))), id)
				case 5:
					s.rdb.Del(ctx, s.key("unique:u"+id[1:]))
				case 6:
					s.rdb.Del(ctx, s.key("task:"+id))
					s.rdb.Set(ctx, s.key("task:"+id), "x", 0)
					deleted[id] = true
				}
			}
			if by == "doctor" {
				if len(inspect(t, c, true)) == 0 {
					t.Error("nothing was found")
				}
				if found := inspect(t, c, false); len(found) > 0 {
					t.Errorf("after the repair there is still %+v", found)
				}
			}
			cfg := slots(10)
			cfg.Groups.DefaultLimit = 1
			cfg.Lease = 2 * time.Second
			s.replicas(2, cfg, "k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
			eventually(t, patience, "the end of every task that is left", func() bool {
				ended := 0
				for _, state := range []task.State{task.Succeeded, task.Failed} {
					n, err := s.rdb.ZCard(ctx, s.key("ended:"+string(state))).Result()
					if err != nil {
						t.Fatal(err)
					}
					ended += int(n)
				}
				return ended >= 400-len(deleted)
			})
			if by == "maintenance" {
				eventually(t, patience, "a complete walk by maintenance", func() bool {
					place, _ := s.rdb.HGet(ctx, s.key("meta"), "check").Result()
					return strings.HasPrefix(place, "after ")
				})
			}
			if found := inspect(t, c, true); by == "doctor" && len(found) > 0 {
				t.Errorf("at the end there is %+v", found)
			}
			st := stats(t, c)
			if st.Waiting+st.Running+st.Scheduled > 0 {
				t.Errorf("live at the end: %+v", st)
			}
		})
	}
}

// TestRunningTaskOutlivesItsDeletedEntry deletes the running index under a live
// replica: maintenance restores the entry from the claim, the limit holds again, and the
// handler's result is accepted.
func TestRunningTaskOutlivesItsDeletedEntry(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	cfg := slots(4)
	cfg.Queues[pool.DefaultQueue] = pool.Queue{Workers: 4, Limit: 1}
	started, end := make(chan string, 9), make(chan struct{})
	s.replicas(1, cfg, "k", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		<-end
		return []byte("1"), nil
	})
	c := s.client()
	enqueue(t, c, pool.Spec{Kind: "k", ID: "a"})
	receive(t, started, patience, "the start")
	// The replica may just have finished a walk. A new store asks Redis when
	// the next walk is scheduled.
	s.rdb.Del(ctx, s.key("run:default"))
	eventually(t, patience, "the repair", func() bool {
		s.rdb.HDel(ctx, s.key("meta"), "check")
		s.rdb.Del(ctx, s.key("lock:maintenance"))
		if _, err := s.store().Maintain(ctx, "newcomer"); err != nil {
			t.Fatal(err)
		}
		return s.rdb.HGet(ctx, s.key("run:default"), "a").Err() == nil
	})
	enqueue(t, c, pool.Spec{Kind: "k", ID: "b"})
	if st := stats(t, c); st.Running != 1 || st.Waiting != 1 {
		t.Errorf("%d running, %d waiting, with a limit of 1", st.Running, st.Waiting)
	}
	close(end)
	for _, id := range []string{"a", "b"} {
		if got := await(t, c, id); got.State != task.Succeeded || got.Attempt != 1 {
			t.Errorf("%s %s in attempt %d", id, got.State, got.Attempt)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestRepairsAreLogged checks that every repair is logged.
func TestRepairsAreLogged(t *testing.T) {
	s := newSite(t)
	enqueue(t, s.client(), pool.Spec{Kind: "k", ID: "astray"})
	s.rdb.Del(context.Background(), s.key("wait:default"))
	var log diary
	cfg := slots(1)
	cfg.Logger = log.logger()
	s.replicas(1, cfg, "k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	eventually(t, patience, "a line about the repair", func() bool {
		return strings.Contains(log.String(), "a broken record was repaired") && strings.Contains(log.String(), "task=astray")
	})
}

// buildSchema builds the binary as a program of another schema version.
func buildSchema(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ltsworker")
	out, err := exec.Command("go", "build", "-o", path, "-ldflags",
		"-s -w -X github.com/ltsworker/ltsworker/redisstore.schema="+version, "github.com/ltsworker/ltsworker/cmd/ltsworker").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestTwoSchemaVersionsAtOnce starts a newer program while a replica of this
// version works. The newer program refuses, reports the reason and changes
// nothing; the replica continues. The reverse order has the same result.
func TestTwoSchemaVersionsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	s.replicas(1, slots(1), "k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	newer := command{t: t, path: buildSchema(t, "3"), dir: t.TempDir(),
		env: []string{"LTS_REDIS=redis://" + s.rdb.Options().Addr + "/0", "LTS_POOL=" + s.name}}
	newer.write("worker.yaml", "queues: {default: {workers: 1}}\nhandlers: {k: {command: [/bin/true]}}\n")

	for _, args := range [][]string{{"enqueue", "k"}, {"run", "-c", "worker.yaml"}, {"stop", "some"}, {"doctor", "--fix"}} {
		out, code := newer.run(args...)
		if code != 1 || !strings.Contains(out, `schema "2"`) || !strings.Contains(out, "knows 3") || !strings.Contains(out, "drain") {
			t.Errorf("%v: exit code %d, %s", args, code, out)
		}
	}
	if st := stats(t, c); st.Enqueued != 0 || st.Replicas != 1 {
		t.Errorf("stats %+v", st)
	}
	await(t, c, enqueue(t, c, pool.Spec{Kind: "k", Retain: ptr(task.Forever)}))

	later := newSite(t)
	other := command{t: t, path: newer.path, dir: newer.dir, env: []string{"LTS_REDIS=redis://" + s.rdb.Options().Addr + "/0", "LTS_POOL=" + later.name}}
	if out, code := other.run("enqueue", "k"); code != 0 {
		t.Fatal(out)
	}
	_, err := later.client().EnqueueSpec(context.Background(), pool.Spec{Kind: "k"})
	var schema *pool.SchemaError
	if !errors.As(err, &schema) || schema.Has != "3" || schema.Knows != redisstore.SchemaVersion || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("the older program enqueues with %v", err)
	}
	old := later.pool(slots(1))
	old.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := old.Run(ctx); !errors.Is(err, pool.ErrSchema) {
		t.Errorf("the older program runs: %v", err)
	}
}

// TestDoctorOnACluster finds and repairs on a cluster the same as on a server.
// The walk is a script that scans the keys of the pool's own master.
func TestDoctorOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t)
	s := siteAt(t, cluster.Client)
	ctx := context.Background()
	c := s.client()
	enqueue(t, c, pool.Spec{Kind: "k", ID: "a"})
	raw := cluster.Client(t)
	if err := raw.Del(ctx, s.key("wait:default"), s.key("queues")).Err(); err != nil {
		t.Fatal(err)
	}
	if err := raw.Set(ctx, s.key("group:run:g"), "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := raw.Set(ctx, s.key("expiring"), "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, f := range inspect(t, c, true) {
		if f.Fixed == "" {
			t.Errorf("%+v", f)
		}
	}
	if found := inspect(t, c, false); len(found) > 0 {
		t.Errorf("after the repair there is still %+v", found)
	}
	s.replicas(1, slots(1), "k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	idle(t, c)

	// A client that connects to one node as to a single server gets an error
	// that says so.
	at := slices.IndexFunc(cluster.Masters, func(m *redisserver.Server) bool { return m != cluster.MasterOf(t, s.key("meta")) })
	astray := redisstore.New(cluster.Masters[at].Client(t), s.name)
	_, err := astray.Enqueue(ctx, []task.Spec{{Kind: "k"}})
	if err == nil || !strings.Contains(err.Error(), "redis-cluster://") {
		t.Errorf("enqueue at another node: %v", err)
	}
	var last task.Finding
	for f, err := range astray.Inspect(ctx, task.Inspection{}) {
		if err != nil {
			t.Fatal(err)
		}
		last = f
	}
	if last.Check != "cluster" || !last.Open() || !strings.Contains(last.Do, "redis-cluster://") {
		t.Errorf("the doctor at another node ends with %+v", last)
	}
}
