package top

import (
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

func TestWholePoolIsPausedAfterAQuestion(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	s.enqueue(task.Spec{Kind: "k", Queue: "q"})
	s.read()
	paused := func(want bool) {
		t.Helper()
		if st, err := s.c.Stats(t.Context()); err != nil || st.Paused != want {
			t.Errorf("paused: %v, %v", st.Paused, err)
		}
	}
	s.press("p")
	s.shows("pause the whole pool: no replica starts a task until it is resumed? [y/N]")
	paused(false)
	s.press("n")
	s.shows("nothing was changed")
	s.press("p", "y")
	s.shows("paused the whole pool")
	paused(true)
	s.press("r")
	s.shows("resume the whole pool? [y/N]")
	paused(true)
	s.press("y")
	paused(false)
	s.press("down", "p")
	s.shows("paused queue q")
}

func TestPageOfAQueueSaysThatItShowsTheFirstWaitingTasks(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	for range mostWaiting + 1 {
		s.enqueue(task.Spec{Kind: "k", Queue: "q"})
	}
	s.read()
	s.press("down", "enter")
	s.shows("TASK (running, first 50 waiting)")
}

func TestPageOfAQueueHasTheSetsOfLabelsForWhichTasksWait(t *testing.T) {
	s := newSite(t, "redis://"+redisserver.Start(t).Addr())
	s.enqueue(task.Spec{Kind: "k", Queue: "q"})
	s.read()
	s.press("down", "enter")
	s.press("esc")
	for range 2 {
		s.enqueue(task.Spec{Kind: "k", Queue: "q", Labels: []string{"gpu", "zone=a"}})
	}
	s.enqueue(task.Spec{Kind: "k", Queue: "q", Labels: []string{"gpu"}})
	s.read()
	s.press("enter")
	s.shows("gpu zone=a: 2 waiting")
	s.shows("gpu: 1 waiting")
}
