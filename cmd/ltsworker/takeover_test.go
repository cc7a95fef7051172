package main

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestGetSaysWhoCouldTakeOverATaskWithAJob(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	rdb := redis.NewClient(&redis.Options{Addr: u.addr})
	defer rdb.Close()
	s := redisstore.New(rdb, u.pool)
	defer s.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	join := func(replica string, labels ...string) {
		t.Helper()
		_, err := s.Join(t.Context(), task.Registration{Replica: replica, Lease: time.Hour, Labels: labels,
			Queues: map[string]task.QueueConfig{"jobs": {Workers: 1}}, Kinds: map[string]task.Policy{"job": {}}})
		must(err)
	}
	join("r", "gpu")
	u.must("enqueue", "job", "--queue", "jobs", "--label", "gpu", "--id", "a")
	got, err := s.Exchange(t.Context(), task.Exchange{Replica: "r", Sequence: 1, Call: 1, Lease: time.Hour, Grace: time.Second,
		Claims: []task.Claim{{Queue: "jobs", N: 1}}})
	must(err)
	fence := got.Claimed[0].Fence
	must(s.SaveJob(t.Context(), "jobs", task.Attempt{ID: "a", Fence: fence}, 1, nil, "job-7"))
	want := func(text string) {
		t.Helper()
		_, waits, _ := strings.Cut(u.must("get", "a"), "waits for ")
		waits, _, _ = strings.Cut(waits, "\n")
		if waits = strings.TrimSpace(waits); waits != text {
			t.Errorf("it waits for %q, want %q", waits, text)
		}
	}
	want("") // its replica runs it
	_, err = s.Exchange(t.Context(), task.Exchange{Replica: "r", Sequence: 1, Call: 2, Lease: time.Hour, Grace: time.Second,
		Reports: []task.Report{{ID: "a", Queue: "jobs", Fence: fence, Last: true, Op: task.Release, Code: task.CodeReleased}}})
	must(err)
	want("a take-over of its job")
	must(s.Leave(t.Context(), "r"))
	want("a take-over of its job by a replica: none serves the queue")
	join("plain")
	want("a take-over of its job by a replica with the labels gpu: replica plain lacks gpu")
}
