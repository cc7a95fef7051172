package pool

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

func TestOneReaderServesAllWaitsAndEndsSoonAfterTheLast(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		round := 0
		serve := func(readers int) {
			t.Helper()
			round++
			const n = 50
			var lives []*taskLife
			var waits []chan waitResult
			for i := range n {
				lives = append(lives, newTaskLife(s, fmt.Sprintf("t%d-%d", round, i)))
				waits = append(waits, startWait(t.Context(), p, lives[i].t.ID))
			}
			synctest.Wait()
			if got := goroutines(); got != 1 {
				t.Errorf("%d goroutines for %d waits, want 1", got, n)
			}
			if got := s.calls("last"); got != readers {
				t.Errorf("%d readers have begun, want %d", got, readers)
			}
			for i, l := range lives {
				l.end(fmt.Sprint(i))
			}
			for i, c := range waits {
				if got := <-c; got.N != i || got.Err != nil {
					t.Errorf("wait %d: %+v", i, got)
				}
			}
		}
		gone := func() {
			t.Helper()
			synctest.Wait()
			if got := goroutines(); got != 0 {
				t.Errorf("%d goroutines left", got)
			}
		}
		serve(1)
		time.Sleep(feedLinger * 9 / 10) // fake time
		serve(1)
		time.Sleep(feedLinger) // fake time
		gone()
		serve(2)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		gone()
		serve(3)
		gone()
	})
}

func TestErrorsOfAReaderWithoutWaitersAreNotLogged(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		var log bytes.Buffer
		p := newTestPool(t, s, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l := newTaskLife(s, "a")
		wait := startWait(t.Context(), p, "a")
		synctest.Wait()
		l.end("1")
		if got := <-wait; got.Err != nil {
			t.Error(got.Err)
		}
		s.readErr = func() error { return io.ErrUnexpectedEOF }
		s.emit(Event{ID: "other", State: Waiting})
		synctest.Wait()
		if got := goroutines(); got != 0 || log.Len() > 0 {
			t.Errorf("%d goroutines are left, log: %q", got, log.String())
		}
	})
}
