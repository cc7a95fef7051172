package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/internal/outages"
	"github.com/ltsworker/ltsworker/task"
)

// needed records the outages of the servers that the tasks of a replica need: those of its
// exporters, and those of executors, which its attempts have registered. The keeper
// publishes them.
type needed struct {
	registry  outages.Registry
	exporters map[string]*outages.Tracker // by kind
	published bool                        // the pool may have outages of this replica
}

func (n *needed) init(c Config) {
	n.exporters, n.published = map[string]*outages.Tracker{}, true
	for kind := range c.Exports {
		n.exporters[kind] = &outages.Tracker{Of: "the exporter of " + kind, Log: c.Logger, Again: "results can be saved again", Args: []any{"kind", kind}}
		n.exporters[kind].Publish(n.registry.With(context.Background()))
	}
}

// saved records how a save went that began then.
func (n *needed) saved(ctx context.Context, kind string, began time.Time, err error) {
	const call = "Save"
	t := n.exporters[kind]
	switch {
	case err == nil:
		t.Worked(call, began)
	case (ctx.Err() == nil || context.Cause(ctx) == task.ErrTimeout) && task.DispositionOf(err) == task.Disposition{}:
		t.Failed(call, began, err, "results cannot be saved; they wait, and their handlers do not run again", "kind", kind, "err", err)
	}
}

// outages returns the outages for a renewal, nil if there are none and none before.
func (n *needed) outages() []task.Outage {
	all := n.registry.Current()
	if all == nil && n.published {
		return []task.Outage{}
	}
	return all
}

// sent records that a renewal with the outages was accepted.
func (n *needed) sent(all []task.Outage) {
	if all != nil {
		n.published = len(all) > 0
	}
}
