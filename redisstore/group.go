package redisstore

// group is what a store remembers of a consumer group between its calls. The
// store's mutex guards it.
type group struct {
	from string // where the next take-over goes on
	told string // up to where the group knows that events were trimmed

	// What a call that failed has left to tell.
	position string // how far the group had read before it; "" for no such call
	lost     bool   // events that it held are gone
}

// group returns the state of the named group. The caller holds the mutex.
func (s *Store) group(name string) *group {
	g := s.groups[name]
	if g == nil {
		if s.groups == nil {
			s.groups = map[string]*group{}
		}
		g = &group{from: "0-0"}
		s.groups[name] = g
	}
	return g
}

// missed reports whether the group lost events to the trimming that it has not
// been told of.
func (s *Store) missed(name string, l look) (bool, error) {
	if l.trimmed == "" || l.position == "" {
		return false, nil
	}
	behind, err := cursorBefore(l.position, l.trimmed)
	s.mu.Lock()
	defer s.mu.Unlock()
	return behind && s.group(name).told != l.trimmed, err
}

// tell is what the group has to be told of the events that are gone, and takes it
// for told.
func (s *Store) tell(name string, l look) (bool, error) {
	missed, err := s.missed(name, l)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.group(name)
	if missed {
		g.told = l.trimmed
	}
	g.position, g.lost = "", false
	return missed || l.lost, nil
}

// owe keeps for the next call what one that failed did not tell: the group may
// have moved on.
func (s *Store) owe(name string, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.group(name)
	if g.position == "" {
		g.position = l.position
	}
	g.lost = g.lost || l.lost
}
