package worker

import (
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// maxBusy is how many busy queues one exchange lists.
const maxBusy = 4 * task.MaxQueues

// busyInterval is the pause between exchanges that only report busy queues, when there
// are more of them than one exchange can list.
const busyInterval = 100 * time.Millisecond

// queue is one queue of this replica. The replica's mutex guards its fields.
type queue struct {
	name string
	*slots
	weight    int
	pass      float64 // see slots
	inReady   bool    // in slots.ready
	requested [2]int  // slots that the exchange in flight claims for
	listed    [2]bool // in the sequence's toClaim
	// readyAgain is set if the queue became ready while all its free slots were
	// requested. The answer decides whether to claim once more.
	readyAgain bool
	busy       bool // in queues.busy
}

func (q *queue) hasFree() bool { return q.free[0]+q.free[1] > 0 }

// queues are the queues of a replica. No operation iterates over all of them, because a
// replica may serve ten thousand. The replica's mutex guards the fields.
type queues struct {
	all       []*queue // by name
	byName    map[string]*queue
	slots     int
	taken     int // slots in use, those of stuck handlers included
	withFree  int // queues with a free slot
	pollIndex int // index of the queue at which the next slow poll starts

	nextDue time.Time // when the next scheduled task becomes waiting; zero for none

	// busy lists ready queues without a free slot. The last ones are unreported: the
	// next exchange lists them. An exchange whose answer may list ready queues also
	// repeats the others, so that the answer does not contain them.
	busy       []*queue
	unreported int
	busyAt     time.Time // earliest exchange that only reports busy queues
}

func newQueues(cfg map[string]task.QueueConfig, shared map[string]task.Slots) queues {
	s := queues{byName: make(map[string]*queue, len(cfg)), withFree: len(cfg)}
	of := newSlotsOf(cfg, shared)
	counted := map[*slots]bool{}
	for _, name := range slices.Sorted(maps.Keys(cfg)) {
		q := &queue{name: name, slots: of[name], weight: weightOf(cfg[name])}
		s.all, s.byName[name] = append(s.all, q), q
		if !counted[q.slots] {
			counted[q.slots] = true
			s.slots += cfg[name].Workers
		}
	}
	return s
}

// use takes n slots of the queue for the sequence. If n is negative it frees them.
func (s *queues) use(q *queue, sequence, n int) {
	had := q.hasFree()
	q.free[sequence] -= n
	switch has := q.hasFree(); {
	case had && !has:
		s.withFree -= q.members
	case has && !had:
		s.withFree += q.members
	}
}

// addBusy records a ready queue that has no free slot.
func (s *queues) addBusy(q *queue) {
	if q.busy {
		i := slices.Index(s.busy, q)
		if i >= len(s.busy)-s.unreported {
			return
		}
		s.busy = slices.Delete(s.busy, i, i+1)
	}
	q.busy = true
	s.busy = append(s.busy, q)
	s.unreported++
}

// reportBusy adds the busy queues to an exchange.
func (s *queues) reportBusy(x *task.Exchange, now time.Time) {
	named := len(s.busy) - s.unreported
	if !x.Closed {
		// A queue that has got a free slot since it was reported is idle: the answer may name it as ready.
		kept := slices.DeleteFunc(s.busy[:named], func(q *queue) bool {
			q.busy = !q.hasFree()
			return !q.busy
		})
		s.busy = append(kept, s.busy[named:]...)
		named = len(kept)
	}
	end := min(len(s.busy), named+maxBusy)
	from := named
	if x.Idle || len(x.Claims) > 0 {
		from = max(0, end-maxBusy)
	}
	for _, q := range s.busy[from:end] {
		x.Busy = append(x.Busy, q.name)
	}
	s.unreported = len(s.busy) - end
	if len(x.Busy) == maxBusy {
		s.busyAt = now.Add(busyInterval)
	}
	// Queues with a free slot are claimed from. Beyond maxBusy the oldest are dropped.
	kept := slices.DeleteFunc(s.busy[:end], func(q *queue) bool {
		q.busy = !q.hasFree()
		return !q.busy
	})
	for ; len(kept) > maxBusy; kept = kept[1:] {
		kept[0].busy = false
	}
	s.busy = append(kept, s.busy[end:]...)
}

// setNextDue records when the next scheduled task is due, according to the exchange
// that was sent at sent. The answers to the two sequences may arrive in another order
// than they were given, so the earliest time counts.
func (s *queues) setNextDue(next, soonest time.Duration, sent, now time.Time) {
	if !sent.Before(s.nextDue) {
		s.nextDue = time.Time{} // that exchange came after the due time
	}
	if at := now.Add(max(next, soonest)); next > 0 && (s.nextDue.IsZero() || at.Before(s.nextDue)) {
		s.nextDue = at
	}
}

// ready is called for a queue that may have claimable tasks. A sequence with a free
// slot claims them, else the queue is reported as busy. The caller holds the mutex.
func (r *Replica) ready(q *queue) {
	q.setReady(q, true)
	if r.claims() {
		if s := r.sequenceFor(q); s != nil {
			s.claimFrom(q)
			return
		}
		if q.requested[0]+q.requested[1] > 0 {
			q.readyAgain = true
			return
		}
	}
	r.queues.addBusy(q)
	r.sequences[0].wake()
}

// sequenceFor returns a sequence with a free slot in the queue, preferably one without
// an exchange in flight; nil if there is none.
func (r *Replica) sequenceFor(q *queue) (found *sequence) {
	for i, s := range r.sequences {
		if q.free[i] > 0 && (found == nil || found.pending && !s.pending) {
			found = s
		}
	}
	return found
}

// poll claims from some of the queues, whether they are known to be ready or not, and
// learns from the answer which others are ready: a signal may have been lost. The next
// poll continues with the following queues.
func (r *Replica) poll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims() {
		r.pollSome()
	}
}

// pollSome is poll without locking. The caller holds the mutex.
func (r *Replica) pollSome() {
	s := &r.queues
	for range min(len(s.all), task.MaxQueues) {
		q := s.all[s.pollIndex]
		s.pollIndex = (s.pollIndex + 1) % len(s.all)
		if s := r.sequenceFor(q); s != nil {
			s.claimFrom(q)
		}
	}
	r.sequences[0].requireExchange()
}

// startClaiming claims from all queues. If they are too many for one exchange, the
// answer to the first exchange names the ready ones. The caller holds the mutex.
func (r *Replica) startClaiming() {
	if len(r.queues.all) <= task.MaxQueues {
		r.pollSome()
	} else {
		r.sequences[0].requireExchange()
	}
}
