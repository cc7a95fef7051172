package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestLogTailIsTextOfABoundedSize(t *testing.T) {
	for _, tt := range []struct {
		max    int
		writes []string
		want   string
		size   int64
	}{
		{max: 10, writes: []string{"one\n", "two\n"}, want: "one\ntwo\n", size: 8},
		{max: 10, writes: []string{"one\n", "two\n", "three\n"}, want: "two\nthree\n", size: 14},
		{max: 4, writes: []string{strings.Repeat("x", 1000) + "日本"}, want: "本", size: 1006},
		{max: 100, writes: []string{"日"[:1], "日"[1:2], "日"[2:], "本"}, want: "日本", size: 6},
		{max: 100, writes: []string{"a\xff\xfeb", "\xe6", "c"}, want: "a\uFFFDb\uFFFDc", size: 9},
		{max: 100, writes: []string{"a日"[:2]}, want: "a", size: 1},
		{max: 0, writes: []string{"secret"}},
		{max: task.NoLog, writes: []string{"secret"}},
	} {
		l := logTail{max: tt.max}
		for _, w := range tt.writes {
			l.write([]byte(w))
		}
		if got := l.tail(); got != tt.want || l.size != tt.size || l.changed != (tt.size > 0) {
			t.Errorf("%q: %q of %d, changed %v", tt.writes, got, l.size, l.changed)
		}
	}
	l := logTail{max: 100}
	for i := range 10_000 {
		l.write(fmt.Appendf(nil, "línea %d\n", i))
		if len(l.text) > 300 || len(l.tail()) > 100 || !utf8.ValidString(l.tail()) {
			t.Fatalf("%d bytes: %q", len(l.text), l.tail())
		}
	}
	if !strings.HasSuffix(l.tail(), "línea 9998\nlínea 9999\n") {
		t.Errorf("%q", l.tail())
	}
}

func TestSetLogReplacesTheLog(t *testing.T) {
	l := logTail{max: 10}
	for _, step := range []struct {
		set, want string
		size      int64
	}{
		{"one\n", "one\n", 4},
		{"one\ntwo\n", "one\ntwo\n", 8}, // four more bytes
		{"other", "other", 13},
		{"0123456789abc", "3456789abc", 23},
		{"", "", 23},
	} {
		if l.set([]byte(step.set)); l.tail() != step.want || l.size != step.size {
			t.Errorf("%q: %q of %d, want %q of %d", step.set, l.tail(), l.size, step.want, step.size)
		}
	}
}

func TestLimitLogOnlyLowersTheLimit(t *testing.T) {
	l := logTail{max: 10}
	l.write([]byte("0123456789"))
	for _, step := range []struct {
		n    int
		want string
	}{{100, "0123456789"}, {4, "6789"}, {8, "6789"}, {0, ""}} {
		if l.limit(step.n); l.tail() != step.want {
			t.Errorf("limit %d: %q", step.n, l.tail())
		}
	}
	l.write([]byte("secret"))
	if l.tail() != "" {
		t.Errorf("%q", l.tail())
	}
}

// sentLog is a log that a renewal has carried.
type sentLog struct {
	at  time.Time
	log string
}

func TestLogIsSentAtMostOnceASecondAndOnlyIfItHasChanged(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		// Renewals of leases are far more often than once a second.
		tr := newTestReplica(t, Config{Lease: 300 * time.Millisecond, MaxLog: 6})
		start := time.Now()
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(10*time.Second - time.Since(start))
			for i := range 30 { // in 3 s
				tk.Logf("line %d", i)
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(10 * time.Second)
			return nil, errors.New("boom")
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(30 * time.Second)
		sent := tr.store.logs
		if len(sent) < 3 || len(sent) > 5 {
			t.Fatalf("sent %v", sent)
		}
		for i, s := range sent[1:] {
			if gap := s.at.Sub(sent[i].at); gap < time.Second || gap > 2*time.Second {
				t.Errorf("two logs were sent %v apart", gap)
			}
		}
		if got := sent[len(sent)-1].log; got != "ne 29\n" {
			t.Errorf("the last log is %q", got)
		}
		if r := tr.store.verdictsOf("x")[0]; r.Log != "ne 29\n" || r.LogSize != 10*7+20*8 {
			t.Errorf("reported %q of %d", r.Log, r.LogSize)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestLogOfAFailedRenewalIsSentAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.store.setFault(failFirst("renew", 3))
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			tk.Logf("early")
			return untilCancelled(ctx, tk)
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(5 * time.Second)
		if sent := tr.store.logs; len(sent) == 0 || sent[len(sent)-1].log != "early\n" {
			t.Errorf("sent %v", sent)
		}
		tr.r.Close()
	})
}

func TestNoLogIsSentIfThePoolKeepsNone(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{MaxLog: task.NoLog})
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			tk.Logf("secret")
			time.Sleep(5 * time.Second)
			return nil, errors.New("boom")
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(6 * time.Second)
		if sent := tr.store.logs; len(sent) > 0 {
			t.Errorf("sent %v", sent)
		}
		if r := tr.store.verdictsOf("x")[0]; r.Log != "" {
			t.Errorf("reported %q", r.Log)
		}
		tr.shutDown()
	})
}

func TestReportOfEveryOpHasTheLog(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{StopGrace: time.Second})
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			tk.Logf("did this")
			switch tk.ID {
			case "ok":
				return nil, nil
			case "result":
				return []byte("1"), nil
			case "large":
				return make([]byte, task.MaxResult+1), nil
			case "snooze":
				return nil, task.Snooze(time.Hour)
			case "panic":
				panic("boom")
			case "abandoned":
				time.Sleep(time.Minute)
			}
			return nil, errors.New("boom")
		})
		ids := []string{"ok", "result", "large", "snooze", "panic", "fail", "abandoned"}
		for _, id := range ids {
			tr.store.put(task.Spec{ID: id, Kind: "job", Timeout: 10 * time.Second})
		}
		tr.run()
		tr.advance(20 * time.Second)
		got := map[string]string{}
		want := map[string]string{}
		for _, id := range ids {
			want[id] = "did this\n"
			got[id] = tr.store.verdictsOf(id)[0].Log
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		tr.advance(time.Minute)
		tr.shutDown()
	})
}
