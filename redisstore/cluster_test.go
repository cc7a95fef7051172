package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// onCluster returns a new pool on a cluster. The site's client s.rdb is connected to the master
// that holds the pool's keys.
func onCluster(t testing.TB, c *redisserver.Cluster) (s *site, peer *redisstore.Store) {
	t.Helper()
	pool := fmt.Sprint("p", pools.Add(1))
	s = &site{pool: pool, prefix: "lts:{" + pool + "}:"}
	s.rdb = c.MasterOf(t, s.prefix).Client(t)
	open := func() *redisstore.Store {
		st := redisstore.New(c.Client(t), pool)
		t.Cleanup(func() { st.Close() })
		return st
	}
	s.store = open()
	return s, open()
}

// While a slot moves between two masters, no script of its pool runs, whichever master has the
// keys, and no key of the pool is written.
func TestNoScriptRunsWhileTheSlotMoves(t *testing.T) {
	c := redisserver.StartCluster(t)
	s, _ := onCluster(t, c)
	s.join(t, "r")
	for range 3 {
		if _, err := s.store.Enqueue(t.Context(), []task.Spec{{Kind: "k"}}); err != nil {
			t.Fatal(err)
		}
	}
	to := c.Masters[0]
	if to == c.MasterOf(t, s.prefix) {
		to = c.Masters[1]
	}
	target := &site{rdb: to.Client(t), pool: s.pool, prefix: s.prefix}
	claim := claimOf(1, task.DefaultQueue, 1)
	refused := 0
	moved := c.Move(t, s.prefix, to, 1, func(moved int) {
		before := len(s.keys(t)) + len(target.keys(t))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.store.Exchange(ctx, claim); err == nil {
			t.Errorf("a claim succeeded with %d keys moved", moved)
		}
		if _, err := s.store.Enqueue(ctx, []task.Spec{{Kind: "k"}}); err == nil {
			t.Errorf("an enqueue succeeded with %d keys moved", moved)
		}
		if now := len(s.keys(t)) + len(target.keys(t)); now != before {
			t.Errorf("%d keys, %d before, with %d moved", now, before, moved)
		}
		refused++
	})
	if refused != moved+1 {
		t.Errorf("tried %d times during %d moves", refused, moved)
	}
	if got, err := s.store.Exchange(t.Context(), claim); err != nil || len(tasksOf(got)) != 1 {
		t.Errorf("after the move: %v, %v", got, err)
	}
	if waiting := len(target.keys(t)); waiting < moved {
		t.Errorf("%d keys at the new master, %d moved", waiting, moved)
	}
}

func TestOnlyWhatMayComeFromAnOldMapReloadsIt(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want bool
	}{
		{t.Context(), redisError("MOVED 1 127.0.0.1:1"), true},
		{t.Context(), redisError("CLUSTERDOWN The cluster is down"), true},
		{t.Context(), io.EOF, true},
		{t.Context(), fmt.Errorf("read events: %w", timeout), true},
		{over, fmt.Errorf("read events: %w", timeout), false},
		{over, context.Canceled, false},
		{t.Context(), errors.New("who waited has had enough"), false},
		{t.Context(), redisError("WRONGTYPE Operation against a key"), false},
		{t.Context(), task.ErrNotJoined, false},
		{t.Context(), task.ErrDrain, false},
	} {
		if got := redisstore.IsOutdated(c.ctx, c.err); got != c.want {
			t.Errorf("%v (context: %v): %v, want %v", c.err, c.ctx.Err(), got, c.want)
		}
	}
}

// redisError is an error reply of a server.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}
