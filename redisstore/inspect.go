package redisstore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

const (
	// inspectPage is how many entries one call of an inspection looks at. It keeps
	// Redis from everything else for a few milliseconds.
	inspectPage = 250
	// maxWalks bounds how often an inspection that mends looks again: what is
	// mended may bring to light what it hid.
	maxWalks = 4
	// maxFindings bounds what one inspection tells of broken entries, so that a
	// pool that lost an index does not fill the memory of whoever looks at it. All
	// are mended, none of the others told one by one.
	maxFindings = 10_000
)

// Inspect looks at the server, at what the user may do, and at every key of the
// pool, and repairs broken entries where it is told to. Each is judged and
// repaired in one atomic step, so it may run on a live pool. An error ends it: the
// server cannot be reached or refuses even to be looked at.
func (s *Store) Inspect(ctx context.Context, how worker.Inspection) iter.Seq2[worker.Finding, error] {
	return func(yield func(worker.Finding, error) bool) {
		findings, ready, err := s.inspectServer(ctx)
		for _, f := range findings {
			if !yield(f, nil) {
				return
			}
		}
		if err != nil {
			yield(worker.Finding{}, s.fail(ctx, "inspect", err))
			return
		}
		if !ready {
			return
		}
		if err := s.walkKeys(ctx, how, func(f worker.Finding) bool { return yield(f, nil) }); err != nil {
			yield(worker.Finding{}, s.fail(ctx, "inspect", err))
		}
	}
}

// walkKeys looks at every key of the pool, again after a walk that mended
// something.
func (s *Store) walkKeys(ctx context.Context, how worker.Inspection, tell func(worker.Finding) bool) error {
	wrong, err := s.wrongTypes(ctx, how.Fix)
	if err != nil {
		return err
	}
	w := inspection{Inspection: how, tell: tell, told: map[string]bool{}}
	for _, f := range wrong {
		w.told[identity(f)] = true
		w.broken++
		if !tell(f) {
			return nil
		}
	}
	if how.Progress != nil {
		if st, err := s.Stats(ctx); err == nil {
			w.total = 2 * (st.Scheduled + st.Waiting + st.Running)
			for _, n := range st.Kept {
				w.total += 2 * n
			}
		}
	}
	for range maxWalks {
		w.mended = 0
		done, err := s.walkOnce(ctx, &w)
		if err != nil && len(wrong) > 0 && !how.Fix && isWrongType(err) {
			tell(worker.Finding{Severity: worker.SeverityNote, Check: entriesCheck,
				What: "the other keys were not looked at: those of a wrong type are in the way", Do: "repair them first"})
			return nil
		}
		if err != nil || done {
			return err
		}
		if w.mended == 0 {
			break
		}
		w.held = nil
	}
	for _, f := range w.held {
		w.broken++
		if !tell(f) {
			return nil
		}
	}
	w.sum()
	return nil
}

// inspection is one Inspect's walk over the keys.
type inspection struct {
	worker.Inspection
	tell   func(worker.Finding) bool
	told   map[string]bool  // findings that an earlier walk told already
	first  int              // entries looked at in the longest walk
	total  int              // expected in one walk
	held   []worker.Finding // of this walk, told unless the next one finds better
	mended int              // in this walk
	broken int              // found in all walks
}

func (s *Store) walkOnce(ctx context.Context, w *inspection) (stopped bool, err error) {
	mode := "look"
	if w.Fix {
		mode = "mend"
	}
	for place, looked := "", 0; ; {
		reply, err := s.run(ctx, checkScript, mode, inspectPage, place, 0)
		if err != nil {
			return false, err
		}
		turn, err := decodeCheck(reply, s.prefix)
		if err != nil {
			return false, err
		}
		for _, f := range turn.findings {
			if f.Fixed != "" {
				w.mended++
			}
			id := identity(f)
			if w.told[id] {
				continue
			}
			if f.Code == "unjudged" && w.Fix {
				// What was in the way may be mended by the next walk.
				w.held = append(w.held, f)
				continue
			}
			if f.Severity != worker.SeverityNote {
				w.broken++
			}
			if len(w.told) >= maxFindings {
				continue
			}
			w.told[id] = true
			if !w.tell(f) {
				return true, nil
			}
		}
		looked += turn.looked
		if w.Progress != nil {
			w.Progress(looked, max(w.total, looked))
		}
		if place = turn.place; place == "" {
			w.first = max(w.first, looked)
			return false, nil
		}
	}
}

func identity(f worker.Finding) string { return f.Code + " " + f.Key + " " + f.Task }

// sum ends the walk with how much was looked at.
func (w *inspection) sum() {
	f := worker.Finding{Severity: worker.SeverityOK, Check: entriesCheck, What: fmt.Sprintf("%d keys and index entries, none of them broken", w.first)}
	if w.broken > 0 {
		f.Severity, f.What = worker.SeverityNote, fmt.Sprintf("%d keys and index entries, of which %d are broken or were", w.first, w.broken)
	}
	w.tell(f)
}

// turn is what one call of the check script found.
type turn struct {
	place    string
	pause    time.Duration // until the shared walk starts again
	looked   int
	findings []worker.Finding
}

func decodeCheck(reply any, prefix string) (turn, error) {
	r := readReply("check", reply)
	t := turn{place: r.string(), pause: time.Duration(r.int()) * time.Millisecond, looked: int(r.int())}
	for r.more() {
		f := r.list()
		code, name, id, detail, fixed := f.string(), f.string(), f.string(), f.string(), f.string()
		if f.err != nil {
			return t, f.err
		}
		t.findings = append(t.findings, damage(code, prefix+name, id, detail, fixed))
	}
	return t, r.err
}

// The slow check is the same walk in small steps, one with each turn of upkeep,
// shared by all replicas: its place is kept in meta.
const (
	slowPage  = 100
	slowPause = time.Minute
)

// slowCheck takes the shared walk one step on and returns what it mended.
func (s *Store) slowCheck(ctx context.Context) ([]worker.Finding, error) {
	s.mu.Lock()
	early := time.Now().Before(s.nextCheck)
	s.mu.Unlock()
	if early {
		return nil, nil
	}
	reply, err := s.run(ctx, checkScript, "mend", slowPage, "shared", slowPause.Milliseconds())
	if err != nil {
		return nil, err
	}
	turn, err := decodeCheck(reply, s.prefix)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.nextCheck = time.Now().Add(turn.pause)
	s.mu.Unlock()
	return mended(turn.findings), nil
}

// mended are the findings about which something was done.
func mended(findings []worker.Finding) []worker.Finding {
	var out []worker.Finding
	for _, f := range findings {
		if f.Fixed != "" {
			out = append(out, f)
		}
	}
	return out
}

// home is the server that has the pool's keys.
func (s *Store) home(ctx context.Context) (redis.UniversalClient, error) {
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, s.prefix)
	}
	return s.rdb, nil
}
