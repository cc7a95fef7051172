package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestReportsSurviveAnOutage(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 8}}})
				tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
					time.Sleep(time.Second)
					return nil, nil
				})
				tr.r.Handle("bad", func(context.Context, *task.Task) ([]byte, error) {
					time.Sleep(2 * time.Second)
					return nil, errors.New("boom")
				})
				tr.store.putN(3, task.Spec{Kind: "job"})
				tr.store.putN(3, task.Spec{Kind: "bad"})
				tr.run()
				tr.store.setFault(func(string) fault { return f })
				tr.advance(20 * time.Second)
				tr.store.setFault(func(string) fault { return none })
				up := time.Now()
				tr.advance(6 * time.Second)
				for _, id := range []string{"job-1", "job-2", "job-3"} {
					tr.wantState(id, task.Succeeded, task.CodeOK)
				}
				for _, id := range []string{"bad-1", "bad-2", "bad-3"} {
					tr.wantState(id, task.Failed, task.CodeError)
				}
				tr.store.put(task.Spec{ID: "after", Kind: "job"})
				tr.advance(2 * time.Second)
				tr.wantState("after", task.Succeeded, task.CodeOK)
				for _, v := range tr.store.verdictsOf("after") {
					if v.at.Sub(up) > 8*time.Second {
						t.Errorf("work went on %v after the outage", v.at.Sub(up))
					}
				}
				tr.shutDown()
			})
		})
	}
}

func TestOutageIsLoggedOnceAndCausesNoBusyLoop(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", untilCancelled)
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.run()
				tr.store.setFault(func(string) fault { return f })
				from := time.Now()
				tr.advance(time.Minute)
				calls := tr.store.callsSince(from)
				if len(calls) > 400 {
					t.Errorf("%d calls in a minute without a store", len(calls))
				}
				if n := tr.log.count("ERROR calls to the store fail"); n != 1 {
					t.Errorf("logged %d times", n)
				}
				tr.store.setFault(func(string) fault { return none })
				tr.advance(time.Minute)
				if n := tr.log.count("WARN the store works again"); n != 1 {
					t.Errorf("its end was logged %d times", n)
				}
				if n := tr.log.count("calls to the store fail"); n != 1 {
					t.Errorf("logged %d times", n)
				}
				tr.r.Close()
			})
		})
	}
}

func TestWorkResumesSoonAfterAnOutage(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.setFault(func(string) fault { return fail })
		tr.advance(time.Hour)
		tr.store.putWithoutSignal(task.Spec{ID: "x", Kind: "job"})
		tr.store.setFault(func(string) fault { return none })
		tr.advance(5 * time.Second)
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}

func TestTruncatedAnswerIsAnOutage(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		short := truncatingStore{tr.store}
		tr.r.store = short
		tr.r.Handle("job", noop)
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(30 * time.Second)
		if n := tr.log.count("ERROR calls to the store fail"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		tr.shutDown()
	})
}

// truncatingStore drops a part of every answer.
type truncatingStore struct{ *fakeStore }

func (s truncatingStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	got, err := s.fakeStore.Exchange(ctx, x)
	got.Short = got.Short[:max(0, len(got.Short)-1)]
	return got, err
}
