package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Configure changes live settings in one step. A setting holds until it is changed again,
// or until a replica joins with a new configured value for it. One call may change at most
// 250 fields.
func (s *Store) Configure(ctx context.Context, settings ...task.Setting) error {
	var c changes
	for _, set := range settings {
		if err := c.add(set); err != nil {
			return err
		}
	}
	if n := len(c.fields) / 2; n > maxSettings {
		return fmt.Errorf("configure: %d settings in one step are too many: make several calls of at most %d", n, maxSettings)
	}
	if err := s.ready(ctx, writes); err != nil {
		return err
	}
	err := s.configure(ctx, &c)
	if queue, inUse := strings.CutPrefix(fmt.Sprint(err), "INUSE aging:"); inUse {
		err = fmt.Errorf("%w: tasks wait or run in queue %s; aging changes only while none do: pause what enqueues, let the queue drain, then set it",
			task.ErrQueueInUse, queue)
	}
	return s.fail(ctx, "configure", err)
}

func (s *Store) configure(ctx context.Context, c *changes) error {
	args := append([]any{len(c.fields) / 2}, c.fields...)
	if _, err := s.runCounted(ctx, configureScript, append(args, c.groups...)...); err != nil {
		return err
	}
	if c.regroup {
		if err := s.regroup(ctx); err != nil {
			return err
		}
	}
	if c.wakeAll {
		return s.wakeAll(ctx)
	}
	return nil
}

// changes are the arguments of the configure script and the steps that follow it.
type changes struct {
	fields []any // of the meta hash, each with its value, "" to remove it
	groups []any // groups whose own limits change

	wakeAll bool // any queue may have claimable tasks
	regroup bool // any group may have room
}

func (c *changes) add(set task.Setting) error {
	switch set.Scope {
	case task.PoolScope:
		c.number("limit", set.Limit)
		c.flag("paused", set.Pause)
		c.wakeAll = true
	case task.QueueScope:
		c.number("limit:queue:"+set.Name, set.Limit)
		c.number("cap:"+set.Name, set.MaxLen)
		c.flag("paused:"+set.Name, set.Pause)
		c.rate("rate:queue:"+set.Name, set.Rate)
		c.aging(set.Name, set.Aging)
	case task.GroupScope:
		c.number("limit:group:"+set.Name, set.Limit)
		c.rate("rate:group:"+set.Name, set.Rate)
		c.groups = append(c.groups, set.Name)
	case task.GroupsScope:
		c.number("limit:group", set.Limit)
		c.rate("rate:group", set.Rate)
		c.regroup = true
	default:
		return fmt.Errorf("configure: unknown scope %q", set.Scope)
	}
	return nil
}

func (c *changes) number(field string, n *int) {
	switch {
	case n == nil:
	case *n > 0, *n == task.NoLimit:
		c.fields = append(c.fields, field, limitText(*n))
	default:
		c.fields = append(c.fields, field, "")
	}
}

// limitText returns a limit or cap as the scripts get it.
func limitText(n int) string {
	if n == task.NoLimit {
		return none
	}
	return strconv.Itoa(n)
}

func (c *changes) rate(field string, r *task.Rate) {
	if r != nil {
		c.fields = append(c.fields, field, r.String())
	}
}

func (c *changes) aging(queue string, step *time.Duration) {
	if step != nil {
		c.fields = append(c.fields, "aging:"+queue, agingText(*step))
	}
}

// agingText returns the aging of a queue as the scripts get it.
func agingText(step time.Duration) string {
	switch step {
	case 0:
		return ""
	case task.NoAging:
		return none
	}
	return strconv.FormatInt(step.Milliseconds(), 10)
}

func (c *changes) flag(field string, on *bool) {
	switch {
	case on == nil:
	case *on:
		c.fields = append(c.fields, field, "1")
	default:
		c.fields = append(c.fields, field, "")
	}
}

// unlimited is the limit of a pool while its running tasks are counted: see
// lua/lib/settings.lua.
const unlimited = "1000000000"

