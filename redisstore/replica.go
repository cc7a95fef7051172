package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// about is what a replica tells of itself, once, when it joins.
type about struct {
	Host    string         `json:"host"`
	PID     int            `json:"pid"`
	Version string         `json:"version"`
	LeaseMS int64          `json:"lease_ms"`
	Queues  map[string]int `json:"queues"`
}

// Join announces a replica and publishes its limits and policies. What a replica
// does not configure it leaves as it is.
func (s *Store) Join(ctx context.Context, r worker.Registration) ([]string, error) {
	a := about{Host: r.Host, PID: r.PID, Version: r.Version, LeaseMS: r.Lease.Milliseconds(), Queues: map[string]int{}}
	var settings []any
	set := map[string]int{}
	add := func(field string, n int) {
		if n > 0 {
			settings = append(settings, field, n)
			set[field] = n
		}
	}
	queues := " "
	for q, c := range r.Queues {
		a.Queues[q] = c.Workers
		queues += q + " "
		add("limit:queue:"+q, c.Limit)
		add("cap:"+q, c.MaxLen)
	}
	add("limit", r.Limits.Pool)
	add("limit:group", r.Limits.DefaultGroup)
	for g, n := range r.Limits.Groups {
		add("limit:group:"+g, n)
	}
	add("events:max", r.MaxEvent)
	add("events:age", int(r.EventAge.Milliseconds()))

	kinds, policies := " ", []any{}
	for _, k := range slices.Sorted(maps.Keys(r.Kinds)) {
		kinds += k + " "
		policies = append(policies, k, policyWords(r.Kinds[k]))
	}
	if err := s.mayServe(ctx); err != nil {
		return nil, err
	}
	description, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	args := append([]any{schema, r.Replica, r.Lease.Milliseconds(), string(description), kinds, queues, r.Up.Milliseconds(),
		len(settings) / 2}, settings...)
	reply, err := s.run(ctx, joinScript, append(args, policies...)...)
	if err != nil {
		return nil, s.fail(ctx, "join", err)
	}
	var warnings []string
	rd := readReply("join", reply)
	regroup := false
	for rd.more() {
		field, was := rd.string(), rd.string()
		warnings = append(warnings, fmt.Sprintf("%s was %s and is now %v, as this replica configures", field, was, set[field]))
		regroup = regroup || field == "limit:group"
	}
	if rd.err == nil && regroup {
		return warnings, s.fail(ctx, "join", s.regroup(ctx))
	}
	return warnings, rd.err
}

// policyWords is the form of a policy in meta: timeout, attempts, losses and
// backoff, with "-" for a default.
func policyWords(p worker.Policy) string {
	word := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return strconv.FormatInt(n, 10)
	}
	timeout, backoff := word(p.Timeout.Milliseconds()), p.Backoff.String()
	if p.Timeout == worker.Forever {
		timeout = none
	}
	if backoff == "" {
		backoff = "-"
	}
	return strings.Join([]string{timeout, word(int64(p.MaxAttempts)), word(int64(p.MaxLost)), backoff}, " ")
}

// Leave takes the replica off the list.
func (s *Store) Leave(ctx context.Context, replica string) error {
	_, err := s.run(ctx, leaveScript, replica)
	return s.fail(ctx, "leave", err)
}

// Ring makes the replica's Listen return.
func (s *Store) Ring(ctx context.Context, replica string) error {
	_, err := s.run(ctx, ringScript, replica)
	return s.fail(ctx, "ring", err)
}

// drainRing is what the doorbell says that lua/drain.lua rings.
const drainRing = "drain"

// Drain asks replicas to drain: their Listen returns, and as long as they are on
// the list every Renew of theirs says ErrDrain.
func (s *Store) Drain(ctx context.Context, replicas ...string) ([]bool, error) {
	steps := make([]*step, len(replicas))
	for i, r := range replicas {
		steps[i] = &step{script: drainScript, args: []any{r}}
	}
	if len(steps) == 0 {
		return nil, nil
	}
	if err := s.knowsSchema(ctx); err != nil {
		return nil, s.fail(ctx, "drain", err)
	}
	if err := s.pipe(ctx, s.rdb, steps...); err != nil {
		return nil, s.fail(ctx, "drain", err)
	}
	asked := make([]bool, len(steps))
	for i, st := range steps {
		r := readSingle("drain", st.reply)
		if asked[i] = r.int() == 1; r.err != nil {
			return nil, r.err
		}
	}
	return asked, nil
}

// Wake leaves a marker for the queue if something in it can be claimed.
func (s *Store) Wake(ctx context.Context, queue string) error {
	_, err := s.run(ctx, wakeScript, queue)
	return s.fail(ctx, "wake", err)
}

// Listen blocks on the replica's doorbell and the queues' markers.
func (s *Store) Listen(ctx context.Context, replica string, queues []string, wait time.Duration) (worker.Signal, error) {
	keys := make([]string, 0, 1+len(queues))
	keys = append(keys, s.key("bell:", replica))
	for _, q := range queues {
		keys = append(keys, s.key("wake:", q))
	}
	var signal worker.Signal
	err := s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) error {
		got, err := rdb.BLPop(ctx, max(wait, time.Second), keys...).Result()
		if err != nil || len(got) == 0 {
			return err
		}
		if got[0] == keys[0] {
			signal.Bell, signal.Drain = true, got[1] == drainRing
		} else {
			signal.Queue = strings.TrimPrefix(got[0], s.key("wake:"))
		}
		return nil
	})
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return signal, s.fail(ctx, "listen", err)
}

