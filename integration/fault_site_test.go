package integration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// victim is a pool that is prepared for one script call.
type victim struct {
	t    testing.TB
	name string
	rdb  *redis.Client     // this connection has no fault
	st   *redisstore.Store // nor does this one
	held map[string]*task.Task
	ends int64 // calls of sequence 2 of replica r

	rejected []string // ids of the rejected entries, newest first
}

var victims struct {
	sync.Mutex
	n int
}

// newVictim makes an empty pool on the server of rdb.
func newVictim(t testing.TB, rdb *redis.Client) *victim {
	victims.Lock()
	victims.n++
	name := fmt.Sprint("victim", victims.n)
	victims.Unlock()
	v := &victim{t: t, name: name, rdb: rdb, held: map[string]*task.Task{}}
	v.st = v.open(rdb)
	return v
}

// open returns the victim's store over another client.
func (v *victim) open(rdb *redis.Client) *redisstore.Store {
	st := redisstore.New(rdb, v.name)
	v.t.Cleanup(func() { st.Close() })
	return st
}

// clientAt returns the client of a program that sets only the address.
func clientAt(t testing.TB, addr string, change ...func(*redis.Options)) *redis.Client {
	o := &redis.Options{
		Addr:                     addr,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled, EndpointType: maintnotifications.EndpointTypeNone},
	}
	for _, c := range change {
		c(o)
	}
	rdb := redis.NewClient(o)
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func (v *victim) key(name string) string { return "lts:{" + v.name + "}:" + name }

func (v *victim) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// keys returns the names of the pool's keys, without the prefix.
func (v *victim) keys() []string {
	v.t.Helper()
	var names []string
	it := v.rdb.Scan(context.Background(), 0, v.key("*"), 10_000).Iterator()
	for it.Next(context.Background()) {
		names = append(names, strings.TrimPrefix(it.Val(), v.key("")))
	}
	v.must(it.Err())
	slices.Sort(names)
	return slices.Compact(names)
}

// incidental are the values that differ between two pools with the same
// history: instants, fences, durations, generated ids, client names, the numbers
// of calls, and the sequence number among the events of one millisecond.
var incidental = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`\b0[0-9A-Za-z]{21}\b`), "ID"},
	{regexp.MustCompile(`\bepoch=\d+\.\d+`), "epoch=EPOCH"},
	{regexp.MustCompile(`\b1[6-9]\d{12,14}\b`), "FENCE"},
	{regexp.MustCompile(`\b1[6-9]\d{11}(\.0)?(-\d+)?\b`), "TIME"},
	{regexp.MustCompile(`((?:run|wait)_ms"?[=:])\d+( \d+)*`), "${1}SPAN"},
	{regexp.MustCompile(`\bit was \S+ late\b`), "it was SPAN late"},
	{regexp.MustCompile(`^call:[a-z0-9]+:`), "call:CLIENT:"},
	{regexp.MustCompile(`^\d+ \["`), `CALL ["`},
}

func plain(s string) string {
	for _, i := range incidental {
		s = i.pattern.ReplaceAllString(s, i.word)
	}
	return s
}

// keepAll keeps the signals of the pool and the counts for its load, which expire in a minute, until the
// pool is removed.
func (v *victim) keepAll() {
	v.t.Helper()
	for _, name := range v.keys() {
		if strings.HasPrefix(name, "signals:") || strings.HasPrefix(name, "load") {
			v.must(v.rdb.Persist(context.Background(), v.key(name)).Err())
		}
	}
}

// exact returns all data of the pool, key by key. It omits the maintenance lock
// and the queues that a group may have tasks in: they change at any time.
func (v *victim) exact() map[string][]string {
	v.t.Helper()
	return v.content(func(s string) string { return s })
}

// read is exact without the incidental values.
func (v *victim) read() map[string][]string {
	v.t.Helper()
	return v.content(plain)
}

