package redisstore

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Replicas reads the live replicas, sorted by id. For a replica that serves more than 250
// queues it returns the first 250, in the order of their names.
func (s *Store) Replicas(ctx context.Context) ([]task.ReplicaInfo, error) {
	infos, err := s.replicas(ctx)
	return infos, s.fail(ctx, "replicas", err)
}

func (s *Store) replicas(ctx context.Context) (infos []task.ReplicaInfo, err error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	alive, err := collect(s.byScore(ctx, s.key("replicas"), "("+strconv.FormatInt(now.UnixMilli(), 10)))
	if err != nil {
		return nil, err
	}
	classes, kinds := []string{}, map[string][]string{} // by replica; by class
	err = s.pipeline(ctx, alive, replicaPage, func(p redis.Pipeliner, id string) func() {
		fields := p.HMGet(ctx, s.key("replica:", id), replicaFields...)
		return func() {
			if info, class, ok := describe(id, fields.Val(), now); ok {
				infos, classes = append(infos, info), append(classes, class)
				kinds[class] = nil
			}
		}
	})
	if err != nil {
		return nil, err
	}
	err = s.pipeline(ctx, slices.Collect(maps.Keys(kinds)), replicaPage, func(p redis.Pipeliner, class string) func() {
		words := p.HGet(ctx, s.key("class:", class), "kinds")
		return func() { kinds[class] = strings.Fields(words.Val()) }
	})
	for i := range infos {
		infos[i].Kinds = kinds[classes[i]]
	}
	return infos, err
}

// replicaFields are the fields of replica:ID that describe reads.
var replicaFields = []string{"about", "class", "started_at", "seen_at", "running", "stuck", "drain", "refuses", "outages", runsOn}

// describe decodes the description of a replica and its class. It returns false if the
// replica has left meanwhile.
func describe(id string, fields []any, now time.Time) (info task.ReplicaInfo, class string, ok bool) {
	text := make([]string, len(replicaFields))
	for i := range min(len(fields), len(text)) {
		text[i], _ = fields[i].(string)
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(text[i], 10, 64)
		return n
	}
	var a about
	if err := json.Unmarshal([]byte(text[0]), &a); err != nil {
		return info, "", false
	}
	on := decodeHost(text[9])
	seen := time.UnixMilli(number(3)) // after now if there was a heartbeat meanwhile
	return task.ReplicaInfo{
		ID: id, Host: on.Name, IP: on.IP, PID: on.PID, Version: on.Version, Queues: a.Queues, Disabled: a.Disabled, StartedAt: time.UnixMilli(number(2)), SeenAt: seen,
		Silent: max(now.Sub(seen), 0), Lease: time.Duration(a.LeaseMS) * time.Millisecond, Running: int(number(4)), Stuck: int(number(5)),
		Draining: text[6] != "", DrainingSince: momentOf(text[6]), DrainTimeout: time.Duration(a.DrainMS) * time.Millisecond, StopGrace: time.Duration(a.GraceMS) * time.Millisecond, Refuses: text[7], Outages: decodeOutages(text[8]),
		CalendarEnds: a.CalendarEnds, Shared: a.Shared, Weights: a.Weights, Labels: a.Labels, Exclusive: a.Exclusive,
	}, text[1], true
}
