package redisstore_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// A replica blocks for as long as it lives, and its connection may break every few
// minutes.
func TestBlockingCallsForgetTheConnectionsThatBroke(t *testing.T) {
	o := *redisserver.Shared(t).Client(t).Options()
	var last net.Conn
	dials := 0
	dial := redis.NewDialer(&o)
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		last = conn
		dials++
		return conn, err
	}
	rdb := redis.NewClient(&o)
	t.Cleanup(func() { rdb.Close() })
	s := newSite(t, rdb)
	if _, err := s.store.LastEvent(t.Context()); err != nil { // over a connection of the client's own
		t.Fatal(err)
	}
	dials = 0
	const rounds = 5
	for range rounds {
		if _, err := s.store.ReadEvents(t.Context(), "0", 1, time.Millisecond); err != nil {
			t.Fatal("a call on a connection that broke before it: ", err)
		}
		if n := s.store.Held(); n != 1 {
			t.Errorf("after %d connections the store holds on to %d", dials, n)
		}
		last.Close()
	}
	if dials != rounds {
		t.Errorf("%d connections, want %d", dials, rounds)
	}
}
