package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// nilError panics if Error is called on a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestHandlerErrorDecidesTheReport(t *testing.T) {
	boom := errors.New("boom")
	deep := func() { panic("boom") }
	for name, c := range map[string]struct {
		h    task.Handler
		want task.Report // without id and fence; Error is part of the text
	}{
		"nil":             {noop, task.Report{Op: task.Succeed, Code: task.CodeOK}},
		"a result":        {returns([]byte("r"), nil), task.Report{Op: task.Succeed, Code: task.CodeOK, Result: []byte("r")}},
		"an empty result": {returns([]byte{}, nil), task.Report{Op: task.Succeed, Code: task.CodeOK, Result: []byte{}}},
		"largest result":  {returns(make([]byte, task.MaxResult), nil), task.Report{Op: task.Succeed, Code: task.CodeOK, Result: make([]byte, task.MaxResult)}},
		"result too large": {returns(make([]byte, task.MaxResult+1), nil),
			task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "the result is 1048577 bytes; the limit is 1048576"}},
		"an error":           {returns([]byte("r"), boom), task.Report{Op: task.Fail, Code: task.CodeError, Error: "boom"}},
		"permanent":          {returns(nil, task.Permanent(boom)), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "boom"}},
		"wrapped permanent":  {returns(nil, fmt.Errorf("cut: %w", task.Permanent(boom))), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "cut: boom"}},
		"nil permanent":      {returns(nil, task.Permanent(nil)), task.Report{Op: task.Succeed, Code: task.CodeOK}},
		"bad payload":        {returns(nil, task.BadPayload(boom)), task.Report{Op: task.Fail, Code: task.CodeBadPayload, Error: "boom"}},
		"retry after":        {returns(nil, task.RetryAfter(boom, time.Minute)), task.Report{Op: task.Fail, Code: task.CodeError, Error: "boom", Delay: time.Minute, DelaySet: true}},
		"retry at once":      {returns(nil, task.RetryAfter(boom, -1)), task.Report{Op: task.Fail, Code: task.CodeError, Error: "boom", DelaySet: true}},
		"snooze":             {returns(nil, task.Snooze(time.Hour)), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: time.Hour}},
		"elsewhere":          {returns(nil, task.Elsewhere()), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: task.ReleaseDelay, Elsewhere: true}},
		"snooze of 0":        {returns(nil, task.Snooze(0)), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: task.ReleaseDelay}},
		"negative snooze":    {returns(nil, task.Snooze(math.MinInt64)), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: task.ReleaseDelay}},
		"snooze of 1 ns":     {returns(nil, fmt.Errorf("busy: %w", task.Snooze(1))), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: task.ReleaseDelay}},
		"longest snooze":     {returns(nil, task.Snooze(task.MaxDuration)), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: task.MaxDuration}},
		"snooze forever":     {returns(nil, task.Snooze(task.Forever)), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "the limit is 87600h0m0s"}},
		"detach":             {returns([]byte("r"), task.Detach(time.Hour)), task.Report{Op: task.Detached, Code: task.CodeDetached, Delay: time.Hour}},
		"wrapped detach":     {returns(nil, fmt.Errorf("sent: %w", task.Detach(time.Millisecond))), task.Report{Op: task.Detached, Code: task.CodeDetached, Delay: time.Millisecond}},
		"detach for nothing": {returns(nil, task.Detach(0)), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "a detach for 0s"}},
		"detach forever":     {returns(nil, task.Detach(task.Forever)), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "must be from 1ms to 87600h0m0s"}},
		"retry too late":     {returns(nil, task.RetryAfter(boom, task.MaxDuration+1)), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "boom (RetryAfter 87600h0m0.000000001s: the limit is 87600h0m0s)"}},
		"panic": {func(context.Context, *task.Task) ([]byte, error) { deep(); return nil, nil },
			task.Report{Op: task.Fail, Code: task.CodePanic, Error: "panic: boom\n\ngithub.com/ltsworker/ltsworker/worker.TestHandlerErrorDecides"}},
		"panic with an error": {func(context.Context, *task.Task) ([]byte, error) { panic(boom) }, task.Report{Op: task.Fail, Code: task.CodePanic, Error: "panic: boom"}},
		"panic with nil":      {func(context.Context, *task.Task) ([]byte, error) { panic(nil) }, task.Report{Op: task.Fail, Code: task.CodePanic, Error: "panic called with nil"}},
		"panic with permanent": {func(context.Context, *task.Task) ([]byte, error) { panic(task.Permanent(boom)) },
			task.Report{Op: task.Fail, Code: task.CodePanic, Error: "panic: boom"}},
		"goexit": {func(context.Context, *task.Task) ([]byte, error) { runtime.Goexit(); return nil, nil },
			task.Report{Op: task.Fail, Code: task.CodePanic, Error: "the handler called runtime.Goexit"}},
		"an error that panics": {returns(nil, (*nilError)(nil)), task.Report{Op: task.Fail, Code: task.CodePanic, Error: "panic in the returned error"}},
		"its own timeout":      {returns(nil, fmt.Errorf("%w: 5m", task.ErrTimeout)), task.Report{Op: task.Fail, Code: task.CodeTimeout, Error: "attempt timed out: 5m"}},
		"its own lookalike":    {returns(nil, task.ErrStopped), task.Report{Op: task.Fail, Code: task.CodeError, Error: task.ErrStopped.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", c.h)
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.run()
				reports := tr.store.verdictsOf("x")
				if len(reports) != 1 || reports[0].Verdict != task.Accepted || reports[0].Fence != tr.store.task("x").Fence {
					t.Fatalf("reports: %+v, want one of attempt 1", reports)
				}
				got := reports[0].Report
				if got.Op != c.want.Op || got.Code != c.want.Code || string(got.Result) != string(c.want.Result) || (got.Result == nil) != (c.want.Result == nil) ||
					got.Delay != c.want.Delay || got.DelaySet != c.want.DelaySet {
					t.Errorf("reported %d %s, delay %v %v; want %d %s, %v %v", got.Op, got.Code, got.Delay, got.DelaySet, c.want.Op, c.want.Code, c.want.Delay, c.want.DelaySet)
				}
				if !strings.Contains(got.Error, c.want.Error) || (got.Error == "") != (c.want.Error == "") {
					t.Errorf("error is %q, want %q in it", got.Error, c.want.Error)
				}
				if n := tr.log.count("INFO attempt failed"); (n == 1) != (got.Op == task.Fail) {
					t.Errorf("the failure was logged %d times", n)
				}
				if c := tr.r.Counts(); c.Running != 0 || c.Stuck != 0 {
					t.Errorf("afterwards: %+v", c)
				}
				tr.shutDown()
			})
		})
	}
}

