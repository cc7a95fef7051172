package integration

import (
	"bytes"
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
	"github.com/ltsworker/ltsworker/task"
)

// The moments at which a fainting process stops itself. The payload of its task
// names one.
const (
	faintBefore = "before" // the report is about to be sent
	faintAfter  = "after"  // the report has been sent, its reply not read
)

// fainting is the task at whose report the process stops itself; nil for none.
var fainting atomic.Pointer[task.Task]

func faint(_ context.Context, t *task.Task) ([]byte, error) {
	if t.Attempt == 1 {
		fainting.Store(t)
	}
	return result(t), nil
}

func faintingDialer(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: time.Minute}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &faintingConn{c}, nil
}

// exchangeCall is part of a call by hash of the script that carries reports.
// The task's id alone is not enough, because a renewal may contain it, too.
var exchangeCall = []byte(redis.NewScript(lua.Source("exchange")).Hash())

// faintingConn stops the whole process around the write that reports the fainting
// task.
type faintingConn struct{ net.Conn }

func (c *faintingConn) Write(b []byte) (int, error) {
	t := fainting.Load()
	report := t != nil && bytes.Contains(b, exchangeCall) && bytes.Contains(b, []byte(t.ID))
	if !report || !fainting.CompareAndSwap(t, nil) {
		return c.Conn.Write(b)
	}
	if string(t.Payload) == faintBefore {
		stopSelf()
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b)
	stopSelf()
	return n, err
}

// stopSelf returns after the process has been stopped and continued. The signal
// may reach another thread first, while this thread still runs, so it waits: a jump of
// real time is the only sign.
func stopSelf() {
	at := time.Now()
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	for {
		now := time.Now()
		if now.Sub(at) >= 300*time.Millisecond {
			return
		}
		at = now                     // each time is compared with the next one, so that no stop is missed
		time.Sleep(time.Millisecond) // a longer one shows that the process was stopped
	}
}
