package worker

// This file decides from which queues the next exchange claims.

// claimAnswered decides whether to claim again from a queue after the answer, or from those
// that share its slots.
func (s *sequence) claimAnswered(q *queue, short bool) {
	r := s.r
	q.setReady(q, !short)
	switch {
	case q.readyAgain:
		q.readyAgain = false
		r.ready(q)
	case q.shared():
		for i, other := range r.sequences {
			if q.free[i] > 0 {
				other.claimReady(q.slots)
			}
		}
	case !short:
		for i, other := range r.sequences {
			if q.free[i] > 0 {
				other.claimFrom(q)
			}
		}
	}
}

// claimFrom makes the next exchange claim from the queue if it has free slots then.
func (s *sequence) claimFrom(q *queue) {
	if q.listed[s.i] || !s.r.claims() {
		return
	}
	q.listed[s.i] = true
	s.toClaim = append(s.toClaim, q)
	s.wake()
}

// claimFreed makes the next exchange claim for a slot of the queue that has become free.
func (s *sequence) claimFreed(q *queue) {
	if q.shared() {
		s.claimReady(q.slots)
	}
	if len(q.ready) == 0 {
		s.claimFrom(q)
	}
}

// claimReady makes the next exchange claim from the queues that share slots and may have tasks.
func (s *sequence) claimReady(shared *slots) {
	for _, q := range shared.ready {
		s.claimFrom(q)
	}
}
