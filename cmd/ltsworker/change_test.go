package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestAStopSaysWhatIsNotKept(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const more = 7
	batch := strings.Repeat(`{"kind":"x"}`+"\n", task.RetainNewest+more)
	u.pipe(batch, "enqueue", "--batch", "-")
	const loss = "; only the newest 10000 are kept, about 7 are gone for good"
	if a := u.run("stop", "--kind", "x"); a.code != exitUsage || !strings.HasPrefix(a.err, "ltsworker: 10007 tasks would be stopped"+loss+"; nothing was changed") {
		t.Errorf("got %+v", a)
	}
	m := u.terminal(200, 24, "stop", "--kind", "x")
	m.await("10007 tasks would be stopped" + loss + ". Go on? [y/N]")
	m.press("y\r")
	m.await("stopped 10007 tasks" + loss)
	if code := m.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	u.must("delete", "--kind", "x", "--yes")

	u.pipe(batch, "enqueue", "--batch", "-")
	m = u.terminal(200, 24, "top", "--every", "100ms")
	m.await("▸ (whole pool)", "default")
	m.press("s")
	m.await("stop 10007 live tasks of the whole pool, about 7 of them not kept? [y/N]")
	m.press("nq")
	m.wait()
	got := decodeLines[changeRecord](t, u.must("stop", "--kind", "x", "--yes", "--json"))[0]
	if got.Tasks != task.RetainNewest+more || got.Dropped != more {
		t.Errorf("got %+v", got)
	}
}

func TestAStopOfWhatIsKeptAndOtherChangesTellOfNoLoss(t *testing.T) {
	stop, retry := change{drops: true}, change{}
	if got := stop.loss(task.RetainNewest) + retry.loss(2*task.RetainNewest); got != "" {
		t.Errorf("got %q", got)
	}
	if help := newStop(nil).Long; !strings.Contains(help, "the newest 10000 are kept") {
		t.Errorf("the help of stop lacks the number of kept tasks:\n%s", help)
	}
	if help := newRetry(nil).Long; strings.Contains(help, "newest") {
		t.Errorf("the help of retry has the number of kept tasks:\n%s", help)
	}
}
