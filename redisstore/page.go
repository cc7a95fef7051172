package redisstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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
// number of tasks. A task that is there from the first to the last page is on exactly one of
// them, unless its position changes.
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
			i = len(slices.DeleteFunc(slices.Clone(indexes), func(key string) bool { return key >= s.key(at.Index) }))
		}
		indexes = indexes[i:]
	}
	for _, index := range indexes {
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
			if n < len(entries) || !last && page.Read >= budget {
				page.Next = at.String()
				return page, nil
			}
			if last {
				break
			}
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
	slices.Sort(keys)
	return keys, err
}

// entriesAfter reads the next entries of an index, at most selectPage. last reports whether
// there are no more.
func (s *Store) entriesAfter(ctx context.Context, index string, q task.PageQuery, at position) (entries []indexEntry, last bool, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		entries = nil
		if strings.HasPrefix(index, s.key("group:wait:")) {
			from := "-"
			if at.Member != "" {
				from = "(" + at.Member
			}
			members, err := rdb.ZRangeByLex(ctx, index, &redis.ZRangeBy{Min: from, Max: "+", Count: selectPage}).Result()
			last = len(members) < selectPage
			for _, m := range members {
				entries = append(entries, indexEntry{member: m, id: m[strings.LastIndexByte(m, ' ')+1:]})
			}
			return err
		}
		var zs []redis.Z
		var err error
		zs, last, err = s.scoresAfter(ctx, rdb, index, q, at)
		for _, z := range zs {
			id, _ := z.Member.(string)
			entries = append(entries, indexEntry{member: id, id: id, score: strconv.FormatFloat(z.Score, 'f', -1, 64)})
		}
		return err
	})
	return entries, last, err
}

// scoresAfter reads the next members of an index by score: by the rank of the last member if
// that is still there, else by its score.
func (s *Store) scoresAfter(ctx context.Context, rdb redis.UniversalClient, index string, q task.PageQuery, at position) (page []redis.Z, last bool, err error) {
	descending := q.State.Terminal()
	by := redis.ZRangeArgs{Key: index, Start: 0, Stop: selectPage - 1, Rev: descending}
	if q.Hold {
		by.Start, by.Stop, by.ByScore, by.Count = strconv.Itoa(holdMS), "+inf", true, selectPage
	}
	if at.Member != "" {
		rank, err := rankOf(ctx, rdb, index, at.Member, descending)
		if errors.Is(err, redis.Nil) {
			return scoresFrom(ctx, rdb, index, descending, at)
		}
		if err != nil {
			return nil, false, err
		}
		by = redis.ZRangeArgs{Key: index, Start: rank + 1, Stop: rank + selectPage, Rev: descending}
	}
	page, err = rdb.ZRangeArgsWithScores(ctx, by).Result()
	return page, len(page) < selectPage, err
}

// scoresFrom reads the members that come after a position whose member has gone. Members with
// the same score are in the order of their bytes.
func scoresFrom(ctx context.Context, rdb redis.UniversalClient, index string, descending bool, at position) (page []redis.Z, last bool, err error) {
	by := redis.ZRangeArgs{Key: index, Start: at.Score, Stop: "+inf", ByScore: true, Count: selectPage, Rev: descending}
	if descending {
		by.Stop = "-inf"
	}
	for {
		page, err = rdb.ZRangeArgsWithScores(ctx, by).Result()
		n := len(page)
		page = slices.DeleteFunc(page, func(z redis.Z) bool {
			id, _ := z.Member.(string)
			same := strconv.FormatFloat(z.Score, 'f', -1, 64) == at.Score
			return same && (descending && id >= at.Member || !descending && id <= at.Member)
		})
		if last = n < selectPage; err != nil || len(page) > 0 || last {
			return page, last, err
		}
		by.Offset += selectPage
	}
}

func rankOf(ctx context.Context, rdb redis.UniversalClient, key, member string, descending bool) (int64, error) {
	if descending {
		return rdb.ZRevRank(ctx, key, member).Result()
	}
	return rdb.ZRank(ctx, key, member).Result()
}
