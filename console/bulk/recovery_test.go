package bulk_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// process starts a console of the pool in a process of its own.
func (s *site) process(server *redisserver.Server) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), consoleOf+"="+server.Addr()+" "+s.name)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { kill(cmd) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// asker is a manager that only asks: its own console is stopped.
func (s *site) asker() {
	s.console()
	s.m.Close()
}

// A console is killed while it counts, another one while it changes tasks. Each time another one
// goes on. Every counted task is changed once, and the audit stream has one entry and one outcome.
func TestJobGoesOnAfterItsConsoleIsKilled(t *testing.T) {
	t.Parallel()
	server := redisserver.Shared(t)
	s := newSite(t, server)
	s.asker()
	const n = 6000
	s.make(n, task.Spec{Kind: "mail", Delay: time.Hour})
	first := s.process(server)
	j := s.ask(bulk.Order{Verb: bulk.Run, Query: "mail", State: task.Scheduled})
	j = s.until(j.ID, "half counted", func(j *bulk.Job) bool { return j.Counted > 0 })
	kill(first)
	second := s.process(server)
	if j = s.reached(j.ID, bulk.Counted); j.Counted != n || j.Read != n {
		t.Fatalf("counted %+v", j)
	}
	s.confirm(j.ID, n)
	j = s.until(j.ID, "half done", func(j *bulk.Job) bool { return j.Handled > 0 })
	kill(second)
	t.Logf("killed after %d of %d", j.Handled, n)
	s.process(server)
	s.process(server)
	if j = s.reached(j.ID, bulk.Done); j.Changed != n || j.LeftTasks() != 0 {
		t.Errorf("done %+v", j)
	}
	if got := s.stats(); got.Waiting != n || got.Scheduled != 0 {
		t.Errorf("%d wait, %d are scheduled", got.Waiting, got.Scheduled)
	}
	if entries := s.changes(); len(entries) != 2 || entries[1].Of != entries[0].ID || entries[1].Done != n {
		t.Errorf("audit %+v", entries)
	}
}

// A console that is closed hands its jobs over at once.
func TestClosedConsoleHandsItsJobOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	first := s.console()
	const n = 5000
	s.make(n, task.Spec{Kind: "mail"})
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.confirm(j.ID, s.reached(j.ID, bulk.Counted).Counted)
	s.until(j.ID, "begun", func(j *bulk.Job) bool { return j.Handled > 0 })
	first.Close()
	j, err := s.m.Get(t.Context(), j.ID)
	if err != nil || !j.Phase.Ended() && !j.Until.IsZero() {
		t.Errorf("the closed console holds %+v, %v", j, err)
	}
	s.console()
	if j = s.reached(j.ID, bulk.Done); j.Changed != n || j.LeftTasks() != 0 {
		t.Errorf("%+v", j)
	}
}

// Two consoles run each job once.
func TestTwoConsolesShareJobs(t *testing.T) {
	t.Parallel()
	server := redisserver.Shared(t)
	s := newSite(t, server)
	s.console()
	s.process(server)
	kinds := []string{"a", "b", "c", "d", "e"}
	var ids []string
	for _, kind := range kinds {
		s.make(600, task.Spec{Kind: kind})
		ids = append(ids, s.ask(bulk.Order{Verb: bulk.Stop, Query: kind, State: task.Waiting}).ID)
	}
	for _, id := range ids {
		s.confirm(id, s.reached(id, bulk.Counted).Counted)
	}
	for _, id := range ids {
		if j := s.reached(id, bulk.Done); j.Changed != 600 || j.LeftTasks() != 0 {
			t.Errorf("%+v", j)
		}
	}
	if entries := s.changes(); len(entries) != 2*len(kinds) {
		t.Errorf("%d entries", len(entries))
	}
}

