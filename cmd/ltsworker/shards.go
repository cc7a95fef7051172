package main

import (
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// shardRecord is the shard of a child in JSON output.
type shardRecord struct {
	Parent string `json:"parent"`
	Index  int    `json:"index"`
	Total  int    `json:"total"`
	Param  string `json:"param,omitempty"`
}

// shardsRecord has the numbers of a parent's shards in JSON output.
type shardsRecord struct {
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

func recordShard(t *task.Task) *shardRecord {
	if t.Shard.Total == 0 {
		return nil
	}
	return &shardRecord{t.Shard.Parent, t.Shard.Index, t.Shard.Total, t.Shard.Param}
}

func recordShards(t *task.Task) *shardsRecord {
	c := t.Counts
	if !t.IsParent() {
		return nil
	}
	return &shardsRecord{t.Shards, t.Broadcast, t.FailFast, c.Unmade, c.Pending, c.Succeeded, c.Failed, c.Stopped, c.Expired, c.Omitted}
}

// shardLine says which shard a child is, "" for other tasks.
func shardLine(t *task.Task) string {
	if t.Shard.Total == 0 {
		return ""
	}
	line := t.Shard.String() + " of " + terminal.Printable(t.Shard.Parent)
	if t.Shard.Param != "" {
		line += ", parameter " + terminal.Printable(t.Shard.Param)
	}
	return line
}

// shardsLine says what became of a parent's shards, "" for other tasks.
func shardsLine(t *task.Task) string {
	if !t.IsParent() {
		return ""
	}
	c := t.Counts
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{c.Unmade, "not made"}, {c.Pending, "pending"}, {c.Succeeded, "succeeded"}, {c.Failed, "failed"}, {c.Stopped, "stopped"},
		{c.Expired, "expired"}, {c.Omitted, "results omitted"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	line := strings.TrimSuffix(fmt.Sprintf("%d: %s", t.Shards, strings.Join(parts, ", ")), ": ")
	switch {
	case !t.Broadcast:
		return line
	case t.Shards == 0:
		return "a broadcast"
	}
	return line + " (a broadcast)"
}

// thenLine says which task follows, "" for none.
func thenLine(t *task.Task) string {
	var line string
	if t.Then != nil {
		line = "a task of kind " + terminal.Printable(t.Then.Kind)
	}
	switch {
	case t.ThenError != "":
		return strings.TrimPrefix(line+", which was refused: "+terminal.Printable(t.ThenError), ", ")
	case t.ThenID != "":
		return strings.TrimPrefix(line+": "+terminal.Printable(t.ThenID), ": ")
	}
	return line
}
