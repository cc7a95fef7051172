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

// newRedis starts an emulated Redis that ends with the test, and a client of it.
// They are connected in memory: sockets do not work under testing/synctest.
func newRedis(t testing.TB) (*redis.Client, *clock) {
	t.Helper()
	if inBubble() {
		// A bubble must not end before all its goroutines have. The client leaves some
		// that wait to dial again; this takes no time and lets them find out.
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
		// The library's timers for waiting on a free connection are shared by the
		// whole program, and a timer of one synctest bubble must not get into another.
		PoolSize:                 1000,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { rdb.Close() })
	return rdb, clk
}
