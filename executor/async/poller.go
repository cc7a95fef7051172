package async

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/internal/outages"
)

// poller asks for the states of all jobs that attempts of this process wait for. Its
// goroutines run only while there are such jobs. One polls all jobs at the interval. The
// other polls urgent ones: those just taken over, those of Notify, and those whose last
// call failed.
type poller struct {
	executor Executor
	opts     Options
	log      *slog.Logger
	outage   *outages.Tracker

	mu      sync.Mutex
	watches map[string][]*watch // by reference
	urgent  map[string]bool     // by reference
	end     context.CancelFunc  // ends the goroutines; nil if none run
	wake    chan struct{}       // signals urgent jobs to the goroutine that runs
}

// watch is an attempt that waits for its job. The poller's mutex guards its fields.
type watch struct {
	job     Job
	changed chan struct{} // signals a new status
	status  Status        // the newest; what was taken is removed
	gone    int           // how often in a row the remote did not know the job
	unknown bool          // the last state was Unknown
}

func (p *poller) init(e Executor, opts Options, o *outages.Tracker) {
	p.executor, p.opts, p.log, p.outage = e, opts, opts.Logger, o
	p.watches, p.urgent = map[string][]*watch{}, map[string]bool{}
}

// add begins to poll a job: at once, or at the next interval.
func (p *poller) add(job Job, now bool) *watch {
	w := &watch{job: job, changed: make(chan struct{}, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches[job.Ref] = append(p.watches[job.Ref], w)
	if p.end == nil {
		var life context.Context
		life, p.end = context.WithCancel(context.Background())
		p.wake = make(chan struct{}, 1)
		go p.pollUrgent(life, p.wake)
		if p.opts.Interval != NoPolling {
			go p.pollAll(life)
		}
	}
	if now {
		p.hurry(job.Ref)
	}
	return w
}

// remove ends the polling of a job.
func (p *poller) remove(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := slices.DeleteFunc(p.watches[w.job.Ref], func(o *watch) bool { return o == w })
	if p.watches[w.job.Ref] = left; len(left) > 0 {
		return
	}
	delete(p.watches, w.job.Ref)
	delete(p.urgent, w.job.Ref)
	if len(p.watches) == 0 {
		p.end()
		p.end = nil
	}
}

func (p *poller) notify(ref string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurry(ref)
}

// hurry makes a job urgent. The caller holds the mutex.
func (p *poller) hurry(ref string) {
	if len(p.watches[ref]) == 0 {
		return
	}
	p.urgent[ref] = true
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// again polls a job later whose state is not final although the remote answered. The
// caller holds the mutex.
func (p *poller) again(ref string) {
	if p.opts.Interval == NoPolling {
		time.AfterFunc(DefaultInterval, func() { p.notify(ref) })
	}
}

// pollAll polls all jobs that are not urgent, at the interval.
func (p *poller) pollAll(life context.Context) {
	for {
		d := p.opts.Interval
		if d >= 5 {
			d -= rand.N(d / 5)
		}
		if backoff.Sleep(life, d) != nil {
			return
		}
		p.mu.Lock()
		var jobs []Job
		for ref := range p.watches {
			if !p.urgent[ref] {
				jobs = p.appendJobs(jobs, ref)
			}
		}
		p.mu.Unlock()
		p.poll(life, jobs, p.opts.MaxBatch)
	}
}

// pollUrgent polls urgent jobs. Jobs whose call fails stay urgent. Repeated calls get
// fewer jobs each, so that a job that makes every call fail does not affect others.
func (p *poller) pollUrgent(life context.Context, wake <-chan struct{}) {
	for failures := 0; ; {
		select {
		case <-life.Done():
			return
		case <-wake:
		}
		p.mu.Lock()
		if life.Err() != nil { // the urgent jobs are those of another goroutine
			p.mu.Unlock()
			return
		}
		var jobs []Job
		for ref := range p.urgent {
			jobs = p.appendJobs(jobs, ref)
		}
		clear(p.urgent)
		p.mu.Unlock()
		began := time.Now()
		if p.poll(life, jobs, max(1, p.opts.MaxBatch>>min(failures, 30))) {
			failures = 0
			p.outage.Worked("Poll", began)
			continue
		}
		failures++
		if backoff.Sleep(life, backoff.Delay(failures)) != nil {
			return
		}
	}
}

// appendJobs appends the jobs with a reference, each once. The caller holds the mutex.
func (p *poller) appendJobs(jobs []Job, ref string) []Job {
	first := len(jobs)
	for _, w := range p.watches[ref] {
		if !slices.Contains(jobs[first:], w.job) {
			jobs = append(jobs, w.job)
		}
	}
	return jobs
}

// maxFailedCalls is how many calls in a row may fail before the rest of the jobs waits for
// the next try.
const maxFailedCalls = 3

// poll calls Poll with size jobs at a time. Jobs whose call fails become urgent, and poll
// returns false.
func (p *poller) poll(life context.Context, jobs []Job, size int) (ok bool) {
	ok = true
	failed := 0
	for batch := range slices.Chunk(jobs, size) {
		began := time.Now()
		var statuses []Status
		err := errSkipped
		if failed < maxFailedCalls {
			statuses, err = p.call(life, batch)
		}
		p.mu.Lock()
		switch {
		case life.Err() != nil: // no attempt waits for these jobs any more
		case err == nil:
			failed = 0
			p.deliver(batch, statuses)
		default:
			ok = false
			failed++
			p.fail(batch, began, err)
		}
		p.mu.Unlock()
	}
	return ok
}

var errSkipped = errors.New("skipped")

// call calls Poll and checks the answer. A panic of the Executor is an error.
func (p *poller) call(ctx context.Context, batch []Job) (statuses []Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.CallTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in Poll: %v", v)
		}
	}()
	statuses, err = p.executor.Poll(ctx, slices.Clone(batch))
	if err == nil && len(statuses) != len(batch) {
		err = fmt.Errorf("the answer has %d states for %d jobs", len(statuses), len(batch))
	}
	return statuses, err
}

// fail records a failed call and the time at which it began, and makes its jobs urgent. The caller
// holds the mutex.
func (p *poller) fail(batch []Job, began time.Time, err error) {
	for _, job := range batch {
		p.hurry(job.Ref)
	}
	p.outage.Failed("Poll", began, err, "jobs cannot be polled; their attempts wait, and their timeouts continue", "jobs", len(batch), "err", err)
}

// deliver gives the statuses to the attempts. The caller holds the mutex.
func (p *poller) deliver(batch []Job, statuses []Status) {
	for i, job := range batch {
		for _, w := range p.watches[job.Ref] {
			if w.job == job {
				p.update(w, statuses[i])
			}
		}
	}
}

// update gives a status to an attempt. The first end is final. The caller holds the mutex.
func (p *poller) update(w *watch, s Status) {
	if w.status.State.ended() {
		return
	}
	if s.State < Unknown || s.State > Elsewhere {
		s = Status{Err: fmt.Errorf("the answer has the unknown state %d", s.State)}
	}
	if s.State == Unknown {
		if !w.unknown {
			p.log.Warn("the state of a job is not known; its attempt waits, and its timeout continues", "job", w.job.Name, "ref", w.job.Ref, "err", s.Err)
		}
		w.unknown = true
		p.again(w.job.Ref)
		return
	}
	w.unknown = false
	if s.State == Gone {
		if w.gone++; w.gone < 2 {
			p.again(w.job.Ref)
			return
		}
	} else {
		w.gone = 0
	}
	if s.Progress == nil {
		s.Progress = w.status.Progress
	}
	if s.Log == nil {
		s.Log = w.status.Log
	}
	w.status = s
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// take returns the newest status of the job and removes its progress and log.
func (p *poller) take(w *watch) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := w.status
	w.status.Progress, w.status.Log = nil, nil
	return s
}

// ended reports whether a job in this state is polled no more.
func (s State) ended() bool { return s >= Succeeded }
