package redisstore_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// Every function gets each script call once, whichever way it is sent, and no other command.
func TestScriptCallsAreObserved(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	type call struct {
		script string
		failed bool
	}
	var got, second []call
	s.store.Observe(func(script string, took time.Duration, err error) {
		if took <= 0 {
			t.Errorf("%s took %v", script, took)
		}
		got = append(got, call{script, err != nil})
	})
	s.enqueue(t, task.Spec{Kind: "k", ID: "a"}) // the first call of the store also checks the rights
	got = nil
	s.store.Observe(func(script string, _ time.Duration, err error) { second = append(second, call{script, err != nil}) })

	s.enqueue(t, task.Spec{Kind: "k", ID: "b"})
	if _, err := s.store.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.LastEvent(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.store.Stats(ended); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	want := []call{{"enqueue", false}, {"stats", false}, {"stats", true}}
	if !slices.Equal(got, want) || !slices.Equal(second, want) {
		t.Errorf("got %v and %v, want %v", got, second, want)
	}

	waiting := redisstore.New(s.rdb, s.pool, redisstore.WithWait(1, time.Millisecond))
	got = nil
	waiting.Observe(func(script string, _ time.Duration, err error) { got = append(got, call{script, err != nil}) })
	if _, err := waiting.Enqueue(t.Context(), []task.Spec{{Kind: "k", ID: "c"}}); !errors.Is(err, redisstore.ErrNotReplicated) {
		t.Fatal(err)
	}
	if n := len(got); n == 0 || got[n-1] != (call{"enqueue", true}) {
		t.Errorf("an enqueue that waits for replicas: %v", got)
	}
}
