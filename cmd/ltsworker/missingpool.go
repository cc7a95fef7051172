package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// maxPoolsNamed is how many pools a note names.
const maxPoolsNamed = 10

// missingPool returns a note if the pool of the command does not exist yet, because its name may
// be a typing error. The note names other pools of the server. It returns "" if the pool exists or
// if that is unknown: then the command itself fails.
func missingPool(ctx context.Context, c *client.Client) string {
	if exists, err := c.Store.Exists(ctx); exists || err != nil {
		return ""
	}
	note := "pool " + terminal.Printable(c.Name) + " does not exist yet; "
	names, all, err := client.SomePools(ctx, c.Redis)
	switch {
	case err != nil:
		return note + "check its name: this user cannot list the pools of the server"
	case len(names) == 0 && all:
		return note + "this server has no pool"
	case len(names) == 0:
		return note + "ltsworker pools lists those of this server"
	}
	var shown []string
	for _, name := range names[:min(len(names), maxPoolsNamed)] {
		shown = append(shown, terminal.Printable(name))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	if meant := spelling.Nearest(c.Name, names); meant != "" {
		note += "did you mean " + terminal.Printable(meant) + "? "
	}
	note += "this server has: " + strings.Join(shown, ", ")
	if !all {
		note += "; ltsworker pools lists all"
	}
	return note
}
