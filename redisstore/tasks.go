package redisstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// listPage is how many entries of an index are read at a time.
const listPage = 200

// Tasks reads the tasks that match, state by state, inside a state in the order
// of its index. It reads a page at a time and sees the pool at many instants.
func (s *Store) Tasks(ctx context.Context, f worker.Filter) iter.Seq2[*worker.Task, error] {
	return func(yield func(*worker.Task, error) bool) {
		for ids, err := range s.candidates(ctx, f) {
			var tasks []*worker.Task
			if err == nil && f.Brief {
				tasks, err = s.brief(ctx, ids)
			} else if err == nil {
				tasks, err = s.Get(ctx, ids...)
			}
			if err != nil {
				yield(nil, s.fail(ctx, "list", err))
				return
			}
			for _, t := range tasks {
				if t != nil && matches(f, t) && !yield(t, nil) {
					return
				}
			}
		}
	}
}

// matches holds the filter against a task that candidates named, so the ids match.
func matches(f worker.Filter, t *worker.Task) bool {
	in := func(set []string, v string) bool { return len(set) == 0 || slices.Contains(set, v) }
	return in(f.Kinds, t.Kind) && in(f.Queues, t.Queue) && in(f.Groups, t.Group) &&
		(len(f.States) == 0 || slices.Contains(f.States, t.State))
}

// candidates yields pages of ids that the filter's indexes name.
func (s *Store) candidates(ctx context.Context, f worker.Filter) pages {
	return func(yield func([]string, error) bool) {
		if len(f.IDs) > 0 {
			for page := range slices.Chunk(f.IDs, listPage) {
				if !yield(page, nil) {
					return
				}
			}
			return
		}
		if err := s.checkName(); err != nil {
			yield(nil, err)
			return
		}
		queues, err := s.rdb.SMembers(ctx, s.key("queues")).Result()
		if err != nil {
			yield(nil, err)
			return
		}
		slices.Sort(queues)
		if len(f.Queues) > 0 {
			queues = slices.DeleteFunc(queues, func(q string) bool { return !slices.Contains(f.Queues, q) })
		}
		for _, state := range worker.States() {
			if len(f.States) > 0 && !slices.Contains(f.States, state) {
				continue
			}
			for _, index := range s.indexes(ctx, state, queues) {
				for ids, err := range index {
					if !yield(ids, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// pages are the ids that an index holds.
type pages = iter.Seq2[[]string, error]

// indexes are those that hold the tasks of a state.
func (s *Store) indexes(ctx context.Context, state worker.State, queues []string) []pages {
	var all []pages
	switch state {
	case worker.Scheduled:
		all = append(all, s.byScore(ctx, s.key("scheduled")))
	case worker.Waiting:
		for _, q := range queues {
			all = append(all, s.byScore(ctx, s.key("wait:", q)), s.byMember(ctx, s.key("group:wait:", q)))
		}
	case worker.Running:
		for _, q := range queues {
			all = append(all, s.byScore(ctx, s.key("running:", q)))
		}
	default:
		all = append(all, s.byScore(ctx, s.key("ended:", string(state))))
	}
	return all
}

// byScore walks a sorted set by score, so that entries that come and go before
// the current one neither hide nor repeat others.
func (s *Store) byScore(ctx context.Context, key string) pages {
	return func(yield func([]string, error) bool) {
		from := "-inf"
		var ties []redis.Z // the end of the page before: all with the score from
		for {
			page, found, err := s.pageAfter(ctx, key, ties)
			if err == nil && !found {
				// Where these have all left, whoever else has their score is read,
				// rather twice than not at all.
				page, err = s.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
					Key: key, Start: from, Stop: "+inf", ByScore: true, Count: listPage,
				}).Result()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 {
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

// pageAfter reads what follows the last of some entries that is still there, by
// its rank: where very many share one score (kept for ever, due at midnight) Redis
// would have to count off all that were read before.
func (s *Store) pageAfter(ctx context.Context, key string, entries []redis.Z) (page []redis.Z, found bool, err error) {
	for len(entries) > 0 {
		last := entries[len(entries)-1]
		member, _ := last.Member.(string)
		rank, err := s.rdb.ZRank(ctx, key, member).Result()
		if errors.Is(err, redis.Nil) {
			entries = entries[:len(entries)-1]
			continue
		}
		if err != nil {
			return nil, false, err
		}
		page, err := s.rdb.ZRangeWithScores(ctx, key, rank, rank+listPage).Result()
		if err != nil {
			return nil, false, err
		}
		if len(page) > 0 && page[0].Member == last.Member { // else it has moved in between
			return page[1:], true, nil
		}
	}
	return nil, false, nil
}

// byMember walks the parked tasks of a queue's groups, whose members are
// "GROUP SCORE ID".
func (s *Store) byMember(ctx context.Context, key string) pages {
	return func(yield func([]string, error) bool) {
		for from := "-"; ; {
			page, err := s.rdb.ZRangeByLex(ctx, key, &redis.ZRangeBy{Min: from, Max: "+", Count: listPage}).Result()
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 {
				return
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
