package redisstore

import (
	"context"
	"fmt"
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
			what, do := "with the labels "+strings.Join(l.Labels, " "), "start a replica of the queue with these labels, or stop the tasks"
			if len(l.Labels) == 0 {
				what, do = "without labels", "start a replica of the queue that is not exclusive, or stop the tasks"
			}
			waits := plural(l.Waiting, "1 waits", "%d wait")
			if l.Waiting == 0 {
				waits, do = "it runs, and waits for a take-over of its job", "start a replica of the queue with these labels: nothing else can stop the job"
				if strings.HasPrefix(strings.Join(l.Labels, " "), task.HostLabel) {
					do += ". After 7 days without one the task ends"
				}
			}
			add(task.SeverityWarning, "queues", fmt.Sprintf("no live replica takes the tasks of queue %s %s, such as %s: %s; %s",
				q.Name, what, id, task.Closest(serving, l.Labels), waits), do, count("waiting", l.Waiting))
		}
	}
	if more > 0 {
		add(task.SeverityWarning, "queues", plural(more, "the same of 1 more set of labels", "the same of %d more sets of labels"), "start replicas with these labels, or stop the tasks")
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
