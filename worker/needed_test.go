package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/outages"
	"github.com/ltsworker/ltsworker/task"
)

// The outage of an exporter and that of an executor are in the renewals until they are over.
func TestRenewalsHaveTheOutagesOfExportersAndExecutors(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		var save error
		tr := newTestReplica(t, Config{Lease: time.Minute, Exports: map[string]task.Export{"job": {Exporter: exporterFunc(
			func(context.Context, *task.Staged) (task.Reference, error) { return task.Reference("1"), save })}}})
		remote := &outages.Tracker{Of: "the remote", Log: tr.r.cfg.Logger, Again: "again"}
		tr.r.Handle("job", noop)
		tr.run()
		last := func() (of string) {
			tr.advance(time.Minute)
			tr.store.mu.Lock()
			defer tr.store.mu.Unlock()
			for _, o := range tr.store.renewals[len(tr.store.renewals)-1].Outages {
				of += o.Of + ": " + o.Error + "; "
			}
			return of
		}
		saver, _ := tr.r.saver("job")
		attempt := func(err error) {
			save = err
			_, _ = saver(tr.r.base, &task.Task{Spec: task.Spec{Kind: "job"}})
			tr.advance(time.Second)
		}
		for _, step := range []struct {
			do   func()
			want string
		}{
			{func() {}, ""},
			{func() { attempt(errors.New("refused")) }, "the exporter of job: refused; "},
			{func() { attempt(errors.New("disk full")) }, "the exporter of job: disk full; "},
			{func() { remote.Publish(tr.r.base); remote.Failed("Start", time.Time{}, errors.New("away"), "down") }, "the exporter of job: disk full; the remote: away; "},
			{func() { attempt(nil) }, "the remote: away; "},
			{func() { attempt(task.Permanent(errors.New("bad row"))) }, "the remote: away; "},
			{func() { remote.Worked("Start", time.Now()) }, ""},
		} {
			step.do()
			if got := last(); got != step.want {
				t.Errorf("got %q, want %q", got, step.want)
			}
		}
		if n := tr.log.count("results cannot be saved"); n != 1 {
			t.Errorf("the outage was logged %d times", n)
		}
		if all := tr.store.renewals[len(tr.store.renewals)-1].Outages; all != nil {
			last()
			if all = tr.store.renewals[len(tr.store.renewals)-1].Outages; all != nil {
				t.Error("a renewal says again that there are no outages")
			}
		}
		tr.shutDown()
	})
}

// A database that does not answer is away. A save that was stopped says nothing about it.
func TestSavesThatTimeOutAreAnOutage(t *testing.T) {
	for cause, want := range map[error]int{task.ErrTimeout: 1, task.ErrStopped: 0, task.ErrShutdown: 0, task.ErrLeaseLost: 0} {
		var n needed
		n.init(Config{Logger: slog.New(slog.DiscardHandler), Exports: map[string]task.Export{"job": {}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		n.saved(ctx, "job", time.Now(), ctx.Err())
		if got := n.outages(); len(got) != want {
			t.Errorf("%v: %+v", cause, got)
		}
	}
}
