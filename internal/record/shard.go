package record

import "github.com/ltsworker/ltsworker/task"

// Shard is the shard of a child in JSON output.
type Shard struct {
	Parent string `json:"parent"`
	Index  int    `json:"index"`
	Total  int    `json:"total"`
	Param  string `json:"param,omitempty"`
}

// Shards has the numbers of a parent's shards in JSON output.
type Shards struct {
	Total     int  `json:"total"`
	Broadcast bool `json:"broadcast,omitempty"`
	FailFast  bool `json:"fail_fast,omitempty"`
	Unmade    int  `json:"unmade"`
	Pending   int  `json:"pending"`
	Succeeded int  `json:"succeeded"`
	Failed    int  `json:"failed"`
	Stopped   int  `json:"stopped"`
	Expired   int  `json:"expired"`
	Omitted   int  `json:"omitted_results,omitempty"` // results that are missing in that of the parent
}

func ofShard(t *task.Task) *Shard {
	if t.Shard.Total == 0 {
		return nil
	}
	return &Shard{t.Shard.Parent, t.Shard.Index, t.Shard.Total, t.Shard.Param}
}

func ofShards(t *task.Task) *Shards {
	c := t.Counts
	if !t.IsParent() {
		return nil
	}
	return &Shards{t.Shards, t.Broadcast, t.FailFast, c.Unmade, c.Pending, c.Succeeded, c.Failed, c.Stopped, c.Expired, c.Omitted}
}
