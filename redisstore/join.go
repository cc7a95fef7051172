package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// about is the description that a replica writes when it joins, without its host.
type about struct {
	LeaseMS int64          `json:"lease_ms"`
	DrainMS int64          `json:"drain_ms,omitempty"` // how long a drain waits for running tasks
	GraceMS int64          `json:"grace_ms,omitempty"` // and then for cancelled ones
	Queues  map[string]int `json:"queues"`             // slots by queue; at most aboutQueues queues

	Labels    []string `json:"labels,omitempty"`
	Exclusive bool     `json:"exclusive,omitempty"`

	Disabled []string `json:"disabled,omitempty"` // kinds that do not run; at most aboutQueues kinds

	Shared       map[string]string    `json:"shared,omitempty"`        // names of slots that queues share, by queue
	Weights      map[string]int       `json:"weights,omitempty"`       // of these queues
	CalendarEnds map[string]time.Time `json:"calendar_ends,omitempty"` // of at most aboutQueues calendars
}

// Join puts a replica on the list and publishes its limits and policies, page by page. It
// does not change settings that the replica does not configure. The replica gets tasks
// only after the last page. Join returns a warning for each live setting that it changed.
func (s *Store) Join(ctx context.Context, r task.Registration) ([]string, error) {
	if err := s.ready(ctx, serves); err != nil {
		return nil, err
	}
	changed, err := s.join(ctx, r)
	if err != nil {
		return nil, s.fail(ctx, "join", err)
	}
	var warnings []string
	for _, c := range changed {
		if c.stays {
			warnings = append(warnings, fmt.Sprintf("%s stays %s: tasks wait or run in the queue; this replica configures %s, which can only be set while none do",
				c.name, c.show(c.was), c.show(c.value)))
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s was %s and is now %s, as this replica configures", c.name, c.show(c.was), c.show(c.value)))
	}
	// The reply does not show whether these limits changed: if a first reply was lost, the
	// repeated call found them changed already.
	if r.Limit != 0 {
		err = s.wakeAll(ctx)
	}
	if r.Groups.DefaultLimit != 0 || r.Groups.DefaultRate != (task.Rate{}) {
		err = errors.Join(err, s.regroup(ctx))
	}
	return warnings, s.fail(ctx, "join", err)
}

// join sends the pages and returns the settings that were changed.
func (s *Store) join(ctx context.Context, r task.Registration) (changed []setting, err error) {
	settings, class := settingsOf(r), classFor(r)
	kinds, queues := slices.Sorted(maps.Keys(r.Kinds)), slices.Sorted(maps.Keys(r.Queues))
	labels := ","
	for _, l := range task.CanonicalLabels(r.Labels) {
		labels += l + ","
	}
	disabled := ""
	if len(r.Disabled) > 0 {
		disabled = " " + strings.Join(r.Disabled, " ") + " "
	}
	byField := map[string]setting{}
	for _, set := range settings {
		byField[set.field] = set
	}
	description, err := json.Marshal(aboutOf(r, queues))
	if err != nil {
		return nil, err
	}
	runs, err := s.hostOf(ctx, r)
	if err != nil {
		return nil, err
	}
	known := false
	for page, last := 0, false; !last; page++ {
		var someSettings []setting
		var someKinds, someQueues []string
		someSettings, settings = splitAt(settings, joinPage)
		someKinds, kinds = splitAt(kinds, joinPage)
		someQueues, queues = splitAt(queues, joinPage)
		last = len(settings)+len(kinds)+len(queues) == 0
		args := []any{schema, r.Replica, r.Lease.Milliseconds(), class, page, last, description, r.Up.Milliseconds(),
			task.HostLabelOf(r.Host), labels, runs, disabled, len(someSettings)}
		for _, set := range someSettings {
			args = append(args, set.field, set.value)
		}
		args = append(args, len(someKinds))
		for _, k := range someKinds {
			words := policyWords(r.Kinds[k])
			if e, ok := r.Exports[k]; ok {
				words += "|" + exportWords(e)
			}
			args = append(args, k, words)
		}
		args = append(append(args, len(someQueues)), stringArgs(someQueues)...)
		reply, err := s.runCounted(ctx, joinScript, args...)
		if err != nil {
			return nil, err
		}
		rd := readReply("join", reply)
		if rd.int() == 1 {
			queues, known = nil, true // the class exists, with its queues
		}
		for rd.more() {
			field, stays := strings.CutPrefix(rd.string(), "!")
			set := byField[field]
			set.was, set.stays = rd.string(), stays
			changed = append(changed, set)
		}
		if rd.err != nil {
			return nil, rd.err
		}
	}
	s.classes.Store(r.Replica, class)
	return changed, s.matchLines(ctx, r, known)
}

// matchLines lists the lines of tasks with labels that the replica serves since it has
// joined. known is true if another replica of its class has joined before.
func (s *Store) matchLines(ctx context.Context, r task.Registration, known bool) error {
	queues, after := slices.Sorted(maps.Keys(r.Queues)), ""
	for len(queues) > 0 {
		page, _ := splitAt(queues, joinPage)
		reply, err := s.run(ctx, matchScript, append([]any{r.Replica, known, linePage, after}, stringArgs(page)...)...)
		if err != nil {
			return err
		}
		rd := readReply("match lines", reply)
		done := int(rd.int())
		if after = rd.string(); rd.err != nil || done > len(page) || done == 0 && after == "" {
			rd.fail("a page of lines", done)
			return rd.err
		}
		queues = queues[done:]
	}
	return nil
}

// eventAge and archiveWait are the fields of the meta hash with the age from which events are
// trimmed and the time for which ended tasks wait for the archive, in ms.
const (
	eventAge    = "events:age"
	archiveWait = "archive:wait"
)

// setting is a field of the meta hash that a replica configures.
type setting struct {
	field string
	name  string // in a config
	value string // as the scripts get it
	was   string // the former value, if the join changed it
	stays bool   // the former value stays
}

// show returns a value of the field as it is in a config.
func (s setting) show(value string) string {
	isDuration := s.field == eventAge || s.field == archiveWait || strings.HasPrefix(s.field, "aging:")
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil && isDuration {
		return (time.Duration(ms) * time.Millisecond).String()
	}
	return value
}

// settingsOf returns the settings that a replica configures, sorted by field.
func settingsOf(r task.Registration) []setting {
	var settings []setting
	add := func(field, name string, n int) {
		if n > 0 || n == task.NoLimit {
			settings = append(settings, setting{field: field, name: name, value: limitText(n)})
		}
	}
	addText := func(field, name, value string) {
		if value != "" {
			settings = append(settings, setting{field: field, name: name, value: value})
		}
	}
	for q, c := range r.Queues {
		add("limit:queue:"+q, "queues."+q+".limit", c.Limit)
		add("cap:"+q, "queues."+q+".max_len", c.MaxLen)
		addText("rate:queue:"+q, "queues."+q+".rate", c.Rate.String())
		addText("aging:"+q, "queues."+q+".aging", agingText(c.Aging))
	}
	for g, n := range r.Groups.Limits {
		add(groupLimit+g, "groups.limits."+g, n)
	}
	for g, rate := range r.Groups.Rates {
		addText(groupRate+g, "groups.rates."+g, rate.String())
	}
	addText("rate:group", "groups.default_rate", r.Groups.DefaultRate.String())
	add("limit", "limit", r.Limit)
	add("limit:group", "groups.default_limit", r.Groups.DefaultLimit)
	add("events:max", "events.max", r.MaxEvent)
	add(eventAge, "events.age", int(r.EventAge.Milliseconds()))
	wait := task.NoLimit
	if r.ArchiveWait != task.NoWait {
		wait = int(r.ArchiveWait.Milliseconds())
	}
	add(archiveWait, "archive.wait", wait)
	slices.SortFunc(settings, func(a, b setting) int { return strings.Compare(a.field, b.field) })
	return settings
}

// classFor returns the name of the class of replicas that serve the same queues and kinds
// and have the same labels. It begins with an x if they are exclusive: see lua/join.lua.
func classFor(r task.Registration) string {
	h := sha256.New()
	for _, names := range [][]string{slices.Sorted(maps.Keys(r.Queues)), slices.Sorted(maps.Keys(r.Kinds)), task.CanonicalLabels(r.Labels)} {
		for _, name := range names {
			io.WriteString(h, name+" ")
		}
		io.WriteString(h, "\n")
	}
	class := hex.EncodeToString(h.Sum(nil)[:16])
	if r.Exclusive {
		class = "x" + class
	}
	return class
}

// classOf returns the class of a replica that has joined, with this store or another one.
// It returns "" if the replica is not on the list.
func (s *Store) classOf(ctx context.Context, replica string) (string, error) {
	if class, ok := s.classes.Load(replica); ok {
		return class.(string), nil
	}
	var class string
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		class, err = rdb.HGet(ctx, s.key("replica:", replica), "class").Result()
		return ignoreNil(err)
	})
	if class != "" {
		s.classes.Store(replica, class)
	}
	return class, err
}

