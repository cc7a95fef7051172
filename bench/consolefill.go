package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/riverqueue/river"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// webConsoles are the consoles that are compared. The paths are those that the interfaces ask for in their versions of the
// time of writing, with their default numbers of rows.
var webConsoles = []webConsole{
	{
		title: "ltsworker", program: "ltsworker",
		pages: [][]string{{"p/default/"}, {"p/default/tasks?state=waiting"}, {"p/default/tasks?q=state:waiting+kind:video.cut+queue:q4"}, {"p/default/task?id=t5000"}},
		start: startOurs,
	},
	{
		title: "asynqmon", program: "asynqmon", // has no search
		pages: [][]string{{"api/queues", "api/queue_stats"}, {"api/queues/q1/pending_tasks?page=1&size=20"}, {}, {"api/queues/q1/tasks/t1001"}},
		poll:  8 * time.Second,
		start: startAsynqmon,
	},
	{
		title: "River UI", program: "riverui",
		pages: [][]string{{"api/queues?limit=20"}, {"api/jobs?limit=20&state=available", "api/states"}, {"api/jobs?limit=20&state=available&kinds=video.cut&queues=q4", "api/states"}, {"api/jobs/5000"}},
		poll:  2 * time.Second,
		start: startRiverUI,
	},
}

var consoleKinds = []string{"mail.send", "video.cut", "report.make"}

func consoleKind(i int) string  { return consoleKinds[i/1000%3] }
func consoleQueue(i int) string { return fmt.Sprint("q", i/1000%10) }

func consolePayload(i int) []byte {
	return fmt.Appendf(nil, `{"customer":%d,"text":"%s"}`, i, strings.Repeat("x", 100))
}

// redisSite starts a redis-server for a console.
func redisSite(ctx context.Context, b *bench) (*redisServer, *consoleSite, error) {
	server, err := startRedis(ctx, b.dir)
	if err != nil {
		return nil, nil, err
	}
	return server, &consoleSite{
		database: func() (time.Duration, error) {
			seconds, err := server.cpu(ctx)
			return time.Duration(seconds * float64(time.Second)), err
		},
		end: server.stop,
	}, nil
}

func startOurs(ctx context.Context, b *bench, n int) (*consoleSite, error) {
	server, s, err := redisSite(ctx, b)
	if err != nil {
		return nil, err
	}
	p, err := pool.New(redisstore.New(server.rdb, "default"), pool.Config{})
	if err != nil {
		return nil, err
	}
	spec := func(i int) task.Spec {
		return task.Spec{ID: fmt.Sprint("t", i), Kind: consoleKind(i), Queue: consoleQueue(i), Payload: consolePayload(i)}
	}
	for from := 0; from < n; from += 1000 {
		specs := make([]task.Spec, min(1000, n-from))
		for i := range specs {
			specs[i] = spec(from + i)
		}
		if _, err := p.EnqueueAll(ctx, specs); err != nil {
			return nil, err
		}
	}
	s.enqueue = func(ctx context.Context, i int) error {
		one := spec(i)
		one.ID = ""
		_, err := p.EnqueueSpec(ctx, one)
		return err
	}
	file := filepath.Join(b.dir, "console.yaml")
	s.args = []string{"console", "-c", file, "--listen", "127.0.0.1:PORT", "--redis", "redis://" + server.addr}
	return s, os.WriteFile(file, []byte("proxy: {from: [127.0.0.1/32], user_header: X-User, grants: {everyone: {\"*\": viewer}}}\n"), 0o600)
}

func startAsynqmon(ctx context.Context, b *bench, n int) (*consoleSite, error) {
	server, s, err := redisSite(ctx, b)
	if err != nil {
		return nil, err
	}
	tasks := asynq.NewClient(asynq.RedisClientOpt{Addr: server.addr, PoolSize: 60})
	enqueue := func(ctx context.Context, i int, opts ...asynq.Option) error {
		_, err := tasks.EnqueueContext(ctx, asynq.NewTask(consoleKind(i), consolePayload(i)), append(opts, asynq.Queue(consoleQueue(i)))...)
		return err
	}
	var next atomic.Int64
	err = together(50, func() error {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			if err := enqueue(ctx, i, asynq.TaskID(fmt.Sprint("t", i))); err != nil {
				return err
			}
		}
	})
	s.enqueue = func(ctx context.Context, i int) error { return enqueue(ctx, i) }
	s.args = []string{"--port", "PORT", "--redis-addr", server.addr}
	return s, err
}

// job is the arguments of a job of River with a kind of its own.
type job struct {
	kind     string
	Customer int    `json:"customer"`
	Text     string `json:"text"`
}

func (j job) Kind() string { return j.kind }

func startRiverUI(ctx context.Context, b *bench, n int) (*consoleSite, error) {
	server, err := startPostgres(ctx, b.dir)
	if err != nil {
		return nil, err
	}
	opened, err := openRiver(ctx, env{Postgres: server.url, Tuned: true})
	if err != nil {
		return nil, err
	}
	r := opened.(*riverSystem)
	params := func(i int) river.InsertManyParams {
		return river.InsertManyParams{Args: job{consoleKind(i), i, strings.Repeat("x", 100)}, InsertOpts: &river.InsertOpts{Queue: consoleQueue(i)}}
	}
	for from := 0; from < n; from += 1000 {
		jobs := make([]river.InsertManyParams, min(1000, n-from))
		for i := range jobs {
			jobs[i] = params(from + i)
		}
		if _, err := r.insert.InsertManyFast(ctx, jobs); err != nil {
			return nil, err
		}
	}
	if _, err := r.db.Exec(ctx, "VACUUM ANALYZE river_job"); err != nil { // which the server would do by itself after a while
		return nil, err
	}
	return &consoleSite{
		env: []string{"DATABASE_URL=" + server.url},
		enqueue: func(ctx context.Context, i int) error {
			one := params(i)
			_, err := r.insert.Insert(ctx, one.Args, one.InsertOpts)
			return err
		},
		database: func() (time.Duration, error) { return groupCPU(server.cmd.Process.Pid), nil },
		end:      func() { r.db.Close(); server.stop() },
	}, nil
}
