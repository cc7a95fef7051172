package async

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

var errAway = errors.New("remote is away")

// remote is an Executor whose jobs exist in memory.
type remote struct {
	mu    sync.Mutex
	jobs  map[string]*job // by reference, which is "ref-" and the name
	calls []string        // "Start NAME", "Stop NAME", "Output NAME", "Poll N"
	log   recorder

	// fault decides what happens to a call; nil for nothing special. It may sleep.
	fault func(ctx context.Context, call string) fault
}

// fault is what happens to a call.
type fault struct {
	before, after error // the call fails before or after its effect
	statuses      []Status
}

type job struct {
	name   string
	began  time.Time
	lasts  time.Duration // 0: until it is stopped
	status Status        // at the end
	result string
	ended  bool
}

func newRemote() *remote { return &remote{jobs: map[string]*job{}} }

// do records a call and applies its fault.
func (r *remote) do(ctx context.Context, call string, effect func()) (fault, error) {
	r.mu.Lock()
	r.calls = append(r.calls, call)
	decide := r.fault
	r.mu.Unlock()
	var f fault
	if decide != nil {
		f = decide(ctx, call)
	}
	if f.before != nil {
		return f, f.before
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	effect()
	return f, f.after
}

func (r *remote) Start(ctx context.Context, name string, t *task.Task) (s Started, err error) {
	_, err = r.do(ctx, "Start "+name, func() {
		s.Ref = "ref-" + name
		if old := r.jobs[s.Ref]; old != nil {
			s.Age = time.Since(old.began)
			return
		}
		j := &job{name: name, began: time.Now(), status: Status{State: Succeeded}, result: string(t.Payload), ended: string(t.Payload) == "ended"}
		if d, err := time.ParseDuration(string(t.Payload)); err == nil {
			j.lasts = d
		}
		r.jobs[s.Ref] = j
	})
	return s, err
}

func (j *job) state() Status {
	if j.ended || j.lasts > 0 && time.Since(j.began) >= j.lasts {
		return j.status
	}
	return Status{State: Running}
}

func (r *remote) Poll(ctx context.Context, jobs []Job) (all []Status, err error) {
	f, err := r.do(ctx, fmt.Sprintf("Poll %d", len(jobs)), func() {
		for _, job := range jobs {
			if j := r.jobs[job.Ref]; j != nil {
				all = append(all, j.state())
			} else {
				all = append(all, Status{State: Gone})
			}
		}
	})
	if f.statuses != nil {
		all = f.statuses
	}
	return all, err
}

func (r *remote) Stop(ctx context.Context, job Job) error {
	_, err := r.do(ctx, "Stop "+job.Name, func() {
		if j := r.jobs["ref-"+job.Name]; j != nil && j.state().State == Running {
			j.ended, j.status = true, Status{State: Failed, Err: errors.New("exit status 143")}
		}
	})
	return err
}

func (r *remote) Output(ctx context.Context, job Job) (out Output, err error) {
	_, err = r.do(ctx, "Output "+job.Name, func() {
		j := r.jobs[job.Ref]
		out = Output{Result: []byte(j.result), Log: []byte("log of " + j.name)}
	})
	return out, err
}

// count returns how many calls begin with prefix.
func (r *remote) count(prefix string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// running returns how many jobs have not ended.
func (r *remote) running() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.jobs {
		if j.state().State == Running {
			n++
		}
	}
	return n
}

// change changes the only job.
func (r *remote) change(f func(ref string, j *job)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, j := range r.jobs {
		f(ref, j)
	}
}

func (r *remote) setFault(f func(ctx context.Context, call string) fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

// failing makes the calls that begin with prefix fail before their effect.
func failing(prefix string, err error) func(context.Context, string) fault {
	return func(_ context.Context, call string) fault {
		if strings.HasPrefix(call, prefix) {
			return fault{before: err}
		}
		return fault{}
	}
}

// recorder records the messages that are logged.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (l *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (l *recorder) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *recorder) WithGroup(string) slog.Handler            { return l }
func (l *recorder) Handle(_ context.Context, rec slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, rec.Message)
	return nil
}

func (l *recorder) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// newJobs returns a Jobs as a process has it.
func newJobs(t *testing.T, r *remote, change ...func(*Options)) *Jobs {
	t.Helper()
	o := Options{Pool: "media", Interval: time.Second, Logger: slog.New(&r.log)}
	for _, c := range change {
		c(&o)
	}
	j, err := New(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// run is a handler that runs.
type run struct {
	task   *task.Task
	cancel context.CancelCauseFunc
	done   chan struct{}
	result string
	err    error
	took   time.Duration
}

var fence int64

func newTask(payload string) *task.Task {
	fence++
	return &task.Task{
		Spec:      task.Spec{ID: fmt.Sprintf("t-%d", fence), Kind: "cut", Payload: []byte(payload)},
		Fence:     fence,
		CreatedAt: time.Unix(1_000_000_000, 0),
	}
}

func begin(t *testing.T, j *Jobs, tk *task.Task) *run {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &run{task: tk, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		began := time.Now()
		result, err := j.Handle(ctx, tk)
		r.result, r.err, r.took = string(result), err, time.Since(began)
	}()
	return r
}

func (r *run) wait() (string, error) {
	<-r.done
	return r.result, r.err
}

// wantCalls checks how often methods were called: "Start 1", and so on.
func (r *remote) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		method, n, _ := strings.Cut(w, " ")
		if got := r.count(method + " "); fmt.Sprint(got) != n {
			t.Errorf("%s was called %d times, want %s: %.2000q", method, got, n, r.calls)
		}
	}
}

func wantError(t *testing.T, err error, is error, texts ...string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) || slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(err.Error(), s) }) {
		t.Errorf("the error is %v, want %v with %q", err, is, texts)
	}
}

func inFakeTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	faketime.Test(t, f)
}

// advance lets fake time pass. The tests that call it run in fake time.
func advance(d time.Duration) { time.Sleep(d) } // fake time
