package integration

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
)

// fleet is the processes of one site.
type fleet struct {
	*site
	records records
	redis   string // see connect; "" is the site's server
	lease   time.Duration
	workers int
	limit   int
	drain   time.Duration // 0 is the default
	label   string        // of the replicas that are started next, which are exclusive; "" for none

	mu      sync.Mutex
	deaths  map[int]time.Time  // by pid: when the process had certainly ended
	freezes map[int][]interval // by pid: when it was stopped by a signal
	begun   int                // processes started
}

// interval is a time interval. The zero to means that it has not ended.
type interval struct{ from, to time.Time }

// process is one run of this binary in another role.
type process struct {
	fleet *fleet
	cmd   *exec.Cmd
	pid   int
	stdin io.Closer
	log   bytes.Buffer  // read only after gone is closed
	gone  chan struct{} // closed when the process has ended
}

func newFleet(t testing.TB, lease time.Duration, workers, limit int) *fleet {
	return fleetOn(newSite(t), lease, workers, limit)
}

// chaosFleet is a fleet with its own redis-server.
func chaosFleet(t testing.TB, lease time.Duration, workers, limit int, opts ...redisserver.Option) *fleet {
	return fleetOn(siteOn(t, redisserver.Start(t, opts...)), lease, workers, limit)
}

func fleetOn(s *site, lease time.Duration, workers, limit int) *fleet {
	return &fleet{
		site: s, records: records{path: filepath.Join(s.t.TempDir(), "records")}, lease: lease, workers: workers, limit: limit,
		deaths: map[int]time.Time{}, freezes: map[int][]interval{},
	}
}

// address returns what the processes connect to.
func (f *fleet) address() string {
	if f.redis != "" {
		return f.redis
	}
	return f.server.Addr()
}

// start starts a process. It ends with the test at the latest.
func (f *fleet) start(role string) *process {
	f.t.Helper()
	program := cmp.Or(os.Getenv(envProgram), os.Args[0])
	p := &process{fleet: f, cmd: exec.Command(program), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), envRole+"="+role, envRedis+"="+f.address(), envPool+"="+f.name,
		envRecords+"="+f.records.path, envLease+"="+f.lease.String(), envWorkers+"="+strconv.Itoa(f.workers),
		envLimit+"="+strconv.Itoa(f.limit), envDrain+"="+f.drain.String(), envLabel+"="+f.label,
		"GORACE=atexit_sleep_ms=0") // tests measure how long a process takes to end
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		f.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	p.pid = p.cmd.Process.Pid
	f.mu.Lock()
	f.begun++
	f.mu.Unlock()
	go func() {
		_ = p.cmd.Wait() // the test decides how it ends
		f.mu.Lock()
		f.deaths[p.pid] = time.Now()
		f.mu.Unlock()
		close(p.gone)
	}()
	f.t.Cleanup(func() {
		p.kill()
		said := p.log.Bytes()
		for _, bad := range []string{"DATA RACE", "panic: ", "fatal error: "} {
			if bytes.Contains(said, []byte(bad)) {
				f.t.Errorf("process %d had a %s", p.pid, bad)
			}
		}
		if f.t.Failed() {
			f.t.Logf("process %d: … %s", p.pid, said[max(0, len(said)-logTail):])
		}
	})
	return p
}

// logTail is how much of a process's output a failed test shows, in bytes.
const logTail = 4000

// fleetOf starts n replica processes and waits until they are listed.
func (f *fleet) fleetOf(n int) []*process {
	f.t.Helper()
	ps := make([]*process, n)
	for i := range ps {
		ps[i] = f.start(roleReplica)
	}
	f.awaitReplicas(n)
	return ps
}

// awaitJoin waits until the process is a listed replica.
func (p *process) awaitJoin(c *pool.Pool) {
	p.fleet.t.Helper()
	eventually(p.fleet.t, patience, "process "+strconv.Itoa(p.pid)+" is listed", func() bool {
		live, err := c.Replicas(context.Background())
		return err == nil && slices.ContainsFunc(live, func(r pool.ReplicaInfo) bool { return r.PID == p.pid })
	})
}

// kill ends the process with SIGKILL and waits until it is gone.
func (p *process) kill() {
	p.fleet.t.Helper()
	p.signal(syscall.SIGKILL)
	receive(p.fleet.t, p.gone, patience, "the end of a killed process")
}

// terminate ends the process with SIGTERM and waits until it is gone. If the process does not end,
// the test fails and prints the goroutines of the process.
func (p *process) terminate() {
	p.fleet.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.gone:
		return
	case <-time.After(patience):
	}
	p.signal(syscall.SIGQUIT)
	p.signal(syscall.SIGCONT) // a stopped process handles no signal
	select {
	case <-p.gone:
	case <-time.After(prompt):
		p.kill()
	}
	p.fleet.t.Fatalf("process %d did not end within %v of SIGTERM: %s", p.pid, patience, p.log.Bytes())
}

func (p *process) signal(sig syscall.Signal) {
	p.fleet.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && err != os.ErrProcessDone {
		p.fleet.t.Error(err)
	}
}

// replace kills a process and starts another one instead.
func (f *fleet) replace(ps []*process, i int) (victim *process) {
	f.t.Helper()
	victim = ps[i]
	victim.kill()
	ps[i] = f.start(roleReplica)
	return victim
}

// freeze stops a process as a whole. thaw continues it.
func (p *process) freeze() {
	p.fleet.t.Helper()
	p.fleet.mu.Lock()
	p.fleet.freezes[p.pid] = append(p.fleet.freezes[p.pid], interval{from: time.Now()})
	p.fleet.mu.Unlock()
	p.signal(syscall.SIGSTOP)
}

func (p *process) thaw() {
	p.fleet.t.Helper()
	p.signal(syscall.SIGCONT)
	p.fleet.mu.Lock()
	defer p.fleet.mu.Unlock()
	if fs := p.fleet.freezes[p.pid]; len(fs) > 0 {
		fs[len(fs)-1].to = time.Now()
	}
}

// vitals requests the goroutine count and the heap size of a process.
func (p *process) vitals() record {
	p.fleet.t.Helper()
	asked := time.Now().UnixNano()
	p.signal(syscall.SIGUSR1)
	var found record
	eventually(p.fleet.t, patience, "the vitals of a process", func() bool {
		for _, r := range p.fleet.recorded() {
			if r.What == vitals && r.PID == p.pid && r.At > asked {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// entry waits for the record of a task's attempt.
func (f *fleet) entry(what, task string, attempt int64) record {
	f.t.Helper()
	var found record
	eventually(f.t, patience, what+" of attempt "+strconv.FormatInt(attempt, 10), func() bool {
		for _, r := range f.recorded() {
			if r.What == what && r.Task == task && r.Attempt == attempt {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// startTime returns how long a task takes from its enqueue to its start on this
// machine. On an idle fleet and machine that is milliseconds.
func (f *fleet) startTime(c *pool.Pool) time.Duration {
	f.t.Helper()
	begin := time.Now()
	id := enqueue(f.t, c, pool.Spec{Kind: kindWork, Payload: []byte("0")})
	took := time.Unix(0, f.entry(enter, id, 1).At).Sub(begin)
	await(f.t, c, id)
	return took
}

func byPID(ps []*process, pid int) (*process, []*process) {
	var other []*process
	var hit *process
	for _, p := range ps {
		if p.pid == pid {
			hit = p
		} else {
			other = append(other, p)
		}
	}
	return hit, other
}