// A cancelled job ends after its present call. What it has changed stays so, and its outcome says
// who has cancelled it.
func TestCancelledJobLeavesTheOtherTasks(t *testing.T) {
	t.Parallel()
	s := newSite(t, redisserver.Shared(t))
	s.console()
	const n = 1000 // two calls change at most 200 of them
	s.make(n, task.Spec{Kind: "mail"})
	cancel := func(id string) {
		t.Helper()
		if _, err := s.m.Cancel(t.Context(), id, "eve", "password"); err != nil {
			t.Fatal(err)
		}
	}
	counting := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	cancel(counting.ID)
	if j := s.reached(counting.ID, bulk.Cancelled); j.CancelledBy != "eve" || j.Changed != 0 {
		t.Errorf("%+v", j)
	}
	counted := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.reached(counted.ID, bulk.Counted)
	cancel(counted.ID)
	if entries := s.audit(); len(entries) != 4 || entries[1].Action != "bulk/cancel" || entries[1].User != "eve" || entries[1].Method != "password" ||
		!strings.Contains(entries[1].Target, counting.ID) || !strings.Contains(entries[3].Target, counted.ID) {
		t.Errorf("audit %+v", entries)
	}
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.reached(j.ID, bulk.Counted)
	g := gate{"bulk:" + j.ID, make(chan struct{})}
	s.rdb.AddHook(g)
	s.confirm(j.ID, n)
	s.until(j.ID, "begun", func(j *bulk.Job) bool { return j.Handled > 0 })
	cancel(j.ID)
	close(g.open)
	j = s.reached(j.ID, bulk.Cancelled)
	got := s.stats()
	if j.Changed == 0 || j.Changed >= n || got.Kept[task.Stopped] != j.Changed || got.Waiting != n-j.Changed {
		t.Errorf("%d wait, %d are stopped: %+v", got.Waiting, got.Kept[task.Stopped], j)
	}
	entries := s.changes()
	entries = entries[len(entries)-3:]
	if cancel, end := entries[1], entries[2]; cancel.Action != "bulk/cancel" || cancel.Of != "" || end.Of != entries[0].ID || end.Done != j.Changed ||
		!strings.Contains(end.Error, "cancelled by eve") {
		t.Errorf("audit %+v", entries)
	}
}

// gate is a hook that holds back all changes of a job but the first one until it is opened.
type gate struct {
	job  string // as the calls name it
	open chan struct{}
}

func (gate) DialHook(next redis.DialHook) redis.DialHook { return next }
func (gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (g gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		if i := slices.Index(args, any(g.job)); i >= 0 && i+1 < len(args) {
			if number, ok := args[i+1].(int64); ok && number > 1 {
				select {
				case <-g.open:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return next(ctx, cmd)
	}
}

// While Redis is away a job waits, and then goes on.
func TestJobWaitsForRedis(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, redisserver.AOF())
	s := newSite(t, server)
	s.console()
	const n = 5000
	s.make(n, task.Spec{Kind: "mail"})
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.confirm(j.ID, s.reached(j.ID, bulk.Counted).Counted)
	s.until(j.ID, "begun", func(j *bulk.Job) bool { return j.Handled > 0 })
	server.Kill(t)
	time.Sleep(time.Second) // the outage
	server.Restart(t)
	if j = s.reached(j.ID, bulk.Done); j.Changed != n || j.LeftTasks() != 0 {
		t.Errorf("%+v", j)
	}
	if entries := s.changes(); len(entries) != 2 {
		t.Errorf("audit %+v", entries)
	}
}

// A program that may push into the inbox, and nothing else, makes no job: whatever it pushes
// becomes a task at most. It cannot write the keys of jobs.
func TestProducersCannotMakeJobs(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := newSite(t, server)
	s.console()
	s.make(10, task.Spec{Kind: "mail"})
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	s.reached(j.ID, bulk.Counted)
	producer := server.User(t, "producer", "resetkeys", "~"+s.key("inbox"), "resetchannels", "-@all", "+rpush").Client(t)
	for _, key := range []string{"bulklist:" + j.ID, "bulk:" + j.ID, "bulks:open", "bulks"} {
		if err := producer.RPush(t.Context(), s.key(key), "x").Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s: %v", key, err)
		}
	}
	entries := []any{
		`{"kind":"bulk","queue":"bulk","payload":{"verb":"delete","query":"mail","state":"waiting","phase":"running"}}`,
		`{"kind":"lts.bulk","queue":"lts.bulk","id":"` + j.ID + `","payload":{"job":"` + j.ID + `","phase":"running"}}`,
	}
	if err := producer.RPush(t.Context(), s.key("inbox"), entries...).Err(); err != nil {
		t.Fatal(err)
	}
	// Another job shows that the console has looked at the jobs since.
	s.make(1, task.Spec{Kind: "other"})
	other := s.ask(bulk.Order{Verb: bulk.Stop, Query: "other", State: task.Waiting})
	s.confirm(other.ID, s.reached(other.ID, bulk.Counted).Counted)
	s.reached(other.ID, bulk.Done)
	if got := s.reached(j.ID, bulk.Counted); got.Changed != 0 {
		t.Errorf("%+v", got)
	}
	if jobs, _, err := s.m.List(t.Context()); err != nil || len(jobs) != 2 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
}

// With the Redis user of a viewer a console shows jobs, and makes, confirms and runs none.
func TestConsoleOfAViewerRunsNoJobs(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := newSite(t, server)
	s.make(10, task.Spec{Kind: "mail"})
	u := server.User(t, "viewer", "resetkeys", "%R~lts:{"+s.name+"}:*", "resetchannels", "-@all", "+@read", "+@connection", "-@admin", "-@dangerous",
		"+info", "+time", "+eval_ro", "+evalsha_ro", "+cluster|slots")
	reads := redisstore.New(u.Client(t), s.name)
	viewer := bulk.New(reads, bulk.Options{Select: byKind})
	defer viewer.Close()
	s.asker()
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	order := bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting, User: "ann"}
	if _, err := viewer.Ask(t.Context(), order); err == nil || !strings.Contains(err.Error(), "may read the pool") {
		t.Errorf("%v", err)
	}
	jobs, _, err := viewer.List(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].ID != j.ID || jobs[0].Phase != bulk.Counting || jobs[0].Read != 0 {
		t.Errorf("%+v, %v", jobs, err)
	}
	s.console()
	s.reached(j.ID, bulk.Counted)
	if _, err := viewer.Confirm(t.Context(), j.ID, bulk.Confirmation{Count: 10, Reason: "x"}); err == nil || !strings.Contains(err.Error(), "may read the pool") {
		t.Errorf("%v", err)
	}
	if _, err := viewer.Cancel(t.Context(), j.ID, "ann", "password"); err == nil {
		t.Error("the viewer has cancelled the job")
	}
}

