package redisstore

// subscription is what a store remembers of a consumer group between its calls.
// The store's mutex guards it.
type subscription struct {
	from     string // where the next take-over goes on
	reported string // up to where its readers know that events were trimmed

	// What a call that failed has left to report.
	position string // how far they had read before it; "" for no such call
	lost     bool   // events that they held are gone
}

// subscription returns the state of the named one. The caller holds the mutex.
func (s *Store) subscription(name string) *subscription {
	sub := s.subscriptions[name]
	if sub == nil {
		sub = &subscription{from: "0-0"}
		s.subscriptions[name] = sub
	}
	return sub
}

// missed reports whether the subscription lost events to the trimming that were not
// reported yet.
func (s *Store) missed(c *reading) (bool, error) {
	if c.trimmed == "" || c.position == "" {
		return false, nil
	}
	behind, err := cursorBefore(c.position, c.trimmed)
	s.mu.Lock()
	defer s.mu.Unlock()
	return behind && s.subscription(c.name).reported != c.trimmed, err
}

// report returns whether there is a loss to report, and remembers that it was.
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

// postpone keeps for the next call what one that failed did not report: the consumer
// group may have read on.
func (s *Store) postpone(c *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscription(c.name)
	if sub.position == "" {
		sub.position = c.position
	}
	sub.lost = sub.lost || c.lost
}
