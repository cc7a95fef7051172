package console

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// mostFailed is how many failed logins of a minute are in the streams of refusals one by one.
	// The others are one entry with their number, so that a stranger cannot push out other
	// refusals.
	mostFailed = 20
	// mostEvents is how many logins wait to be written, and mostPools to how many pools each is.
	mostEvents = 1000
	mostPools  = 20
	// seenFor is how long a user of a proxy may make no request without being a new login.
	seenFor = 30 * time.Minute
	// mostSeen is how many such users are known.
	mostSeen = 10_000
)

// logins writes logins to the audit streams of the pools that the user may see, and failed ones
// to the streams of refusals of all pools.
type logins struct {
	c      *Console
	events chan access.Event
	stop   chan struct{}
	done   chan struct{}
	minute time.Duration // for which failed logins are counted

	mu   sync.Mutex
	seen map[string]time.Time // users of a proxy
}

func newLogins(c *Console) *logins {
	l := &logins{c: c, events: make(chan access.Event, mostEvents), stop: make(chan struct{}), done: make(chan struct{}), minute: time.Minute, seen: map[string]time.Time{}}
	c.opts.Gate.Notify(l.add)
	return l
}

func (l *logins) add(e access.Event) {
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
	tick := time.NewTicker(l.minute)
	defer tick.Stop()
	failed := 0
	handle := func(e access.Event) {
		if e.Kind != access.EventLoginFailed {
			l.write(e)
			return
		}
		if failed++; failed <= mostFailed {
			l.write(e)
		}
	}
	rest := func() {
		if failed > mostFailed {
			l.writeTo(l.c.names, task.AuditEntry{Action: access.EventLoginFailed, Target: "further failed logins within a minute", Count: failed - mostFailed}, true)
		}
		failed = 0
	}
	for {
		select {
		case e := <-l.events:
			handle(e)
		case <-tick.C:
			rest()
		case <-l.stop:
			for {
				select {
				case e := <-l.events:
					handle(e)
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
	a := task.AuditEntry{User: e.User.Name, Method: e.User.Method, Action: e.Kind}
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

func (l *logins) writeTo(names []string, e task.AuditEntry, refused bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range names[:min(len(names), mostPools)] {
		if _, err := l.c.sites[name].store.Audit(ctx, e, refused); err != nil {
			l.c.log.Warn("a login is not in the audit stream", "pool", name, "kind", e.Action, "user", e.User, "from", fmt.Sprint(e.Target), "err", err)
		}
	}
}

func (l *logins) close() {
	close(l.stop)
	<-l.done
}