// A job over many tasks takes bounded time of Redis: its calls are short, and the console's memory
// does not hold the tasks.
func TestJobOverManyTasksMakesShortCalls(t *testing.T) {
	n := 20_000
	if *soak {
		n = 1_000_000
	}
	server := redisserver.Start(t)
	s := newSite(t, server)
	s.make(n, task.Spec{Kind: "mail"})
	s.make(n/10, task.Spec{Kind: "other"})
	s.do("CONFIG", "SET", "slowlog-log-slower-than", "10000")
	s.do("CONFIG", "SET", "slowlog-max-len", "1000")
	s.do("SLOWLOG", "RESET")
	s.console()
	began, busy := time.Now(), s.processor()
	j := s.ask(bulk.Order{Verb: bulk.Stop, Query: "mail", State: task.Waiting})
	j = s.reached(j.ID, bulk.Counted)
	list, err := s.rdb.MemoryUsage(t.Context(), s.key("bulklist:"+j.ID)).Result()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d counted in %v with %.1f s of the processor of Redis; the list takes %d bytes", j.Counted, time.Since(began), s.processor()-busy, list)
	if j.Counted != n {
		t.Errorf("counted %d of %d", j.Counted, n)
	}
	if perTask := list / int64(n); perTask > 32 {
		t.Errorf("a task takes %d bytes in the list", perTask)
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("the console has %d MiB of memory in use, %d MiB from the system", mem.HeapAlloc>>20, mem.Sys>>20)
	s.make(1000, task.Spec{Kind: "mail"})
	began, busy = time.Now(), s.processor()
	s.confirm(j.ID, n)
	j = s.reached(j.ID, bulk.Done)
	t.Logf("%d changed in %v with %.1f s of the processor of Redis, %d a second", j.Changed, time.Since(began), s.processor()-busy, j.Rate())
	if got := s.stats(); j.Changed != n || got.Waiting != n/10+1000 {
		t.Errorf("%d wait: %+v", got.Waiting, j)
	}
	slow, err := s.rdb.SlowLogGet(t.Context(), 1000).Result()
	if err != nil {
		t.Fatal(err)
	}
	// How long a call takes depends on the machine, how many tasks it has does not.
	for _, call := range slow {
		t.Logf("a call of %d arguments took %v: %.60s", len(call.Args), call.Duration, strings.Join(call.Args, " "))
	}
	stats, err := s.rdb.InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	text := stats["Commandstats"]["cmdstat_evalsha"]
	t.Logf("scripts: %s", text)
	var calls int
	if _, err := fmt.Sscanf(text, "calls=%d,", &calls); err != nil || calls < 2*n/redisstore.BulkChunk {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func (s *site) do(args ...any) {
	s.t.Helper()
	if err := s.rdb.Do(s.t.Context(), args...).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// processor returns the seconds of the processor that the main thread of Redis has used.
func (s *site) processor() (sum float64) {
	s.t.Helper()
	info, err := s.rdb.InfoMap(s.t.Context(), "cpu").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
		n, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			s.t.Fatal(err)
		}
		sum += n
	}
	return sum
}
