package worker

import (
	"context"
	"time"
)

// listenWait is how long the listener blocks at a time. A wait that ends without
// a signal is also the slow poll: every idle queue is asked once, should its
// marker have been lost.
const listenWait = 10 * time.Second

// listenAgain is the first wait after an outage: signals may have been lost, so
// the slow poll comes soon.
const listenAgain = time.Second

// listen waits for the doorbell and for the markers of idle queues.
func (r *Replica) listen(ctx context.Context) {
	t := retry{outage: r.outages, op: "listen"}
	defer t.forget()
	for {
		queues, ok := r.earshot()
		if !ok {
			return
		}
		wait := jitter(listenWait)
		if t.fails > 0 {
			wait = listenAgain
		}
		sig, err := r.hear(ctx, queues, wait)
		switch {
		case err != nil:
			if ctx.Err() != nil || !sleep(ctx, t.failed(err)) {
				return
			}
			continue
		case t.fails > 0:
			t.ok()
			r.bell()
			r.poll()
		case sig == Signal{}:
			r.poll()
		}
		if sig.Drain {
			r.Drain()
		}
		if sig.Bell {
			r.bell()
		}
		if sig.Queue != "" {
			r.marker(ctx, sig.Queue)
		}
	}
}

// earshot picks the queues to listen to; ok is false when nothing is left to
// listen for.
func (r *Replica) earshot() (queues []string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		r.ringMore = false
		return nil, false
	}
	for _, q := range r.queues {
		q.listened = q.idle && r.phase == serving
		if q.listened {
			queues = append(queues, q.name)
		}
	}
	r.listening = true
	return queues, true
}

func (r *Replica) hear(ctx context.Context, queues []string, wait time.Duration) (Signal, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+r.callTimeout)
	defer cancel()
	sig, err := r.store.Listen(ctx, r.id, queues, wait)
	r.mu.Lock()
	r.listening = false
	r.mu.Unlock()
	return sig, err
}

// poll asks every idle queue once.
func (r *Replica) poll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase != serving {
		return
	}
	for _, q := range r.queues {
		q.want = true
	}
	poke(r.work)
}

// marker acts on a queue's marker: claims and waits for the answer, since it
// decides what to listen to next, or passes the marker on where no slot is free.
func (r *Replica) marker(ctx context.Context, name string) {
	var q *queue
	r.mu.Lock()
	for _, have := range r.queues {
		if have.name == name {
			q = have
		}
	}
	if q == nil || q.free() == 0 || r.phase != serving {
		r.mu.Unlock()
		r.wake(ctx, name)
		return
	}
	q.want = true
	if q.answered == nil {
		q.answered = make(chan struct{})
	}
	answered := q.answered
	poke(r.work)
	r.mu.Unlock()
	select {
	case <-answered:
	case <-ctx.Done():
	}
}

// wake passes a marker on.
func (r *Replica) wake(ctx context.Context, queue string) {
	t := retry{outage: r.outages, op: "wake"}
	r.insist(ctx, &t, func(ctx context.Context) error { return r.store.Wake(ctx, queue) })
}

// ringSelf makes the listener return, so that it listens to other queues or
// ends. It does not wait for that. The caller holds the mutex.
func (r *Replica) ringSelf(ctx context.Context) {
	r.ringMore = true
	r.listening = false // it is about to return: that serves whoever wants it to
	if r.ringing != nil {
		return
	}
	done := make(chan struct{})
	r.ringing = done
	r.wg.Go(func() {
		defer close(done)
		t := retry{outage: r.outages, op: "ring"}
		for r.ringDue() {
			r.insist(ctx, &t, func(ctx context.Context) error { return r.store.Ring(ctx, r.id) })
		}
	})
}

// ringDue reports whether a ring was asked for since the last one was sent.
func (r *Replica) ringDue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ringMore {
		r.ringing = nil
		return false
	}
	r.ringMore = false
	return true
}
