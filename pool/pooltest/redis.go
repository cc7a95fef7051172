package pooltest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// newRedis starts an emulated Redis that ends with the test, and returns a client of
// it. They are connected in memory, because sockets do not work inside
// testing/synctest.
func newRedis(t testing.TB) (*redis.Client, *clock) {
	t.Helper()
	if inBubble() {
		// A bubble must not end before all its goroutines. Some goroutines of the client
		// wait to dial again and end within this minute, which takes no real time.
		t.Cleanup(func() { time.Sleep(time.Minute) })
	}
	m := miniredis.NewMiniRedis()
	t.Cleanup(m.Close)
	clk := &clock{redis: m}
	clk.sync()
	m.ClockTTL(true)
	rdb := redis.NewClient(&redis.Options{
		Addr: "in memory",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			c, err := m.Dial()
			if err != nil {
				return nil, err
			}
			return newConn(c, clk), nil
		},
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		// Large enough that the client never waits for a free connection: its timers for
		// that are shared by the program, and a timer of one synctest bubble must not be
		// used in another.
		PoolSize: 1000,
		// Without a type of endpoint go-redis 9.22 looks up the address.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled, EndpointType: maintnotifications.EndpointTypeNone},
	})
	t.Cleanup(func() { rdb.Close() })
	return rdb, clk
}
