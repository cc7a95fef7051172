package redisstore_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// walkExports is the kind whose results are exported, after at most walkSaves failed saves.
// walkStaged is from how many staged results on no more tasks of the kind start. walkLine is the
// queue of the saves.
const (
	walkExports = "l"
	walkLine    = task.ExportQueue + walkExports
	walkSaves   = 3
	walkStaged  = 2
)

// runs reports whether the task has a run entry: it runs, or its result is being saved.
func (m *mtask) runs() bool { return m.state == task.Running || m.saving }

// runQueue returns the queue in which it has its run entry.
func (m *mtask) runQueue() string {
	if m.saving {
		return walkLine
	}
	return m.spec.Queue
}

// toSave reports whether a claim may hand the task out for a save.
func (m *mtask) toSave() bool { return m.state == task.Exporting && !m.saving && !m.delayed }

// inRun returns how many tasks have their run entries in a queue.
func (w *walk) inRun(queue string) (n int) {
	for _, m := range w.tasks {
		if m.runs() && m.runQueue() == queue {
			n++
		}
	}
	return n
}

// exportIndex returns in which index an exporting task is.
func (m *mtask) exportIndex() string {
	switch {
	case m.saving:
		return "running " + walkLine
	case m.delayed:
		return "scheduled"
	}
	return "waiting " + walkLine
}

// stage makes a task whose attempt has succeeded an exporting one.
func (w *walk) stage(m *mtask) {
	m.v++
	w.appended++
	m.state, m.code, m.past = task.Exporting, task.CodeOK, true
	m.staged, m.saves, m.stop, m.saving, m.delayed, m.stagedMeta = true, 0, false, false, false, m.meta
	m.dropCheckpoint()
}

// endExport prepares the end of an exporting task.
func (w *walk) endExport(m *mtask) {
	if m.state == task.Exporting {
		m.saving, m.delayed, m.meta = false, false, m.stagedMeta
	}
}

// reportSave applies a report on a save to the model.
func (w *walk) reportSave(m *mtask, r *task.Report) {
	delete(w.claims[m.fence].open, m.id)
	switch {
	case r.Op == task.Succeed:
		w.endExport(m)
		m.staged = false
		w.end(m, task.Succeeded, task.CodeOK, r.Result != nil)
	case m.stop:
		w.endExport(m)
		w.end(m, task.Stopped, task.CodeStopped, false)
	case r.Op == task.Release:
		w.waitToSave(m, r.Code, r.Delay > 0, r.Delay == short)
	default:
		w.saveFailed(m, r.Op == task.Detached || r.Code == task.CodePermanent, r.Delay > 0, r.Delay == short)
	}
}

// saveFailed counts a failed save, and ends the task or makes it wait for the next one.
func (w *walk) saveFailed(m *mtask, final, delayed, soon bool) {
	m.saves++
	if final || m.saves >= walkSaves {
		w.endExport(m)
		w.end(m, task.Failed, task.CodeExport, false)
		return
	}
	w.waitToSave(m, task.CodeExport, delayed, soon)
}

func (w *walk) waitToSave(m *mtask, code task.Code, delayed, soon bool) {
	m.v++
	w.appended++
	m.code, m.saving, m.delayed, m.dueStep = code, false, delayed, 0
	if soon {
		m.dueStep = w.step
	}
}

// loseSave takes back a save whose lease has ended, or that its replica no longer holds.
func (w *walk) loseSave(m *mtask) {
	delete(w.claims[m.fence].open, m.id)
	if m.stop {
		w.endExport(m)
		w.end(m, task.Stopped, task.CodeStopped, false)
		return
	}
	w.saveFailed(m, false, true, false)
}

// stageSome reports successes of all running tasks with an exporter, and claims saves.
func (w *walk) stageSome() {
	var reports []task.Report
	for _, id := range w.ids() {
		if m := w.tasks[id]; m.state == task.Running && m.spec.Kind == walkExports && !m.outside && len(reports) < 10 {
			reports = append(reports, task.Report{ID: id, Queue: m.spec.Queue, Fence: m.fence, Code: task.CodeOK, Result: []byte("{}"), Stage: true})
		}
	}
	w.nameLast(reports)
	w.exchange(w.someSequence(), reports, []task.Claim{{Queue: walkLine, N: 1 + w.rng.IntN(3)}})
}

// exporting returns how many results are staged for a save.
func (w *walk) exporting() (n int) {
	for _, m := range w.tasks {
		if m.state == task.Exporting {
			n++
		}
	}
	return n
}

// blockedByKind reports whether a waiting task may not start because of its kind's staged results.
func (w *walk) blockedByKind(m *mtask) bool {
	return m.spec.Kind == walkExports && (m.full || w.exporting() >= walkStaged)
}

// readFull reads which tasks are blocked because of their kind. The order in which the queues of a
// kind are unblocked is not fixed.
func (w *walk) readFull() {
	for _, m := range w.tasks {
		m.full = false
	}
	for _, queue := range walkQueues {
		members, err := w.rdb.ZRangeArgs(w.ctx, redis.ZRangeArgs{Key: w.prefix + "group:wait:" + queue, ByLex: true, Start: "[!", Stop: "(#"}).Result()
		w.must(err)
		for _, member := range members {
			id := member[strings.LastIndexByte(member, ' ')+1:]
			if m := w.tasks[id]; m == nil || m.state != task.Waiting || m.spec.Kind != walkExports {
				w.failf("%q is blocked in %s, of %+v", member, queue, m)
			} else {
				m.full = true
			}
		}
	}
}

// checkUnblocked checks that maintenance has unblocked as many tasks as there is room for.
func (w *walk) checkUnblocked() {
	w.readFull()
	blocked, free := 0, 0
	for _, m := range w.tasks {
		if m.state == task.Waiting && m.spec.Kind == walkExports {
			free++
		}
		if m.full {
			blocked++
		}
	}
	free -= blocked
	if room := walkStaged - w.exporting(); blocked > 0 && free < room {
		w.failf("%d tasks are blocked and %d are not, with room for %d results", blocked, free, room)
	}
}

// dropClaims leaves out claims of queues from which the store may hand out more than the model
// knows: a clean-up that failed in the same call, or a task that a save has unblocked.
func (w *walk) dropClaims(claims []task.Claim, reports []task.Report, saving map[string]bool) []task.Claim {
	blocked := false
	for _, m := range w.tasks {
		blocked = blocked || m.full
	}
	unblocks := blocked && slices.ContainsFunc(reports, func(r task.Report) bool { return saving[r.ID] })
	return slices.DeleteFunc(claims, func(c task.Claim) bool {
		return unblocks && c.Queue != walkLine ||
			slices.ContainsFunc(w.cleanUps, func(m *mtask) bool { return m.spec.Queue == c.Queue })
	})
}

// checkStaged checks which tasks count as exporting, and which have a staged result.
func (w *walk) checkStaged(k keys) {
	var want []string
	for _, id := range w.ids() {
		m := w.tasks[id]
		if m.state == task.Exporting {
			want = append(want, id)
		}
		if _, staged := k["more:"+id]["staged"]; staged != m.staged {
			w.failf("%s has a staged result: %v, want %v", id, staged, m.staged)
		}
	}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(k["staged:"+walkExports])), cmpopts.EquateEmpty()); d != "" {
		w.failf("staged (-want +got):\n%s", d)
	}
	blocked := slices.ContainsFunc(slices.Collect(maps.Values(w.tasks)), func(m *mtask) bool { return m.full })
	if _, full := k["full"][walkExports]; full != blocked {
		w.failf("the kind is full: %v, and has blocked tasks: %v", full, blocked)
	}
}