func aboutOf(r task.Registration, queues []string) about {
	a := about{LeaseMS: r.Lease.Milliseconds(), Queues: map[string]int{},
		DrainMS: r.DrainTimeout.Milliseconds(), GraceMS: r.StopGrace.Milliseconds(), Labels: task.CanonicalLabels(r.Labels), Exclusive: r.Exclusive}
	named, _ := splitAt(queues, aboutQueues)
	for _, q := range named {
		a.Queues[q] = r.Queues[q].Workers
		if name := r.Queues[q].Slots; name != "" {
			if a.Shared == nil {
				a.Shared, a.Weights = map[string]string{}, map[string]int{}
			}
			a.Shared[q], a.Weights[q] = name, max(r.Queues[q].Weight, 1)
		}
	}
	a.Disabled, _ = splitAt(r.Disabled, aboutQueues)
	calendars, _ := splitAt(slices.Sorted(maps.Keys(r.CalendarEnds)), aboutQueues)
	for _, name := range calendars {
		if a.CalendarEnds == nil {
			a.CalendarEnds = map[string]time.Time{}
		}
		a.CalendarEnds[name] = r.CalendarEnds[name]
	}
	return a
}

// policyWords returns a policy as it is stored in meta: timeout, attempts, losses and
// backoff, with "-" for a default, then "avoid" if it is to avoid
// the replica that failed.
func policyWords(p task.Policy) string {
	word := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return strconv.FormatInt(n, 10)
	}
	timeout, backoff := word(p.Timeout.Milliseconds()), p.Backoff.String()
	if p.Timeout == task.Forever {
		timeout = none
	}
	if backoff == "" {
		backoff = "-"
	}
	words := []string{timeout, word(int64(p.MaxAttempts)), word(int64(p.MaxLost)), backoff}
	if p.AvoidFailed {
		words = append(words, "avoid")
	}
	return strings.Join(words, " ")
}

// exportWords returns the configuration of an exporter as it is stored in meta: timeout,
// attempts, staged results and backoff, with "-" for the default backoff.
func exportWords(e task.Export) string {
	e = e.WithDefaults()
	backoff := e.Backoff.String()
	if backoff == "" {
		backoff = "-"
	}
	return fmt.Sprintf("%d %d %d %s", e.Timeout.Milliseconds(), e.MaxAttempts, e.MaxStaged, backoff)
}

// Leave removes the replica from the list.
func (s *Store) Leave(ctx context.Context, replica string) error {
	s.classes.Delete(replica)
	_, err := s.run(ctx, leaveScript, replica)
	return s.fail(ctx, "leave", err)
}
