package top

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// site is a pool on a server of its own, with a view of it. The commands of the view run
// when the test says so.
type site struct {
	*testModel
	c     *client.Client
	calls int64 // of exchanges
}

func newSite(t *testing.T, url string) *site {
	at, err := redisurl.Parse(url, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(t.Context(), at, "p", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	write := func(_ context.Context, w io.Writer, t *task.Task) error {
		_, err := fmt.Fprintf(w, "id %s\nstate %s\npayload %s\n", terminal.Printable(t.ID), t.State, terminal.Printable(string(t.Payload)))
		return err
	}
	m := newModel(t.Context(), actions{c}, &reader{Client: c, write: write}, time.Second, "p", false)
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 40})
	return &site{testModel: &testModel{m, t}, c: c}
}

// run performs a command and what follows from it, without the ticks.
func (s *site) run(cmd tea.Cmd) {
	for cmd != nil {
		_, cmd = s.Update(cmd())
	}
}

// read reads the pool once.
func (s *site) read() { s.run(s.model.read()) }

// press presses keys and performs what they start.
func (s *site) press(keys ...string) {
	for _, key := range keys {
		s.run(press(s.model, key))
	}
}

func (s *site) enqueue(specs ...task.Spec) {
	s.t.Helper()
	receipts, err := s.c.EnqueueAll(s.t.Context(), specs)
	for _, r := range receipts {
		if err == nil {
			err = r.Err
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// join puts a replica with four slots for each queue on the list.
func (s *site) join(replica string, queues ...string) {
	s.t.Helper()
	r := task.Registration{Replica: replica, Host: "host-of-" + replica, Lease: time.Hour, Queues: map[string]task.QueueConfig{}, Kinds: map[string]task.Policy{"k": {}}}
	for _, q := range queues {
		r.Queues[q] = task.QueueConfig{Workers: 4}
	}
	if _, err := s.c.Store.Join(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
}

// claim claims up to n tasks of a queue.
func (s *site) claim(replica, queue string, n int) (tasks []*task.Task) {
	s.t.Helper()
	s.calls++
	got, err := s.c.Store.Exchange(s.t.Context(), task.Exchange{Replica: replica, Sequence: 1, Call: s.calls, Lease: time.Hour, Grace: time.Second,
		Claims: []task.Claim{{Queue: queue, N: n}}})
	if err != nil {
		s.t.Error(err)
	}
	for _, c := range got.Claimed {
		tasks = append(tasks, c.Tasks...)
	}
	return tasks
}

// fail ends attempts with an error.
func (s *site) fail(replica, text string, tasks ...*task.Task) {
	s.t.Helper()
	s.calls++
	x := task.Exchange{Replica: replica, Sequence: 1, Call: s.calls, Lease: time.Hour, Grace: time.Second}
	for _, t := range tasks {
		x.Reports = append(x.Reports, task.Report{ID: t.ID, Queue: t.Queue, Fence: t.Fence, Last: true, Op: task.Fail, Code: task.CodePermanent, Error: text})
	}
	if _, err := s.c.Store.Exchange(s.t.Context(), x); err != nil {
		s.t.Error(err)
	}
}

func TestEnterOpensWhatALineShows(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	s.join("r1", "media", "default")
	for _, set := range []error{
		s.c.SetLimit(t.Context(), pool.QueueScope, "media", 2), s.c.SetLimit(t.Context(), pool.GroupScope, "acme", 1),
	} {
		if set != nil {
			t.Fatal(set)
		}
	}
	s.enqueue(task.Spec{ID: "m1", Kind: "k", Queue: "media"}, task.Spec{ID: "m2", Kind: "k", Queue: "media"}, task.Spec{ID: "m3", Kind: "k", Queue: "media", Payload: []byte(`{"of":"m3"}`)},
		task.Spec{ID: "a1", Kind: "k", Group: "acme"}, task.Spec{ID: "a2", Kind: "k", Group: "acme"}, task.Spec{ID: "f1", Kind: "k", Queue: "bad"})
	s.claim("r1", "media", 4)
	s.claim("r1", "default", 1)
	s.join("r2", "bad")
	s.fail("r2", "the disk of "+strings.Repeat("very ", 30)+"old is full", s.claim("r2", "bad", 1)...)
	s.read()
	opens := func(keys string, texts ...string) {
		t.Helper()
		s.press(strings.Fields(keys)...)
		s.shows(append(texts, "Esc back")...)
	}
	opens("1 enter", "whole pool", "enqueued", "6, 0 retried", "m1", "a1")
	opens("esc / m e d i a enter enter", "queue media", "1, cap none", "2, limit 2", "r1 on host-of-r1 (4 slots)", "m1", "m2", "m3", "TASK (running and waiting)")
	opens("G enter", "task m3", `payload {"of":"m3"}`, "running in its queue", "m1", "m2")
	opens("g enter", "task m1", "state running", "s stop")
	s.press("esc", "esc", "esc", "esc")
	opens("2 g enter", "task ", "state running")
	opens("esc 3 g enter", "replica r1", "host-of-r1", "3/8", "media:4", "m1", "m2", "a1")
	opens("esc 4 g enter", "failures of kind k", "1 task", "permanent", "old is full", "f1")
	opens("esc 5 g enter", "group acme", "limit    1", "1 waiting task", "a1")
	opens("enter", "task a1")
	s.press("esc", "esc")
	s.shows("q quit")
}

func TestKeysActOnWhatIsOpen(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	s.join("r1", "media")
	s.enqueue(task.Spec{ID: "m1", Kind: "k", Queue: "media"}, task.Spec{ID: "m2", Kind: "k", Queue: "media"})
	held := s.claim("r1", "media", 1)
	s.read()
	state := func(id string, want task.State) {
		t.Helper()
		if got, err := s.c.Get(t.Context(), id); err != nil || got.State != want {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	s.press("down", "enter", "p")
	s.shows("paused queue media", "state       paused")
	s.press("G", "enter", "s")
	s.shows("task m2", "stop 1 live task with the ID m2? [y/N]")
	s.press("n", "s", "y")
	s.shows("requested the stop of 1 task", "state stopped")
	state("m2", task.Stopped)
	s.press("t")
	s.shows("retry task m2? [y/N]")
	s.press("y")
	s.shows("put back 1 task", "state waiting")
	state("m2", task.Waiting)
	s.press("esc", "esc", "3", "g", "enter", "d")
	s.shows("drain replica r1 on host-of-r1, which runs 1 task? [y/N]")
	s.press("y")
	s.shows("asked replica r1 to drain", "draining")
	s.press("esc", "2", "g", "enter")
	s.shows("task m1")
	x := task.Exchange{Replica: "r1", Sequence: 2, Call: 1, Lease: time.Hour, Reports: []task.Report{
		{ID: "m1", Queue: "media", Fence: held[0].Fence, Last: true, Op: task.Release, Code: task.CodeReleased, Delay: time.Hour}}}
	if _, err := s.c.Store.Exchange(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	s.read()
	s.shows("state scheduled")
	s.press("n")
	s.shows("run task m1 now? [y/N]")
	s.press("y")
	s.shows("queued 1 task", "state waiting")
	state("m1", task.Waiting)
}

// Redis changes between the reads of a picture. Its counts must still agree.
func TestCountsAreOfOneInstant(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	s.join("r1", "a", "b")
	s.join("r2", "a")
	for i := range 40 {
		s.enqueue(task.Spec{Kind: "k", Queue: []string{"a", "b"}[i%2], Group: fmt.Sprint("g", i%3)})
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	other := &site{testModel: s.testModel, c: s.c, calls: 100}
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				held := other.claim("r1", "a", 2)
				held = append(held, other.claim("r1", "b", 1)...)
				other.fail("r1", "why", held...)
				_, _ = s.c.Retry(t.Context(), pool.Filter{States: []pool.State{pool.Failed}})
			}
		}
	}()
	for range 30 {
		s.read()
		st := s.now.Stats
		queues, replicas, groups := 0, 0, 0
		for _, q := range s.now.queues {
			queues += q.Running
		}
		for _, r := range s.now.replicas {
			replicas += r.Running
		}
		for _, g := range s.now.groups {
			groups += g.Running
		}
		if n := st.Running; !s.now.complete || queues != n || replicas != n || groups != n || len(s.now.Running) != n {
			t.Errorf("%d run: %d in queues, %d in replicas, %d in groups, %d tasks", n, queues, replicas, groups, len(s.now.Running))
		}
		live := int64(st.Scheduled + st.Waiting + st.Running)
		for _, n := range st.Ended {
			live += n
		}
		if live != st.Enqueued+st.Retried {
			t.Errorf("%d live and ended tasks of %d enqueued and %d retried", live, st.Enqueued, st.Retried)
		}
	}
	close(stop)
	<-done
}

func TestOutageWhileItRuns(t *testing.T) {
	server := redisserver.Start(t, redisserver.AOF())
	s := newSite(t, "redis://"+server.Addr()+"?max_retries=-1")
	s.enqueue(task.Spec{ID: "x", Kind: "k", Queue: "q1"})
	s.read()
	s.shows("q1")
	server.Stop(t)
	s.read()
	s.shows("q1", "connect")
	s.press("down", "enter") // a page that has not been read
	s.shows("queue q1", "reading…", "connect")
	server.Restart(t)
	s.read()
	s.shows("queue q1", "x", "waiting")
	if picture := strings.Join(s.lines(), "\n"); strings.Contains(picture, "connect") {
		t.Errorf("the outage is still shown:\n%s", picture)
	}
}

// A task that is read whole is read with GET, which the second user may not call.
func TestFailuresAreReadWithoutWholeTasksAndOnlyAfterAChange(t *testing.T) {
	server := redisserver.Start(t)
	admin := newSite(t, "redis://"+server.Addr())
	admin.join("r", "default")
	admin.enqueue(task.Spec{Kind: "x", ID: "f"})
	admin.fail("r", "why 1", admin.claim("r", "default", 1)...)
	s := newSite(t, server.User(t, "brief", "~*", "&*", "+@all", "-get").URL())
	s.read()
	if g := s.now.failures; len(g) != 1 || g[0].Key != "x permanent: why #" || len(g[0].Tasks) != 1 || !s.now.all {
		t.Fatalf("got %+v, %v", g, s.trouble)
	}
	if ids, err := failures.Alike(t.Context(), s.c.Pool, s.now.failures[0]); err != nil || !slices.Equal(ids, []string{"f"}) {
		t.Errorf("got %v, %v", ids, err)
	}
	before := &s.now.failures[0]
	s.read()
	if &s.now.failures[0] != before {
		t.Error("failed tasks were read again without a change")
	}
	admin.enqueue(task.Spec{Kind: "x", ID: "g"})
	admin.fail("r", "why 2", admin.claim("r", "default", 1)...)
	s.read()
	if g := s.now.failures; len(g) != 1 || len(g[0].Tasks) != 2 {
		t.Errorf("after a change: %+v", g)
	}
}

func TestPageOfATaskReadsItsPayloadOnce(t *testing.T) {
	server := redisserver.Start(t)
	s := newSite(t, "redis://"+server.Addr())
	s.enqueue(task.Spec{ID: "big", Kind: "k", Queue: "q", Payload: []byte(strings.Repeat("0123456789", 10_000))})
	s.read()
	s.press("down", "enter", "enter")
	s.shows("task big", "0123456789")
	sent := func() (n int64) {
		info := server.Client(t).Info(t.Context(), "stats").Val()
		_, after, _ := strings.Cut(info, "total_net_output_bytes:")
		_, err := fmt.Sscan(after, &n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := sent()
	for range 3 {
		s.read()
	}
	s.shows("task big", "state waiting", "0123456789")
	if n := sent() - before; n > 90_000 {
		t.Errorf("%d bytes were read for three pictures", n)
	}
}

func TestPagesOfWhatHasGoneSaySo(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	s.enqueue(task.Spec{ID: "x", Kind: "k", Queue: "q"})
	s.read()
	s.press("down", "enter", "enter", "s", "y")
	if _, err := s.c.Delete(t.Context(), pool.Filter{IDs: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	s.read()
	s.shows("task x", "there is no such task")
	s.press("esc")
	if err := s.c.ForgetQueue(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	s.read()
	s.shows("the queue no longer exists")
	for _, of := range []subject{replicaSubject{ID: "r9"}, failureSubject(failed("k", "why", 1)), groupSubject("g9")} {
		s.pages = []*page{newPage(of)}
		s.read()
		s.press("d", "enter", "j")
		if s.asked != nil || strings.Contains(strings.Join(s.lines(), "\n"), "reading") {
			t.Errorf("%s: %v", of.title(), s.lines())
		}
	}
}
