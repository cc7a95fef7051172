package alert

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// sendTime bounds one try to send a message.
	sendTime = 15 * time.Second
	// At the end of the process a try may take endTime, and then the write of its outcome writeTime.
	// Together they are shorter than the rest of the lease.
	endTime, writeTime = 3 * time.Second, 5 * time.Second
	// poll is the time between two reads of a queue to which this process has added nothing. Other
	// processes add test messages.
	poll = 5 * time.Second
	// A message whose tries fail is dropped after keepTrying, one that the service refuses after
	// mostRefused tries.
	keepTrying  = 24 * time.Hour
	mostRefused = 3
	maxBackoff  = 5 * time.Minute
	maxAfter    = 15 * time.Minute // the longest pause that a service can ask for
)

// earlier returns the earlier time.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// later returns the later time.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// sender sends the notices of one receiver. Only its own receiver can delay it.
type sender struct {
	runner   *Runner
	name     string
	receiver Receiver
	pace     Pace
	limiter  *limiter
	wake     chan struct{}
	lost     func() // called when another process has the lease

	health *health // nil for not read
	acked  string  // the id of a message that was sent and may still be in the store
}

// health says whether a receiver takes messages. It is in the store, so that the next process
// continues with the same pace.
type health struct {
	// Next is the theoretical arrival time of the next message to the endpoint: GCRA keeps the pace.
	Next   time.Time `json:"next,omitzero"`
	Until  time.Time `json:"until,omitzero"` // the service accepts no message before
	Sent   int64     `json:"sent"`
	Failed int64     `json:"failed"`
	Last   time.Time `json:"last,omitzero"`  // when a message was sent
	Since  time.Time `json:"since,omitzero"` // when tries began to fail; zero if they work
	Error  string    `json:"error,omitempty"`
}

// sending is a message that was composed.
type sending struct {
	ID      string           `json:"id"`
	At      time.Time        `json:"at"`
	Notices []string         `json:"notices"`
	More    map[string]int64 `json:"more,omitempty"`
	Tries   int              `json:"tries"`
	Refused int              `json:"refused"`
	Next    time.Time        `json:"next,omitzero"` // of the next try
}

