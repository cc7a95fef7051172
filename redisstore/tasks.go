package redisstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Tasks reads the tasks that match, state by state. Within a state they are in the order
// of its index; running tasks are in no order. It reads a page at a time, each at an
// instant of its own.
func (s *Store) Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error] {
	return func(yield func(*task.Task, error) bool) {
		read, uniques := 0, f.StoredUnique()
		var of task.State
		for ids, err := range s.candidates(ctx, f, &of) {
			read += len(ids)
			if err == nil {
				ids, err = s.selected(ctx, f, ids)
			}
			if err != nil {
				yield(nil, s.fail(ctx, "list", err))
				return
			}
			if f.Progress != nil {
				f.Progress(read)
			}
			for page := range slices.Chunk(ids, listPage) {
				tasks, err := s.read(ctx, f.Brief, page)
				if err != nil {
					yield(nil, s.fail(ctx, "list", err))
					return
				}
				for _, t := range tasks {
					if t != nil && t.State == task.Exporting && of != "" && of != t.State {
						continue // the index of exporting tasks has it, too
					}
					if t != nil && matches(f, t) && (len(uniques) == 0 || slices.Contains(uniques, t.Unique)) && !yield(t, nil) {
						return
					}
				}
			}
		}
	}
}

// selected returns those of the candidates whose kind, queue, group and labels match. The headers
// are compared in Redis, so that the other tasks are not transferred.
func (s *Store) selected(ctx context.Context, f task.Filter, ids []string) ([]string, error) {
	if len(f.IDs) > 0 || len(ids) == 0 || len(f.Kinds)+len(f.Queues)+len(f.Groups)+len(f.Labels) == 0 {
		return ids, nil
	}
	var args []any
	for _, names := range [][]string{f.Kinds, f.Queues, f.Groups, f.Labels} {
		args = append(append(args, len(names)), stringArgs(names)...)
	}
	reply, err := s.run(ctx, selectScript, append(args, stringArgs(ids)...)...)
	if err != nil {
		return nil, err
	}
	r := readReply("select", reply)
	found := r.strings()
	return found, r.err
}

// matches reports whether a task of candidates, which has checked the ids, matches the
// filter.
func matches(f task.Filter, t *task.Task) bool {
	in := func(set []string, v string) bool { return len(set) == 0 || slices.Contains(set, v) }
	if f.Hold && !(t.Hold && t.State == task.Scheduled) {
		return false
	}
	if f.Parent != "" && t.Shard.Parent != f.Parent {
		return false
	}
	for _, l := range f.Labels {
		if !slices.Contains(t.Labels, l) {
			return false
		}
	}
	return in(f.Kinds, t.Kind) && in(f.Queues, t.Queue) && in(f.Groups, t.Group) &&
		(len(f.States) == 0 || slices.Contains(f.States, t.State))
}

