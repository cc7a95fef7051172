package lighttaskscheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

// jobs is the executor of an actuator that is no function actuator. A job is a try of a
// task.
type jobs struct {
	actuator TaskActuator
	exporter *exporter    // nil without a persistencer
	poll     bool         // ask the actuator for statuses
	own      *Combination // learns of starts
	async    *async.Jobs

	mu     sync.Mutex
	all    map[*job]bool
	byName map[string]*job // those that were started, or taken over and polled
}

// job is a try that an attempt of this process waits for. The mutex of jobs guards what is
// below it.
type job struct {
	base    *task.Task
	life    context.Context // of the work that Start begins
	endLife context.CancelFunc

	task  Task      // as Start returned it, or before Start as it is stored
	given time.Time // the start time that Start got
	ref   string    // set when Start has returned
	end   async.State
	why   error // of a Failed end
}

// reference is what is stored about a job. Another process makes the Task of it.
type reference struct {
	ID    string    `json:"id"`    // of the task in the pool
	Given time.Time `json:"given"` // the start time that Start got
	Start time.Time `json:"start"` // the start time that it returned
	// Type and Item are those of the task that Start returned, if it has changed them.
	Type string          `json:"type,omitempty"`
	Item json.RawMessage `json:"item,omitempty"`
}

func newJobs(a TaskActuator, e *exporter, poll bool, own *Combination) *jobs {
	return &jobs{actuator: a, exporter: e, poll: poll, own: own, all: map[*job]bool{}, byName: map[string]*job{}}
}

// handle runs one attempt of a task.
func (x *jobs) handle(ctx context.Context, t *task.Task) ([]byte, error) {
	own, err := running(t)
	if err != nil {
		return nil, err
	}
	j := &job{base: t, task: own, given: own.TaskStartTime}
	j.life, j.endLife = context.WithCancel(context.WithoutCancel(ctx))
	x.mu.Lock()
	x.all[j] = true
	if name, ref, _ := strings.Cut(t.Job, " "); t.CleanUp != "" && ref == "" {
		x.byName[name] = j // Start has not returned; Stop finds the job by its name
	}
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		delete(x.all, j)
		for name, other := range x.byName {
			if other == j {
				delete(x.byName, name)
			}
		}
		x.mu.Unlock()
		j.endLife()
	}()
	return x.async.Handle(ctx, t)
}

// Start implements async.Executor.
func (x *jobs) Start(ctx context.Context, name string, t *task.Task) (async.Started, error) {
	x.mu.Lock()
	var j *job
	for other := range x.all {
		if other.base == t {
			j = other
		}
	}
	if j == nil {
		x.mu.Unlock()
		return async.Started{}, async.Reject(errors.New("the attempt has ended"))
	}
	x.byName[name] = j
	own := j.task
	x.mu.Unlock()

	// The context of Start ends with the try, not with the call, and at once if the call
	// ends too late.
	returned := context.AfterFunc(ctx, j.endLife)
	newTask, ignore, err := x.actuator.Start(j.life, &own)
	if !returned() && err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil && ignore:
		return async.Started{}, task.Snooze(task.ReleaseDelay)
	case err != nil:
		return async.Started{}, async.Reject(err)
	case newTask == nil:
		newTask = &own
	}
	ref, err := newReference(j, newTask)
	if err != nil {
		return async.Started{}, async.Reject(err)
	}
	x.mu.Lock()
	j.task.TaskItem, j.task.TaskStartTime, j.ref = newTask.TaskItem, newTask.TaskStartTime, ref
	own = j.task
	x.mu.Unlock()
	x.own.started(ctx, own)
	return async.Started{Ref: ref}, nil
}

func newReference(j *job, t *Task) (string, error) {
	r := reference{ID: j.base.ID, Given: j.given, Start: t.TaskStartTime}
	typ, item, err := encodeItem(t.TaskItem)
	if err != nil {
		return "", fmt.Errorf("the task that Start returned: %w", err)
	}
	var s stored
	if err := json.Unmarshal(j.base.Payload, &s); err != nil || typ != s.Type || !bytes.Equal(item, s.Item) {
		r.Type, r.Item = typ, item
	}
	b, err := json.Marshal(r)
	return string(b), err
}

