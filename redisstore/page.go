package redisstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// position is the last index entry of a page. Index is a key without the prefix of the pool.
// Score is that of an entry in an index by score, in the notation of Redis.
type position struct {
	Index  string `json:"i"`
	Member string `json:"m"`
	Score  string `json:"s,omitempty"`
}

func (p position) String() string {
	text, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text)
}

func parsePosition(text string) (p position, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil {
		return p, &task.FieldError{Field: "after", Msg: "is no position of a page"}
	}
	return p, nil
}

// indexEntry is a member of an index with the id of its task.
type indexEntry struct{ member, score, id string }

// Page reads a page of tasks. Its cost is bounded by the budget of the query, whatever the
// number of tasks. See task.Page for the order, and for tasks that change between two pages.
func (s *Store) Page(ctx context.Context, q task.PageQuery) (task.Page, error) {
	page, err := s.page(ctx, q)
	if err != nil {
		return task.Page{}, s.fail(ctx, "page", err)
	}
	return page, nil
}

func (s *Store) page(ctx context.Context, q task.PageQuery) (page task.Page, err error) {
	limit, budget := cmp.Or(q.Limit, 50), cmp.Or(q.Budget, 2000)
	if q.State == task.Running || q.State == task.Exporting {
		return page, &task.FieldError{Field: "state", Msg: "must be scheduled, waiting or an ended state, not " + string(q.State)}
	}
	var at position
	if q.After != "" {
		if at, err = parsePosition(q.After); err != nil {
			return page, err
		}
	}
	indexes, err := s.pageIndexes(ctx, q)
	if err != nil {
		return page, err
	}
	if at.Index != "" {
		i := slices.Index(indexes, s.key(at.Index))
		if i < 0 { // the index has gone since: continue with the next one in the order
			i = len(slices.DeleteFunc(slices.Clone(indexes), func(key string) bool { return (key >= s.key(at.Index)) != q.Reverse }))
		}
		indexes = indexes[i:]
	}
	for i, index := range indexes {
		if name := strings.TrimPrefix(index, s.prefix); at.Index != name {
			at = position{Index: name}
		}
		for {
			entries, last, err := s.entriesAfter(ctx, index, q, at)
			if err != nil {
				return page, err
			}
			page.Read += len(entries)
			n, err := s.addPage(ctx, &page, q, limit, entries)
			if err != nil {
				return page, err
			}
			if n > 0 {
				at.Member, at.Score = entries[n-1].member, entries[n-1].score
			}
			if n < len(entries) || !last && (page.Read >= budget || n == 0) {
				page.Next = at.String()
				return page, nil
			}
			if last {
				break
			}
		}
		if page.Read >= budget && i+1 < len(indexes) {
			page.Next = position{Index: strings.TrimPrefix(indexes[i+1], s.prefix)}.String()
			return page, nil
		}
	}
	return page, nil
}

// addPage adds the tasks of the entries that the query selects, until the page is full. It
// returns how many entries were used.
func (s *Store) addPage(ctx context.Context, page *task.Page, q task.PageQuery, limit int, entries []indexEntry) (used int, err error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	f := filterOf(q)
	found, err := s.selected(ctx, f, ids)
	if err != nil {
		return 0, err
	}
	next := 0
	for chunk := range slices.Chunk(found, listPage) {
		tasks, err := s.read(ctx, !q.Whole, chunk)
		if err != nil {
			return 0, err
		}
		for i, t := range tasks {
			if t == nil || !matches(f, t) || q.Match != nil && !q.Match(t) {
				continue
			}
			if len(page.Tasks) == limit {
				return next, nil
			}
			page.Tasks = append(page.Tasks, t)
			next = slices.Index(ids[next:], chunk[i]) + next + 1
		}
	}
	return len(entries), nil
}

// filterOf returns the part of a query that a filter has.
func filterOf(q task.PageQuery) task.Filter {
	return task.Filter{Kinds: q.Kinds, Queues: q.Queues, Groups: q.Groups, Labels: q.Labels, Hold: q.Hold, States: []task.State{q.State}}
}

// pageIndexes returns the indexes of the tasks that the query may select, in the order of
// the pages.
func (s *Store) pageIndexes(ctx context.Context, q task.PageQuery) ([]string, error) {
	queues := q.Queues
	if q.State == task.Waiting && len(queues) == 0 {
		var err error
		if queues, err = s.queues(ctx); err != nil {
			return nil, err
		}
	}
	keys, err := s.existing(ctx, s.indexes(q.State, queues, filterOf(q)), func(key string) string { return key })
	if slices.Sort(keys); q.Reverse {
		slices.Reverse(keys)
	}
	return keys, err
}