func TestLargeResultIsCutIfThePolicySaysSo(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Policies: map[string]task.Policy{"cut": {LargeResult: task.TruncateLargeResult}, "fail": {LargeResult: task.FailLargeResult}}})
		handle := func(_ context.Context, tk *task.Task) ([]byte, error) {
			return []byte("x" + strings.Repeat("é", (task.MaxResult-len(tk.Payload))/2)), nil
		}
		tr.r.Handle("cut", handle)
		tr.r.Handle("fail", handle)
		for _, kind := range []string{"cut", "fail"} {
			tr.store.put(task.Spec{ID: kind, Kind: kind}, task.Spec{ID: kind + "-fits", Kind: kind, Payload: []byte("12")})
		}
		tr.run()
		tr.advance(time.Second)
		for _, id := range []string{"cut-fits", "fail-fits"} {
			if got := tr.store.task(id); got.State != task.Succeeded || len(got.Result) != task.MaxResult-1 {
				t.Errorf("%s: %s with a result of %d bytes", id, got.State, len(got.Result))
			}
		}
		got := tr.store.task("cut").Result
		text, mark, _ := strings.Cut(string(got), "\n")
		if len(got) > task.MaxResult || len(got) < task.MaxResult-3 || strings.Trim(text, "é") != "x" || mark != fmt.Sprintf("[cut: %d of 1048577 bytes]", len(text)) {
			t.Errorf("a result of %d bytes that ends with %q", len(got), mark)
		}
		tr.wantState("fail", task.Failed, task.CodePermanent)
		tr.shutDown()
	})
}