// candidates yields the ids of the filter, those of the children of its parent, or those in the indexes of its states and
// queues. Live tasks with unique keys are in the index of these keys. of is set to the state
// whose index is read.
func (s *Store) candidates(ctx context.Context, f task.Filter, of *task.State) pages {
	if len(f.IDs) > 0 {
		return func(yield func([]string, error) bool) {
			for page := range slices.Chunk(f.IDs, listPage) {
				if !yield(page, nil) {
					return
				}
			}
		}
	}
	if f.Parent != "" {
		return s.children(ctx, f.Parent)
	}
	return func(yield func([]string, error) bool) {
		states := slices.DeleteFunc(task.States(), func(s task.State) bool {
			return len(f.States) > 0 && !slices.Contains(f.States, s) || f.Hold && s != task.Scheduled
		})
		if uniques := f.StoredUnique(); len(uniques) > 0 {
			holders, err := s.holders(ctx, uniques)
			if !yield(holders, err) || err != nil {
				return
			}
			states = slices.DeleteFunc(states, func(s task.State) bool { return !s.Terminal() })
		}
		queues := slices.Sorted(slices.Values(f.Queues))
		if len(queues) == 0 {
			var err error
			if queues, err = s.queues(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		for _, state := range states {
			if state == task.Exporting && len(f.Queues) > 0 { // these tasks wait in other queues than their own
				all, err := s.queues(ctx)
				if err != nil {
					yield(nil, err)
					return
				}
				queues = append(queues, all...)
			}
			found, err := s.existing(ctx, s.indexes(state, queues, f), func(key string) string { return key })
			if err != nil {
				yield(nil, err)
				return
			}
			*of = state
			for _, key := range found {
				for ids, err := range s.walk(ctx, key, f) {
					if !yield(ids, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// children yields the ids that the children of a parent may have. Their number is unknown if
// the parent is gone.
func (s *Store) children(ctx context.Context, parent string) pages {
	return func(yield func([]string, error) bool) {
		read, err := s.read(ctx, true, []string{parent})
		if err != nil {
			yield(nil, err)
			return
		}
		n := task.MaxShards
		if read[0] != nil {
			n = read[0].Shards
		}
		for first := 0; first < n; first += listPage {
			page := make([]string, 0, listPage)
			for i := first; i < min(first+listPage, n); i++ {
				page = append(page, parent+"/"+strconv.Itoa(i))
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// holders returns the ids of the live tasks that have the unique keys.
func (s *Store) holders(ctx context.Context, uniques []string) (ids []string, err error) {
	keys := make([]string, len(uniques))
	for i, u := range uniques {
		keys[i] = s.key("unique:", u)
	}
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		ids = nil
		values, err := rdb.MGet(ctx, keys...).Result()
		for _, v := range values {
			if id, ok := v.(string); ok {
				ids = append(ids, id)
			}
		}
		return err
	})
	return ids, err
}

// indexes returns the keys that have the tasks of a state. For a state with an index per
// queue they are those of the given queues. The running tasks of groups have indexes of
// their own; without groups every group is wanted. Waiting tasks with labels do, too.
func (s *Store) indexes(state task.State, queues []string, f task.Filter) (keys []string) {
	switch state {
	case task.Scheduled:
		return []string{s.key("scheduled")}
	case task.Waiting:
		for _, q := range queues {
			if len(f.Labels) == 0 {
				keys = append(keys, s.key("wait:", q), s.key("group:wait:", q))
			}
			keys = append(keys, s.key("labelled:", q))
		}
	case task.Running:
		for _, g := range f.Groups {
			keys = append(keys, s.key("group:run:", g))
		}
		if len(f.Groups) > 0 {
			break
		}
		keys = append(keys, s.key("parents"))
		for _, q := range queues {
			keys = append(keys, s.key("run:", q))
		}
	case task.Exporting:
		for _, q := range queues {
			if kind, ok := strings.CutPrefix(q, task.ExportQueue); ok {
				keys = append(keys, s.key("staged:", kind))
			}
		}
	default:
		return []string{s.key("ended:", string(state))}
	}
	return keys
}

// walk reads the ids in one of the indexes: only those of the groups if the index is by
// group, and only tasks on hold if the filter selects these.
func (s *Store) walk(ctx context.Context, key string, f task.Filter) pages {
	switch {
	case strings.HasPrefix(key, s.key("group:wait:")):
		return s.byMember(ctx, key, f.Groups)
	case strings.HasPrefix(key, s.key("group:run:")), strings.HasPrefix(key, s.key("staged:")):
		return s.bySet(ctx, key)
	case strings.HasPrefix(key, s.key("run:")):
		return s.byField(ctx, key)
	case f.Hold:
		return s.byScore(ctx, key, strconv.Itoa(holdMS))
	default:
		return s.byScore(ctx, key, "-inf")
	}
}

// byScore walks a sorted set by score, so that members that are added or removed before the
// current one neither hide nor repeat others.
func (s *Store) byScore(ctx context.Context, key, from string) pages {
	return func(yield func([]string, error) bool) {
		var ties []redis.Z // the members at the end of the last page, all with the score from
		for {
			var page []redis.Z
			err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
				var found bool
				if page, found, err = pageAfter(ctx, rdb, key, ties); err == nil && !found {
					// All of them were removed: read all members with their score, even if
					// some are read twice.
					page, err = rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
						Key: key, Start: from, Stop: "+inf", ByScore: true, Count: selectPage,
					}).Result()
				}
				return err
			})
			if err != nil || len(page) == 0 {
				yield(nil, err)
				return
			}
			ids := make([]string, len(page))
			last := page[len(page)-1].Score
			same := 0
			for i, z := range page {
				ids[i], _ = z.Member.(string)
				if z.Score == last {
					same++
				}
			}
			if !yield(ids, nil) {
				return
			}
			from, ties = strconv.FormatFloat(last, 'f', -1, 64), page[len(page)-same:]
		}
	}
}

// pageAfter reads the page after the last of the members that is still there, by its rank.
// By score, Redis would have to skip all members with that score that were read before.
// These may be very many, such as tasks that are kept forever or due at midnight.
func pageAfter(ctx context.Context, rdb redis.UniversalClient, key string, members []redis.Z) (page []redis.Z, found bool, err error) {
	for len(members) > 0 {
		last := members[len(members)-1]
		member, _ := last.Member.(string)
		rank, err := rdb.ZRank(ctx, key, member).Result()
		if errors.Is(err, redis.Nil) {
			members = members[:len(members)-1]
			continue
		}
		if err != nil {
			return nil, false, err
		}
		page, err := rdb.ZRangeWithScores(ctx, key, rank, rank+selectPage).Result()
		if err != nil {
			return nil, false, err
		}
		if len(page) > 0 && page[0].Member == last.Member { // else its rank has changed since
			return page[1:], true, nil
		}
	}
	return nil, false, nil
}

// byMember walks the blocked tasks of a queue's groups, whose members are
// "GROUP SCORE ID". Without groups it walks those of every group.
func (s *Store) byMember(ctx context.Context, key string, groups []string) pages {
	ranges := [][2]string{{"-", "+"}}
	if len(groups) > 0 {
		ranges = nil
	}
	if ranges == nil {
		ranges = append(ranges, [2]string{"[!", "(\""}) // blocked for their kinds, of any group
	}
	for _, g := range slices.Compact(slices.Sorted(slices.Values(groups))) {
		ranges = append(ranges, [2]string{"[" + g + " ", "(" + g + "!"})
	}
	return func(yield func([]string, error) bool) {
		for _, r := range ranges {
			for from := r[0]; ; {
				var page []string
				err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
					page, err = rdb.ZRangeByLex(ctx, key, &redis.ZRangeBy{Min: from, Max: r[1], Count: listPage}).Result()
					return err
				})
				if err != nil {
					yield(nil, err)
					return
				}
				if len(page) == 0 {
					break
				}
				from = "(" + page[len(page)-1]
				for i, member := range page {
					page[i] = member[strings.LastIndexByte(member, ' ')+1:]
				}
				if !yield(page, nil) {
					return
				}
			}
		}
	}
}

// bySet walks the members of a set.
func (s *Store) bySet(ctx context.Context, key string) pages {
	return s.distinct(ctx, 1, func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd {
		return rdb.SScan(ctx, key, cursor, "", listPage)
	})
}

// byField walks the fields of a hash.
func (s *Store) byField(ctx context.Context, key string) pages {
	return s.distinct(ctx, 2, func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd {
		return rdb.HScan(ctx, key, cursor, "", listPage)
	})
}

// distinct walks the elements of a scan, each once. A scan returns each element as the
// first of step strings.
func (s *Store) distinct(ctx context.Context, step int, scan func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd) pages {
	return func(yield func([]string, error) bool) {
		seen := map[string]bool{}
		for flat, err := range s.scan(ctx, scan) {
			var page []string
			for i := 0; i < len(flat); i += step {
				if id := flat[i]; !seen[id] {
					seen[id] = true
					page = append(page, id)
				}
			}
			if !yield(page, err) {
				return
			}
		}
	}
}
