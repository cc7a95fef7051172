package redisstore

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// groupPage is how many commands about groups go into one pipeline, roughly.
const groupPage = 5000

// Groups reads the default limit of groups, 0 for none, and the named groups in
// the order of their names, without any those that have a limit of their own.
func (s *Store) Groups(ctx context.Context, names ...string) (int, []worker.GroupInfo, error) {
	if err := s.checkName(); err != nil {
		return 0, nil, err
	}
	byDefault, own, err := s.groupLimits(ctx)
	if err != nil {
		return 0, nil, s.fail(ctx, "groups", err)
	}
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(own))
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	queues, err := s.rdb.SMembers(ctx, s.key("queues")).Result()
	if err != nil {
		return 0, nil, s.fail(ctx, "groups", err)
	}
	groups, err := s.runningOf(ctx, names)
	if err != nil {
		return 0, nil, s.fail(ctx, "groups", err)
	}
	var full []*worker.GroupInfo
	for i := range groups {
		g := &groups[i]
		if g.Limit, g.Own = own[g.Name]; !g.Own {
			g.Limit = byDefault
		}
		if g.Full() { // of others the heads can start, and let the next forward
			full = append(full, g)
		}
	}
	for page := range slices.Chunk(full, max(groupPage/(2*len(queues)+1), 1)) {
		if err := s.countHeld(ctx, page, queues); err != nil {
			return 0, nil, s.fail(ctx, "groups", err)
		}
	}
	return byDefault, groups, nil
}

func (s *Store) groupLimits(ctx context.Context) (byDefault int, own map[string]int, err error) {
	meta, err := s.rdb.HGetAll(ctx, s.key("meta")).Result()
	if err != nil {
		return 0, nil, err
	}
	byDefault, _ = strconv.Atoi(meta["limit:group"])
	own = map[string]int{}
	for field, v := range meta {
		if name, ok := strings.CutPrefix(field, "limit:group:"); ok {
			own[name], _ = strconv.Atoi(v)
		}
	}
	return byDefault, own, nil
}

// runningOf counts what runs of each group.
func (s *Store) runningOf(ctx context.Context, names []string) ([]worker.GroupInfo, error) {
	var groups []worker.GroupInfo
	for page := range slices.Chunk(names, groupPage) {
		p := s.rdb.Pipeline()
		running := make([]*redis.IntCmd, len(page))
		for i, name := range page {
			running[i] = p.SCard(ctx, s.key("group:run:", name))
		}
		// A key of another type is the doctor's.
		if _, err := p.Exec(ctx); err != nil && !isWrongType(err) {
			return nil, err
		}
		for i, name := range page {
			groups = append(groups, worker.GroupInfo{Name: name, Running: int(running[i].Val())})
		}
	}
	return groups, nil
}

// countHeld counts of each group what waits in the queues: the group's head, which
// stands in the line, and those parked behind it.
func (s *Store) countHeld(ctx context.Context, groups []*worker.GroupInfo, queues []string) error {
	p := s.rdb.Pipeline()
	parked := make([][]*redis.IntCmd, len(groups))
	heads := make([][]*redis.BoolCmd, len(groups))
	for i, g := range groups {
		for _, q := range queues {
			// See parked in lua/lib/line.lua: the members begin with the name and a space.
			parked[i] = append(parked[i], p.ZLexCount(ctx, s.key("group:wait:", q), "["+g.Name+" ", "("+g.Name+"!"))
			heads[i] = append(heads[i], p.HExists(ctx, s.key("group:head:", q), g.Name))
		}
	}
	if _, err := p.Exec(ctx); err != nil && !isWrongType(err) {
		return err
	}
	for i, g := range groups {
		for j, n := range parked[i] {
			g.Held += int(n.Val())
			if heads[i][j].Val() {
				g.Held++
			}
		}
	}
	return nil
}
