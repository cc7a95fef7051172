package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The environment of this binary when a test starts it as a replica.
const (
	envReplica = "DOCKER_TEST_REPLICA" // the address of Redis
	envPool    = "DOCKER_TEST_POOL"
	envHost    = "DOCKER_TEST_HOST" // of the engine
	envGate    = "DOCKER_TEST_GATE" // the directory of a gate
	envKill    = "DOCKER_TEST_KILL" // when the replica kills itself; "" for never
)

const (
	beforeStart    = "before start"
	afterStart     = "after start"
	afterReference = "after reference"
)

// killing is an Executor that kills its process.
type killing struct{ *executor }

func kill(when string) {
	if os.Getenv(envKill) == when {
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Kill()
		}
		select {} // until the signal arrives
	}
}

func (k killing) Start(ctx context.Context, name string, t *task.Task) (async.Started, error) {
	kill(beforeStart)
	s, err := k.executor.Start(ctx, name, t)
	kill(afterStart)
	return s, err
}

func (k killing) Poll(ctx context.Context, jobs []async.Job) ([]async.Status, error) {
	kill(afterReference)
	return k.executor.Poll(ctx, jobs)
}

// runReplica runs a replica until it is killed, or until the test ends.
func runReplica() error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	name := os.Getenv(envPool)
	x, opts, err := newExecutor(Config{Pool: name, Host: os.Getenv(envHost), Image: testImage, Command: []string{"wait"}, Pull: PullNever,
		Mounts: gate(os.Getenv(envGate)).mount(), Interval: time.Second})
	if err != nil {
		return err
	}
	jobs, err := async.New(killing{x}, opts)
	if err != nil {
		return err
	}
	x.notify = jobs.Notify
	store := redisstore.New(redis.NewClient(&redis.Options{Addr: os.Getenv(envReplica)}), name)
	p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 1}}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	p.HandleKind("video.cut", jobs.Handle)
	return p.Run(context.Background())
}

// A replica is killed at each step of the start. The next one continues with the same
// container.
func TestContainerOfAKilledReplicaIsTakenOver(t *testing.T) {
	e := sharedEngine(t)
	server := redisserver.Shared(t)
	for i, when := range []string{beforeStart, afterStart, afterReference} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			name, g := fmt.Sprintf("killed-%d", i), newGate(t)
			replica := func(kill string) (*exec.Cmd, <-chan error) {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), envReplica+"="+server.Addr(), envPool+"="+name, envHost+"="+e.host(), envGate+"="+string(g), envKill+"="+kill)
				log, err := os.CreateTemp(t.TempDir(), "")
				if err != nil {
					t.Fatal(err)
				}
				cmd.Stderr = log
				in, err := cmd.StdinPipe()
				if err == nil {
					err = cmd.Start()
				}
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				done := make(chan struct{})
				go func() { ended <- cmd.Wait(); close(done) }()
				t.Cleanup(func() {
					_ = in.Close()
					<-done
					if b, _ := os.ReadFile(log.Name()); t.Failed() {
						t.Logf("replica: %s", b)
					}
				})
				return cmd, ended
			}
			c, err := pool.New(redisstore.New(server.Client(t), name), pool.Config{})
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := c.EnqueueSpec(t.Context(), pool.Spec{Kind: "video.cut", MaxAttempts: 1, Retain: new(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			id := receipt.ID
			first, ended := replica(when)
			select {
			case err := <-ended:
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the first replica (%d) ended with %v", first.Process.Pid, err)
				}
			case <-time.After(patience):
				t.Fatal("the first replica was not killed")
			}
			endLeases(t, server.Client(t), name)
			replica("")
			eventually(t, "the next replica runs the task", func() bool {
				got, err := c.Get(t.Context(), id)
				return err == nil && got.Attempt == 2 && g.starts() > 0
			})
			g.open(t, "cut")
			got, err := c.WaitTask(t.Context(), id)
			if err != nil || got.State != pool.Succeeded || string(got.Result) != "cut" || got.Lost != 1 || got.Failures != 0 {
				t.Errorf("the task is %+v, %v", got, err)
			}
			if ids := e.containers(t, labelTask, id); len(ids) != 1 || g.starts() != 1 {
				t.Errorf("containers %q, started %d times", ids, g.starts())
			}
		})
	}
}

// endLeases ends the leases of the claims of a pool whose replica was killed.
func endLeases(t *testing.T, rdb *redis.Client, name string) {
	t.Helper()
	key := "lts:{" + name + "}:leases"
	claims, err := rdb.ZRange(t.Context(), key, 0, -1).Result()
	if err != nil || len(claims) != 1 {
		t.Fatalf("claims %q, %v", claims, err)
	}
	if err := rdb.ZAddXX(t.Context(), key, redis.Z{Score: 1, Member: claims[0]}).Err(); err != nil {
		t.Fatal(err)
	}
}

// The engine is away while containers run. Nothing is started again, and the true
// outcomes arrive.
func TestEngineThatRestartsLosesNothing(t *testing.T) {
	e := sharedEngine(t)
	g, h := newGate(t), newGate(t)
	cfg := e.config("wait")
	cfg.Mounts = g.mount()
	a := begin(t, cfg, newTask(""))
	cfg.Mounts = h.mount()
	b := begin(t, cfg, newTask(""))
	// Their starts have returned: an engine that ends before it has recorded a start does not
	// know it any more.
	a.logged(t, e, "waiting\n")
	b.logged(t, e, "waiting\n")
	pid := e.pid(t, a.task.ID)
	e.stop()
	// It ends while the engine is away.
	g.open(t, "exit 7")
	eventually(t, "the container has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	c := begin(t, e.config("payload"), newTask("while away"))
	// Real time is the subject: the engine has to be away for longer than the longest pause between two calls.
	away := 3 * time.Second
	if *soak {
		away = time.Minute
	}
	time.Sleep(away) // see above
	for _, a := range []*attempt{a, b, c} {
		select {
		case <-a.done:
			t.Errorf("ended while the engine was away: %q, %v", a.result, a.err)
		default:
		}
	}
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	h.open(t, "second")
	// The engine loses what a container writes that ends while it is away.
	_, err := a.wait(t)
	wantError(t, err, nil, "container ended with exit status 7")
	if !strings.Contains(a.task.Log, missingOutput) {
		t.Errorf("log %q", a.task.Log)
	}
	for want, a := range map[string]*attempt{"second": b, "while away": c} {
		if result, err := a.wait(t); err != nil || result != want {
			t.Errorf("%q, %v, want %q", result, err, want)
		}
		if n := len(e.containers(t, labelTask, a.task.ID)); n != 1 {
			t.Errorf("%d containers for %s", n, want)
		}
	}
	if n := len(e.containers(t, labelTask, a.task.ID)); n != 1 {
		t.Errorf("%d containers", n)
	}
	if g.starts() != 1 || h.starts() != 1 {
		t.Errorf("started %d and %d times", g.starts(), h.starts())
	}
}