func TestCancellationDecidesTheReport(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		cause error
		err   error
		want  task.Report // Error is the whole text
	}{
		"finished although stopped":   {task.ErrStopped, nil, task.Report{Op: task.Succeed, Code: task.CodeOK}},
		"finished although timed out": {task.ErrTimeout, nil, task.Report{Op: task.Succeed, Code: task.CodeOK}},
		"finished although shut down": {task.ErrShutdown, nil, task.Report{Op: task.Succeed, Code: task.CodeOK}},

		"stopped":               {task.ErrStopped, boom, task.Report{Op: task.Fail, Code: task.CodeStopped, Error: "task was stopped: boom"}},
		"stopped, says why":     {task.ErrStopped, task.ErrStopped, task.Report{Op: task.Fail, Code: task.CodeStopped, Error: "task was stopped"}},
		"stopped, permanent":    {task.ErrStopped, task.Permanent(boom), task.Report{Op: task.Fail, Code: task.CodeStopped, Error: "task was stopped: boom"}},
		"stopped, snoozes":      {task.ErrStopped, task.Snooze(time.Hour), task.Report{Op: task.Fail, Code: task.CodeStopped, Error: "task was stopped: snoozed"}},
		"timed out":             {task.ErrTimeout, boom, task.Report{Op: task.Fail, Code: task.CodeTimeout, Error: "attempt timed out: boom"}},
		"timed out, permanent":  {task.ErrTimeout, task.Permanent(boom), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "attempt timed out: boom"}},
		"timed out, retry":      {task.ErrTimeout, task.RetryAfter(boom, time.Hour), task.Report{Op: task.Fail, Code: task.CodeTimeout, Error: "attempt timed out: boom", Delay: time.Hour, DelaySet: true}},
		"timed out, snoozes":    {task.ErrTimeout, task.Snooze(time.Hour), task.Report{Op: task.Fail, Code: task.CodeTimeout, Error: "attempt timed out: snoozed"}},
		"shut down":             {task.ErrShutdown, boom, task.Report{Op: task.Release, Code: task.CodeReleased}},
		"shut down, retry":      {task.ErrShutdown, task.RetryAfter(boom, time.Hour), task.Report{Op: task.Release, Code: task.CodeReleased, Delay: time.Hour}},
		"shut down, permanent":  {task.ErrShutdown, task.Permanent(boom), task.Report{Op: task.Fail, Code: task.CodePermanent, Error: "replica is shutting down: boom"}},
		"shut down, bad bytes":  {task.ErrShutdown, task.BadPayload(boom), task.Report{Op: task.Fail, Code: task.CodeBadPayload, Error: "replica is shutting down: boom"}},
		"shut down, detaches":   {task.ErrShutdown, task.Detach(time.Hour), task.Report{Op: task.Detached, Code: task.CodeDetached, Delay: time.Hour}},
		"stopped, detaches":     {task.ErrStopped, task.Detach(time.Hour), task.Report{Op: task.Fail, Code: task.CodeStopped, Error: "task was stopped: detached"}},
		"timed out, detaches":   {task.ErrTimeout, task.Detach(time.Hour), task.Report{Op: task.Fail, Code: task.CodeTimeout, Error: "attempt timed out: detached"}},
		"shut down, in a panic": {task.ErrShutdown, &panicked{"panic: boom"}, task.Report{Op: task.Fail, Code: task.CodePanic, Error: "panic: boom"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := &attempt{task: &task.Task{}, claim: &claim{q: &queue{}}}
			a.ctx.cancel(c.cause)
			got := a.report(nil, c.err)
			if got.Op != c.want.Op || got.Code != c.want.Code || got.Error != c.want.Error || got.Delay != c.want.Delay || got.DelaySet != c.want.DelaySet {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTaskWithABrokenRecordFailsWithoutRunning(t *testing.T) {
	for _, kind := range []string{"job", "unheard-of"} {
		inFakeTime(t, func(t *testing.T) {
			tr := newTestReplica(t, Config{})
			tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
				t.Error("it ran")
				return nil, nil
			})
			tr.run()
			tr.store.mu.Lock()
			tr.store.add(task.Spec{ID: "x", Kind: kind})
			tr.store.tasks["x"].Broken = errors.New("priority: not a number: \"high\"")
			tr.store.mu.Unlock()
			synctest.Wait()
			tr.wantState("x", task.Failed, task.CodeBadPayload)
			reports := tr.store.verdictsOf("x")
			if len(reports) != 1 || reports[0].Op != task.Fail || reports[0].Error != "priority: not a number: \"high\"" {
				t.Errorf("reports: %+v", reports)
			}
			if tr.log.count("INFO attempt failed") != 1 {
				t.Errorf("log: %v", tr.log.lines)
			}
			if c := tr.r.Counts(); c.Running != 0 {
				t.Errorf("counts: %+v", c)
			}
			tr.shutDown()
		})
	}
}

func TestErrorTextsAreCutToValidUTF8(t *testing.T) {
	for name, s := range map[string]string{
		"short":         "short",
		"exact":         strings.Repeat("x", task.MaxErrorLen),
		"one over":      strings.Repeat("x", task.MaxErrorLen+1),
		"wide":          strings.Repeat("日本", task.MaxErrorLen),
		"shifted":       "x" + strings.Repeat("🙂", task.MaxErrorLen),
		"not UTF-8":     strings.Repeat("a\xff", task.MaxErrorLen),
		"only bad":      strings.Repeat("\x80", task.MaxErrorLen),
		"with NUL":      "a\x00b",
		"half a symbol": "ab\xe6\x97",
	} {
		for what, cut := range map[string]func(string, int) string{"head": cutHead, "tail": task.CutLog} {
			got := cut(s, task.MaxErrorLen)
			if len(got) > task.MaxErrorLen || !utf8.ValidString(got) {
				t.Errorf("%s of %q: %d bytes, valid %v", what, name, len(got), utf8.ValidString(got))
			}
			if len(s) <= task.MaxErrorLen && utf8.ValidString(s) && got != s {
				t.Errorf("%s of %q changed to %q", what, name, got)
			}
			if valid := strings.ToValidUTF8(s, "\uFFFD"); len(got) < min(len(valid), task.MaxErrorLen)-6 {
				t.Errorf("%s of %q: only %d bytes are left", what, name, len(got))
			}
		}
	}
	if got := cutHead(strings.Repeat("a", 100), 10); got != "aaaaaaa…" {
		t.Errorf("head: %q", got)
	}
	if got := task.CutLog("abc日本", 4); got != "本" {
		t.Errorf("tail: %q", got)
	}
}

func TestReportsContainTheLogTail(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			tk.SetLog([]byte(strings.Repeat("early ", task.MaxLogLen)))
			tk.SetLog([]byte(strings.Repeat("x", task.MaxLogLen) + "last line"))
			if tk.ID == "bad" {
				return nil, errors.New("boom")
			}
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "good", Kind: "job"}, task.Spec{ID: "bad", Kind: "job"})
		tr.run()
		for _, id := range []string{"good", "bad"} {
			if got := tr.store.verdictsOf(id)[0].Log; len(got) != task.DefaultLogLen || !strings.HasSuffix(got, "xlast line") {
				t.Errorf("%s: the log is %d bytes long", id, len(got))
			}
		}
		tr.shutDown()
	})
}

