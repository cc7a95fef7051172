package top

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/task"
)

// A task that is read whole is read with GET, which the second user may not call.
func TestFailuresAreReadWithoutWholeTasks(t *testing.T) {
	s := redisserver.Start(t)
	ctx := t.Context()
	open := func(url string) *client.Client {
		t.Helper()
		at, err := redisurl.Parse(url, false)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Open(ctx, at, "p", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	if _, err := open("redis://"+s.Addr()).EnqueueSpec(ctx, task.Spec{Kind: "x", ID: "f", Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	rdb := s.Client(t)
	for _, command := range [][]any{
		{"SETRANGE", "lts:{p}:task:f", 0, "F1"},
		{"HSET", "lts:{p}:more:f", "v", 2, "code", "error", "error", "why 1"},
		{"ZREM", "lts:{p}:scheduled", "f"},
		{"ZADD", "lts:{p}:ended:failed", "+inf", "f"},
	} {
		if err := rdb.Do(ctx, command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c := open(s.User(t, "brief", "~*", "&*", "+@all", "-get").URL())
	groups, _, err := readFailures(ctx, c)
	if err != nil || len(groups) != 1 {
		t.Fatalf("got %+v, %v", groups, err)
	}
	if ids, err := failedAlike(ctx, c, groups[0]); err != nil || len(ids) != 1 || ids[0] != "f" {
		t.Errorf("got %v, %v", ids, err)
	}
}
