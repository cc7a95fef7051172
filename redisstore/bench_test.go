package redisstore_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

var payload16 = []byte(`{"to":"a@b.cde"}`)

func benchSite(b *testing.B) *site {
	s := newSite(b, redisserver.Start(b).Client(b))
	s.join(b, "r")
	return s
}

func perSecond(b *testing.B, tasks int) {
	b.ReportMetric(float64(tasks)/b.Elapsed().Seconds(), "tasks/s")
}

func BenchmarkEnqueueOne(b *testing.B) {
	s := benchSite(b)
	n := 0
	for b.Loop() {
		if _, err := s.store.Enqueue(b.Context(), []task.Spec{{Kind: "k", Payload: payload16}}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	perSecond(b, n)
}

func BenchmarkEnqueueBatch(b *testing.B) {
	s := benchSite(b)
	specs := make([]task.Spec, 1000)
	for i := range specs {
		specs[i] = task.Spec{Kind: "k", Payload: payload16}
	}
	n := 0
	for b.Loop() {
		if _, err := s.store.Enqueue(b.Context(), specs); err != nil {
			b.Fatal(err)
		}
		n += len(specs)
	}
	perSecond(b, n)
}

// BenchmarkClaimAndReport runs tasks through a replica with 50 slots: each round trip reports 50
// and claims 50.
func BenchmarkClaimAndReport(b *testing.B) {
	s := benchSite(b)
	specs := make([]task.Spec, 1000)
	for i := range specs {
		specs[i] = task.Spec{Kind: "k", Payload: payload16}
	}
	const slots = 50
	var reports []task.Report
	n, left, call := 0, 0, int64(0)
	for b.Loop() {
		if left < slots {
			b.StopTimer()
			for range 20 {
				if _, err := s.store.Enqueue(b.Context(), specs); err != nil {
					b.Fatal(err)
				}
				left += len(specs)
			}
			b.StartTimer()
		}
		call++
		x := claimOf(call, "default", slots)
		x.Reports = reports
		got, err := s.store.Exchange(b.Context(), x)
		if err != nil {
			b.Fatal(err)
		}
		reports = reports[:0]
		for _, t := range tasksOf(got) {
			reports = append(reports, reportOn(t, task.Succeed))
		}
		if len(reports) != slots {
			b.Fatalf("%d tasks claimed", len(reports))
		}
		n += slots
		left -= slots
	}
	perSecond(b, n)
}

// BenchmarkIdlePickUp measures how an idle replica gets a task: the enqueue call signals the
// replica, the signal ends the blocking wait, and the replica claims.
func BenchmarkIdlePickUp(b *testing.B) {
	s := benchSite(b)
	_, err := s.store.Join(b.Context(), task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{"default": {Workers: 5}}})
	if err != nil {
		b.Fatal(err)
	}
	client := s.open(b, s.rdb)
	heard := make(chan task.Signal)
	ready := make(chan struct{})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go func() {
		defer close(heard)
		for range ready {
			sig, err := s.store.Listen(ctx, "r", time.Minute)
			if err != nil {
				return
			}
			heard <- sig
		}
	}()
	defer close(ready)
	var reports []task.Report
	call := int64(0)
	exchange := func(n int) []*task.Task {
		call++
		x := claimOf(call, "default", 5)
		x.Reports, x.Idle = reports, true
		got, err := s.store.Exchange(b.Context(), x)
		if err != nil || len(tasksOf(got)) != n {
			b.Fatal(got, err)
		}
		reports = nil
		return tasksOf(got)
	}
	exchange(0)
	for b.Loop() {
		ready <- struct{}{}
		if _, err := client.Enqueue(b.Context(), []task.Spec{{Kind: "k", Payload: payload16}}); err != nil {
			b.Fatal(err)
		}
		if sig := <-heard; sig.Queue != "default" {
			b.Fatalf("signal %+v", sig)
		}
		reports = []task.Report{reportOn(exchange(1)[0], task.Succeed)}
	}
}

var usedMemory = regexp.MustCompile(`used_memory:(\d+)`)

func (s *site) memory(b *testing.B) int {
	b.Helper()
	info, err := s.rdb.Info(b.Context(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(usedMemory.FindStringSubmatch(info)[1])
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkMemoryPerWaitingTask measures the memory in Redis of a waiting task. The store makes the
// ids, and the payload has 16 bytes. The task's event in the stream is reported separately.
func BenchmarkMemoryPerWaitingTask(b *testing.B) {
	s := benchSite(b)
	specs := make([]task.Spec, 1000)
	for i := range specs {
		specs[i] = task.Spec{Kind: "email.send", Payload: payload16}
	}
	n := 0
	before := s.memory(b)
	for b.Loop() {
		if _, err := s.store.Enqueue(b.Context(), specs); err != nil {
			b.Fatal(err)
		}
		n += len(specs)
	}
	with := s.memory(b)
	if err := s.rdb.Del(b.Context(), fmt.Sprint(s.prefix, "events")).Err(); err != nil {
		b.Fatal(err)
	}
	without := s.memory(b)
	b.ReportMetric(float64(without-before)/float64(n), "B/task")
	b.ReportMetric(float64(with-without)/float64(n), "B/event")
}
