package worker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// MaxWeight is the greatest weight of a queue.
const MaxWeight = 1000

// slots are the slots of one queue, or of several queues that share them. The replica's
// mutex guards the fields.
//
// Queues that share slots are served in the order of their passes. Each start of a queue adds
// to its pass: the less, the greater its weight. So the starts of queues that have tasks are in
// proportion to their weights, and a queue that had none gets no credit for that time.
type slots struct {
	// free is the number of free slots of each sequence: neither in use nor requested
	// by a claim. Each sequence has half of the slots, so that both are busy under load.
	free    [2]int
	members int
	strict  bool    // a queue of a lower weight waits while one of a higher weight has tasks
	pass    float64 // of the queue that was served last

	// ready are the queues that may have claimable tasks, by the answers of the store. It is
	// used only if several queues share the slots.
	ready []*queue
}

func newSlots(workers, members int, strict bool) *slots {
	return &slots{free: [2]int{(workers + 1) / 2, workers / 2}, members: members, strict: strict}
}

func (s *slots) shared() bool { return s.members > 1 }

// setReady records whether a queue may have claimable tasks.
func (s *slots) setReady(q *queue, ready bool) {
	if !s.shared() || ready == q.inReady {
		return
	}
	q.inReady = ready
	if ready {
		q.pass = max(q.pass, s.pass)
		s.ready = append(s.ready, q)
		return
	}
	i := slices.Index(s.ready, q)
	s.ready = slices.Delete(s.ready, i, i+1)
}

// divide divides n slots among the queues, and returns how many each of them gets.
func (s *slots) divide(n int, among []*queue) []int {
	got := make([]int, len(among))
	for _, q := range among {
		if !q.inReady {
			q.pass = max(q.pass, s.pass)
		}
	}
	for range n {
		best := 0
		for i, q := range among {
			if s.before(q, among[best]) {
				best = i
			}
		}
		got[best]++
		s.pass = max(s.pass, among[best].pass)
		among[best].pass += 1 / float64(among[best].weight)
	}
	return got
}

// before reports whether q gets a slot before another queue.
func (s *slots) before(q, other *queue) bool {
	if s.strict && q.weight != other.weight {
		return q.weight > other.weight
	}
	return q.pass < other.pass
}

// giveBack takes n slots, which no task took, out of the account of a queue.
func (s *slots) giveBack(q *queue, n int) { q.pass -= float64(n) / float64(q.weight) }

// checkSlots returns what is wrong with the shared slots of a config.
func (c Config) checkSlots() (errs []error) {
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		q, at := c.Queues[name], "queues."+task.Clip(name)
		used[q.Slots] = true
		if q.Weight < 0 || q.Weight > MaxWeight {
			add(at+".weight", "must be from 1 to %d, not %d", MaxWeight, q.Weight)
		}
		if q.Slots == "" {
			if q.Weight != 0 {
				add(at+".weight", "needs slots: it is the share of a queue in slots that it shares with others")
			}
			continue
		}
		if _, ok := c.Slots[q.Slots]; !ok {
			add(at+".slots", "names %q, which is not under slots", task.Clip(q.Slots))
		}
		if q.Workers != 0 {
			add(at+".workers", "must be left out: the queue has the slots %s, whose number is slots.%s.workers", task.Clip(q.Slots), task.Clip(q.Slots))
		}
		if c.Handlers[name].Concurrency > 0 {
			add(at+".slots", "cannot be set: the queue is that of the handler %s, which has slots of its own", task.Clip(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Slots)) {
		at := "slots." + task.Clip(name)
		if err := task.CheckName(name); err != nil {
			add(at, "%v", err)
		}
		if n := c.Slots[name].Workers; n < 0 || n > MaxWorkers {
			add(at+".workers", "must be from 1 to %d, not %d", MaxWorkers, n)
		}
		if !used[name] {
			add(at, "is used by no queue: name it in the slots of the queues that share it")
		}
	}
	return errs
}

// newSlotsOf returns the slots of each queue.
func newSlotsOf(queues map[string]task.QueueConfig, shared map[string]task.Slots) map[string]*slots {
	of, named, members := map[string]*slots{}, map[string]*slots{}, map[string]int{}
	for _, q := range queues {
		members[q.Slots]++
	}
	for name, q := range queues {
		if q.Slots == "" {
			of[name] = newSlots(q.Workers, 1, false)
			continue
		}
		if named[q.Slots] == nil {
			named[q.Slots] = newSlots(q.Workers, members[q.Slots], shared[q.Slots].Strict)
		}
		of[name] = named[q.Slots]
	}
	return of
}

func weightOf(q task.QueueConfig) int { return cmp.Or(q.Weight, 1) }
