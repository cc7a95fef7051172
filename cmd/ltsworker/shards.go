package main

import (
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

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
