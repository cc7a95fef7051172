package redisstore

import (
	"maps"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/internal/findings"
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
	uneven := map[string][]findings.Value{} // what is reported, by kind
	for _, q := range slices.Sorted(maps.Keys(queues)) {
		addUneven(uneven, q, queues[q])
	}
	kinds, more := splitAt(slices.Sorted(maps.Keys(uneven)), maxUnevenKinds)
	for _, kind := range kinds {
		add("kind_uneven", uneven[kind]...)
	}
	if len(more) > 0 {
		add("kinds_uneven", count("more", len(more)))
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
	code := "kind_disabled"
	if len(live) == 1 {
		code = "kind_disabled_only"
	}
	for _, kind := range kinds {
		add(code, named("kind", kind), count("disabled", len(in[kind])), count("live", len(live)), named("replica", in[kind][0]))
	}
	if len(more) > 0 {
		add("kinds_disabled", count("more", len(more)))
	}
}

// addUneven adds the kinds for which only some replicas of the queue have a handler, except
// those that are in uneven already.
func addUneven(uneven map[string][]findings.Value, queue string, sorts []*sameReplicas) {
	total, able := 0, map[string]int{} // replicas; those with a handler, by kind
	for _, r := range sorts {
		total += len(r.ids)
		for _, k := range r.kinds {
			able[k] += len(r.ids)
		}
	}
	for kind, n := range able {
		if n == total || uneven[kind] != nil {
			continue
		}
		i := slices.IndexFunc(sorts, func(r *sameReplicas) bool { return !slices.Contains(r.kinds, kind) })
		uneven[kind] = []findings.Value{named("kind", kind), count("without", total-n), count("live", total), named("queue", queue), named("replica", sorts[i].ids[0])}
	}
}