// Every report of an attempt has its meta: a stop or a deadline may make it the last one of the task.
func TestReportsContainTheMeta(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Middleware: []task.Middleware{func(next task.Handler) task.Handler {
			return func(ctx context.Context, tk *task.Task) ([]byte, error) {
				result, err := next(ctx, tk)
				if tk.ID != "none" && tk.SetMeta("set", fmt.Sprint(len(tk.Meta())+1)) != nil {
					t.Error("SetMeta failed")
				}
				return result, err
			}
		}}})
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			if tk.ID == "none" {
				return nil, nil
			}
			if err := tk.SetMeta("large", strings.Repeat("x", task.MaxMeta)); err == nil {
				t.Error("too large a value was set")
			}
			_ = tk.SetMeta("own", "1")
			switch tk.ID {
			case "fail":
				return nil, errors.New("boom")
			case "snooze":
				return nil, task.Snooze(time.Hour)
			case "panic":
				defer func() { _ = tk.SetMeta("set", "2"); panic(recover()) }()
				panic("boom")
			case "deaf":
				_ = tk.SetMeta("set", "2")
				time.Sleep(time.Hour)
			}
			return []byte("1"), nil
		})
		ids := []string{"ok", "fail", "snooze", "panic", "deaf", "none"}
		for _, id := range ids {
			tr.store.put(task.Spec{ID: id, Kind: "job", Timeout: time.Second})
		}
		tr.run()
		tr.advance(time.Minute)
		for _, id := range ids {
			want := task.Meta{"own": "1", "set": "2"}
			if id == "none" {
				want = nil
			}
			if got := tr.store.verdictsOf(id)[0].Meta; !maps.Equal(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%s: meta %v", id, got)
			}
		}
		tr.advance(time.Hour)
		tr.shutDown()
	})
}

