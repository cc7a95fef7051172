package drive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/bench/drive"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The drive builds the arguments of scripts itself. This test fails if they no longer fit the scripts.
func TestDriveEndsTasks(t *testing.T) {
	server := redisserver.Start(t)
	rdb, ctx := server.Client(t), t.Context()
	d, err := drive.Open(ctx, rdb, server.Addr(), "p", "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Join(ctx, rdb, time.Hour, "limit:group", "1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Configure(ctx, rdb, "rate:queue:default", task.PerSecond(task.MaxRate).String()); err != nil {
		t.Fatal(err)
	}
	s, err := d.Sequence(1, "e", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	payloads := make([][]byte, 50)
	for i := range payloads {
		payloads[i] = fmt.Append(nil, i)
	}
	seen := map[string]int{}
	for _, s.Labelled = range []bool{false, true} {
		if err := s.Enqueue(payloads); err != nil {
			t.Fatal(err)
		}
	}
	for {
		n, err := s.Exchange(30, func(payload []byte) { seen[string(payload)]++ })
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if len(seen) != len(payloads) || seen["7"] != 2 {
		t.Errorf("claimed %v", seen)
	}
	store := redisstore.New(rdb, "p")
	defer store.Close()
	p, err := pool.New(store, pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stats, err := p.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := stats.Ended[task.Succeeded]; got != 100 || stats.Running != 0 {
		t.Errorf("%d tasks succeeded and %d run", got, stats.Running)
	}
}
