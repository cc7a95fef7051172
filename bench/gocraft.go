package main

import (
	"context"
	"errors"
	"strings"

	"github.com/gocraft/work"
	"github.com/gomodule/redigo/redis"
)

// gocraft is gocraft/work, set up as in its README.
type gocraft struct {
	addr  string
	tuned bool
	conns *redis.Pool
	enq   *work.Enqueuer
	pool  *work.WorkerPool
}

// none is the context type that gocraft/work requires.
type none struct{}

func redigoPool(addr string, size int) *redis.Pool {
	return &redis.Pool{
		MaxActive: size, MaxIdle: size, Wait: true,
		Dial: func() (redis.Conn, error) { return redis.Dial("tcp", addr) },
	}
}

func openGocraft(_ context.Context, e env) (system, error) {
	size := 5
	if e.Tuned {
		size = 60
	}
	conns := redigoPool(e.Redis, size)
	return &gocraft{addr: e.Redis, tuned: e.Tuned, conns: conns, enq: work.NewEnqueuer(namespace, conns)}, nil
}

func (g *gocraft) Version() string {
	return "gocraft/work " + module("github.com/gocraft/work") + ", redigo " + module("github.com/gomodule/redigo")
}

func (g *gocraft) Enqueue(_ context.Context, t item) error {
	a := t.args()
	q := work.Q{"n": a.N}
	if a.T != 0 {
		q["t"] = a.T
	}
	if a.P != "" {
		q["p"] = a.P
	}
	_, err := g.enq.Enqueue(kind, q)
	return err
}

func (g *gocraft) EnqueueBatch(context.Context, []item) error { return errors.ErrUnsupported }

func (g *gocraft) Start(_ context.Context, workers int, h handler) error {
	conns := g.conns
	if g.tuned {
		conns = redigoPool(g.addr, workers+10)
	}
	g.pool = work.NewWorkerPool(none{}, uint(workers), namespace, conns)
	g.pool.Job(kind, func(j *work.Job) error {
		var sent int64
		if _, ok := j.Args["t"]; ok {
			sent = j.ArgInt64("t")
		}
		h(args{N: j.ArgString("n")}.number(), sent)
		return j.ArgError()
	})
	g.pool.Start()
	return nil
}

func (g *gocraft) Stop() error {
	if g.pool != nil {
		g.pool.Stop()
		g.pool = nil
	}
	return nil
}

// Pending counts the entries of the waiting and in-progress lists, the tasks that wait for a retry,
// and the dead tasks.
func (g *gocraft) Pending(context.Context) (int, error) {
	c := g.conns.Get()
	defer c.Close()
	keys, err := redis.Strings(c.Do("KEYS", namespace+":jobs:"+kind+"*"))
	if err != nil {
		return 0, err
	}
	total := 0
	for _, k := range keys {
		if k != namespace+":jobs:"+kind && !strings.HasSuffix(k, ":inprogress") {
			continue
		}
		n, err := redis.Int(c.Do("LLEN", k))
		if err != nil {
			return 0, err
		}
		total += n
	}
	for _, k := range []string{"retry", "dead"} {
		n, err := redis.Int(c.Do("ZCARD", namespace+":"+k))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
