package integration

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// directory is an executor whose jobs are files. A job has succeeded when a file with its
// name and ".done" exists, which contains the result.
type directory struct{}

// jobSpec is the payload of a kindJob.
type jobSpec struct {
	Dir string `json:"dir"`
	// Kill is when the first owner of the task kills its process: "before start", "after
	// start" or "after reference".
	Kill string `json:"kill"`
}

const (
	beforeStart    = "before start"
	afterStart     = "after start"
	afterReference = "after reference"
)

// killOnce kills this process unless a process was killed for the directory.
func killOnce(dir string) {
	if f, err := os.OpenFile(filepath.Join(dir, "killed"), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		_ = f.Close()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}

func (directory) Start(_ context.Context, name string, t *task.Task) (async.Started, error) {
	var s jobSpec
	if err := json.Unmarshal(t.Payload, &s); err != nil {
		return async.Started{}, task.BadPayload(err)
	}
	if s.Kill == beforeStart {
		killOnce(s.Dir)
	}
	ref := filepath.Join(s.Dir, name+".job")
	f, err := os.OpenFile(ref, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return async.Started{}, err
	}
	if err == nil {
		_, _ = f.WriteString(s.Kill)
		_ = f.Close()
	}
	if s.Kill == afterStart {
		killOnce(s.Dir)
	}
	return async.Started{Ref: ref}, nil
}

func (directory) Poll(_ context.Context, jobs []async.Job) (all []async.Status, err error) {
	for _, j := range jobs {
		if how, _ := os.ReadFile(j.Ref); string(how) == afterReference {
			killOnce(filepath.Dir(j.Ref))
		}
		s := async.Status{State: async.Running}
		if _, err := os.Stat(j.Ref + ".stopped"); err == nil {
			s.State = async.Failed
		}
		if _, err := os.Stat(j.Ref + ".done"); err == nil {
			s.State = async.Succeeded
		}
		all = append(all, s)
	}
	return all, nil
}

func (directory) Stop(_ context.Context, j async.Job) error {
	return os.WriteFile(j.Ref+".stopped", nil, 0o600)
}

func (directory) Output(_ context.Context, j async.Job) (out async.Output, err error) {
	if _, err := os.Stat(j.Ref + ".stopped"); err == nil {
		return out, nil
	}
	out.Result, err = os.ReadFile(j.Ref + ".done")
	return out, err
}

// The process of the first owner is killed at each step of the start. The next owner
// continues with the same job. A process that is killed may hold more than one of the tasks.
func TestJobOfAKilledReplicaIsTakenOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2*time.Second, 3, 0)
	c := f.client()
	f.fleetOf(4)
	dirs := map[string]string{} // by id
	for _, kill := range []string{beforeStart, afterStart, afterReference} {
		dir := t.TempDir()
		payload, err := json.Marshal(jobSpec{dir, kill})
		if err != nil {
			t.Fatal(err)
		}
		dirs[enqueue(t, c, pool.Spec{Kind: kindJob, Payload: payload, MaxAttempts: 1, Retain: new(time.Hour)})] = dir
	}
	for id, dir := range dirs {
		jobs := func() []string {
			jobs, err := filepath.Glob(filepath.Join(dir, "*.job"))
			if err != nil {
				t.Fatal(err)
			}
			return jobs
		}
		eventually(t, patience, "a job", func() bool { return len(jobs()) == 1 })
		if err := os.WriteFile(jobs()[0]+".done", []byte(`"cut"`), 0o600); err != nil {
			t.Fatal(err)
		}
		got := await(t, c, id)
		if got.State != pool.Succeeded || string(got.Result) != `"cut"` || got.Lost == 0 || got.Failures != 0 {
			t.Errorf("the task is %+v", got)
		}
		if n := len(jobs()); n != 1 {
			t.Errorf("%d jobs were started", n)
		}
	}
	f.oneEndEach(3)
}
