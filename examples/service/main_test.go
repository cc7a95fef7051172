package main

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// A signal in the middle of the work starts a drain: running tasks finish, the others
// stay waiting, and no task stays claimed.
func TestSIGTERMDrainsTheService(t *testing.T) {
	m := miniredis.RunT(t)
	t.Setenv("LTS_REDIS", "redis://"+m.Addr())
	workTime = 2 * time.Second
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { rdb.Close() })
	p, err := pool.New(redisstore.New(rdb, "media"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}

	ctx, signal := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stats := func() pool.Stats {
		s, err := p.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for stats().Ended[pool.Succeeded] == 0 { // the next tasks run
		select {
		case err := <-ended:
			t.Fatal("ended before it began: ", err)
		case <-time.After(50 * time.Millisecond): // each call takes most of the time of the server
		}
	}
	signal()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s := stats()
	if s.Running != 0 || s.Waiting == 0 || s.Ended[pool.Succeeded] == 0 || s.Waiting+int(s.Ended[pool.Succeeded]) != int(s.Enqueued) {
		t.Errorf("left behind: %+v", s)
	}
	if rs, err := p.Replicas(t.Context()); err != nil || len(rs) != 0 {
		t.Errorf("replicas %v, %v", rs, err)
	}
}
