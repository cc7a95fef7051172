package pool

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// An alert must match the outages of replicas and of readers by the same texts.
func TestOutageHasTheLogTextsOfAReplica(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newFakeStore()
		l := newTaskLife(s, "a")
		var mu sync.Mutex
		var out error
		s.readErr = func() error { mu.Lock(); defer mu.Unlock(); return out }
		set := func(err error) { mu.Lock(); defer mu.Unlock(); out = err }
		p := newTestPool(t, s, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		c := startWait(t.Context(), p, "a")
		advance(time.Second)
		set(errors.New("down"))
		s.emit(Event{ID: "x"})
		advance(time.Minute)
		set(nil)
		advance(time.Minute)
		l.end("1")
		if got := <-c; got.Err != nil {
			t.Fatal(got.Err)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 ||
			!strings.Contains(lines[0], `level=ERROR msg="calls to the store fail; trying again until they work" call="read events" err=down`) ||
			!strings.Contains(lines[1], `level=WARN msg="the store works again" call="read events" after=1m`) {
			t.Errorf("the log is\n%s", &log)
		}
	})
}
