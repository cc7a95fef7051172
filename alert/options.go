package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// Lang is the language of the messages of a receiver.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// Pace bounds the messages to a receiver.
type Pace struct {
	Burst int           // messages that may be sent at once
	Every time.Duration // after them, one message in each such interval
}

// PerMinute returns a pace with at most n messages in any minute. A quarter of them may be sent at
// once.
func PerMinute(n int) Pace {
	if n <= 1 {
		return Pace{1, time.Minute}
	}
	burst := max(n/4, 1)
	return Pace{burst, time.Minute / time.Duration(n-burst)}
}

// Channel sends messages to one place.
type Channel interface {
	// Kind names the service, such as dingtalk.
	Kind() string
	// Send sends a message. It is called again with the same message after an error, unless that
	// is a *SendError with Refused. The answer is that of the service, in one line and without
	// secrets.
	Send(ctx context.Context, m *Message) (answer string, err error)
	// Pace is the pace that the service allows.
	Pace() Pace
}

// Resender is a Channel whose service regards a firing alert as ended unless it is sent again.
type Resender interface {
	Channel
	// Resend is the time after which a firing alert is sent again.
	Resend() time.Duration
}

// SendError is an error of a Channel.
type SendError struct {
	Err error
	// Refused says that the service will never accept the content of this message. It is not set
	// for errors that an operator can correct, such as a refused login.
	Refused bool
	// After is the time until the service may accept the next message; 0 if it is unknown.
	After time.Duration
}

// Error returns the text of the error.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *SendError) Unwrap() error { return e.Err }

// Receiver is a Channel with the settings of its messages.
type Receiver struct {
	Channel Channel
	Lang    Lang // default: English
	// PerMinute is the most messages in a minute, from 1 to 600, if it is fewer than the Pace of
	// the channel allows. Default: the Pace of the channel.
	PerMinute int
}

func (r Receiver) pace() Pace {
	p := r.Channel.Pace()
	if r.PerMinute > 0 {
		own := PerMinute(r.PerMinute)
		p = Pace{min(p.Burst, own.Burst), max(p.Every, own.Every)}
	}
	return p
}

// Options configures a Runner. Receivers is required.
type Options struct {
	// Rules are evaluated in each interval, at most 100, in addition to the stored rules of the pool:
	// see SetRule. Default: none; see DefaultRules.
	Rules []Rule
	// Receivers are the receivers by name.
	Receivers map[string]Receiver
	// Interval is the time between two evaluations, from 1 s to 10 min. Default: 15 s.
	Interval time.Duration
	// Console is the URL of the page of alerts in the console, for links in messages. The name of the pool
	// replaces {pool}. Default: no links.
	Console string
	// HideErrors leaves the errors of tasks out of messages.
	HideErrors bool
	// Logger gets errors. Default: slog.Default().
	Logger *slog.Logger
}

// check fills in the defaults and returns all that is wrong, as joined FieldErrors.
func (o *Options) check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	o.Interval = cmp.Or(o.Interval, 15*time.Second)
	if o.Interval < time.Second || o.Interval > 10*time.Minute {
		add("interval", "must be from 1s to 10m, not %s", timespan.Text(o.Interval))
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Console != "" {
		if u, err := url.Parse(o.Console); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			add("console_url", "must be a URL such as https://tasks.example, not %q", o.Console)
		}
	}
	if len(o.Receivers) == 0 {
		add("receivers", "must name at least one receiver, such as {ops: {webhook: {url: https://hooks.example}}}")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Receivers)) {
		r := o.Receivers[name]
		if err := task.CheckName(name); err != nil {
			add("receivers."+name, "%v", err)
		}
		if r.Channel == nil {
			add("receivers."+name, "has no channel")
		}
		if r.Lang != "" && r.Lang != English && r.Lang != Chinese {
			add("receivers."+name+".lang", "must be en or zh, not %q", string(r.Lang))
		}
		if r.PerMinute < 0 || r.PerMinute > 600 {
			add("receivers."+name+".per_minute", "must be from 1 to 600, not %d", r.PerMinute)
		}
	}
	if len(o.Rules) > maxRules {
		add("rules", "must be at most %d rules, not %d", maxRules, len(o.Rules))
	}
	names := map[string]bool{}
	complete := make([]Rule, len(o.Rules))
	for i, r := range o.Rules {
		if names[r.Name] {
			add("rules."+r.Name, "is given twice")
		}
		names[r.Name] = true
		errs = append(errs, r.check(), r.checkReceivers(o.Receivers))
		complete[i] = r.WithDefaults()
	}
	o.Rules = complete
	return errors.Join(errs...)
}
