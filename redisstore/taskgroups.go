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

// groupPage is how many groups are read in one pipeline.
const groupPage = 200

// Groups reads the default limit of groups, 0 for none, and the named groups in
// the order of their names, without any those that have a limit of their own.
func (s *Store) Groups(ctx context.Context, names ...string) (int, []worker.GroupInfo, error) {
	if err := s.checkName(); err != nil {
		return 0, nil, err
	}
	byDefault, own, err := s.groupLimits(ctx)
	if err != nil {
		return 0, nil, s.fail("groups", err)
	}
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(own))
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	queues, err := s.rdb.SMembers(ctx, s.key("queues")).Result()
	if err != nil {
		return 0, nil, s.fail("groups", err)
	}
	var groups []worker.GroupInfo
	for page := range slices.Chunk(names, groupPage) {
		infos, err := s.countGroups(ctx, page, queues)
		if err != nil {
			return 0, nil, s.fail("groups", err)
		}
		groups = append(groups, infos...)
	}
	for i := range groups {
		g := &groups[i]
		if g.Limit, g.Own = own[g.Name]; !g.Own {
			g.Limit = byDefault
		}
		if !g.Full() {
			g.Held = 0 // the heads can start, and let the next forward
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

// countGroups counts of each group what runs, and what waits in each queue: the
// group's head, which stands in the line, and those parked behind it.
func (s *Store) countGroups(ctx context.Context, names, queues []string) ([]worker.GroupInfo, error) {
	p := s.rdb.Pipeline()
	running := make([]*redis.IntCmd, len(names))
	parked := make([][]*redis.IntCmd, len(names))
	heads := make([][]*redis.BoolCmd, len(names))
	for i, name := range names {
		running[i] = p.SCard(ctx, s.key("group:run:", name))
		for _, q := range queues {
			// See parked in lua/lib/line.lua: the members begin with the name and a space.
			parked[i] = append(parked[i], p.ZLexCount(ctx, s.key("group:wait:", q), "["+name+" ", "("+name+"!"))
			heads[i] = append(heads[i], p.HExists(ctx, s.key("group:head:", q), name))
		}
	}
	if _, err := p.Exec(ctx); err != nil {
		return nil, err
	}
	infos := make([]worker.GroupInfo, len(names))
	for i, name := range names {
		infos[i] = worker.GroupInfo{Name: name, Running: int(running[i].Val())}
		for j, n := range parked[i] {
			infos[i].Held += int(n.Val())
			if heads[i][j].Val() {
				infos[i].Held++
			}
		}
	}
	return infos, nil
}
