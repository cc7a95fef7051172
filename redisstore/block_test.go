package redisstore_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// A replica makes blocking calls for its whole life, and its connection may break every few
// minutes. The store must not keep broken connections.
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
	if _, err := s.store.LastEvent(t.Context()); err != nil { // uses a connection of the client's pool
		t.Fatal(err)
	}
	dials = 0
	const rounds = 5
	for range rounds {
		if _, err := s.store.ReadEvents(t.Context(), "0", 1, time.Millisecond); err != nil {
			t.Fatal("a call after its connection broke:  ", err)
		}
		if n := s.store.Held(); n != 1 {
			t.Errorf("after %d connections the store still holds %d", dials, n)
		}
		last.Close()
	}
	if dials != rounds {
		t.Errorf("%d connections, want %d", dials, rounds)
	}
}
