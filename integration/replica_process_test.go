package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The environment variables of this binary when a test starts it as another
// process.
const (
	// envProgram names this binary without the race detector. The processes then run it and need less than
	// half the processor time. make race sets it. make soak does not: it finds races in the processes too.
	envProgram = "LTS_TEST_PROGRAM"

	envRole    = "LTS_TEST_ROLE"    // its role
	envRedis   = "LTS_TEST_REDIS"   // see connect
	envPool    = "LTS_TEST_POOL"    // the pool's name
	envRecords = "LTS_TEST_RECORDS" // the file that handlers append their records to
	envLease   = "LTS_TEST_LEASE"   // a duration
	envWorkers = "LTS_TEST_WORKERS" // slots in the default queue
	envLimit   = "LTS_TEST_LIMIT"   // limit of the default queue, 0 for none
	envDrain   = "LTS_TEST_DRAIN"   // drain timeout, 0 for the default
	envLabel   = "LTS_TEST_LABEL"   // a label that makes the replica exclusive, "" for none
)

const (
	roleReplica  = "replica"
	roleConsumer = "consumer" // takes events and never acknowledges them
	roleReader   = "reader"   // takes events and acknowledges them
)

// The kinds that a replica process handles.
const (
	kindWork   = "work"   // sleeps for as many milliseconds as its payload says
	kindPoison = "poison" // kills its process
	kindHang   = "hang"   // the first attempt waits for the end of its context, later ones succeed
	kindDeaf   = "deaf"   // the first attempt ignores its context until the file that its payload names exists
	kindFlaky  = "flaky"  // fails as often as its payload says
	kindStages = "stages" // the first two attempts write two checkpoints each and wait for the end of their context
	kindDetach = "detach" // writes its token to the file that its payload names, and detaches for an hour
	kindFrail  = "frail"  // kindJob with a MaxLost of 1
	kindJob    = "job"    // a job in a directory, by an executor that kills its process as the payload says
	kindFaint  = "faint"  // the process stops itself while it sends the report of the first attempt
)

