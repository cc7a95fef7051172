package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// roundTrips is how many round trips of each kind an inspection times.
const roundTrips = 11

// slowRoundTrip is where a round trip begins to cost: a slot waits for about one
// between two short tasks.
const slowRoundTrip = 5 * time.Millisecond

var noopScript = redis.NewScript("return 1")

// serverFacts are the lines of INFO by name.
type serverFacts map[string]string

func (f serverFacts) number(name string) int64 {
	n, _ := strconv.ParseInt(f[name], 10, 64)
	return n
}

func parseInfo(info string) serverFacts {
	facts := serverFacts{}
	for line := range strings.Lines(info) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = v
		}
	}
	return facts
}

// inspectServer looks at everything around the keys. What the user may not look
// at is a finding, too; only a server that does not answer is an error. ready is true
// if the pool's keys can be looked at.
func (s *Store) inspectServer(ctx context.Context) (all []worker.Finding, ready bool, err error) {
	if err := s.checkName(); err != nil {
		return nil, false, err
	}
	home, err := s.home(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := home.Ping(ctx).Err(); err != nil {
		return nil, false, err
	}
	add := func(severity worker.Severity, check, what, do string) {
		all = append(all, worker.Finding{Severity: severity, Check: check, What: what, Do: do})
	}
	info, err := home.Info(ctx).Result()
	switch facts := parseInfo(info); {
	case err != nil && isRefused(err):
		add(worker.SeverityWarning, "server", "this user may not run INFO, so version, eviction, persistence and memory were not looked at",
			"allow it: ACL SETUSER … +info")
	case err != nil:
		return all, false, err
	default:
		inspectVersion(facts, add)
		inspectEviction(facts, add)
		inspectPersistence(facts, fsync(ctx, home), add)
		inspectMemory(facts, add)
		if !inspectRole(facts, add) {
			return all, false, nil // it refuses every script
		}
	}
	if ready, err = s.inspectRights(ctx, add); err != nil || !ready {
		return all, false, err
	}
	if err := s.inspectRoundTrip(ctx, home, add); err != nil {
		return all, false, err
	}
	if ready, err = s.inspectSchema(ctx, add); err != nil || !ready {
		return all, false, err
	}
	return all, true, s.inspectReplicas(ctx, add)
}

type adder func(severity worker.Severity, check, what, do string)

func inspectVersion(facts serverFacts, add adder) {
	v, ok := facts["redis_version"]
	major, _, _ := strings.Cut(v, ".")
	n, err := strconv.Atoi(major)
	switch {
	case !ok:
		add(worker.SeverityNote, "version", "the server does not report its version", "7.0 or newer is needed")
	case err != nil || n < 7:
		add(worker.SeverityError, "version", "Redis "+v+" is too old", "7.0 or newer is needed")
	default:
		add(worker.SeverityOK, "version", "Redis "+v, "")
	}
}

// inspectRole reports whether the server is one that writes.
func inspectRole(facts serverFacts, add adder) (writes bool) {
	if facts["role"] == "slave" {
		add(worker.SeverityError, "role", "a read-only replica, on which neither rights nor entries can be looked at", "connect to the primary, through Sentinel or the cluster client")
		return false
	}
	return true
}

func inspectEviction(facts serverFacts, add adder) {
	switch p, ok := facts["maxmemory_policy"]; {
	case !ok:
		add(worker.SeverityNote, "eviction", "the server does not report its eviction policy", "it must not evict keys: maxmemory-policy noeviction")
	case p != "noeviction":
		add(worker.SeverityError, "eviction", "maxmemory-policy is "+p+": a full Redis removes tasks", "CONFIG SET maxmemory-policy noeviction, and in redis.conf")
	default:
		add(worker.SeverityOK, "eviction", "maxmemory-policy is noeviction", "")
	}
}

// fsync is the server's appendfsync, "" where the user may not ask.
func fsync(ctx context.Context, home redis.UniversalClient) string {
	got, err := home.ConfigGet(ctx, "appendfsync").Result()
	if err != nil {
		return ""
	}
	return got["appendfsync"]
}

func inspectPersistence(facts serverFacts, appendfsync string, add adder) {
	if facts["rdb_last_bgsave_status"] == "err" {
		add(worker.SeverityError, "persistence", "the last snapshot could not be written", "see the server's log: it may refuse all writes (MISCONF)")
	}
	switch aof, ok := facts["aof_enabled"]; {
	case !ok:
		add(worker.SeverityNote, "persistence", "the server does not report whether it keeps an append-only file", "make sure that a restart loses no tasks")
	case aof != "1":
		add(worker.SeverityWarning, "persistence", "no append-only file: a restart loses what was enqueued since the last snapshot, or all",
			"CONFIG SET appendonly yes, and in redis.conf; or live with it and enqueue again from your own records")
	case facts["aof_last_write_status"] == "err" || facts["aof_last_bgrewrite_status"] == "err":
		add(worker.SeverityError, "persistence", "the append-only file could not be written", "see the server's log and its disk")
	case appendfsync == "no":
		add(worker.SeverityWarning, "persistence", "append-only file, appendfsync no: a crash of the machine loses about half a minute",
			"CONFIG SET appendfsync everysec, and in redis.conf")
	case appendfsync == "":
		add(worker.SeverityOK, "persistence", "append-only file; this user may not ask for appendfsync", "")
	default:
		add(worker.SeverityOK, "persistence", "append-only file, appendfsync "+appendfsync, "")
	}
}

func inspectMemory(facts serverFacts, add adder) {
	used, most, of := facts.number("used_memory"), facts.number("maxmemory"), "maxmemory"
	if most == 0 {
		most, of = facts.number("total_system_memory"), "the machine's memory"
	}
	if used == 0 || most == 0 {
		add(worker.SeverityNote, "memory", "the server does not report how much memory it has", "")
		return
	}
	if of != "maxmemory" {
		add(worker.SeverityNote, "memory", "no maxmemory is set: where the machine's memory ends, the system kills Redis",
			"CONFIG SET maxmemory, well below the machine's memory, and in redis.conf")
	}
	share := used * 100 / most
	what := fmt.Sprintf("%d MiB used, %d%% of %s", used>>20, share, of)
	switch {
	case share >= 95:
		add(worker.SeverityError, "memory", what, "raise it or shorten retention: a full Redis refuses new tasks")
	case share >= 80:
		add(worker.SeverityWarning, "memory", what, "raise it or shorten retention before Redis refuses new tasks")
	default:
		add(worker.SeverityOK, "memory", what, "")
	}
}

// inspectRights runs the script that knows which commands the others need. It
// reports whether the pool's keys can be looked at.
func (s *Store) inspectRights(ctx context.Context, add adder) (ready bool, err error) {
	reply, err := s.run(ctx, rightsScript, true)
	switch {
	case err != nil && isRefused(err):
		add(worker.SeverityError, "rights", "this user may not run scripts on the pool's keys: EVALSHA and EVAL", "ACL SETUSER … ~"+s.prefix+"* "+workerRights)
		return false, nil
	case s.isAstray(err):
		add(worker.SeverityError, "cluster", "this is one node of a cluster, and the pool is on another", "connect with redis-cluster://")
		return false, nil
	case err != nil:
		return false, err
	}
	if refused := readReply("rights", reply).strings(); len(refused) > 0 {
		add(worker.SeverityError, "rights", "this user may not run "+strings.Join(refused, " "), "ACL SETUSER … ~"+s.prefix+"* "+workerRights)
		return false, nil
	}
	add(worker.SeverityOK, "rights", "this user may run what a replica needs", "")
	return true, nil
}

func (s *Store) inspectRoundTrip(ctx context.Context, home redis.UniversalClient, add adder) error {
	ping, err := median(func() error { return home.Ping(ctx).Err() })
	if err != nil {
		return err
	}
	script, err := median(func() error { return noopScript.Run(ctx, home, s.keys[:1]).Err() })
	if err != nil {
		return err
	}
	add(worker.SeverityOK, "scripts", "scripts are loaded and run", "")
	what := fmt.Sprintf("median of %d: PING %s, script %s", roundTrips, ping.Round(time.Microsecond), script.Round(time.Microsecond))
	if script > slowRoundTrip {
		add(worker.SeverityNote, "round trip", what, "every claim and report takes one: run replicas closer to Redis, or give them more slots")
	} else {
		add(worker.SeverityOK, "round trip", what, "")
	}
	return nil
}

func median(call func() error) (time.Duration, error) {
	took := make([]time.Duration, roundTrips)
	for i := range took {
		began := time.Now()
		if err := call(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[roundTrips/2], nil
}

// inspectReplicas looks at the replicas that run tasks.
func (s *Store) inspectReplicas(ctx context.Context, add adder) error {
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return err
	}
	silent, err := s.rdb.ZRangeByScore(ctx, s.key("replicas"),
		&redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: listPage}).Result()
	if err != nil {
		return unlessWrongType(err)
	}
	for _, r := range silent {
		add(worker.SeverityWarning, "replicas", "replica "+r+" stopped renewing and is still on the list",
			"start a replica: its upkeep takes back what this one held")
	}
	live, err := s.Replicas(ctx)
	if err != nil {
		return unlessWrongType(err)
	}
	for _, r := range live {
		if r.Stuck > 0 {
			add(worker.SeverityWarning, "replicas", fmt.Sprintf("replica %s (process %d on %s) has %d slots taken by handlers that ignore their cancelled context",
				r.ID, r.PID, r.Host, r.Stuck), "restart it, and make its handlers return when their context ends")
		}
	}
	if len(live) == 0 {
		add(worker.SeverityNote, "replicas", "no live replica: tasks wait", "start one with ltsworker run")
	} else {
		add(worker.SeverityOK, "replicas", fmt.Sprintf("%d alive", len(live)), "")
	}
	return unlessWrongType(s.inspectQueues(ctx, len(live) > 0, add))
}

// unlessWrongType is err, but nil for a key of a wrong type, which the walk reports.
func unlessWrongType(err error) error {
	if isWrongType(err) {
		return nil
	}
	return err
}

// inspectQueues looks at what keeps tasks from starting and is no damage.
func (s *Store) inspectQueues(ctx context.Context, live bool, add adder) error {
	st, err := s.Stats(ctx)
	if err != nil {
		return err
	}
	if st.Paused {
		add(worker.SeverityNote, "queues", "the whole pool is paused", "ltsworker resume")
	}
	var full []worker.QueueInfo
	for _, q := range st.Queues {
		if q.Paused {
			add(worker.SeverityNote, "queues", "queue "+q.Name+" is paused", "ltsworker resume "+q.Name)
		}
		if q.Waiting > 0 && live {
			full = append(full, q)
		}
	}
	for len(full) > 0 {
		var page []worker.QueueInfo
		page, full = cut(full, pipelinePage)
		if page, err = s.unserved(ctx, page); err != nil {
			return err
		}
		for _, q := range page {
			add(worker.SeverityWarning, "queues", "no live replica serves queue "+q.Name+", where "+waiting(q.Waiting),
				"name it in a replica's config, or stop the tasks if the name is a mistake")
		}
	}
	if st.Rejected > 0 {
		add(worker.SeverityNote, "inbox", fmt.Sprintf("%d entries were rejected", st.Rejected),
			"read why: redis-cli XREVRANGE "+s.key("inbox:rejected")+" + - COUNT 10")
	}
	return nil
}

// unserved returns those of the queues that no class of replicas serves.
func (s *Store) unserved(ctx context.Context, queues []worker.QueueInfo) ([]worker.QueueInfo, error) {
	classes := make([]*redis.StringSliceCmd, len(queues))
	exist := map[string]*redis.IntCmd{}
	err := s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		for i, q := range queues {
			classes[i] = p.SMembers(ctx, s.key("served:", q.Name))
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		for _, of := range classes {
			for _, c := range of.Val() {
				if exist[c] == nil {
					exist[c] = p.Exists(ctx, s.key("class:", c))
				}
			}
		}
		_, err := p.Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []worker.QueueInfo
	for i, q := range queues {
		if !slices.ContainsFunc(classes[i].Val(), func(c string) bool { return exist[c].Val() > 0 }) {
			out = append(out, q)
		}
	}
	return out, nil
}

func waiting(n int) string {
	if n == 1 {
		return "1 task waits"
	}
	return fmt.Sprintf("%d tasks wait", n)
}
