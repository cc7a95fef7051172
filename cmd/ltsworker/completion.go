package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// completionTimeout is how long a shell may wait for names from Redis.
const completionTimeout = 500 * time.Millisecond

// completeWords offers fixed words.
func completeWords(words ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFrom offers names from the pool of the command line, for atMost arguments (0
// is any number). If Redis does not answer in time, it offers nothing.
func completeFrom(g *globals, atMost int, names func(ctx context.Context, c *client.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if atMost > 0 && len(args) >= atMost {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		c, err := g.open(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		words, err := names(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		// Other clients choose the names. Names that are not printable are left out.
		words = slices.DeleteFunc(words, func(w string) bool { return terminal.Printable(w) != w || slices.Contains(args, w) })
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func queueNames(ctx context.Context, c *client.Client) ([]string, error) {
	queues, err := c.Queues(ctx)
	var names []string
	for _, q := range queues {
		names = append(names, q.Name)
	}
	return names, err
}

func replicaNames(ctx context.Context, c *client.Client) ([]string, error) {
	replicas, err := c.Replicas(ctx)
	var names []string
	for _, r := range replicas {
		names = append(names, r.ID)
	}
	return names, err
}

// kindNames returns the kinds for which live replicas have handlers.
func kindNames(ctx context.Context, c *client.Client) ([]string, error) {
	replicas, err := c.Replicas(ctx)
	var names []string
	for _, r := range replicas {
		names = append(names, r.Kinds...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// groupNames returns the groups that have a limit of their own.
func groupNames(ctx context.Context, c *client.Client) ([]string, error) {
	_, groups, err := c.Groups(ctx)
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names, err
}

func triggerNames(ctx context.Context, c *client.Client) ([]string, error) {
	return c.Store.TriggerNames(ctx)
}

// rejectIDs returns the ids of the newest rejected entries.
func rejectIDs(ctx context.Context, c *client.Client) (ids []string, err error) {
	for r, err := range c.Rejected(ctx) {
		if ids = append(ids, r.ID); err != nil || len(ids) == 25 {
			return ids, err
		}
	}
	return ids, nil
}

// inList completes the last value of a comma-separated list with the words that one offers for a
// single value.
func inList(one cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		i := strings.LastIndexByte(typed, ',') + 1
		given := strings.Split(typed[:i], ",")
		words, directive := one(cmd, args, typed[i:])
		var offers []string
		for _, w := range words {
			if !slices.Contains(given, w) {
				offers = append(offers, typed[:i]+w)
			}
		}
		return offers, directive
	}
}

// completeLimit offers the queues. After an argument or a flag has named what is limited, it
// offers "none", and for a group "default".
func completeLimit(queues cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		named := len(args)
		for _, flag := range []string{"total", "group", "groups"} {
			if cmd.Flags().Changed(flag) {
				named++
			}
		}
		switch named {
		case 0:
			return queues(cmd, args, typed)
		case 1:
			if cmd.Flags().Changed("group") {
				return []string{"none", "default"}, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"none"}, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// fileFlags are the flags whose value is the name of a file.
var fileFlags = []string{"batch", "config", "db", "file", "password-file", "redis", "token-file", "users"}

// addCompletions sets the completions for the arguments and flags of the commands.
func addCompletions(root *cobra.Command, g *globals) {
	queues, kinds := completeFrom(g, 1, queueNames), completeFrom(g, 1, kindNames)
	arguments := map[string]cobra.CompletionFunc{
		"report": completeWords("succeeded", "failed", "released", "progress"), "pause": queues, "resume": queues, "limit": completeLimit(queues), "enqueue": kinds,
		"drain":        completeFrom(g, 0, replicaNames),
		"trigger show": completeFrom(g, 0, triggerNames), "trigger rm": completeFrom(g, 0, triggerNames), "trigger pause": completeFrom(g, 0, triggerNames),
		"trigger resume": completeFrom(g, 0, triggerNames), "trigger run": completeFrom(g, 1, triggerNames), "trigger next": completeFrom(g, 1, triggerNames),
		"trigger history": completeFrom(g, 1, triggerNames), "trigger set": completeFrom(g, 1, triggerNames),
		"user set": completeUsers(1), "user rm": completeUsers(0), "user token": completeUsers(1), "token rm": completeTokens,
		"show": completeFrom(g, 0, rejectIDs), "put-back": completeFrom(g, 0, rejectIDs), "drop": completeFrom(g, 0, rejectIDs),
	}
	flags := map[string]cobra.CompletionFunc{
		"state": completeWords(stateNames()...), "log-format": completeWords(logging.Formats...),
		"queue": completeFrom(g, 0, queueNames), "kind": completeFrom(g, 0, kindNames), "group": completeFrom(g, 0, groupNames),
		"replica": completeFrom(g, 0, replicaNames), "columns": completeWords(columnNames()...), "sort": completeWords(columnNames()...),
		"on-limit": completeWords("wait", "fail"), "misfire": completeWords("skip", "once", "all"), "overlap": completeWords("allow", "skip", "queue", "stop"), "backoff": completeWords("exponential:1000:600000", "fixed:5000"),
	}
	stateFlags := map[string]cobra.CompletionFunc{
		"stop": completeWords(namesOf(pool.LiveStates())...), "retry": completeWords(namesOf(pool.EndedStates())...), "run-now": completeWords(string(pool.Scheduled)), "change": completeWords(string(pool.Scheduled), string(pool.Waiting)), "delete": completeWords(namesOf(pool.EndedStates())...),
	}
	for _, cmd := range allCommands(root) {
		name := cmd.Name()
		if parent := cmd.Parent().Name(); parent == "trigger" || parent == "user" || parent == "token" {
			name = parent + " " + name
		}
		switch known := arguments[name]; {
		case known != nil:
			cmd.ValidArgsFunction = known
		case cmd.Name() != "demo" && cmd.Name() != "init" && !cmd.HasSubCommands():
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		complete := func(f *pflag.Flag) {
			if f.NoOptDefVal != "" || slices.Contains(fileFlags, f.Name) {
				return
			}
			offer := flags[f.Name]
			if f.Name == "state" && stateFlags[cmd.Name()] != nil {
				offer = stateFlags[cmd.Name()]
			}
			switch _, list := f.Value.(*listFlag); {
			case offer == nil:
				offer = cobra.NoFileCompletions
			case list:
				offer = inList(offer)
			}
			// It returns an error for a flag that has a completion.
			_ = cmd.RegisterFlagCompletionFunc(f.Name, offer)
		}
		cmd.Flags().VisitAll(complete) // without the flags of the root, which are added later
	}
	_ = root.RegisterFlagCompletionFunc("pool", cobra.NoFileCompletions)
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Name() == cobra.ShellCompRequestCmd {
			plainFlags(root)
		}
	}
}

// plainFlags removes the backquotes from the descriptions of the flags, which only the
// help understands.
func plainFlags(root *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	root.PersistentFlags().VisitAll(plain)
	for _, cmd := range allCommands(root) {
		cmd.Flags().VisitAll(plain)
	}
}

// allCommands returns the commands below cmd, at every depth.
func allCommands(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		all = append(append(all, sub), allCommands(sub)...)
	}
	return all
}
