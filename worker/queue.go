package worker

import (
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// maxBusy is how many busy queues one exchange names.
const maxBusy = 4 * task.MaxQueues

// busyPause is the pause between exchanges that only name busy queues, once there are
// more of them than one exchange can name.
const busyPause = 100 * time.Millisecond

// queue is one queue as this replica serves it. Its fields are guarded by the
// replica's mutex.
type queue struct {
	name string
	// free are the slots of each sequence that are neither in use nor asked for. A sequence
	// has half of the queue's workers, so that both are busy under load.
	free  [2]int
	asked [2]int  // slots that the exchange in flight asks for
	wants [2]bool // it is in the sequence's list of queues to ask
	// again says that the queue became ready while every free slot was asked for: the
	// answer decides whether to ask once more.
	again bool
	busy  bool // it is in queues.busy
}

func (q *queue) hasFree() bool { return q.free[0]+q.free[1] > 0 }

// queues are the queues of a replica. No operation looks at all of them: a replica may
// serve ten thousand. The fields are guarded by the replica's mutex.
type queues struct {
	all    []*queue // by name
	byName map[string]*queue
	slots  int
	taken  int // slots in use, those of stuck handlers included
	open   int // queues with a free slot
	turn   int // index of the queue that the slow poll asks next

	due time.Time // when the next scheduled task is due; zero for none

	// busy are ready queues without a free slot. The exchange names the fresh ones, which
	// are the last; one whose answer may hold ready queues names the others again, so
	// that they are not among these.
	busy   []*queue
	fresh  int
	nameAt time.Time // earliest exchange that only names busy queues
}

func newQueues(cfg map[string]task.QueueConfig) queues {
	s := queues{byName: make(map[string]*queue, len(cfg)), open: len(cfg)}
	for _, name := range slices.Sorted(maps.Keys(cfg)) {
		workers := cfg[name].Workers
		q := &queue{name: name, free: [2]int{(workers + 1) / 2, workers / 2}}
		s.all, s.byName[name] = append(s.all, q), q
		s.slots += workers
	}
	return s
}

// use takes n slots of the queue for the sequence, or frees them if n is negative.
func (s *queues) use(q *queue, sequence, n int) {
	had := q.hasFree()
	q.free[sequence] -= n
	switch has := q.hasFree(); {
	case had && !has:
		s.open--
	case has && !had:
		s.open++
	}
}

// addBusy notes a ready queue that has no free slot.
func (s *queues) addBusy(q *queue) {
	if q.busy {
		i := slices.Index(s.busy, q)
		if i >= len(s.busy)-s.fresh {
			return
		}
		s.busy = slices.Delete(s.busy, i, i+1)
	}
	q.busy = true
	s.busy = append(s.busy, q)
	s.fresh++
}

// nameBusy adds the busy queues to an exchange.
func (s *queues) nameBusy(x *task.Exchange, now time.Time) {
	named := len(s.busy) - s.fresh
	end := min(len(s.busy), named+maxBusy)
	from := named
	if x.Idle || len(x.Claims) > 0 {
		from = max(0, end-maxBusy)
	}
	for _, q := range s.busy[from:end] {
		x.Busy = append(x.Busy, q.name)
	}
	s.fresh = len(s.busy) - end
	if len(x.Busy) == maxBusy {
		s.nameAt = now.Add(busyPause)
	}
	// Those with a free slot are claimed from, and the oldest give way to the others.
	kept := slices.DeleteFunc(s.busy[:end], func(q *queue) bool {
		q.busy = !q.hasFree()
		return !q.busy
	})
	for ; len(kept) > maxBusy; kept = kept[1:] {
		kept[0].busy = false
	}
	s.busy = append(kept, s.busy[end:]...)
}

// setDue notes when the next scheduled task is due, as an exchange said that was sent at
// sent. Answers to the two sequences may arrive in another order than they were given, so
// that the earliest time counts.
func (s *queues) setDue(next, soonest time.Duration, sent, now time.Time) {
	if !sent.Before(s.due) {
		s.due = time.Time{} // that exchange has seen to it
	}
	if at := now.Add(max(next, soonest)); next > 0 && (s.due.IsZero() || at.Before(s.due)) {
		s.due = at
	}
}

// ready is called for a queue that may have claimable tasks: a sequence with a free slot
// asks for them, or the queue is named as busy. The caller holds the mutex.
func (r *Replica) ready(q *queue) {
	if r.phase == serving {
		if s := r.sequenceFor(q); s != nil {
			s.ask(q)
			return
		}
		if q.asked[0]+q.asked[1] > 0 {
			q.again = true
			return
		}
	}
	r.queues.addBusy(q)
	r.sequences[0].wake()
}

// sequenceFor returns a sequence with a free slot in the queue, if possible one without an
// exchange in flight, or nil.
func (r *Replica) sequenceFor(q *queue) (found *sequence) {
	for i, s := range r.sequences {
		if q.free[i] > 0 && (found == nil || found.pending && !s.pending) {
			found = s
		}
	}
	return found
}

// poll asks some of the queues for tasks, whatever is known of them, and the store
// which others are ready: a wake-up may have been lost. The next poll goes on from
// there.
func (r *Replica) poll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == serving {
		r.pollSome()
	}
}

// pollSome is poll for a caller that holds the mutex.
func (r *Replica) pollSome() {
	s := &r.queues
	for range min(len(s.all), task.MaxQueues) {
		q := s.all[s.turn]
		s.turn = (s.turn + 1) % len(s.all)
		if s := r.sequenceFor(q); s != nil {
			s.ask(q)
		}
	}
	r.sequences[0].call()
}

// askAll begins to ask for tasks: in all queues, or, if they are too many for one
// exchange, in those that the store names as ready. The caller holds the mutex.
func (r *Replica) askAll() {
	if len(r.queues.all) <= task.MaxQueues {
		r.pollSome()
	} else {
		r.sequences[0].call()
	}
}
