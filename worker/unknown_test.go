package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestKindWithoutAHandlerIsLoggedOnceAMinute(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.putN(3, task.Spec{Kind: "jbo", Queue: task.DefaultQueue})
		tr.store.put(task.Spec{ID: "odd", Kind: "unheard-of", Queue: task.DefaultQueue})
		tr.advance(unknownInterval - time.Second) // each task is claimed and released many times
		const line = "WARN no handler for a task's kind; a replica that has one runs the task, or it fails "
		if tr.log.count("WARN") != 2 || tr.log.count(line+"task=jbo-1 kind=jbo queue=default") != 1 ||
			tr.log.count(line+"task=odd kind=unheard-of queue=default") != 1 {
			t.Errorf("log: %v", tr.log.lines)
		}
		if n := len(tr.store.verdictsOf("odd")); n < 10 {
			t.Errorf("it was released only %d times", n)
		}
		tr.advance(3 * time.Second)
		if tr.log.count("kind=jbo") != 2 || tr.log.count("kind=unheard-of") != 2 {
			t.Errorf("a minute later: %v", tr.log.lines)
		}
		tr.shutDown()
	})
}

func TestInventedKindsFillNeitherTheLogNorTheMemory(t *testing.T) {
	u, now := unknownKinds{at: make(map[string]time.Time)}, time.Now()
	for minute := range 3 {
		lines := 0
		for i := range 10 * maxUnknown {
			if u.shouldLog(fmt.Sprintf("made-up-%d-%d", minute, i), now) {
				lines++
			}
		}
		if lines != maxUnknown || len(u.at) > maxUnknown {
			t.Errorf("%d lines in minute %d, %d kinds are remembered; want %d", lines, minute, len(u.at), maxUnknown)
		}
		now = now.Add(unknownInterval)
	}
}
