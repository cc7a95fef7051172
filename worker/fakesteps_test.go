package worker

import (
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// add makes a task. The caller holds the lock.
func (s *fakeStore) add(spec task.Spec) {
	if spec.Queue == "" {
		spec.Queue = task.DefaultQueue
	}
	t := &fakeTask{Task: task.Task{Spec: spec}}
	s.tasks[spec.ID] = t
	s.enqueue(t, spec.Delay)
}

func (s *fakeStore) put(specs ...task.Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spec := range specs {
		s.add(spec)
	}
}

// putWithoutSignal makes a task whose signal is lost.
func (s *fakeStore) putWithoutSignal(spec task.Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.idle
	s.idle = make(map[string]bool)
	s.add(spec)
	s.idle = idle
}

// putN makes n tasks of a kind at once, named kind-1 and so on.
func (s *fakeStore) putN(n int, spec task.Spec) {
	specs := make([]task.Spec, n)
	for i := range specs {
		spec.ID = fmt.Sprintf("%s-%d", spec.Kind, i+1)
		specs[i] = spec
	}
	s.put(specs...)
}

func (s *fakeStore) push(specs ...task.Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inbox = append(s.inbox, specs...)
	s.broadcast()
}

// requestStop requests the stop of a running task and signals its replica.
func (s *fakeStore) requestStop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[id].stop = true
	s.signal(s.tasks[id].Replica, "stop")
}

// endFromOutside ends a running task by a report from outside and signals its replica.
func (s *fakeStore) endFromOutside(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	s.leaveClaim(t)
	t.State, t.Code, t.reported = task.Succeeded, task.CodeOK, t.Replica
	s.signal(t.Replica, "stop")
}

// takeOver gives the running task to another replica.
func (s *fakeStore) takeOver(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	s.leaveClaim(t)
	s.startAttempt(t, s.newClaim("another", t.Queue, time.Hour, time.Time{}))
}

// forgetReplicas removes all replicas. With data it also removes all tasks.
func (s *fakeStore) forgetReplicas(data bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.replicas)
	clear(s.idle)
	if data {
		clear(s.tasks)
		clear(s.held)
		s.order = nil
	}
}

// joined returns the number of Joins.
func (s *fakeStore) joined() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.joins)
}

func (s *fakeStore) setFault(f func(op string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *fakeStore) task(id string) fakeTask {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tasks[id]
	if !ok {
		return fakeTask{}
	}
	return *t
}

// verdictsOf returns the reports of a task with their verdicts.
func (s *fakeStore) verdictsOf(id string) (out []verdictOf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.verdicts {
		if v.ID == id {
			out = append(out, v)
		}
	}
	return out
}

// callsSince returns the calls since at: those of the given ops, or all.
func (s *fakeStore) callsSince(at time.Time, ops ...string) (out []call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if !c.at.Before(at) && (len(ops) == 0 || slices.Contains(ops, c.op)) {
			out = append(out, c)
		}
	}
	return out
}
