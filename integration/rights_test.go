package integration

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// lacking returns a pool of a worker's user without the right to one command.
func lacking(t *testing.T, server *redisserver.Server, command string) *pool.Pool {
	t.Helper()
	u := server.User(t, "without-"+command, append(aclRecipe(t, "worker"), "-"+command)...)
	s := redisstore.New(u.Client(t), "p")
	t.Cleanup(func() { s.Close() })
	p, err := pool.New(s, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// deniedOf fails unless err says that the user may not run the command.
func deniedOf(t *testing.T, what string, err error, command string) {
	t.Helper()
	if !errors.Is(err, pool.ErrDenied) || !strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(command)) {
		t.Errorf("%s without %s: %v, want an ErrDenied that names it", what, command, err)
	}
}

func TestReplicaThatLacksARightIsToldBeforeItJoins(t *testing.T) {
	server := redisserver.Start(t)
	ctx := context.Background()
	for _, command := range []string{
		"evalsha", "hset", "xadd", "blpop", "blmove", "xread", "xreadgroup", "xack", "xclaim", "xautoclaim", "xpending", "xgroup", "xinfo",
		"zrank",
	} {
		p := lacking(t, server, command)
		named, found := false, []pool.Finding(nil)
		for f, err := range p.Inspect(ctx, pool.Inspection{}) {
			if err != nil {
				t.Errorf("inspection without %s: %v", command, err)
			}
			found = append(found, f)
			named = named || f.Check == "rights" && f.Severity == pool.SeverityError && strings.Contains(f.What, strings.ToUpper(command))
		}
		if !named {
			t.Errorf("the inspection does not name %s: %+v", command, found)
		}
		p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
		run, cancel := context.WithTimeout(ctx, patience)
		deniedOf(t, "Run", p.Run(run), command)
		cancel()
		deniedOf(t, "Check", p.Check(ctx), command)
	}
	if n := server.Client(t).ZCard(ctx, "lts:{p}:replicas").Val(); n != 0 {
		t.Errorf("%d replicas joined", n)
	}
}

func TestReadersOfEventsWithoutTheRightEnd(t *testing.T) {
	server := redisserver.Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	enqueuer, err := pool.New(redisstore.New(server.Client(t), "p"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	enqueue(t, enqueuer, pool.Spec{Kind: "k", ID: "a"})
	_, err = lacking(t, server, "xread").WaitTask(ctx, "a")
	deniedOf(t, "WaitTask", err, "xread")
	err = lacking(t, server, "xreadgroup").Subscribe(ctx, "g", func(context.Context, pool.Event) error { return nil })
	deniedOf(t, "Subscribe", err, "xreadgroup")
}
