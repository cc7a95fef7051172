package integration

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// fleet is the processes of one site.
type fleet struct {
	*site
	records string
	lease   time.Duration
	workers int
	limit   int

	mu     sync.Mutex
	deaths map[int]time.Time // by pid: when the process was gone for certain
}

// process is one run of this binary in another role.
type process struct {
	fleet *fleet
	cmd   *exec.Cmd
	pid   int
	stdin io.Closer
	log   bytes.Buffer  // to be read when gone is closed
	gone  chan struct{} // closed when the process has ended
}

func newFleet(t testing.TB, lease time.Duration, workers, limit int) *fleet {
	return &fleet{
		site: newSite(t), records: filepath.Join(t.TempDir(), "records"),
		lease: lease, workers: workers, limit: limit, deaths: map[int]time.Time{},
	}
}

// start starts a process, which ends with the test at the latest.
func (f *fleet) start(role string) *process {
	f.t.Helper()
	program, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	p := &process{fleet: f, cmd: exec.Command(program), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), envRole+"="+role, envRedis+"="+redisserver.Shared(f.t).Addr(), envPool+"="+f.name,
		envRecords+"="+f.records, envLease+"="+f.lease.String(), envWorkers+"="+strconv.Itoa(f.workers),
		envLimit+"="+strconv.Itoa(f.limit))
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		f.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	p.pid = p.cmd.Process.Pid
	go func() {
		_ = p.cmd.Wait() // how it ends is the test's doing
		f.mu.Lock()
		f.deaths[p.pid] = time.Now()
		f.mu.Unlock()
		close(p.gone)
	}()
	f.t.Cleanup(func() {
		p.kill()
		if f.t.Failed() {
			f.t.Logf("process %d: %s", p.pid, p.log.Bytes())
		}
	})
	return p
}

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

// kill ends the process with SIGKILL and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.gone
}

func (p *process) signal(sig syscall.Signal) {
	p.fleet.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && err != os.ErrProcessDone {
		p.fleet.t.Error(err)
	}
}

// entry waits for the record of a task's attempt.
func (f *fleet) entry(what, task string, attempt int64) record {
	f.t.Helper()
	var found record
	eventually(f.t, patience, what+" of attempt "+strconv.FormatInt(attempt, 10), func() bool {
		for _, r := range readRecords(f.t, f.records) {
			if r.What == what && r.Task == task && r.Attempt == attempt {
				found = r
				return true
			}
		}
		return false
	})
	return found
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
