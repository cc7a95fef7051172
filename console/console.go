// Package console is a web console for pools: it shows what happens in them, and operators act
// on tasks, queues, groups, replicas and triggers.
//
// Its pages are rendered by this program and load nothing from other hosts. They are complete
// without JavaScript; with it they follow the events of the pool.
package console

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// Options configures a Console. Stores and Gate are required.
type Options struct {
	// Stores are those of the pools that the console shows.
	Stores []*redisstore.Store
	// Gate identifies the users. Its path is that of Prefix.
	Gate *access.Gate
	// Prefix is the path under which the handler is mounted, such as "/admin/tasks". It begins
	// with a slash and has none at its end. Default: "", the root.
	Prefix string
	// Calendars are those that the triggers of the pools use, by name.
	Calendars map[string]trigger.Calendar
	// Redact is called with each payload, result, progress, checkpoint, parameter of a shard and
	// header value before it is shown or searched. key is the name of the header, or "payload",
	// "result", "progress", "checkpoint" or "shard_param". value is a copy. Default: nil, values are shown as they are.
	// Errors and logs are not passed to it.
	Redact func(kind, key string, value []byte) []byte
	// Tracer makes spans of the tasks that users enqueue. Default: none.
	Tracer task.Tracer
	// TraceURL is the address of a trace in another program, which the page of a task links. It has
	// {trace_id} in the place of the id. Default: "", no link.
	TraceURL string
	// Archive has the ended tasks that Redis has removed. Default: nil, the console shows what Redis
	// has.
	Archive Archive
	// Logger gets errors of pages. Default: slog.Default().
	Logger *slog.Logger
}

// Console is an http.Handler. Close ends its connections to browsers.
type Console struct {
	opts   Options
	log    *slog.Logger
	sites  map[string]*site
	names  []string // of the pools, in the order of the options
	pages  pages
	assets assets
	root   http.Handler
	// searches bounds the searches in payloads, and the long ones in the archive, that run at once.
	searches chan struct{}
	// searchTime bounds the time of the reads for one page. After it the page ends, with fewer tasks.
	searchTime time.Duration
	logins     *logins
	closing    sync.Once
}

// New makes a Console. It does not wait for Redis. From then on until Close, the Console reads the
// bulk jobs of its pools every 5 seconds, and the figures of its charts every 15 seconds.
func New(o Options) (*Console, error) {
	var errs []error
	if len(o.Stores) == 0 {
		errs = append(errs, &task.FieldError{Field: "stores", Msg: "must have at least one store"})
	}
	if o.Gate == nil {
		errs = append(errs, &task.FieldError{Field: "gate", Msg: "is required"})
	}
	if o.Prefix != "" && (!strings.HasPrefix(o.Prefix, "/") || strings.HasSuffix(o.Prefix, "/")) {
		errs = append(errs, &task.FieldError{Field: "prefix", Msg: fmt.Sprintf("must begin with a slash and not end with one, not %q", o.Prefix)})
	}
	if err := checkTraceURL(o.TraceURL); err != nil {
		errs = append(errs, &task.FieldError{Field: "trace_url", Msg: err.Error()})
	}
	c := &Console{opts: o, log: o.Logger, sites: map[string]*site{}, searches: make(chan struct{}, 2), searchTime: 150 * time.Millisecond}
	if c.log == nil {
		c.log = slog.Default()
	}
	for _, store := range o.Stores {
		if c.sites[store.Pool()] != nil {
			errs = append(errs, &task.FieldError{Field: "stores", Msg: fmt.Sprintf("has pool %s twice", store.Pool())})
			continue
		}
		s, err := newSite(store, &o, c.bulkQuery, c.log)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.sites[store.Pool()], c.names = s, append(c.names, store.Pool())
	}
	err := errors.Join(errs...)
	if err == nil {
		c.pages, err = parsedPages()
	}
	if err == nil {
		c.assets, err = readAssets()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("console: %w", err)
	}
	c.logins = newLogins(c)
	go c.logins.run()
	c.root = c.handler()
	return c, nil
}

// ServeHTTP answers the requests of browsers.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.root.ServeHTTP(w, r) }

// Close ends the streams of events to browsers and the reads for the charts. It does not close the stores.
func (c *Console) Close() {
	c.closing.Do(func() {
		if c.logins != nil {
			c.logins.close()
		}
	})
	for _, s := range c.sites {
		s.close()
	}
}