func TestRenewalsSendProgressAtMostOnceASecond(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			for i := range 1000 {
				if err := tk.SetProgress(map[string]int{"done": i}); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Minute)
			return nil, nil
		})
		tr.run()
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		from := time.Now()
		tr.advance(500 * time.Millisecond)
		if got := string(tr.store.task("x").Progress); got != `{"done":0}` {
			t.Errorf("the first progress must be sent at once, but the task has %q", got)
		}
		tr.advance(11 * time.Second)
		if got := string(tr.store.task("x").Progress); got != `{"done":999}` {
			t.Errorf("progress is %q", got)
		}
		if n := len(tr.store.callsSince(from, "renew")); n > 13 {
			t.Errorf("%d renewals in 11.5 seconds", n)
		}
		tr.advance(30 * time.Second)
		for _, r := range tr.store.renewals[len(tr.store.renewals)-2:] {
			if len(r.Updates) > 0 {
				t.Error("progress was sent a second time")
			}
		}
		tr.advance(time.Minute)
		tr.shutDown()
	})
}

func TestProgressOfAFailedRenewalIsSentAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			if err := tk.SetProgress([]byte("half")); err != nil {
				t.Error(err)
			}
			return untilCancelled(ctx, tk)
		})
		tr.store.setFault(failFirst("renew", 3))
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(5 * time.Second)
		if got := string(tr.store.task("x").Progress); got != "half" {
			t.Errorf("progress is %q", got)
		}
		tr.r.Close()
	})
}

func TestSoftTimeoutSendsOneEventAndEndsNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Policies: map[string]task.Policy{"job": {SoftTimeout: 2 * time.Second}}})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.store.setFault(failFirst("renew", 1))
		tr.run()
		slow := func() (n int) {
			for _, r := range tr.store.renewals {
				for _, updates := range r.Updates {
					if updates.Slow {
						n++
					}
				}
			}
			return n
		}
		tr.advance(1999 * time.Millisecond)
		if slow() != 0 {
			t.Error("the event came early")
		}
		tr.advance(time.Second)
		if slow() != 1 {
			t.Errorf("%d events within a second", slow())
		}
		tr.advance(time.Minute)
		if slow() != 1 {
			t.Errorf("%d events", slow())
		}
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}