// find returns the job of an attempt of this process; nil if there is none any more. The
// caller holds the mutex.
func (x *jobs) find(a async.Job) *job {
	if j := x.byName[a.Name]; j != nil || a.Ref == "" {
		return j
	}
	// This process may have taken the task over. Its checkpoint then has the name of the job.
	var r reference
	if json.Unmarshal([]byte(a.Ref), &r) != nil {
		return nil
	}
	for j := range x.all {
		if j.ref != "" || j.base.ID != r.ID || !bytes.Contains(j.base.LastCheckpoint, []byte(`"`+a.Name+`"`)) {
			continue
		}
		j.ref, j.given, j.task.TaskStartTime = a.Ref, r.Given, r.Start
		if r.Type != "" {
			item, err := decodeItem(r.Type, r.Item)
			if err != nil {
				j.end, j.why = async.Failed, err
			}
			j.task.TaskItem = item
		}
		x.byName[a.Name] = j
		return j
	}
	return nil
}

var errEnded = errors.New("no attempt of this process waits for the job")

// Poll implements async.Executor. The ends that callbacks have reported come first. Without
// polling a job without a report runs.
func (x *jobs) Poll(ctx context.Context, all []async.Job) ([]async.Status, error) {
	statuses := make([]async.Status, len(all))
	var ask []int // the indexes of the jobs in tasks
	var asked []*job
	var tasks []Task
	x.mu.Lock()
	for i, a := range all {
		switch j := x.find(a); {
		case j == nil:
			statuses[i].Err = errEnded
		case j.end != async.Unknown:
			statuses[i] = async.Status{State: j.end, Err: j.why}
		case !x.poll:
			statuses[i].State = async.Running
		default:
			ask, asked, tasks = append(ask, i), append(asked, j), append(tasks, j.task)
		}
	}
	x.mu.Unlock()
	if len(tasks) == 0 {
		return statuses, nil
	}
	got, err := x.actuator.GetAsyncTaskStatus(ctx, tasks)
	if err == nil && len(got) != len(tasks) {
		err = fmt.Errorf("GetAsyncTaskStatus has returned %d statuses for %d tasks", len(got), len(tasks))
	}
	if err != nil && len(tasks) == len(all) {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for n, i := range ask {
		if err != nil {
			statuses[i].Err = err
			continue
		}
		statuses[i] = asked[n].status(&got[n])
	}
	return statuses, nil
}

// status returns what an actuator's answer means. The first end counts. The caller holds the
// mutex.
func (j *job) status(s *AsyncTaskStatus) async.Status {
	if j.end == async.Unknown {
		j.end, j.why = endOf(s.TaskStatus, s.FailedReason)
	}
	if j.end != async.Unknown {
		return async.Status{State: j.end, Err: j.why}
	}
	switch s.TaskStatus {
	case TASK_STATUS_UNSTART, TASK_STATUS_WAITING, TASK_STATUS_RUNNING, TASK_STATUS_EXPORTING:
		return async.Status{State: async.Running, Progress: progressOf(s.Progress)}
	}
	return async.Status{Err: fmt.Errorf("the actuator answered the status %d", s.TaskStatus)}
}

// endOf returns how a job has ended; Unknown if it has not.
func endOf(s TaskStatus, why error) (async.State, error) {
	switch s {
	case TASK_STATUS_SUCCESS:
		return async.Succeeded, nil
	case TASK_STATUS_FAILED, TASK_STATUS_STOPED, TASK_STATUS_DELETE:
		if why == nil && s == TASK_STATUS_FAILED {
			why = errors.New("the actuator reported a failure without a reason")
		} else if why == nil {
			why = errors.New("the actuator reported that the work was stopped or removed")
		}
		return async.Failed, why
	}
	return async.Unknown, nil
}

// progressOf returns a progress as JSON; nil if there is none.
func progressOf(v any) []byte {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) > task.MaxProgress {
		return nil
	}
	return b
}

// Stop implements async.Executor.
func (x *jobs) Stop(ctx context.Context, a async.Job) error {
	x.mu.Lock()
	j := x.find(a)
	if j == nil {
		x.mu.Unlock()
		return errEnded
	}
	own := j.task
	x.mu.Unlock()
	return x.actuator.Stop(ctx, &own)
}

// Output implements async.Executor. It returns the data of a task that has succeeded for the
// exporter.
func (x *jobs) Output(ctx context.Context, a async.Job) (async.Output, error) {
	x.mu.Lock()
	j := x.find(a)
	var own Task
	succeeded := false
	if j != nil {
		own, succeeded = j.task, j.end == async.Succeeded
	}
	x.mu.Unlock()
	switch {
	case j == nil:
		return async.Output{}, errEnded
	case !succeeded || x.exporter == nil:
		return async.Output{}, nil
	}
	asked := own
	asked.TaskStatus = TASK_STATUS_EXPORTING
	result, err := x.exporter.result(ctx, own, func() (any, error) { return x.actuator.GetOutput(ctx, &asked) })
	return async.Output{Result: result}, async.Reject(err)
}
