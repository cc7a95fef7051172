package integration

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// mostCommands is how many commands one call of an inspection may run. A
// command takes 2 to 6 µs with the Lua code around it, so that a call takes less
// than ten milliseconds. The number does not depend on the load of the machine.
const mostCommands = 1200

// A call of an inspection does little, whatever the pool consists of: tasks with
// every feature, many small queues, groups with a task each, and replicas that
// serve many queues, each in a class of its own.
func TestCallsOfAnInspectionStayShort(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := &scaled{site: siteOn(t, server)}
	s.st, s.c = s.store(), s.client()
	n := volume(2000, 50_000)
	s.fill(size{waiting: n, scheduled: n, running: n, groups: n / 4})
	each := func(n int, spec func(i int) pool.Spec) {
		for first := 0; first < n; first += 500 {
			specs := make([]pool.Spec, min(500, n-first))
			for i := range specs {
				specs[i] = spec(first + i)
				specs[i].Kind = "step"
			}
			enqueueAll(t, s.c, specs)
		}
	}
	rich := func(queue string, i int) pool.Spec {
		id := queue + strconv.Itoa(i)
		return pool.Spec{ID: id, Queue: queue, Group: "g" + strconv.Itoa(i/2), Unique: "a key: " + id, TTL: time.Hour, Deadline: 2 * time.Hour}
	}
	each(n, func(i int) pool.Spec { return rich("rich", i) })
	each(n, func(i int) pool.Spec { return rich("q"+strconv.Itoa(i/100), i) })
	s.stopSome(n / 4)
	for i := range 60 {
		r := task.Registration{Replica: fmt.Sprint("r", i), Lease: scaledLease, Queues: map[string]task.QueueConfig{}, Kinds: map[string]task.Policy{"step": {}}}
		for k := range 200 {
			r.Queues[fmt.Sprintf("served-%d-%d", i%30, k)] = task.QueueConfig{Workers: 1}
		}
		_, err := s.st.Join(t.Context(), r)
		s.must(err)
	}

	counted := server.Client(t)
	calls, most, cursor := 0, 0, ""
	counted.AddHook(around(func(cmd redis.Cmder, do func() error) error {
		if !strings.HasPrefix(cmd.Name(), "evalsha") { // an inspection that repairs nothing sends evalsha_ro
			return do()
		}
		before := s.commands()
		err := do()
		if n := s.commands() - before; n > most {
			most, cursor = n, fmt.Sprint(cmd.Args()...)
		}
		calls++
		return err
	}))
	st := redisstore.New(counted, s.name)
	defer st.Close()
	for f, err := range st.Inspect(t.Context(), task.Inspection{}) {
		s.must(err)
		if f.Key != "" {
			t.Errorf("%s %s", f.Code, f.What)
		}
	}
	t.Logf("%d calls, at most %d commands in one", calls, most)
	if calls < 100 || most > mostCommands {
		t.Errorf("%d calls, one with %d commands, the bound is %d: %s", calls, most, mostCommands, cursor)
	}
}

// commands returns how many commands the server has run, without INFO.
func (s *scaled) commands() (n int) {
	s.t.Helper()
	info, err := s.rdb.InfoMap(context.Background(), "commandstats").Result()
	s.must(err)
	for name, stats := range info["Commandstats"] {
		calls, _, _ := strings.Cut(strings.TrimPrefix(stats, "calls="), ",")
		k, err := strconv.Atoi(calls)
		s.must(err)
		if name != "cmdstat_info" {
			n += k
		}
	}
	return n
}

// around is a hook that makes the calls of a client.
type around func(cmd redis.Cmder, do func() error) error

func (f around) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f around) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (f around) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return f(cmd, func() error { return next(ctx, cmd) })
	}
}
