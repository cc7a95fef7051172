package lighttaskscheduler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler/actuator"
	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// Cut is the item of the tasks of these tests.
type Cut struct {
	Video string
	Work  string // the job at the farm; set by Start
}

func init() { lts.Register(Cut{}) }

var errBoom = errors.New("boom")

// try says what happens to a try of a task.
type try struct {
	lasts  time.Duration // 0: until it is stopped
	err    error         // at the end
	start  error         // of Start
	ignore bool
	panics bool
}

// farm is an actuator whose jobs exist in memory.
type farm struct {
	behave     func(id string, n int) try // n is the number of the try, from 1
	callbacks  chan lts.Task              // may be nil
	isFunction bool                       // sends no callback itself
	status     func(tasks []lts.Task) ([]lts.AsyncTaskStatus, error)

	mu     sync.Mutex
	starts map[string]int
	jobs   map[string]*farmJob // by Cut.Work
	calls  []string            // "Start ID", "Stop WORK", "GetOutput WORK"
	times  []time.Time         // TaskStartTime of each Start
	ended  int                 // contexts that had ended when Start was called
}

type farmJob struct {
	try
	began   time.Time
	stopped bool
}

func newFarm(behave func(id string, n int) try) *farm {
	return &farm{behave: behave, starts: map[string]int{}, jobs: map[string]*farmJob{}}
}

// always is the behaviour of a farm whose tries are alike.
func always(t try) func(string, int) try { return func(string, int) try { return t } }

func (f *farm) Init(_ context.Context, t *lts.Task) (*lts.Task, error) {
	if t.TaskItem.(Cut).Video == "bad" {
		return nil, errBoom
	}
	return t, nil
}

func (f *farm) Start(ctx context.Context, t *lts.Task) (*lts.Task, bool, error) {
	f.mu.Lock()
	f.starts[t.TaskId]++
	n := f.starts[t.TaskId]
	f.calls = append(f.calls, "Start "+t.TaskId)
	f.times = append(f.times, t.TaskStartTime)
	if ctx.Err() != nil {
		f.ended++
	}
	f.mu.Unlock()
	b := f.behave(t.TaskId, n)
	if b.panics {
		panic("boom")
	}
	if b.start != nil {
		return nil, b.ignore, b.start
	}
	item := t.TaskItem.(Cut)
	item.Work = fmt.Sprintf("%s#%d", t.TaskId, n)
	t.TaskItem = item
	f.mu.Lock()
	f.jobs[item.Work] = &farmJob{try: b, began: time.Now()}
	f.mu.Unlock()
	if f.callbacks != nil && b.lasts > 0 && !f.isFunction {
		report := *t
		report.TaskStatus, report.FailedReason = lts.TASK_STATUS_SUCCESS, b.err
		if b.err != nil {
			report.TaskStatus = lts.TASK_STATUS_FAILED
		}
		time.AfterFunc(b.lasts, func() { f.callbacks <- report })
	}
	return t, false, nil
}

func (f *farm) Stop(_ context.Context, t *lts.Task) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	work := t.TaskItem.(Cut).Work
	f.calls = append(f.calls, "Stop "+work)
	if j := f.jobs[work]; j != nil {
		j.stopped = true
	}
	return nil
}

func (f *farm) GetAsyncTaskStatus(_ context.Context, tasks []lts.Task) ([]lts.AsyncTaskStatus, error) {
	if f.status != nil {
		return f.status(tasks)
	}
	return f.look(tasks), nil
}

// look returns the statuses of jobs.
func (f *farm) look(tasks []lts.Task) []lts.AsyncTaskStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]lts.AsyncTaskStatus, len(tasks))
	for i, t := range tasks {
		j := f.jobs[t.TaskItem.(Cut).Work]
		switch {
		case j == nil:
			all[i] = lts.AsyncTaskStatus{TaskStatus: lts.TASK_STATUS_FAILED, FailedReason: errors.New("no such job")}
		case j.stopped:
			all[i] = lts.AsyncTaskStatus{TaskStatus: lts.TASK_STATUS_FAILED, FailedReason: errors.New("was killed")}
		case j.lasts == 0 || time.Since(j.began) < j.lasts:
			all[i] = lts.AsyncTaskStatus{TaskStatus: lts.TASK_STATUS_RUNNING, Progress: 50}
		case j.err != nil:
			all[i] = lts.AsyncTaskStatus{TaskStatus: lts.TASK_STATUS_FAILED, FailedReason: j.err}
		default:
			all[i].TaskStatus = lts.TASK_STATUS_SUCCESS
		}
	}
	return all
}

func (f *farm) GetOutput(_ context.Context, t *lts.Task) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	work := t.TaskItem.(Cut).Work
	f.calls = append(f.calls, "GetOutput "+work)
	return "cut of " + work, nil
}

