package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a shell may wait for names that Redis knows.
const completionTimeout = 500 * time.Millisecond

// completeWords offers fixed words.
func completeWords(words ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFrom offers what the pool of the command line names, for as many
// arguments as most says (0 is any number). Where Redis does not answer at once,
// that is nothing.
func completeFrom(g *globals, most int, names func(ctx context.Context, c *client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		c, err := g.open(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.close()
		words, err := names(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		// Names come from whoever could enqueue; one that could harm is no name.
		words = slices.DeleteFunc(words, func(w string) bool { return printable(w) != w || slices.Contains(args, w) })
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func queueNames(ctx context.Context, c *client) ([]string, error) {
	queues, err := c.Queues(ctx)
	var names []string
	for _, q := range queues {
		names = append(names, q.Name)
	}
	return names, err
}

func replicaNames(ctx context.Context, c *client) ([]string, error) {
	replicas, err := c.Replicas(ctx)
	var names []string
	for _, r := range replicas {
		names = append(names, r.ID)
	}
	return names, err
}

// kindNames are the kinds that live replicas have handlers for.
func kindNames(ctx context.Context, c *client) ([]string, error) {
	replicas, err := c.Replicas(ctx)
	var names []string
	for _, r := range replicas {
		names = append(names, r.Kinds...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// addCompletions says what can follow the commands' names and flags.
func addCompletions(root *cobra.Command, g *globals) {
	queues, kinds := completeFrom(g, 1, queueNames), completeFrom(g, 1, kindNames)
	arguments := map[string]cobra.CompletionFunc{
		"pause": queues, "resume": queues, "limit": queues, "enqueue": kinds,
		"drain": completeFrom(g, 0, replicaNames),
	}
	flags := map[string]cobra.CompletionFunc{
		"state": completeWords(stateNames()...), "log-format": completeWords(logFormats...),
		"queue": completeFrom(g, 0, queueNames), "kind": completeFrom(g, 0, kindNames),
	}
	for _, cmd := range root.Commands() {
		switch known := arguments[cmd.Name()]; {
		case known != nil:
			cmd.ValidArgsFunction = known
		case cmd.Name() != "demo" && cmd.Name() != "init":
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for name, complete := range flags {
			if cmd.Flags().Lookup(name) != nil {
				// It fails for a flag that does not exist or has one already.
				_ = cmd.RegisterFlagCompletionFunc(name, complete)
			}
		}
	}
}
