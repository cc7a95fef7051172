package redisstore

import "time"

// subscription is the state of a consumer group between the calls of a store. The store's
// mutex guards it.
type subscription struct {
	from     string               // where the next take-over starts
	reported string               // the value of events:trimmed for which a loss was reported
	shown    map[string]time.Time // when each consumer of this store last showed that it is alive
	checked  string               // the held entry up to which the consumers script has checked; "" for none

	// What a failed call did not report.
	position string // how far the group had read before that call; "" for no such call
	lost     bool   // entries that a consumer held were trimmed
}

// subscription returns the state of a subscription. The caller holds the mutex.
func (s *Store) subscription(name string) *subscription {
	sub := s.subscriptions[name]
	if sub == nil {
		sub = &subscription{from: "0-0", shown: map[string]time.Time{}}
		s.subscriptions[name] = sub
	}
	return sub
}

// missed reports whether events were trimmed before the subscription read them, and this
// was not reported yet.
func (s *Store) missed(c *reading) (bool, error) {
	if c.trimmed == "" || c.position == "" {
		return false, nil
	}
	behind, err := cursorBefore(c.position, c.trimmed)
	s.mu.Lock()
	defer s.mu.Unlock()
	return behind && s.subscription(c.name).reported != c.trimmed, err
}

// report returns whether there is a loss to report, and marks it as reported.
func (s *Store) report(c *reading) (bool, error) {
	missed, err := s.missed(c)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscription(c.name)
	if missed {
		sub.reported = c.trimmed
	}
	sub.position, sub.lost = "", false
	return missed || c.lost, nil
}

// postpone stores what a failed call did not report for the next call, because the
// consumer group may have read on.
func (s *Store) postpone(c *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscription(c.name)
	if sub.position == "" {
		sub.position = c.position
	}
	sub.lost = sub.lost || c.lost
}
