package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Every system runs in processes of its own: one for the client and one or more for the workers.
// This program drives them over their standard input and output, with one JSON object per line and
// one reply per request. bullmq/driver.js uses the same protocol.

type request struct {
	Op string `json:"op"`
	env

	// enqueue: n tasks from offset, by concurrent callers, or in batches, or at a rate per second.
	// At a rate, the payload has the time of sending.
	N       int   `json:"n"`
	Offset  int   `json:"offset"`
	Size    int   `json:"size"`
	Callers int   `json:"callers"`
	Batch   int   `json:"batch"`
	Rate    int   `json:"rate"`
	DelayMS int64 `json:"delay_ms"`
	Groups  int   `json:"groups"`

	// start: N is the upper bound of the task numbers.
	Workers int  `json:"workers"`
	Hang    bool `json:"hang"` // handlers never return
}

type reply struct {
	Error     string `json:"error,omitempty"`
	Version   string `json:"version,omitempty"`
	ElapsedNS int64  `json:"elapsed_ns,omitempty"`
	Pending   int    `json:"pending,omitempty"`

	Handled   int     `json:"handled,omitempty"`
	Repeats   int     `json:"repeats,omitempty"` // starts of a number that had already started in this process
	Seen      []byte  `json:"seen,omitempty"`    // a bit per number
	FirstNS   int64   `json:"first_ns,omitempty"`
	LastNS    int64   `json:"last_ns,omitempty"`
	Latencies []int64 `json:"latencies_us,omitempty"`
	Mallocs   uint64  `json:"mallocs,omitempty"` // since start
	Bytes     uint64  `json:"bytes,omitempty"`
}

// child runs a process of a Go system. It ends when its standard input ends, so it never outlives
// its parent.
func child(name string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	requests := bufio.NewReader(in)
	replies := json.NewEncoder(out)
	c := &site{}
	for {
		text, err := requests.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var q request
		if err := json.Unmarshal(text, &q); err != nil {
			return err
		}
		r, err := c.answer(ctx, name, q)
		if err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
}

type site struct {
	system system
	run    *tally
	before runtime.MemStats
}

func (c *site) answer(ctx context.Context, name string, q request) (reply, error) {
	switch q.Op {
	case "open":
		if q.Tuned && name == "ours" {
			debug.SetGCPercent(400)
		}
		var err error
		if c.system, err = open(ctx, name, q.env); err != nil {
			return reply{}, err
		}
		return reply{Version: c.system.Version()}, nil
	case "enqueue":
		start := time.Now()
		err := enqueue(ctx, c.system, q)
		return reply{ElapsedNS: time.Since(start).Nanoseconds()}, err
	case "start":
		c.run = newTally(q.N)
		runtime.GC()
		runtime.ReadMemStats(&c.before)
		h := c.run.handle
		if q.Hang {
			h = func(n int, sent int64) {
				c.run.handle(n, sent)
				select {}
			}
		}
		return reply{}, c.system.Start(ctx, q.Workers, h)
	case "schedule":
		s, ok := c.system.(scheduler)
		if !ok {
			return reply{}, errors.ErrUnsupported
		}
		return reply{}, s.Schedule(ctx, item{Sent: wholeSecond}.args())
	case "once":
		late, err := c.system.(*ours).once(ctx, q.N, q.Callers)
		if late {
			return reply{Pending: 1}, err
		}
		return reply{}, err
	case "fan":
		s, ok := c.system.(fanner)
		if !ok {
			return reply{}, errors.ErrUnsupported
		}
		start := time.Now()
		err := s.Fan(ctx, q.N)
		return reply{ElapsedNS: time.Since(start).Nanoseconds()}, err
	case "progress":
		if c.run == nil {
			return reply{}, nil
		}
		return reply{Handled: int(c.run.handled.Load())}, nil
	case "result":
		r := c.run.result()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		r.Mallocs, r.Bytes = now.Mallocs-c.before.Mallocs, now.TotalAlloc-c.before.TotalAlloc
		return r, nil
	case "pending":
		n, err := c.system.Pending(ctx)
		return reply{Pending: n}, err
	case "stop":
		return reply{}, c.system.Stop()
	case "close":
		return reply{}, nil
	}
	return reply{}, fmt.Errorf("no request %q", q.Op)
}

func enqueue(ctx context.Context, s system, q request) error {
	make := func(i int) item {
		t := item{N: q.Offset + i, Size: q.Size}
		if q.Groups > 0 {
			t.Group = fmt.Sprint("g", t.N%q.Groups)
		}
		return t
	}
	switch {
	case q.Rate > 0:
		return paced(ctx, s, q, make)
	case q.Batch > 0:
		for at := 0; at < q.N; at += q.Batch {
			var ts []item
			for i := at; i < min(at+q.Batch, q.N); i++ {
				ts = append(ts, make(i))
			}
			if err := s.EnqueueBatch(ctx, ts); err != nil {
				return err
			}
		}
		return nil
	}
	var next atomic.Int64
	return together(q.Callers, func() error {
		for {
			i := int(next.Add(1)) - 1
			if i >= q.N {
				return nil
			}
			if err := s.Enqueue(ctx, make(i)); err != nil {
				return err
			}
		}
	})
}

// paced enqueues at a steady rate without waiting for the earlier calls. Gaps vary by a tenth, so
// that they are not in step with a poller.
func paced(ctx context.Context, s system, q request, make func(int) item) error {
	var wg sync.WaitGroup
	errs := newFirst()
	due := time.Now()
	gap := time.Second / time.Duration(q.Rate)
	for i := range q.N {
		time.Sleep(time.Until(due))
		due = due.Add(gap - gap/20 + rand.N(gap/10))
		wg.Go(func() {
			t := make(i)
			t.Delay = time.Duration(q.DelayMS) * time.Millisecond
			t.Sent = mono()/1000 + t.Delay.Microseconds()
			errs.set(s.Enqueue(ctx, t))
		})
	}
	wg.Wait()
	return errs.err
}

// together calls f n times concurrently and returns the first error.
func together(n int, f func() error) error {
	var wg sync.WaitGroup
	errs := newFirst()
	for range n {
		wg.Go(func() { errs.set(f()) })
	}
	wg.Wait()
	return errs.err
}

type first struct {
	once sync.Once
	err  error
}

func newFirst() *first { return &first{} }

func (f *first) set(err error) {
	if err != nil {
		f.once.Do(func() { f.err = err })
	}
}

// runChild runs bench -child SYSTEM.
func runChild(name string) {
	if err := child(name, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}
