package worker

import "time"

// queue is one queue as this replica serves it. Its fields are guarded by the
// replica's mutex.
type queue struct {
	name    string
	workers int
	taken   int // slots in use, those of stuck handlers included

	call   int64 // number of the next claim
	unsure bool  // the last claim's reply was lost: repeat it before anything else
	want   bool  // ask at the next round trip, although idle

	// idle says that the last claim came back short. It is then up to a marker,
	// to due or to the slow poll to ask again. An idle queue has free slots.
	idle bool
	// due is when the next scheduled task becomes claimable; zero for none.
	due time.Time
	// listened says that the listener, if it is blocked, waits for the queue's
	// marker.
	listened bool
	// answered is closed when the claim that a marker asked for has been
	// answered, or has failed; nil where nobody waits for that.
	answered chan struct{}
}

func (q *queue) free() int { return max(q.workers-q.taken, 0) }

// settle lets go of whoever waits for the answer to a claim.
func (q *queue) settle() {
	if q.answered != nil {
		close(q.answered)
		q.answered = nil
	}
}
