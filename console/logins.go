package console

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// mostFailed is how many failed logins of an hour are in the streams of refusals one by one. The
	// others are one entry with their number each tenMinutes, so that an attacker needs weeks to push
	// other refusals out of the stream.
	mostFailed = 20
	tenMinutes = 10 * time.Minute
	// mostRefused is the same for the refusals of a user in a pool.
	mostRefused = 200
	// mostEvents is how many logins wait to be written, and mostPools to how many pools each is.
	mostEvents = 1000
	mostPools  = 20
	// seenFor is the time without a request after which a request of a user of a proxy is a new
	// login.
	seenFor = 30 * time.Minute
	// mostSeen is how many such users are known.
	mostSeen = 10_000
)

// logins writes logins to the audit streams of the pools that the user may see, and failed ones
// to the streams of refusals of all pools. Other entries that no answer waits for go the same way.
type logins struct {
	c      *Console
	events chan access.Event
	stop   chan struct{}
	done   chan struct{}
	every  time.Duration // after which the numbers of further refusals are written
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	seen     map[string]time.Time // users of a proxy
	failed   tally                // failed logins
	refusals map[refuser]*tally

	pools   map[string]chan loginEntry
	writers sync.WaitGroup
	closed  bool // guarded by mu: no entries are written any more
}

func newLogins(c *Console) *logins {
	l := &logins{c: c, events: make(chan access.Event, mostEvents), stop: make(chan struct{}), done: make(chan struct{}), every: tenMinutes,
		seen: map[string]time.Time{}, refusals: map[refuser]*tally{}, pools: map[string]chan loginEntry{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	for _, name := range c.names {
		entries := make(chan loginEntry, mostEvents)
		l.pools[name] = entries
		l.writers.Go(func() { l.writePool(name, entries) })
	}
	c.opts.Gate.Notify(l.add)
	return l
}

// refuser is a user who was refused something in a pool.
type refuser struct{ pool, user string }

// tally counts refusals. The first ones of an hour have an entry each in the audit stream.
type tally struct {
	hour   time.Time // when the hour began
	single int       // refusals of the hour with an entry each
	more   int       // further refusals, for which no entry was written yet
}

// alone reports whether a refusal gets an entry of its own, as the first most ones of an hour do. It counts the others.
func (t *tally) alone(now time.Time, most int) bool {
	if now.Sub(t.hour) >= time.Hour {
		t.hour, t.single = now, 0
	}
	if t.single < most {
		t.single++
		return true
	}
	t.more++
	return false
}

// take returns how many refusals have no entry yet, and forgets them.
func (t *tally) take() (more int) {
	more, t.more = t.more, 0
	return more
}

// alone reports whether a refusal of a user in a pool gets an entry of its own. It counts the others. Without a user
// fewer get one, because everyone can send such requests.
func (l *logins) alone(pool, user string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := refuser{pool, user}
	if l.refusals[of] == nil {
		if len(l.refusals) >= mostSeen {
			maps.DeleteFunc(l.refusals, func(_ refuser, t *tally) bool { return t.more == 0 })
		}
		l.refusals[of] = &tally{}
	}
	if user == "" {
		return l.refusals[of].alone(now, mostFailed)
	}
	return l.refusals[of].alone(now, mostRefused)
}

// counted returns how many failed logins, and refusals of each user, have no entry yet, and forgets them.
func (l *logins) counted() (failed int, refused map[refuser]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	refused = map[refuser]int{}
	for of, t := range l.refusals {
		if n := t.take(); n > 0 {
			refused[of] = n
		}
	}
	return l.failed.take(), refused
}

// add queues an event. Failed logins are counted before, so that many of them take no places of
// others.
func (l *logins) add(e access.Event) {
	if e.Kind == access.EventLoginFailed {
		l.mu.Lock()
		alone := l.failed.alone(time.Now(), mostFailed)
		l.mu.Unlock()
		if !alone {
			return
		}
	}
	select {
	case l.events <- e:
	default:
		l.c.log.Warn("a login is not in the audit stream: too many wait", "kind", e.Kind, "user", e.User.Name)
	}
}

// proxied adds a login of a user of a proxy, who has no session, with the first request.
func (l *logins) proxied(u *access.User, address string) {
	if u.Method != access.MethodProxy {
		return
	}
	l.mu.Lock()
	last, known := l.seen[u.Name]
	if !known && len(l.seen) >= mostSeen {
		clear(l.seen)
	}
	l.seen[u.Name] = time.Now()
	l.mu.Unlock()
	if !known || time.Since(last) > seenFor {
		l.add(access.Event{Kind: access.EventLogin, User: *u, Address: address})
	}
}

// run writes the logins until the console is closed.
func (l *logins) run() {
	defer close(l.done)
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	rest := func() {
		failed, refused := l.counted()
		if failed > 0 {
			l.writeTo(l.c.names, task.AuditEntry{Action: access.EventLoginFailed, Target: "further failed logins", Count: failed}, true)
		}
		for of, n := range refused {
			l.writeTo([]string{of.pool}, task.AuditEntry{User: of.user, Action: "refused", Target: "further refusals", Count: n}, true)
		}
	}
	for {
		select {
		case e := <-l.events:
			l.write(e)
		case <-tick.C:
			rest()
		case <-l.stop:
			for {
				select {
				case e := <-l.events:
					l.write(e)
					continue
				default:
				}
				rest()
				return
			}
		}
	}
}

func (l *logins) write(e access.Event) {
	a := task.AuditEntry{User: e.User.Name, Method: strings.TrimSpace(e.User.Method + " " + e.User.Token), Action: e.Kind}
	if e.Address != "" {
		a.Target = "from " + e.Address
	}
	if e.Err != nil {
		a.Error = e.Err.Error()
	}
	if e.Kind == access.EventLoginFailed {
		l.writeTo(l.c.names, a, true)
		return
	}
	var names []string
	for _, name := range l.c.names {
		if e.User.Role(name) >= access.Viewer {
			names = append(names, name)
		}
	}
	l.writeTo(names, a, false)
}

// writeTo queues an entry for pools. Each pool has a queue of its own, so that none waits for another
// one that is out of reach.
func (l *logins) writeTo(names []string, e task.AuditEntry, refused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed { // requests may go on for a moment
		return
	}
	for _, name := range names[:min(len(names), mostPools)] {
		select {
		case l.pools[name] <- loginEntry{e, refused}:
		default:
			l.lost(name, e, errors.New("too many wait"))
		}
	}
}

// loginEntry is an entry for the audit stream of a pool, or for that of its refusals.
type loginEntry struct {
	task.AuditEntry
	refused bool
}

// writePool writes the entries of a pool.
func (l *logins) writePool(name string, entries <-chan loginEntry) {
	for e := range entries {
		ctx, cancel := context.WithTimeout(l.ctx, patience)
		if _, err := l.c.sites[name].store.Audit(ctx, e.AuditEntry, e.refused); err != nil {
			l.lost(name, e.AuditEntry, err)
		}
		cancel()
	}
}

func (l *logins) lost(pool string, e task.AuditEntry, err error) {
	l.c.log.Warn("a login is not in the audit stream", "pool", pool, "kind", e.Action, "user", e.User, "from", e.Target, "count", e.Count, "err", err)
}

// close writes what waits, but no longer than patience.
func (l *logins) close() {
	late := time.AfterFunc(patience, l.cancel)
	defer late.Stop()
	close(l.stop)
	<-l.done
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, entries := range l.pools {
		close(entries)
	}
	l.writers.Wait()
	l.cancel()
}