// maintenanceLease is how long one turn of upkeep keeps other replicas from
// doing the same. It saves work only: the scripts are safe to run at once.
const maintenanceLease = time.Second

// upkeepBatch is how many entries of each kind one turn looks at.
const upkeepBatch = 100

// Maintain takes one turn of the pool's upkeep.
func (s *Store) Maintain(ctx context.Context, replica string) (worker.Upkeep, error) {
	if err := s.checkName(); err != nil {
		return worker.Upkeep{}, err
	}
	if err := s.knowsSchema(ctx); err != nil && !isWrongType(err) { // of another type it is taken out of the way
		return worker.Upkeep{}, s.fail(ctx, "maintain", err)
	}
	_, err := redislock.Obtain(ctx, s.rdb, s.key("lock:maintenance"), maintenanceLease, &redislock.Options{Token: replica})
	if errors.Is(err, redislock.ErrNotObtained) {
		return worker.Upkeep{Busy: true}, nil
	}
	// Any other error is no reason to stay away: a full Redis refuses the lock, and
	// upkeep is what makes room. A Redis that is not there refuses the scripts, too.
	reap := &step{script: reapScript, args: []any{seed(), upkeepBatch}}
	promote := &step{script: promoteScript, args: []any{upkeepBatch}}
	purge := &step{script: purgeScript, args: []any{upkeepBatch}}
	var u worker.Upkeep
	err = s.pipe(ctx, s.rdb, reap, promote, purge)
	if isWrongType(err) {
		// No script runs past such a key, so it is taken out of their way first.
		wrong, fixing := s.wrongTypes(ctx, true)
		if u.Mended = mended(wrong); fixing == nil && len(u.Mended) > 0 {
			err = s.pipe(ctx, s.rdb, reap, promote, purge)
		}
	}
	if err != nil {
		return u, s.fail(ctx, "maintain", err)
	}

	var next []int64
	r := readReply("reap", reap.reply)
	next, u.Lost = append(next, r.int()), int(r.int())
	orphans := r.int()
	p := readReply("promote", promote.reply)
	next = append(next, p.int(), p.int())
	u.Due, u.Late = int(p.int()), int(p.int())
	g := readReply("purge", purge.reply)
	next, u.Inbox = append(next, g.int()), g.int() > 0
	u.Removed, u.Trimmed, u.Replicas = int(g.int()), int(g.int()), int(g.int())
	next = slices.DeleteFunc(next, func(ms int64) bool { return ms <= 0 })
	if len(next) > 0 {
		u.Next = time.Duration(slices.Min(next)) * time.Millisecond
	}
	err = errors.Join(r.err, p.err, g.err)
	if err == nil && orphans > 0 {
		err = s.fail(ctx, "mend groups", s.mendGroups(ctx))
	}
	if err == nil {
		var found []worker.Finding
		found, err = s.slowCheck(ctx)
		u.Mended, err = append(u.Mended, found...), s.fail(ctx, "slow check", err)
	}
	return u, err
}

// mendGroups looks through the running sets of all groups, since a task without
// a body does not say which group it was in.
func (s *Store) mendGroups(ctx context.Context) error {
	node, err := s.home(ctx)
	if err != nil {
		return err
	}
	const page = 1000
	prefix := s.key("group:run:")
	keys := node.Scan(ctx, 0, prefix+"*", page).Iterator()
	for keys.Next(ctx) {
		if _, err := s.run(ctx, mendScript, strings.TrimPrefix(keys.Val(), prefix)); err != nil {
			return err
		}
	}
	return keys.Err()
}

// Replicas reads the live replicas, by id.
func (s *Store) Replicas(ctx context.Context) ([]worker.ReplicaInfo, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	home, err := s.home(ctx)
	if err != nil {
		return nil, s.fail(ctx, "replicas", err)
	}
	now, err := home.Time(ctx).Result()
	if err != nil {
		return nil, s.fail(ctx, "replicas", err)
	}
	ids, err := s.rdb.ZRangeByScore(ctx, s.key("replicas"), &redis.ZRangeBy{
		Min: "(" + strconv.FormatInt(now.UnixMilli(), 10), Max: "+inf"}).Result()
	if err != nil {
		return nil, s.fail(ctx, "replicas", err)
	}
	slices.Sort(ids)
	p := s.rdb.Pipeline()
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		cmds[i] = p.HGetAll(ctx, s.key("replica:", id))
	}
	if len(ids) > 0 {
		if _, err := p.Exec(ctx); err != nil {
			return nil, s.fail(ctx, "replicas", err)
		}
	}
	infos := make([]worker.ReplicaInfo, 0, len(ids))
	for i, id := range ids {
		h := cmds[i].Val()
		var a about
		if err := json.Unmarshal([]byte(h["about"]), &a); err != nil {
			continue // it left in between, or has claimed after its time and not beaten again
		}
		number := func(field string) int64 {
			n, _ := strconv.ParseInt(h[field], 10, 64)
			return n
		}
		infos = append(infos, worker.ReplicaInfo{
			ID: id, Host: a.Host, PID: a.PID, Version: a.Version, Queues: a.Queues,
			StartedAt: time.UnixMilli(number("started_at")), SeenAt: time.UnixMilli(number("seen_at")),
			Silent: now.Sub(time.UnixMilli(number("seen_at"))), Lease: time.Duration(a.LeaseMS) * time.Millisecond,
			Draining: h["drain"] != "",
			Kinds:    strings.Fields(h["kinds"]), Running: int(number("running")), Stuck: int(number("stuck")),
		})
	}
	return infos, nil
}