// signal makes the sender read its queue.
func (s *sender) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sender) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, idle := s.step(ctx)
		timer := time.NewTimer(wait)
		var wake chan struct{}
		if idle { // otherwise more notices join the next message
			wake = s.wake
		}
		select {
		case <-timer.C:
		case <-wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// step sends the next message if the receiver may get one. It returns the time until the next step.
// idle says that a signal ends this time.
func (s *sender) step(ctx context.Context) (wait time.Duration, idle bool) {
	failed := func(err error) (time.Duration, bool) {
		if errors.Is(err, errLost) {
			s.lost()
		} else if ctx.Err() == nil {
			s.runner.log.Error("the queue of a receiver cannot be used", "receiver", s.name, "err", err)
		}
		return poll, false
	}
	if s.health == nil {
		if err := s.load(ctx); err != nil {
			return failed(err)
		}
	}
	q, err := s.runner.store.AlertQueue(ctx, s.name)
	if err != nil {
		return failed(err)
	}
	now := s.runner.now()
	var message sending
	known := q.Sending != "" && json.Unmarshal([]byte(q.Sending), &message) == nil
	switch {
	case known && message.ID == s.acked:
		// It was sent, and the write after that failed.
		if err := s.write(ctx, task.AlertWrite{Sending: map[string]string{s.name: ""}}); err != nil {
			return failed(err)
		}
		return 0, false
	case !known && len(q.Notices) == 0 && len(q.Overflow) == 0:
		return poll, true
	}
	if wait := s.untilFree(now, &message); wait > 0 {
		return wait, false
	}
	// Other pools and receivers may send to the same endpoint.
	next, wait := s.limiter.take(s.pace)
	if wait > 0 {
		return wait, false
	}
	if !known {
		message = sending{ID: newMessageID(), At: now, Notices: q.Notices, More: q.Overflow}
	}
	if err := s.compose(ctx, &message, !known, now, next); err != nil {
		return failed(err)
	}
	if err := s.try(ctx, &message); err != nil {
		return failed(err)
	}
	return 0, false
}

// untilFree returns the time until the receiver may get a message.
func (s *sender) untilFree(now time.Time, m *sending) time.Duration {
	// After the clock of the store was set back, times may be far in the future.
	s.health.Next = earlier(s.health.Next, now.Add(time.Duration(s.pace.Burst)*s.pace.Every))
	s.health.Until = earlier(s.health.Until, now.Add(maxAfter))
	m.Next, m.At = earlier(m.Next, now.Add(maxBackoff)), earlier(m.At, now)
	free := s.health.Next.Add(-time.Duration(s.pace.Burst-1) * s.pace.Every)
	return max(s.health.Until.Sub(now), m.Next.Sub(now), free.Sub(now))
}

// compose moves the notices from the queue into the message and counts the message in the pace. Both
// are written before the message is sent: the service counts it also if its answer is lost. next
// is when the limiter of this process expects the next message.
func (s *sender) compose(ctx context.Context, m *sending, fresh bool, now, next time.Time) error {
	own := later(s.health.Next, now).Add(s.pace.Every)
	s.health.Next = later(own, s.runner.atStore(next))
	m.Tries++
	w := task.AlertWrite{Sending: map[string]string{s.name: encode(m)}}
	if fresh {
		w.Taken = map[string]int{s.name: len(m.Notices)}
		w.Counted = map[string]map[string]int64{s.name: m.More}
	}
	return s.write(ctx, w)
}

// try sends the message once and writes the outcome.
func (s *sender) try(ctx context.Context, m *sending) error {
	answer, err := s.send(ctx, m)
	if ctx.Err() != nil && err != nil {
		return nil // this process ends; the next one sends it
	}
	// The outcome is written also if this process ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	now := s.runner.now()
	entry := task.AlertLogEntry{Receiver: s.name, Message: m.ID, Text: s.message(m).Title(English), Alerts: len(m.Notices), Tries: m.Tries}
	w := task.AlertWrite{Sending: map[string]string{s.name: ""}}
	if err == nil {
		s.acked = m.ID
		s.health.Sent++
		s.health.Last, s.health.Since, s.health.Error = now, time.Time{}, ""
		entry.What, entry.Error = "sent", answer
		// The history has no entries for repetitions.
		if slices.ContainsFunc(decodeNotices(m.Notices), func(n Notice) bool { return !n.Resend }) || len(m.More) > 0 {
			w.Log = append(w.Log, entry)
		}
		return s.write(ctx, w)
	}
	var refusal *SendError
	if !errors.As(err, &refusal) {
		refusal = &SendError{Err: err}
	}
	if refusal.Refused {
		m.Refused++
	}
	if s.health.Since.IsZero() {
		s.health.Since = now
		s.runner.log.Error("a receiver of alerts does not take a message; trying again", "receiver", s.name, "err", err)
	}
	s.health.Failed++
	s.health.Error = task.CutHead(err.Error(), maxDetail)
	entry.Error = err.Error()
	if refusal.After > 0 {
		s.health.Until = now.Add(min(refusal.After, maxAfter))
	}
	if m.Refused >= mostRefused || now.Sub(m.At) > keepTrying {
		entry.What = "dropped"
		s.runner.log.Error("a message about alerts was dropped", "receiver", s.name, "message", m.ID, "notices", len(m.Notices), "err", err)
		w.Log = append(w.Log, entry)
		return s.write(ctx, w)
	}
	if m.Tries == 1 {
		entry.What = "failed"
		w.Log = append(w.Log, entry)
	}
	m.Next = now.Add(min(time.Second<<min(m.Tries, 10), maxBackoff))
	w.Sending[s.name] = encode(m)
	return s.write(ctx, w)
}

// send calls the channel. At the end of ctx a call gets a little time to end, because the service
// may have taken the message.
func (s *sender) send(ctx context.Context, m *sending) (answer string, err error) {
	timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		pause(timed, endTime)
		cancel()
	})
	defer stop()
	return s.receiver.Channel.Send(timed, s.message(m))
}

// message returns the message for the channel.
func (s *sender) message(m *sending) *Message {
	return &Message{ID: m.ID, Pool: s.runner.store.Pool(), At: m.At, Notices: decodeNotices(m.Notices), More: decodeMore(m.More),
		Lang: s.receiver.lang(), Console: s.runner.opts.Console}
}

func (r Receiver) lang() Lang {
	if r.Lang == "" {
		return English
	}
	return r.Lang
}

// write writes a change with the health of the receiver.
func (s *sender) write(ctx context.Context, w task.AlertWrite) error {
	w.Set = map[string]string{"r:" + s.name: encode(s.health)}
	held, err := s.runner.store.WriteAlerts(ctx, s.runner.owner, w)
	if err == nil && !held {
		return errLost
	}
	return err
}

// load reads the health of the receiver. Its endpoint continues with the pace of all receivers of
// the pool that share it, of which another process may have used a part.
func (s *sender) load(ctx context.Context) error {
	records, err := s.runner.store.ReadAlerts(ctx)
	if err != nil {
		return err
	}
	s.runner.ahead.Store(int64(time.Until(records.Now)))
	most := s.runner.now().Add(time.Duration(s.pace.Burst) * s.pace.Every)
	for name, receiver := range s.runner.opts.Receivers {
		var h health
		_ = json.Unmarshal([]byte(records.Fields["r:"+name]), &h) // damaged health counts as unknown
		if name == s.name {
			s.health = &h
		}
		if limiterOf(receiver.Channel) == s.limiter {
			s.limiter.raise(s.runner.here(earlier(h.Next, most)))
		}
	}
	return nil
}
