package async

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/outages"
	"github.com/ltsworker/ltsworker/task"
)

// Every call of many attempts fails for a while, twice.
func TestOutageIsLoggedOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		var all []*run
		for range 10 {
			all = append(all, begin(t, j, newTask("30s")))
		}
		advance(2 * time.Second)
		for n := 1; n <= 2; n++ {
			r.setFault(failing("", errAway))
			for range 10 {
				all = append(all, begin(t, j, newTask("1m")))
				advance(2 * time.Second)
			}
			r.setFault(nil)
			advance(10 * time.Second)
			down := r.log.count("a call to the remote failed") + r.log.count("jobs cannot be polled")
			if up := r.log.count("calls to the remote succeed again"); down != n || up != n {
				t.Errorf("the log has %d lines about the beginning and %d about the end of %d outages", down, up, n)
			}
		}
		for _, a := range all {
			if _, err := a.wait(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A method that failed is not called again. Its outage hides no later one.
func TestOutageEndsWithoutAnAnswer(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		r.setFault(failing("Start", errAway))
		a := begin(t, j, newTask("1s"))
		advance(2 * time.Second)
		a.cancel(task.ErrShutdown)
		_, err := a.wait()
		wantError(t, err, task.ErrShutdown)
		advance(outageGap + time.Second)
		r.setFault(failing("Start", errors.New("disk full")))
		a = begin(t, j, newTask("1s"))
		advance(2 * time.Second)
		r.setFault(nil)
		if _, err := a.wait(); err != nil {
			t.Error(err)
		}
		if n := r.log.count("a call to the remote failed"); n != 2 {
			t.Errorf("logged %d times", n)
		}
	})
}

// A replica publishes the outage of the remote from the first attempt on.
func TestOutageIsPublished(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		r := newRemote()
		j := newJobs(t, r)
		var registry outages.Registry
		ctx, cancel := context.WithCancelCause(registry.With(t.Context()))
		r.setFault(failing("Start", errAway))
		ended := make(chan error)
		go func() {
			_, err := j.Handle(ctx, newTask("1s"))
			ended <- err
		}()
		advance(2 * time.Second)
		if all := registry.Current(); len(all) != 1 || all[0].Of != "the remote" || all[0].Error != errAway.Error() || time.Since(all[0].Since) != 2*time.Second {
			t.Errorf("%+v", all)
		}
		r.setFault(nil)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if all := registry.Current(); len(all) > 0 {
			t.Errorf("%+v", all)
		}
		cancel(nil)
	})
}
