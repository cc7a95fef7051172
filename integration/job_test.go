package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A replica is killed while its task has a job at a remote, and the task ends: because of a stop,
// its timeout, its deadline, or one loss too many. The next owner stops the job first. Until then
// the task keeps its place under a limit of 1.
func TestJobOfAKilledReplicaIsStoppedBeforeItsTaskEnds(t *testing.T) {
	t.Parallel()
	// bound leaves a busy machine time to start the job and to kill the replica.
	const bound = 12 * time.Second
	for name, c := range map[string]struct {
		spec  pool.Spec
		kills int
		state pool.State
		code  pool.Code
	}{
		"stop before the loss": {pool.Spec{Kind: kindJob}, 1, pool.Stopped, pool.CodeStopped},
		"stop after the loss":  {pool.Spec{Kind: kindJob}, 1, pool.Stopped, pool.CodeStopped},
		"timeout":              {pool.Spec{Kind: kindJob, Timeout: bound, MaxAttempts: 1}, 1, pool.Failed, pool.CodeTimeout},
		"deadline":             {pool.Spec{Kind: kindJob, Deadline: bound}, 1, pool.Failed, pool.CodeDeadline},
		"too many losses":      {pool.Spec{Kind: kindFrail}, 2, pool.Failed, pool.CodeLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, longLease, 2, 1)
			client := f.client()
			payload, err := json.Marshal(jobSpec{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			c.spec.Payload, c.spec.Retain = payload, new(time.Hour)
			var spec jobSpec
			_ = json.Unmarshal(payload, &spec)
			jobs := func() []string {
				found, err := filepath.Glob(filepath.Join(spec.Dir, "*.job"))
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			p := f.start(roleReplica)
			p.awaitJoin(client)
			enqueued := time.Now()
			id := enqueue(t, client, c.spec)
			for n := range c.kills {
				if n > 0 {
					p = f.start(roleReplica)
				}
				var tk *task.Task
				eventually(t, patience, "the job is known", func() bool {
					tk, err = client.Get(t.Context(), id)
					return err == nil && tk.Attempt == int64(n+1) && len(jobs()) == 1 && len(tk.Job) > len(filepath.Base(jobs()[0]))
				})
				if name == "stop before the loss" {
					p.freeze() // it must not see the request
					f.stopOne(id)
				}
				p.kill()
				f.endLeases(tk.Replica)
			}
			next := enqueue(t, client, pool.Spec{Kind: kindWork, Payload: []byte("0"), Priority: 9, Retain: new(time.Hour)})
			eventually(t, patience, "the lease has ended", func() bool {
				if _, err := client.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
				tk, err := client.Get(t.Context(), id)
				return err == nil && tk.Code != ""
			})
			if name == "stop after the loss" {
				f.stopOne(id)
			}
			if tk, err := client.Get(t.Context(), id); err != nil || tk.State != pool.Running || stats(t, client).Running != 1 {
				t.Errorf("between its owners the task is %+v, %v", tk, err)
			}
			stopped := func() bool {
				_, err := os.Stat(jobs()[0] + ".stopped")
				return err == nil
			}
			if stopped() {
				t.Error("a job was stopped without a replica")
			}
			if c.spec.Timeout+c.spec.Deadline > 0 {
				time.Sleep(time.Until(enqueued.Add(bound))) // the bound has to pass while no replica has the task
			}
			f.start(roleReplica)
			got := await(t, client, id)
			if got.State != c.state || got.Code != c.code || got.Orphan != "" || got.Job != "" {
				t.Errorf("the task is %+v", got)
			}
			if !stopped() || len(jobs()) != 1 {
				t.Errorf("stopped: %v, jobs %v", stopped(), jobs())
			}
			if after := await(t, client, next); after.StartedAt.Before(got.EndedAt) {
				t.Errorf("the place was given away at %v, the task ended at %v", after.StartedAt, got.EndedAt)
			}
			f.oneEndEach(2)
		})
	}
}

// stopOne requests the stop of a task.
func (f *fleet) stopOne(id string) {
	f.t.Helper()
	if _, err := f.store().Stop(f.t.Context(), "enough", id); err != nil {
		f.t.Fatal(err)
	}
}
