package redisstore

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// maxLines is how many lines that no replica can take an inspection names.
const maxLines = 20

// inspectLines reports tasks that wait in a queue that live replicas serve, and that none of
// these takes because of its labels. It looks at the lines in the stats of each queue.
func (s *Store) inspectLines(ctx context.Context, st task.Stats, live []task.ReplicaInfo, add adder) error {
	left, more := maxLines, 0
	for _, q := range st.Queues {
		serving := slices.DeleteFunc(slices.Clone(live), func(r task.ReplicaInfo) bool { return r.Draining || r.Queues[q.Name] == 0 })
		if len(serving) == 0 || q.Waiting == 0 && len(q.Lines) == 0 {
			continue // reported as a queue that no replica serves
		}
		lines := q.Lines
		if plain := q.Waiting - waiting(lines); q.MoreLines == 0 && plain > 0 {
			lines = append([]task.LineInfo{{Waiting: plain}}, lines...)
		}
		for _, l := range lines {
			if slices.ContainsFunc(serving, func(r task.ReplicaInfo) bool { return r.Takes(l.Labels) }) {
				continue
			}
			if left--; left < 0 {
				more++
				continue
			}
			id, err := s.firstOf(ctx, q.Name, l.Labels)
			if err != nil {
				return err
			}
			if l.Waiting == 0 && id == noTask { // its last task has ended meanwhile
				left++
				continue
			}
			labels, code := strings.Join(l.Labels, " "), "labels_unserved"
			switch {
			case l.Waiting == 0 && strings.HasPrefix(labels, task.HostLabel):
				code = "host_unserved"
			case l.Waiting == 0:
				code = "job_unserved"
			case labels == "":
				code = "plain_unserved"
			}
			add(code, named("queue", q.Name), named("labels", labels), named("task", id), named("closest", task.Closest(serving, l.Labels)), count("waiting", l.Waiting))
		}
	}
	if more > 0 {
		add("lines_unserved", count("more", more))
	}
	return nil
}

// noTask stands for the id of a task in a finding.
const noTask = "none"

func waiting(lines []task.LineInfo) (n int) {
	for _, l := range lines {
		n += l.Waiting
	}
	return n
}

// firstOf returns the id of the first task of a line that waits, or that waits for a take-over,
// noTask if there is none any more or if its group blocks it.
func (s *Store) firstOf(ctx context.Context, queue string, labels []string) (id string, err error) {
	line := queue
	if len(labels) > 0 {
		line += "#" + labelText(labels)
	}
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		ids, err := rdb.ZRange(ctx, s.key("wait:", line), 0, 0).Result()
		if err == nil && len(ids) == 0 {
			ids, err = rdb.ZRange(ctx, s.key("takeover:", line), 0, 0).Result()
		}
		if id = noTask; len(ids) > 0 {
			id = ids[0]
		}
		return err
	})
	return id, err
}