// entriesAfter reads the next entries of an index, at most selectPage. last reports whether
// there are no more. Without entries it is false if the index changed too much meanwhile.
func (s *Store) entriesAfter(ctx context.Context, index string, q task.PageQuery, at position) (entries []indexEntry, last bool, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		entries = nil
		if strings.HasPrefix(index, s.key("group:wait:")) {
			from, to := "-", "+"
			if q.Reverse {
				from, to = to, from
			}
			if at.Member != "" {
				from = "(" + at.Member
			}
			members, err := rdb.ZRangeArgs(ctx, redis.ZRangeArgs{Key: index, Start: from, Stop: to, ByLex: true, Count: selectPage, Rev: q.Reverse}).Result()
			last = len(members) < selectPage
			for _, m := range members {
				entries = append(entries, indexEntry{member: m, id: m[strings.LastIndexByte(m, ' ')+1:]})
			}
			return err
		}
		var zs []redis.Z
		var err error
		zs, last, err = scoresAfter(ctx, rdb, index, q, at)
		for _, z := range zs {
			id, _ := z.Member.(string)
			entries = append(entries, indexEntry{member: id, id: id, score: score(z.Score)})
		}
		return err
	})
	return entries, last, err
}

// rangeStart is where a read of an index by score begins. Members with the same score are in
// the order of their bytes.
type rangeStart struct {
	index      string
	member     string
	score      float64
	descending bool
}

// before reports whether a member comes after the start.
func (r rangeStart) before(z redis.Z) bool {
	id, _ := z.Member.(string)
	order := cmp.Or(cmp.Compare(z.Score, r.score), cmp.Compare(id, r.member))
	if r.descending {
		order = -order
	}
	return order > 0
}

// scoresAfter reads the next members of an index by score. The member of the position may have
// gone, or have another score by now.
func scoresAfter(ctx context.Context, rdb redis.UniversalClient, index string, q task.PageQuery, at position) (page []redis.Z, last bool, err error) {
	r := rangeStart{index: index, member: at.Member, descending: q.State.Terminal() != q.Reverse}
	from, to := "-inf", "+inf"
	if q.Hold {
		from = score(holdMS)
	}
	if r.descending {
		from, to = to, from
	}
	if at.Member != "" {
		if r.score, err = strconv.ParseFloat(at.Score, 64); err != nil || math.IsNaN(r.score) {
			return nil, false, &task.FieldError{Field: "after", Msg: "is no position of a page"}
		}
		from = score(r.score)
	}
	by := redis.ZRangeArgs{Key: index, Start: from, Stop: to, ByScore: true, Count: selectPage + 1, Rev: r.descending}
	page, err = rdb.ZRangeArgsWithScores(ctx, by).Result()
	last = len(page) <= selectPage
	if at.Member != "" {
		page = slices.DeleteFunc(page, func(z redis.Z) bool { return !r.before(z) })
	}
	if err == nil && len(page) == 0 && !last {
		return r.byRank(ctx, rdb)
	}
	return page[:min(len(page), selectPage)], last, err
}

// byRank reads the next members if more than a page of members with the same score come before
// the start. Redis would have to skip these to read by score. Ranks may change before the
// members are read, so the members around the rank are read. If the start is not among them,
// the page is empty and last is false.
func (r rangeStart) byRank(ctx context.Context, rdb redis.UniversalClient) (page []redis.Z, last bool, err error) {
	rank, err := r.rank(ctx, rdb)
	if err != nil {
		return nil, false, err
	}
	from := max(rank-selectPage/2, 0)
	to := rank + selectPage
	page, err = rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: r.index, Start: from, Stop: to - 1, Rev: r.descending}).Result()
	if err != nil || from > 0 && (len(page) == 0 || r.before(page[0])) {
		return nil, false, err
	}
	last = from+int64(len(page)) < to
	page = slices.DeleteFunc(page, func(z redis.Z) bool { return !r.before(z) })
	if len(page) > selectPage {
		page, last = page[:selectPage], false
	}
	return page, last, nil
}

// rank returns how many members are not after the start, up to selectPage/4 too few. Without the
// member it searches among those with the same score.
func (r rangeStart) rank(ctx context.Context, rdb redis.UniversalClient) (int64, error) {
	text := score(r.score)
	calls := rdb.Pipeline()
	now, all, same := calls.ZScore(ctx, r.index, r.member), calls.ZCard(ctx, r.index), calls.ZCount(ctx, r.index, text, text)
	rank, rest := calls.ZRank, [2]string{text, "+inf"}
	if r.descending {
		rank, rest = calls.ZRevRank, [2]string{"-inf", text}
	}
	before, from := rank(ctx, r.index, r.member), calls.ZCount(ctx, r.index, rest[0], rest[1])
	cmds, _ := calls.Exec(ctx)
	for _, c := range cmds {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return 0, err
		}
	}
	if before.Err() == nil && now.Err() == nil && now.Val() == r.score {
		return before.Val() + 1, nil
	}
	low := all.Val() - from.Val()
	high := low + same.Val()
	for high-low > selectPage/4 {
		middle := low + (high-low)/2
		z, err := rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: r.index, Start: middle, Stop: middle, Rev: r.descending}).Result()
		if err != nil {
			return 0, err
		}
		if len(z) == 0 || r.before(z[0]) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// score writes a score as Redis reads it.
func score(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
