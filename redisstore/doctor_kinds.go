package redisstore

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// maxUnevenKinds is how many kinds an inspection names that some replicas lack.
const maxUnevenKinds = 20

// sameReplicas are live replicas with the same queues and kinds.
type sameReplicas struct {
	queues, kinds []string
	ids           []string
}

// inspectKinds reports the kinds for which some replicas of a queue have a handler and
// others have none. It names one queue for each kind. Replicas that drain do not count: they
// take no tasks.
func inspectKinds(live []task.ReplicaInfo, add adder) {
	sorts := map[string]*sameReplicas{}
	for _, r := range live {
		if r.Draining {
			continue
		}
		queues, kinds := slices.Sorted(maps.Keys(r.Queues)), slices.Sorted(slices.Values(r.Kinds))
		key := strings.Join(queues, " ") + "\n" + strings.Join(kinds, " ")
		if sorts[key] == nil {
			sorts[key] = &sameReplicas{queues: queues, kinds: kinds}
		}
		sorts[key].ids = append(sorts[key].ids, r.ID)
	}
	if len(sorts) < 2 {
		return
	}
	queues := map[string][]*sameReplicas{}
	for _, key := range slices.Sorted(maps.Keys(sorts)) {
		for _, q := range sorts[key].queues {
			queues[q] = append(queues[q], sorts[key])
		}
	}
	uneven := map[string]string{} // what is reported, by kind
	for _, q := range slices.Sorted(maps.Keys(queues)) {
		addUneven(uneven, q, queues[q])
	}
	kinds, more := splitAt(slices.Sorted(maps.Keys(uneven)), maxUnevenKinds)
	const do = "give the replicas of a queue the same handlers"
	for _, kind := range kinds {
		add(task.SeverityNote, "handlers", uneven[kind], do)
	}
	if len(more) > 0 {
		add(task.SeverityNote, "handlers", plural(len(more), "the same of 1 more kind", "the same of %d more kinds"), do)
	}
}

// inspectDisabled reports the kinds whose handlers are disabled in live replicas, with one
// of these replicas.
func inspectDisabled(live []task.ReplicaInfo, add adder) {
	in := map[string][]string{} // ids of replicas by kind
	for _, r := range live {
		for _, kind := range r.Disabled {
			in[kind] = append(in[kind], r.ID)
		}
	}
	kinds, more := splitAt(slices.Sorted(maps.Keys(in)), maxUnevenKinds)
	const do = "remove disabled from their handlers when their tasks may run again"
	for _, kind := range kinds {
		where := fmt.Sprintf("%d of the %d live replicas, such as %s", len(in[kind]), len(live), in[kind][0])
		if len(live) == 1 {
			where = "the only live replica, " + in[kind][0]
		}
		add(task.SeverityNote, "handlers", fmt.Sprintf("the handler for kind %s is disabled in %s", kind, where), do)
	}
	if len(more) > 0 {
		add(task.SeverityNote, "handlers", plural(len(more), "the same of 1 more kind", "the same of %d more kinds"), do)
	}
}

// addUneven adds the kinds for which only some replicas of the queue have a handler, except
// those that are in uneven already.
func addUneven(uneven map[string]string, queue string, sorts []*sameReplicas) {
	total, able := 0, map[string]int{} // replicas; those with a handler, by kind
	for _, r := range sorts {
		total += len(r.ids)
		for _, k := range r.kinds {
			able[k] += len(r.ids)
		}
	}
	for kind, n := range able {
		if n == total || uneven[kind] != "" {
			continue
		}
		i := slices.IndexFunc(sorts, func(r *sameReplicas) bool { return !slices.Contains(r.kinds, kind) })
		uneven[kind] = fmt.Sprintf("no handler for kind %s in %d of the %d live replicas of queue %s, such as %s: its tasks are passed on until a replica has one",
			kind, total-n, total, queue, sorts[i].ids[0])
	}
}
