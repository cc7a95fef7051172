package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// suggestTrigger adds to the error about a trigger that does not exist the name that was
// probably meant. It returns any other error, and nil, as it is.
func suggestTrigger(ctx context.Context, c *client.Client, name string, err error) error {
	if !errors.Is(err, pool.ErrNoTrigger) {
		return err
	}
	list, failed := c.Triggers().List(ctx)
	if failed != nil {
		return err
	}
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Name
	}
	switch meant := spelling.Nearest(name, names); {
	case meant != "":
		return fmt.Errorf("%w; did you mean %s?", err, terminal.Printable(meant))
	case len(names) == 0:
		return fmt.Errorf("%w; the pool has none", err)
	}
	return fmt.Errorf("%w; ltsworker trigger ls shows all", err)
}