// count returns how many calls begin with a text.
func (f *farm) count(call string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if strings.HasPrefix(c, call) {
			n++
		}
	}
	return n
}

// function returns a function actuator that behaves like the farm.
func (f *farm) function(t *testing.T) lts.TaskActuator {
	t.Helper()
	f.isFunction = true
	a, err := actuator.MakeFucntionActuator(func(ctx context.Context, own *lts.Task) (any, error) {
		if _, _, err := f.Start(ctx, own); err != nil {
			return nil, err
		}
		f.mu.Lock()
		j := f.jobs[own.TaskItem.(Cut).Work]
		f.mu.Unlock()
		if j.lasts == 0 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		time.Sleep(j.lasts) // fake time; like a function that ignores its context
		return "cut of " + own.TaskItem.(Cut).Work, j.err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.callbacks != nil {
		a.SetCallbackChannel(f.callbacks)
	}
	return a
}

// echo returns a function that appends the items of its tasks to a list.
func echo(got *[]any) actuator.RunFunction {
	return func(_ context.Context, own *lts.Task) (any, error) {
		*got = append(*got, own.TaskItem)
		return own.TaskItem, nil
	}
}

// wrapped is an actuator that is no function actuator, and calls one.
type wrapped struct{ lts.TaskActuator }

// actuator returns the actuator for a mode.
func (f *farm) actuator(t *testing.T, mode string) lts.TaskActuator {
	t.Helper()
	switch {
	case !strings.Contains(mode, "function"):
		return f
	case strings.Contains(mode, "wrapped"):
		return wrapped{f.function(t)}
	}
	return f.function(t)
}

// The modes in which a scheduler learns of ends.
var modes = map[string]lts.Config{
	"polling":                    {},
	"callback":                   {DisableStatePoll: true, EnableStateCallback: true},
	"both":                       {EnableStateCallback: true},
	"function":                   {},
	"wrapped function, polling":  {},
	"wrapped function, callback": {DisableStatePoll: true, EnableStateCallback: true},
}

// GetCallbackChannel makes a farm the receiver of its callbacks.
func (f *farm) GetCallbackChannel(context.Context) chan lts.Task { return f.callbacks }

// config completes the config of a mode for a farm.
func (f *farm) config(c lts.Config) lts.Config {
	if c.TaskLimit == 0 {
		c.TaskLimit = 2
	}
	if c.EnableStateCallback {
		if f.callbacks == nil {
			f.callbacks = make(chan lts.Task, 100)
		}
		c.CallbackReceiver = f
	}
	return c
}

// scheduler starts a scheduler on a pool of its test.
func scheduler(t *testing.T, p *pooltest.Pool, a lts.TaskActuator, saver lts.TaskdataPersistencer, c lts.Config) *lts.TaskScheduler {
	t.Helper()
	s, err := lts.MakeScheduler(lts.NewContainer(p.Store()), a, saver, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func add(t *testing.T, s *lts.TaskScheduler, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.AddTask(t.Context(), lts.Task{TaskId: id, TaskItem: Cut{Video: "v"}}); err != nil {
			t.Fatalf("add %s: %v", id, err)
		}
	}
}

// receive returns the next ended task.
func receive(t *testing.T, s *lts.TaskScheduler) *lts.Task {
	t.Helper()
	select {
	case got, ok := <-s.FinshedTasks():
		if !ok {
			t.Fatal("the channel of ended tasks is closed")
		}
		return got
	case <-time.After(time.Hour): // fake time
		t.Fatal("no task has ended within an hour")
	}
	return nil
}

// want checks the end of a task.
func want(t *testing.T, got *lts.Task, id string, status lts.TaskStatus, retries int32, reason string) {
	t.Helper()
	text := fmt.Sprint(got.FailedReason)
	if got.TaskId != id || got.TaskStatus != status || got.TaskAttemptsTime != retries || !strings.Contains(text, reason) {
		t.Errorf("task %s has the status %d after %d retries: %s; want %s, %d, %d, %q", got.TaskId, got.TaskStatus, got.TaskAttemptsTime, text, id, status, retries, reason)
	}
}

// inFakeTime runs a test with a pool of its own.
func inFakeTime(t *testing.T, f func(t *testing.T, p *pooltest.Pool)) {
	t.Helper()
	faketime.Test(t, func(t *testing.T) { f(t, pooltest.New(t, pool.Config{})) })
}

// advance lets fake time pass.
func advance(d time.Duration) {
	time.Sleep(d) // fake time
	synctest.Wait()
}

// distinct reports whether each time is later than the one before.
func distinct(times []time.Time) bool {
	return slices.IsSortedFunc(times, func(a, b time.Time) int {
		if b.After(a) {
			return -1
		}
		return 1
	})
}
