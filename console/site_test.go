package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// calls counts the commands that a client sends.
type calls struct{ n atomic.Int64 }

func (c *calls) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *calls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}
func (c *calls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// A change whose event was read is on the next page, also within the second in which viewers
// share one picture.
func TestPicturesHaveTheChangesOfTheEvents(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.listen("")
	b.reading()
	for i := range 5 {
		id := fmt.Sprint("t", i)
		b.enqueue(task.Spec{ID: id, Queue: id})
		for {
			if _, m := s.next(); slices.Contains(m.Tasks, id) {
				break
			}
		}
		if page := b.page("queues"); !strings.Contains(page, `id="`+id+`"`) {
			t.Fatalf("queue %s is missing", id)
		}
	}
}

// Many viewers of a page cause as few calls as one, also while the pool changes all the time.
func TestViewersShareOneRead(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	b.page("queues")
	s := b.c.sites[b.name]
	var sent calls
	b.rdb.AddHook(&sent)
	s.forget()
	b.page("queues")
	one := sent.n.Load()
	s.hub.changed.Store(time.Now().Add(time.Hour).UnixNano()) // each picture is old when it has been read
	s.pictures.mu.Lock()                                      // nobody reads before all of them wait
	var began, viewers sync.WaitGroup
	for range 200 {
		began.Add(1)
		viewers.Go(func() {
			began.Done()
			if _, err := s.picture(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	began.Wait()
	s.pictures.mu.Unlock()
	viewers.Wait()
	if got := sent.n.Load() - one; one == 0 || got > 5*one { // one read, and further ones for viewers who came late
		t.Errorf("%d calls for 200 viewers, %d for one", got, one)
	}
}

// While events are followed, many viewers of a list or a task cause as few reads as one.
func TestViewersOfAListShareOneRead(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Queue: "live"})
	s := b.c.sites[b.name]
	b.page("tasks?q=state:waiting+queue:live")
	if n := len(s.lists.byKey); n != 0 {
		t.Errorf("%d lists are shared while no events are followed", n)
	}
	b.listen("")
	b.reading()
	for _, path := range []string{"tasks?q=state:waiting+queue:live", "tasks?q=state:running+age:<1h", "task?id=a"} {
		b.page(path)
		b.page(path)
	}
	if lists, tasks := len(s.lists.byKey), len(s.tasks.byKey); lists != 2 || tasks != 1 {
		t.Errorf("%d lists and %d tasks are shared", lists, tasks)
	}
	var reads atomic.Int64
	s.hub.changed.Store(time.Now().Add(time.Hour).UnixNano()) // each list is old when it has been read
	list := s.lists.of("k")
	list.mu.Lock() // nobody reads before all of them wait
	var began, viewers sync.WaitGroup
	for range 200 {
		began.Add(1)
		viewers.Go(func() {
			began.Done()
			_, err := s.lists.get(t.Context(), s.hub, "k", func(context.Context) (listed, error) {
				reads.Add(1)
				return listed{}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	began.Wait()
	list.mu.Unlock()
	viewers.Wait()
	if n := reads.Load(); n == 0 || n > 5 { // one read, and further ones for viewers who came late
		t.Errorf("%d reads for 200 viewers", n)
	}
}

// Requests for groups, limits and rates share what was read for the first one.
func TestRequestsForSettingsShareOneRead(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a", Group: "acme"})
	b.listen("")
	b.reading()
	s := b.c.sites[b.name]
	var sent calls
	b.rdb.AddHook(&sent)
	for _, path := range []string{
		b.path("group?name=acme"), b.path("groups?name=acme&name=b"), b.path("queues"),
		apiRoot + b.at("/groups?name=acme"), apiRoot + b.at("/limits"), apiRoot + b.at("/limits/group/acme"), apiRoot + b.at("/rates"), apiRoot + b.at("/rates/group/acme"),
	} {
		get := func() {
			if status, text := b.do(http.MethodGet, path, nil); status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, text)
			}
		}
		s.date(time.Time{}) // what was read before is old
		before := sent.n.Load()
		get()
		one := sent.n.Load() - before
		s.date(time.Now().Add(time.Hour)) // what was read now does not get old, however long the next requests take
		const viewers = 100
		for range viewers {
			get()
		}
		// The readers of events and of bulk jobs make a few calls meanwhile.
		if n := sent.n.Load() - before - one; one == 0 || n >= viewers {
			t.Errorf("%s: %d calls for the first request, %d for %d more", path, one, n, viewers)
		}
	}
}

// date changes when everything that viewers share was read.
func (s *site) date(at time.Time) {
	date(&s.pictures, at)
	dateAll(&s.lists, at)
	dateAll(&s.tasks, at)
	dateAll(&s.settings.group, at)
	dateAll(&s.settings.groups, at)
	dateAll(&s.settings.limits, at)
	dateAll(&s.settings.rates, at)
}

func dateAll[T any](c *currents[T], at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.byKey {
		date(one, at)
	}
}

func date[T any](c *current[T], at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil {
		last := *c.last
		last.begun, last.ended = at, at
		c.last = &last
	}
}

// What viewers share is read again after an event, and nothing is shared while no events are followed.
func TestSharedListsHaveTheChangesOfTheEvents(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for i := range 3 {
		id := fmt.Sprint("t", i)
		b.enqueue(task.Spec{ID: id})
		if page := b.page("tasks?state=waiting"); !strings.Contains(page, "id="+id) {
			t.Fatalf("task %s is missing", id)
		}
	}
	s := b.listen("")
	b.reading()
	for i := range 5 {
		id := fmt.Sprint("u", i)
		b.enqueue(task.Spec{ID: id, Queue: "live"})
		for {
			if _, m := s.next(); slices.Contains(m.Tasks, id) {
				break
			}
		}
		if page := b.page("tasks?q=state:waiting+queue:live"); !strings.Contains(page, "id="+id) {
			t.Fatalf("task %s is missing", id)
		}
	}
}
