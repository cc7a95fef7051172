package redisstore

// subscription is what a store remembers of a consumer group between its calls.
// The store's mutex guards it.
type subscription struct {
	from string // where the next take-over goes on
	told string // up to where its readers know that events were trimmed

	// What a call that failed has left to tell.
	position string // how far they had read before it; "" for no such call
	lost     bool   // events that they held are gone
}

// subscription returns the state of the named one. The caller holds the mutex.
func (s *Store) subscription(name string) *subscription {
	sub := s.subscriptions[name]
	if sub == nil {
		if s.subscriptions == nil {
			s.subscriptions = map[string]*subscription{}
		}
		sub = &subscription{from: "0-0"}
		s.subscriptions[name] = sub
	}
	return sub
}

// missed reports whether the subscription lost events to the trimming that it has
// not been told of.
func (s *Store) missed(name string, l look) (bool, error) {
	if l.trimmed == "" || l.position == "" {
		return false, nil
	}
	behind, err := cursorBefore(l.position, l.trimmed)
	s.mu.Lock()
	defer s.mu.Unlock()
	return behind && s.subscription(name).told != l.trimmed, err
}

// tell is what the subscription has to be told of the events that are gone, and takes it
// for told.
func (s *Store) tell(name string, l look) (bool, error) {
	missed, err := s.missed(name, l)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscription(name)
	if missed {
		sub.told = l.trimmed
	}
	sub.position, sub.lost = "", false
	return missed || l.lost, nil
}

// owe keeps for the next call what one that failed did not tell: the subscription
// may have moved on.
func (s *Store) owe(name string, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscription(name)
	if sub.position == "" {
		sub.position = l.position
	}
	sub.lost = sub.lost || l.lost
}