// runProcess is the main function of such a process. It returns after SIGTERM,
// or when the test that started it has ended.
func runProcess(role string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		// The test holds the other end of stdin. It is closed however the test
		// ends.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	rec, err := openRecorder(os.Getenv(envRecords))
	if err == nil {
		go rec.answer(ctx)
		switch role {
		case roleReplica:
			err = runReplica(ctx, rec)
		case roleConsumer:
			err = runConsumer(ctx, rec)
		case roleReader:
			err = runReader(ctx, rec)
		default:
			err = fmt.Errorf("unknown role %q", role)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// answer records the vitals each time they are requested, and records when the
// process gets SIGTERM.
func (r *recorder) answer(ctx context.Context) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	ended := ctx.Done()
	for {
		select {
		case <-asked:
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			r.append(record{What: vitals, Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc})
		case <-ended:
			ended = nil
			r.append(record{What: terminated})
		}
	}
}

func processPool(cfg pool.Config) (*pool.Pool, error) {
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	return pool.New(redisstore.New(connect(os.Getenv(envRedis)), os.Getenv(envPool)), cfg)
}

func runReplica(ctx context.Context, rec *recorder) error {
	lease, err := time.ParseDuration(os.Getenv(envLease))
	if err != nil {
		return err
	}
	workers, err := strconv.Atoi(os.Getenv(envWorkers))
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(os.Getenv(envLimit))
	if err != nil {
		return err
	}
	drain, err := time.ParseDuration(os.Getenv(envDrain))
	if err != nil {
		return err
	}
	var labels []string
	if label := os.Getenv(envLabel); label != "" {
		labels = []string{label}
	}
	p, err := processPool(pool.Config{
		Queues:       map[string]pool.Queue{pool.DefaultQueue: {Workers: workers, Limit: limit}},
		Labels:       labels,
		Exclusive:    len(labels) > 0,
		Lease:        lease,
		DrainTimeout: drain,
		StopGrace:    5 * time.Second,
		MaxStuck:     workers,
		// The tests kill the processes of these tasks; only the poison tasks
		// are to fail as lost.
		Policies: map[string]pool.Policy{kindWork: {MaxLost: 1000}, kindFlaky: {MaxLost: 1000}, kindFrail: {MaxLost: 1}},
	})
	if err != nil {
		return err
	}
	jobs, err := async.New(directory{}, async.Options{Pool: os.Getenv(envPool), Interval: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	for kind, h := range map[string]pool.Handler{
		kindWork:   work,
		kindPoison: poison,
		kindHang:   hang,
		kindDeaf:   deaf,
		kindFlaky:  flaky,
		kindStages: stages,
		kindJob:    jobs.Handle,
		kindFrail:  jobs.Handle,
		kindFaint:  faint,
		kindDetach: detach,
	} {
		p.HandleKind(kind, func(ctx context.Context, t *task.Task) ([]byte, error) {
			rec.write(enter, t, nil)
			result, err := h(ctx, t)
			rec.write(exit, t, context.Cause(ctx))
			return result, err
		})
	}
	return p.Run(ctx)
}

func work(ctx context.Context, t *task.Task) ([]byte, error) {
	ms, err := strconv.Atoi(string(t.Payload))
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return result(t), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func detach(ctx context.Context, t *task.Task) ([]byte, error) {
	token, err := t.ReportToken(ctx)
	if err == nil {
		err = os.WriteFile(string(t.Payload), []byte(token), 0o600)
	}
	if err != nil {
		return nil, err
	}
	return nil, pool.Detach(time.Hour)
}

// result encodes the attempt number.
func result(t *task.Task) []byte {
	b, err := json.Marshal(t.Attempt)
	if err != nil {
		panic(err)
	}
	return b
}

func poison(context.Context, *task.Task) ([]byte, error) {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the signal arrives
}

func hang(ctx context.Context, t *task.Task) ([]byte, error) {
	if t.Attempt == 1 {
		<-ctx.Done()
	}
	return result(t), nil
}

// deaf returns from its first attempt when a file exists, and reports success.
func deaf(_ context.Context, t *task.Task) ([]byte, error) {
	if t.Attempt == 1 {
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for {
			if _, err := os.Stat(string(t.Payload)); err == nil {
				break
			}
			<-again.C
		}
	}
	return result(t), nil
}

// flaky fails as many attempts as its payload says.
func flaky(_ context.Context, t *task.Task) ([]byte, error) {
	n, err := strconv.Atoi(string(t.Payload))
	if err != nil {
		return nil, err
	}
	if t.Failures < n {
		return nil, errors.New("not yet")
	}
	return result(t), nil
}

// stages counts from the checkpoint of the attempt before. Its result is where it began.
func stages(ctx context.Context, t *task.Task) ([]byte, error) {
	var from int
	if _, err := t.ReadCheckpoint(&from); err != nil {
		return nil, err
	}
	for n := range 2 {
		if err := t.Checkpoint(ctx, from+n+1); err != nil {
			return nil, err
		}
	}
	if t.Attempt <= 2 {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return strconv.AppendInt(nil, int64(from), 10), nil
}

// runConsumer takes events of the group "tests" and never acknowledges them.
func runConsumer(ctx context.Context, rec *recorder) error {
	p, err := processPool(pool.Config{})
	if err != nil {
		return err
	}
	return p.Subscribe(ctx, "tests", func(ctx context.Context, e pool.Event) error {
		rec.write(enter, &task.Task{Spec: task.Spec{ID: e.ID}, Attempt: e.Version}, nil)
		<-ctx.Done()
		return ctx.Err()
	})
}

// runReader takes events of the group "tests" and acknowledges them.
func runReader(ctx context.Context, rec *recorder) error {
	p, err := processPool(pool.Config{Redeliver: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	return p.Subscribe(ctx, "tests", func(_ context.Context, e pool.Event) error {
		rec.write(enter, &task.Task{Spec: task.Spec{ID: e.ID}, Attempt: e.Version}, nil)
		time.Sleep(time.Millisecond) // the work
		return nil
	})
}