func (v *victim) content(plain func(string) string) map[string][]string {
	v.t.Helper()
	ctx := context.Background()
	all := map[string][]string{}
	moved := map[string]int{} // rate counters: two calls may fall into different spans of five seconds
	for _, name := range v.keys() {
		// The queue stays in the group's list for a while after its last task
		// of the group.
		if name == "lock:maintenance" || strings.HasPrefix(name, "group:queues:") {
			continue
		}
		if strings.HasPrefix(name, "load:") {
			counts, err := v.rdb.HGetAll(ctx, v.key(name)).Result()
			v.must(err)
			for field, n := range counts {
				count, err := strconv.Atoi(n)
				v.must(err)
				moved[field] += count
			}
			continue
		}
		key := v.key(name)
		kind, err := v.rdb.Type(ctx, key).Result()
		v.must(err)
		var lines []string
		switch kind {
		case "string":
			s, err := v.rdb.Get(ctx, key).Result()
			v.must(err)
			lines = []string{s}
		case "hash":
			h, err := v.rdb.HGetAll(ctx, key).Result()
			v.must(err)
			for f, s := range h {
				if f == "check" { // the progress of the slow check depends on the server's other keys
					continue
				}
				lines = append(lines, f+"="+s)
			}
		case "list":
			lines, err = v.rdb.LRange(ctx, key, 0, -1).Result()
			v.must(err)
		case "set":
			lines, err = v.rdb.SMembers(ctx, key).Result()
			v.must(err)
		case "zset":
			zs, err := v.rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
			v.must(err)
			for _, z := range zs {
				lines = append(lines, fmt.Sprintf("%v %.0f", z.Member, z.Score))
			}
		case "stream":
			es, err := v.rdb.XRange(ctx, key, "-", "+").Result()
			v.must(err)
			for _, e := range es {
				var line []string
				for f, s := range e.Values {
					line = append(line, fmt.Sprint(f, "=", s))
				}
				slices.Sort(line)
				lines = append(lines, strings.Join(line, " "))
			}
		}
		for i := range lines {
			if len(lines[i]) > 1<<16 {
				lines[i] = fmt.Sprintf("%d bytes: %x", len(lines[i]), sha256.Sum256([]byte(lines[i])))
			}
			lines[i] = plain(lines[i])
		}
		lines = append(all[plain(name)], lines...) // only clients' names may differ
		if kind != "list" && kind != "stream" {
			slices.Sort(lines) // two instants may be in either order
		}
		all[plain(name)] = lines
	}
	for field, n := range moved {
		all["load"] = append(all["load"], fmt.Sprint(field, "=", n))
	}
	slices.Sort(all["load"])
	return all
}

// scripts returns the names of all scripts.
func scripts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../lua/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".lua")
	}
	return files
}

// later waits until the server's clock has passed all times within the next few
// milliseconds.
func (v *victim) later() {
	v.t.Helper()
	now := func() time.Time {
		n, err := v.rdb.Time(context.Background()).Result()
		v.must(err)
		return n
	}
	until := now().Add(5 * time.Millisecond)
	eventually(v.t, patience, "the clock moves on", func() bool { return now().After(until) })
}

func (v *victim) join(replica string, r task.Registration) {
	v.t.Helper()
	r.Replica = replica
	if r.Lease == 0 {
		r.Lease = time.Hour
	}
	_, err := v.st.Join(context.Background(), r)
	v.must(err)
}

func (v *victim) enqueue(specs ...task.Spec) {
	v.t.Helper()
	_, err := v.st.Enqueue(context.Background(), specs)
	v.must(err)
}

// claim claims for replica r under the given call number and keeps the claimed
// tasks.
func (v *victim) claim(call int64, n int, lease time.Duration) {
	v.t.Helper()
	got, err := v.st.Exchange(context.Background(), claimOf(call, n, lease))
	v.must(err)
	for _, task := range tasksOf(got) {
		v.held[task.ID] = task
	}
}

// claimOf is an exchange of replica r that claims n tasks of the default queue.
func claimOf(call int64, n int, lease time.Duration) task.Exchange {
	return task.Exchange{Replica: "r", Sequence: 1, Call: call, Lease: lease, Claims: []task.Claim{{Queue: "default", N: n}}}
}

// end reports the end of a task that v holds.
func (v *victim) end(r task.Report) {
	v.t.Helper()
	r.Queue, r.Fence, r.Last = cmp.Or(r.Queue, "default"), v.held[r.ID].Fence, true
	v.ends++
	_, err := v.st.Exchange(context.Background(), task.Exchange{
		Replica: "r", Sequence: 2, Call: v.ends, Lease: time.Minute, Reports: []task.Report{r},
	})
	v.must(err)
}

func (v *victim) stop(ids ...string) {
	v.t.Helper()
	_, err := v.st.Stop(context.Background(), "enough", ids...)
	v.must(err)
}

func (v *victim) configure(settings ...task.Setting) {
	v.t.Helper()
	v.must(v.st.Configure(context.Background(), settings...))
}

func (v *victim) push(entries ...any) {
	v.t.Helper()
	v.must(v.rdb.RPush(context.Background(), v.key("inbox"), entries...).Err())
}
