package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAKindWithoutAHandlerIsLoggedOnceAMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		g.store.putN(3, task.Spec{Kind: "jbo", Queue: task.DefaultQueue})
		g.store.put(task.Spec{ID: "odd", Kind: "unheard-of", Queue: task.DefaultQueue})
		g.pass(unknownInterval - time.Second) // all come back many times
		const line = "WARN no handler for a task's kind; a replica that has one runs the task, or it fails "
		if g.log.count("WARN") != 2 || g.log.count(line+"task=jbo-1 kind=jbo queue=default") != 1 ||
			g.log.count(line+"task=odd kind=unheard-of queue=default") != 1 {
			t.Errorf("log: %v", g.log.lines)
		}
		if n := len(g.store.said("odd")); n < 10 {
			t.Errorf("it came back only %d times", n)
		}
		g.pass(3 * time.Second)
		if g.log.count("kind=jbo") != 2 || g.log.count("kind=unheard-of") != 2 {
			t.Errorf("a minute later: %v", g.log.lines)
		}
		g.end()
	})
}

func TestMadeUpKindsFillNeitherTheLogNorTheMemory(t *testing.T) {
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
