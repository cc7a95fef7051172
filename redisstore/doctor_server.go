package redisstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/findings"
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
	add := func(code string, values ...findings.Value) { all = append(all, findings.New(code, values...)) }
	info, err := primary.Info(ctx).Result()
	switch facts := parseInfo(info); {
	case err != nil && isRefused(err):
		add("info_denied")
	case isReply(err):
		add("info_refused")
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

// adder adds the finding of a code with its values.
type adder func(code string, values ...findings.Value)

func named(name, text string) findings.Value  { return findings.Named(name, text) }
func count(name string, n int) findings.Value { return findings.Count(name, n) }
func instant(name string, t time.Time) findings.Value {
	return named(name, t.UTC().Format(time.RFC3339))
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
		add("version_unknown")
	case facts.old():
		add("version_old", named("version", v))
	default:
		add("version_ok", named("version", v))
	}
}

const neededVersion = findings.NeededVersion

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
		add("role_replica")
		return false
	}
	return true
}

func inspectEviction(facts serverFacts, add adder) {
	switch p, ok := facts["maxmemory_policy"]; {
	case !ok:
		add("eviction_unknown")
	case p != "noeviction":
		add("eviction_on", named("policy", p))
	default:
		add("eviction_off")
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
		add("snapshot_failed")
	}
	switch aof, ok := facts["aof_enabled"]; {
	case !ok:
		add("aof_unknown")
	case aof != "1":
		add("aof_off")
	case facts["aof_last_write_status"] == "err" || facts["aof_last_bgrewrite_status"] == "err":
		add("aof_failed")
	case appendfsync == "no":
		add("aof_no_fsync")
	case appendfsync == "":
		add("aof_unread")
	default:
		add("aof_ok", named("fsync", appendfsync))
	}
}

func inspectMemory(facts serverFacts, add adder) {
	used, most, of := facts.number("used_memory"), facts.number("maxmemory"), "memory_"
	if most == 0 {
		most, of = facts.number("total_system_memory"), "machine_memory_"
	}
	if used == 0 || most == 0 {
		add("memory_unknown")
		return
	}
	if of != "memory_" {
		add("memory_unbounded")
	}
	share := used * 100 / most
	values := []findings.Value{findings.Figure("used_bytes", float64(used)), findings.Figure("max_bytes", float64(most)),
		named("used", strconv.FormatInt(used>>20, 10)), named("share", strconv.FormatInt(share, 10))}
	switch {
	case share >= 95:
		add(of+"full", values...)
	case share >= 80:
		add(of+"high", values...)
	default:
		add(of+"ok", values...)
	}
}

// inspectRights checks that the user may run the commands of the scripts and of a replica.
// It reports whether the pool's keys can be checked, and repaired if fix is set.
func (s *Store) inspectRights(ctx context.Context, fix bool, add adder) (ready bool, err error) {
	reply, err := s.run(ctx, rightsScript, true)
	switch {
	case err != nil && refusedKey.MatchString(err.Error()):
		add("rights_keys", named("pool", s.pool))
		return false, nil
	case err != nil && isRefused(err):
		add("rights_scripts", named("prefix", s.prefix))
		return false, nil
	case s.isSingleNode(err):
		add("cluster_node")
		return false, nil
	case err != nil:
		return false, err
	}
	switch lacks, err := decodeRights(reply); {
	case err != nil:
		return false, err
	case lacks == onlyReads && !fix:
		add("rights_read")
		return true, nil
	case lacks == onlyReads:
		add("rights_no_fix")
		return false, nil
	case lacks != "":
		add("rights_commands", named("commands", strings.TrimPrefix(lacks, mayNotRun)), named("prefix", s.prefix))
		return false, nil
	}
	add("rights_ok")
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
	add("scripts_ok")
	code := "round_trip_ok"
	if script > slowRoundTrip {
		code = "round_trip_slow"
	}
	add(code, named("calls", strconv.Itoa(roundTrips)), named("ping", ping.Round(time.Microsecond).String()), named("script", script.Round(time.Microsecond).String()),
		findings.Millis("ping_ms", ping), findings.Millis("script_ms", script))
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
