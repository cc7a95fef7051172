package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

const (
	archivesKey = "archives"
	// An archive is listed for so long after its archiver has stopped.
	archiveTTL = 7 * 24 * time.Hour
	// maxArchives bounds the archives of a pool that are read.
	maxArchives = 20
)

// archiveRecord is a field of the hash archives: see docs/protocol.md.
type archiveRecord struct {
	Place       string        `json:"place"`
	Host        string        `json:"host"`
	PID         int           `json:"pid"`
	Cursor      string        `json:"cursor"`
	CommittedAt int64         `json:"committed_at,omitempty"`
	SeenAt      int64         `json:"seen_at"`
	Once        bool          `json:"once,omitempty"`
	Outage      *outageRecord `json:"outage,omitempty"`
}

// PublishArchive writes what an archiver says of its archive. It replaces what the archiver
// before has said, unless that one works and this one reports an outage. It removes the
// archives whose archivers stopped a week ago.
func (s *Store) PublishArchive(ctx context.Context, a task.ArchiveInfo) error {
	now, all, err := s.archiveRecords(ctx)
	if err != nil {
		return s.fail(ctx, "publish the archive", err)
	}
	r := archiveRecord{Place: task.CutHead(a.Place, maxOutageText), Host: a.Host, PID: a.PID, Cursor: a.Cursor, SeenAt: now.UnixMilli(), Once: a.Once}
	if !a.Committed.IsZero() {
		r.CommittedAt = a.Committed.UnixMilli()
	}
	if a.Outage != nil {
		o := recordOutage(*a.Outage)
		r.Outage = &o
		other, known := all[a.ID]
		if known && other.Outage == nil && (other.Host != r.Host || other.PID != r.PID) && now.UnixMilli()-other.SeenAt < task.ArchiveSilence.Milliseconds() {
			return nil
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var old []string
	for id, other := range all {
		if now.UnixMilli()-other.SeenAt > archiveTTL.Milliseconds() {
			old = append(old, id)
		}
	}
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		p.HSet(ctx, s.key(archivesKey), a.ID, text)
		if len(old) > 0 {
			p.HDel(ctx, s.key(archivesKey), old...)
		}
		p.PExpire(ctx, s.key(archivesKey), archiveTTL)
		_, err := p.Exec(ctx)
		return err
	})
	return s.fail(ctx, "publish the archive", err)
}

// archiveRecords reads the archives of the pool by their ids, and the time. It leaves out
// those that cannot be read.
func (s *Store) archiveRecords(ctx context.Context) (now time.Time, all map[string]archiveRecord, err error) {
	var texts map[string]string
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		if now, err = rdb.Time(ctx).Result(); err == nil {
			texts, err = rdb.HGetAll(ctx, s.key(archivesKey)).Result()
		}
		return ignoreWrongType(err)
	})
	all = map[string]archiveRecord{}
	for id, text := range texts {
		var r archiveRecord
		if json.Unmarshal([]byte(text), &r) == nil {
			all[id] = r
		}
	}
	return now, all, err
}

// Archives reads the archives that archivers have published in the last week, up to 20,
// sorted by their places.
func (s *Store) Archives(ctx context.Context) ([]task.ArchiveInfo, error) {
	now, all, err := s.archiveRecords(ctx)
	if err != nil {
		return nil, s.fail(ctx, "archives", err)
	}
	var infos []task.ArchiveInfo
	for id, r := range all {
		a := task.ArchiveInfo{ID: id, Place: r.Place, Host: r.Host, PID: r.PID, Cursor: r.Cursor, Once: r.Once,
			Silent: max(now.Sub(time.UnixMilli(r.SeenAt)), 0)}
		if r.CommittedAt > 0 {
			a.Committed = time.UnixMilli(r.CommittedAt)
		}
		if r.Outage != nil {
			o := r.Outage.outage()
			a.Outage = &o
		}
		infos = append(infos, a)
	}
	slices.SortFunc(infos, func(a, b task.ArchiveInfo) int { return strings.Compare(a.Place+a.ID, b.Place+b.ID) })
	infos = infos[:min(len(infos), maxArchives)]
	for i := range infos {
		if err := s.measureLag(ctx, &infos[i], now); err != nil {
			return nil, s.fail(ctx, "archives", err)
		}
	}
	return infos, nil
}

// measureLag sets how far an archive is behind.
func (s *Store) measureLag(ctx context.Context, a *task.ArchiveInfo, now time.Time) error {
	if _, _, err := splitCursor(a.Cursor); err != nil {
		return nil // another program wrote it
	}
	next, err := s.ReadEvents(ctx, a.Cursor, 1, 0)
	var trimmed *task.TrimmedError
	if a.Trimmed = errors.As(err, &trimmed); a.Trimmed {
		err = nil
	}
	if len(next) > 0 {
		a.Behind = max(now.Sub(next[0].At), time.Millisecond)
	}
	return ignoreWrongType(err)
}

// inspectArchives reports the archives of the pool, and whether ended tasks wait for one in
// vain.
func (s *Store) inspectArchives(ctx context.Context, add adder) error {
	archives, err := s.Archives(ctx)
	if err != nil {
		return ignoreWrongType(err)
	}
	text, err := s.setting(ctx, archiveWait)
	if err != nil {
		return ignoreWrongType(err)
	}
	var wait time.Duration
	if ms, err := time.ParseDuration(text + "ms"); err == nil {
		wait = ms
	}
	for _, a := range archives {
		inspectArchive(a, add)
	}
	waits := []findings.Value{named("wait", wait.String()), findings.Millis("wait_ms", wait)}
	switch {
	case wait == 0:
	case len(archives) == 0:
		add("archive_none", waits...)
	default:
		ahead := slices.MinFunc(archives, func(a, b task.ArchiveInfo) int {
			switch {
			case a.Trimmed == b.Trimmed:
				return cmp.Compare(a.Behind, b.Behind)
			case a.Trimmed:
				return 1
			}
			return -1
		})
		if ahead.Trimmed || ahead.Behind > wait*3/4 {
			add("archive_late", waits...)
		} else {
			add("archive_waits", waits...)
		}
	}
	return nil
}

func inspectArchive(a task.ArchiveInfo, add adder) {
	values := []findings.Value{named("place", a.Place), named("pid", strconv.Itoa(a.PID)), named("host", a.Host)}
	if !a.Trimmed {
		values = append(values, count("behind_ms", int(a.Behind.Milliseconds())))
	}
	switch {
	case a.Outage != nil && !a.Stopped():
		add("archive_outage", append(values, named("of", a.Outage.Of), instant("since", a.Outage.Since), named("error", a.Outage.Error))...)
	case a.Trimmed:
		add("archive_trimmed", values...)
	case a.Stopped():
		silent := a.Silent.Round(time.Second)
		add("archive_stopped", append(values, named("silent", silent.String()), findings.Millis("silent_ms", silent))...)
	case a.Behind > task.MaxArchiveLag && !a.Once:
		add("archive_behind", append(values, named("behind", a.Behind.Round(time.Second).String()))...)
	case a.Behind > 0:
		add("archive_follows", append(values, named("behind", a.Behind.Round(time.Millisecond).String()))...)
	default:
		add("archive_ok", values...)
	}
}
