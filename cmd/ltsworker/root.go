package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

func newRoot() *cobra.Command {
	var g globals
	root := &cobra.Command{
		Use:   "ltsworker COMMAND",
		Short: "A worker pool whose state lives in Redis",
		Long: `ltsworker runs, feeds and operates a worker pool whose state lives in Redis.

  ltsworker demo                       a demonstration that needs no Redis
  ltsworker run -c ltsworker.yaml      run a replica from a config file
  ltsworker enqueue KIND '{"a":1}'     add a task for it

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 Redis unreachable.
Times in text are in the local time zone, which TZ sets.
Commands that read or change a pool that does not exist yet print a note.
With --json, commands print JSON: one object per line, times in RFC 3339 in UTC,
durations in milliseconds in fields that end in _ms.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate(versionLine() + "\n")
	// The template of cobra prints the command line twice for a command that can run and has
	// subcommands.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .HasAvailableSubCommands}}\n  {{.CommandPath}} [command]", "{{if and .HasAvailableSubCommands (not .Runnable)}}\n  {{.CommandPath}} [command]", 1))
	flags := root.PersistentFlags()
	flags.Var((*textFlag)(&g.redis), "redis", "Redis `URL` without a password, or @FILE that holds one with it\n(default LTS_REDIS, else "+redisurl.Default+")")
	flags.Var((*textFlag)(&g.pool), "pool", "`NAME` of the pool (default LTS_POOL, else "+defaultPool+")")
	root.AddCommand(newDemoReplica())
	cobra.EnableCommandSorting = false
	for _, section := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Start", []*cobra.Command{newDemo(&g), newInit(), newRun(&g), newVersion()}},
		{"Tasks", []*cobra.Command{
			newEnqueue(&g), newGet(&g), newLogs(&g), newList(&g), newWait(&g), newTail(&g),
			newStop(&g), newRetry(&g), newRunNow(&g), newChange(&g), newDelete(&g), newReport(&g), newRejected(&g), newTrigger(&g), newSchema(),
		}},
		{"The pool", []*cobra.Command{
			newStats(&g), newPools(&g), newQueues(&g), newReplicas(&g), newTop(&g), newPause(&g), newResume(&g), newLimit(&g), newRate(&g), newAging(&g),
			newDrain(&g), newReap(&g), newDoctor(&g), newArchive(&g), newAlert(&g), newConsole(&g), newBench(&g),
		}},
	} {
		root.AddGroup(&cobra.Group{ID: section.title, Title: section.title + ":"})
		for _, cmd := range section.commands {
			cmd.GroupID = section.title
			root.AddCommand(cmd)
		}
	}
	addCompletions(root, &g)
	refuseUnknown(root)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return &usageError{msg: "unknown command " + terminal.Quoted(name), hint: spelling.Nearest(name, names)}
}

// refuseUnknown makes the commands help and completion refuse unknown names. By default
// they print the general help and succeed.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	show := help.Run
	help.Run = nil
	help.RunE = func(cmd *cobra.Command, args []string) error {
		if found, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return unknownCommand(found, rest[0])
		}
		show(cmd, args)
		return nil
	}
	root.RemoveCommand(help) // added again in the right order when a command line is read

	root.SetCompletionCommandGroupID("Start")
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"})
	completion.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return nil
	}
	completion.Use = "completion SHELL"
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// flagError returns an error of the flag parser as a usage error, with the flag that
// was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	usage := &usageError{msg: err.Error()}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if name := spelling.Nearest(unknown.GetSpecifiedName(), names); name != "" {
			usage.hint = "--" + name
		}
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		reason := errors.Unwrap(invalid).Error()
		switch {
		case invalid.GetFlag().Value.Type() == "bool":
			reason = "must be true or false, not " + terminal.Quoted(invalid.GetValue())
		case invalid.GetFlag().Value.Type() == "int8":
			reason = "must be a whole number from -128 to 127, not " + terminal.Quoted(invalid.GetValue())
		case strings.HasPrefix(reason, "strconv."):
			reason = "must be a whole number that fits, not " + terminal.Quoted(invalid.GetValue())
		}
		usage.msg = "--" + invalid.GetFlag().Name + " " + reason
	}
	return usage
}

// between accepts from least to most arguments. A negative most means no limit. what describes the
// missing argument, such as "one task id".
func between(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s is missing", what)
		case most >= 0 && len(args) > most:
			return usagef("unexpected argument %s", terminal.Quoted(args[most]))
		}
		return nil
	}
}

func addJSON(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "json", false, "print JSON")
}