// runCounted makes a call that may set the limit of the pool. The script refuses to set
// it before all running tasks have been counted; then runCounted counts them and repeats
// the call. From then on the scripts keep the count.
func (s *Store) runCounted(ctx context.Context, sc *script, args ...any) (any, error) {
	for removed := ""; ; {
		reply, err := s.run(ctx, sc, append([]any{removed}, args...)...)
		if !isUncounted(err) {
			return reply, err
		}
		if removed, err = s.countPool(ctx); err != nil {
			return nil, err
		}
	}
}

func isUncounted(err error) bool { return redis.HasErrorPrefix(err, "UNCOUNTED") }

// countPool counts the running tasks of the pool, unless it has a limit. It returns the
// value of limit:removed before the count, "" if the limit was removed meanwhile.
func (s *Store) countPool(ctx context.Context) (removed string, err error) {
	var meta []any
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		meta, err = rdb.HMGet(ctx, s.key("meta"), "limit", "limit:removed").Result()
		return err
	})
	if err != nil {
		return "", err
	}
	removed = "0"
	if n, ok := meta[1].(string); ok {
		removed = n
	}
	if meta[0] != nil && meta[0] != unlimited {
		return removed, nil
	}
	for cursor := firstPage; ; {
		reply, err := s.run(ctx, countScript, cursor, countPage, removed)
		if isUncounted(err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		r := readSingle("count", reply)
		if cursor = r.string(); r.err != nil || cursor == lastPage {
			return removed, r.err
		}
	}
}

// regroup unblocks the next tasks of groups that have room after a change of the default
// limit, a page of groups at a time.
func (s *Store) regroup(ctx context.Context) error {
	queues, err := s.queues(ctx)
	if err != nil {
		return err
	}
	lines, err := s.lines(ctx, queues)
	if err != nil {
		return err
	}
	blocked, err := s.existing(ctx, append(queues, lines...), func(line string) string { return s.key("group:wait:", line) })
	if err != nil {
		return err
	}
	for _, queue := range blocked {
		for after := ""; ; {
			reply, err := s.run(ctx, regroupScript, queue, after, regroupPage)
			if err != nil {
				return err
			}
			r := readSingle("regroup", reply)
			if after = r.string(); r.err != nil {
				return r.err
			}
			if after == "" {
				break
			}
		}
	}
	return nil
}

// lines returns the lines of the queues that have tasks with labels.
func (s *Store) lines(ctx context.Context, queues []string) (lines []string, err error) {
	queues, err = s.existing(ctx, queues, func(queue string) string { return s.key("lines:", queue) })
	for _, queue := range queues {
		labels, err := collect(s.byMember(ctx, s.key("lines:", queue), nil))
		if err != nil {
			return nil, err
		}
		for _, l := range labels {
			lines = append(lines, queue+"#"+l)
		}
	}
	return lines, err
}

// forgetErrors are the errors for the replies of the forget script.
var forgetErrors = map[string]error{
	"":        nil,
	"none":    task.ErrNoQueue,
	"inbox":   fmt.Errorf("%w: the inbox has entries, which may be for it: wait until a replica has admitted them", task.ErrQueueInUse),
	"tasks":   fmt.Errorf("%w: tasks wait or run in it", task.ErrQueueInUse),
	"replica": fmt.Errorf("%w: a replica serves it", task.ErrQueueInUse),
}

// ForgetQueue removes an unused queue from the list, with its settings. It returns
// ErrNoQueue if there is no such queue, and ErrQueueInUse if tasks, the inbox or a replica
// use it.
func (s *Store) ForgetQueue(ctx context.Context, queue string) error {
	if err := s.ready(ctx, writes); err != nil {
		return err
	}
	scheduled := task.Filter{Queues: []string{queue}, States: []task.State{task.Scheduled}, Brief: true}
	for t, err := range s.Tasks(ctx, scheduled) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: task %s is scheduled for it", task.ErrQueueInUse, t.ID)
	}
	reply, err := s.run(ctx, forgetScript, queue)
	if err != nil {
		return s.fail(ctx, "forget queue", err)
	}
	r := readSingle("forget queue", reply)
	answer := r.string()
	refused, known := forgetErrors[answer]
	if r.err == nil && !known {
		return fmt.Errorf("forget queue: unknown reply %q", clipName(answer))
	}
	return cmp.Or(r.err, refused)
}
