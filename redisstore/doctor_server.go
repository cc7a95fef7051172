package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// roundTrips is how many round trips of each kind an inspection measures.
const roundTrips = 11

// slowRoundTrip is the duration from which on a round trip is reported. A slot waits for
// about one between two short tasks.
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

// inspectServer checks everything but the keys. A check for which the user has no
// permission is a finding. A server that does not answer is an error. ready is true if the
// pool's keys can be checked.
func (s *Store) inspectServer(ctx context.Context, fix bool) (all []task.Finding, ready bool, err error) {
	if err := s.checkName(); err != nil {
		return nil, false, err
	}
	primary, err := s.primary(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := primary.Ping(ctx).Err(); err != nil {
		return nil, false, err
	}
	add := func(severity task.Severity, check, what, do string, figures ...figure) {
		f := task.Finding{Severity: severity, Check: check, What: what, Do: do}
		for _, n := range figures {
			if f.Figures == nil {
				f.Figures = map[string]float64{}
			}
			f.Figures[n.name] = n.value
		}
		all = append(all, f)
	}
	info, err := primary.Info(ctx).Result()
	switch facts := parseInfo(info); {
	case err != nil && isRefused(err):
		add(task.SeverityWarning, "server", "this user may not run INFO, so version, eviction, persistence and memory were not checked",
			"allow it: ACL SETUSER … +info")
	case isReply(err):
		add(task.SeverityNote, "server", "this server refuses INFO, so version, eviction, persistence and memory were not checked",
			"check them where the server is managed: 7.0 or newer, maxmemory-policy noeviction, an append-only file")
	case err != nil:
		return all, false, err
	default:
		inspectVersion(facts, add)
		inspectEviction(facts, add)
		inspectPersistence(facts, fsync(ctx, primary), add)
		inspectMemory(facts, add)
		if !inspectRole(facts, add) {
			return all, false, nil // it refuses every script
		}
	}
	if ready, err = s.inspectRights(ctx, fix, add); err != nil || !ready {
		return all, false, err
	}
	if err := s.inspectRoundTrip(ctx, primary, add); err != nil {
		return all, false, err
	}
	if ready, err = s.inspectSchema(ctx, add); err != nil || !ready {
		return all, false, err
	}
	return all, true, errors.Join(s.inspectReplicas(ctx, add), s.inspectArchives(ctx, add), s.inspectTriggers(ctx, add))
}

type adder func(severity task.Severity, check, what, do string, figures ...figure)

// figure is a number in the text of a finding.
type figure struct {
	name  string
	value float64
}

func count(name string, n int) figure { return figure{name, float64(n)} }

// millis returns a duration in ms, to the microsecond.
func millis(name string, d time.Duration) figure {
	return figure{name, float64(d.Microseconds()) / 1000}
}

// isReply reports whether err is an error that the server replied, such as that it does
// not know the command.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

func inspectVersion(facts serverFacts, add adder) {
	v, ok := facts["redis_version"]
	switch {
	case !ok:
		add(task.SeverityNote, "version", "the server does not report its version", neededVersion)
	case facts.old():
		add(task.SeverityError, "version", "Redis "+v+" is too old", neededVersion)
	default:
		add(task.SeverityOK, "version", "Redis "+v, "")
	}
}

const neededVersion = "7.0 or newer is needed"

// old reports whether the server reports a version that replicas refuse. Before 7.0 a
// script cannot check its user's rights, and would stop half-way at a command that is
// denied.
func (f serverFacts) old() bool {
	v, ok := f["redis_version"]
	major, _, _ := strings.Cut(v, ".")
	n, err := strconv.Atoi(major)
	return ok && (err != nil || n < 7)
}

// inspectRole reports whether the server accepts writes.
func inspectRole(facts serverFacts, add adder) (writes bool) {
	if facts["role"] == "slave" {
		add(task.SeverityError, "role", "a read-only replica, on which neither rights nor entries can be checked", "connect to the primary, through Sentinel or the cluster client")
		return false
	}
	return true
}

func inspectEviction(facts serverFacts, add adder) {
	switch p, ok := facts["maxmemory_policy"]; {
	case !ok:
		add(task.SeverityNote, "eviction", "the server does not report its eviction policy", "it must not evict keys: maxmemory-policy noeviction")
	case p != "noeviction":
		add(task.SeverityError, "eviction", "maxmemory-policy is "+p+": a full Redis removes tasks", "CONFIG SET maxmemory-policy noeviction, and in redis.conf")
	default:
		add(task.SeverityOK, "eviction", "maxmemory-policy is noeviction", "")
	}
}

// fsync returns the server's appendfsync, "" if the user may not read it.
func fsync(ctx context.Context, primary redis.UniversalClient) string {
	got, err := primary.ConfigGet(ctx, "appendfsync").Result()
	if err != nil {
		return ""
	}
	return got["appendfsync"]
}

func inspectPersistence(facts serverFacts, appendfsync string, add adder) {
	if facts["rdb_last_bgsave_status"] == "err" {
		add(task.SeverityError, "persistence", "the last snapshot could not be written", "see the server's log: it may refuse all writes (MISCONF)")
	}
	switch aof, ok := facts["aof_enabled"]; {
	case !ok:
		add(task.SeverityNote, "persistence", "the server does not report whether it keeps an append-only file", "make sure that a restart loses no tasks")
	case aof != "1":
		add(task.SeverityWarning, "persistence", "no append-only file: a restart loses what was enqueued since the last snapshot, or all",
			"CONFIG SET appendonly yes, and in redis.conf; or accept it and enqueue again from your own records")
	case facts["aof_last_write_status"] == "err" || facts["aof_last_bgrewrite_status"] == "err":
		add(task.SeverityError, "persistence", "the append-only file could not be written", "see the server's log and its disk")
	case appendfsync == "no":
		add(task.SeverityWarning, "persistence", "append-only file, appendfsync no: a crash of the machine loses about half a minute",
			"CONFIG SET appendfsync everysec, and in redis.conf")
	case appendfsync == "":
		add(task.SeverityOK, "persistence", "append-only file; this user may not read appendfsync", "")
	default:
		add(task.SeverityOK, "persistence", "append-only file, appendfsync "+appendfsync, "")
	}
}

func inspectMemory(facts serverFacts, add adder) {
	used, most, of := facts.number("used_memory"), facts.number("maxmemory"), "maxmemory"
	if most == 0 {
		most, of = facts.number("total_system_memory"), "the machine's memory"
	}
	if used == 0 || most == 0 {
		add(task.SeverityNote, "memory", "the server does not report how much memory it has", "")
		return
	}
	if of != "maxmemory" {
		add(task.SeverityNote, "memory", "no maxmemory is set: the system kills Redis when the machine's memory is full",
			"CONFIG SET maxmemory, well below the machine's memory, and in redis.conf")
	}
	share := used * 100 / most
	what := fmt.Sprintf("%d MiB used, %d%% of %s", used>>20, share, of)
	figures := []figure{{"used_bytes", float64(used)}, {"max_bytes", float64(most)}}
	switch {
	case share >= 95:
		add(task.SeverityError, "memory", what, "raise it or shorten retention: a full Redis refuses new tasks", figures...)
	case share >= 80:
		add(task.SeverityWarning, "memory", what, "raise it or shorten retention before Redis refuses new tasks", figures...)
	default:
		add(task.SeverityOK, "memory", what, "", figures...)
	}
}

// inspectRights checks that the user may run the commands of the scripts and of a replica.
// It reports whether the pool's keys can be checked, and repaired if fix is set.
func (s *Store) inspectRights(ctx context.Context, fix bool, add adder) (ready bool, err error) {
	reply, err := s.run(ctx, rightsScript, true)
	last := func(check, what, do string) {
		add(task.SeverityError, check, "the rest was not checked: "+what, do)
	}
	switch {
	case err != nil && refusedKey.MatchString(err.Error()):
		last("rights", "this user may not access the keys of pool "+s.pool, checkPoolName)
		return false, nil
	case err != nil && isRefused(err):
		last("rights", "this user may not run scripts on the pool's keys: EVALSHA_RO and EVAL_RO", "ACL SETUSER … ~"+s.prefix+"* "+workerRights)
		return false, nil
	case s.isSingleNode(err):
		last("cluster", "this is one node of a cluster, and the pool is on another", "connect with redis-cluster://")
		return false, nil
	case err != nil:
		return false, err
	}
	switch lacks, err := decodeRights(reply); {
	case err != nil:
		return false, err
	case lacks == onlyReads && !fix:
		add(task.SeverityNote, "rights", lacks, "")
		return true, nil
	case lacks == onlyReads:
		last("rights", lacks, "run doctor without --fix, or as a user that may write: "+usersPage)
		return false, nil
	case lacks != "":
		last("rights", lacks, "ACL SETUSER … ~"+s.prefix+"* "+workerRights)
		return false, nil
	}
	add(task.SeverityOK, "rights", "this user may run what a replica needs", "")
	return true, nil
}

func (s *Store) inspectRoundTrip(ctx context.Context, primary redis.UniversalClient, add adder) error {
	ping, err := median(func() error { return primary.Ping(ctx).Err() })
	if err != nil {
		return err
	}
	script, err := median(func() error { return noopScript.RunRO(ctx, primary, s.keys[:1]).Err() })
	if err != nil {
		return err
	}
	add(task.SeverityOK, "scripts", "scripts are loaded and run", "")
	what := fmt.Sprintf("median of %d: PING %s, script %s", roundTrips, ping.Round(time.Microsecond), script.Round(time.Microsecond))
	figures := []figure{millis("ping_ms", ping), millis("script_ms", script)}
	if script > slowRoundTrip {
		add(task.SeverityNote, "round trip", what, "every claim and report takes one: run replicas closer to Redis, or give them more slots", figures...)
	} else {
		add(task.SeverityOK, "round trip", what, "", figures...)
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
