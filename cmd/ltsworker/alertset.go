package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// ruleFlags are the flags of alert set: the keys of a rule in a config file.
type ruleFlags struct {
	texts    map[string]*textFlag
	lists    map[string]*listFlag
	recovery bool
	json     bool
}

func newAlertSet(g *globals) *cobra.Command {
	f := ruleFlags{texts: map[string]*textFlag{}, lists: map[string]*listFlag{}}
	cmd := &cobra.Command{
		Use:   "set NAME --when CONDITION",
		Short: "Store a rule in the pool, or replace the one with its name",
		Long: `Store a rule in the pool, or replace the stored one with its name. The process that runs
the rules uses it from its next evaluation on, in addition to the rules of its file. If
the file has a rule with this name, that one is used instead. The flags are the keys of
a rule in a file; the page docs/alerts.md explains them and the conditions. Receivers are
only in files. alert rules shows the stored rules with their problems.`,
		Example: `  ltsworker alert set wait-mail --when oldest_wait --over 15m --queues 'mail.*' --to ops
  ltsworker alert set many-failures --when failed_share --over 5% --window 30m --by kind --severity critical`,
		Args: between(1, 1, "a rule's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rule, err := f.rule(cmd, args[0])
			if err != nil {
				return err
			}
			return g.withServer(cmd, func(ctx context.Context, c *client.Client) error { return f.set(ctx, cmd, c, rule) })
		},
	}
	flags := cmd.Flags()
	text := func(name, usage string) {
		f.texts[name] = new(textFlag)
		flags.Var(f.texts[name], name, usage)
	}
	list := func(name, usage string) {
		f.lists[name] = new(listFlag)
		flags.Var(f.lists[name], name, usage)
	}
	text("when", "`CONDITION` of the rule, such as oldest_wait, waiting or failed_share")
	text("over", "alert if the value is greater than this `LIMIT`: a number, a percentage such as\n10%, or a duration, as the condition says")
	text("under", "in place of --over, for replicas: alert below this `NUMBER`")
	text("window", "count events within this `DURATION`, from 10s to 24h")
	text("min", "for failed_share: the least `NUMBER` of ended tasks (default 10)")
	text("for", "alert after the rule has applied for this `DURATION` (default: at once)")
	text("keep", "end the alert after the rule has not applied for this `DURATION` (default 1m)")
	text("repeat", "send a message again after this `DURATION` while the alert fires, or none\n(default 4h)")
	list("queues", "only for these queues; mail.* selects all names that begin\nwith mail.")
	list("kinds", "only for these kinds")
	list("groups", "only for these groups")
	list("by", "for conditions that count events: an alert for each queue, kind or group")
	text("severity", "info, warning or critical (default warning)")
	list("to", "`RECEIVERS` of the messages, of the file of the process that runs the rules\n(default: all)")
	flags.BoolVar(&f.recovery, "recovery", true, "send a message when the alert ends")
	addJSON(cmd, &f.json)
	return cmd
}

// rule builds the rule from the flags and reports all errors in it.
func (f *ruleFlags) rule(cmd *cobra.Command, name string) (alert.Rule, error) {
	values := map[string]string{}
	for key, text := range f.texts {
		values[key] = string(*text)
	}
	for key, list := range f.lists {
		values[key] = strings.Join(*list, " ")
	}
	if cmd.Flags().Changed("recovery") {
		values["recovery"] = fmt.Sprint(f.recovery)
	}
	d, unread := alert.ParseDefinition(values)
	rule, wrong := d.Rule(name)
	if unread == nil && wrong == nil {
		return rule, nil
	}
	return rule, &inputError{flagErrors(unread, wrong)}
}

// asFlags writes the keys in a message about a rule as flags.
var asFlags = strings.NewReplacer("when: ", "--when ", "write over", "write --over", "write under", "write --under")

// flagErrors returns the errors of fields with the names of their flags. It leaves out a second error of
// a flag.
func flagErrors(all ...error) error {
	var errs []error
	seen := map[string]bool{}
	for _, e := range task.FieldErrors(errors.Join(all...)) {
		if seen[e.Field] {
			continue
		}
		seen[e.Field] = true
		field := "--" + e.Field
		if e.Field == "name" {
			field = "NAME"
		}
		errs = append(errs, &task.FieldError{Field: field, Msg: asFlags.Replace(e.Msg)})
	}
	return errors.Join(errs...)
}

func (f *ruleFlags) set(ctx context.Context, cmd *cobra.Command, c *client.Client, rule alert.Rule) error {
	if err := alert.SetRule(ctx, c.Store, rule, shellUser()); err != nil {
		if len(task.FieldErrors(err)) > 0 {
			return &inputError{flagErrors(err)}
		}
		return err
	}
	state, err := alert.ReadState(ctx, c.Store)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(state.Stored, func(s alert.StoredRule) bool { return s.Name == rule.Name })
	if i < 0 {
		return fmt.Errorf("rule %s was removed at the same time", rule.Name)
	}
	s := &state.Stored[i]
	if f.json {
		return terminal.WriteJSON(cmd.OutOrStdout(), record.OfStoredRule(s))
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s set: %s\n", rule.Name, terminal.Printable(rule.Definition().String())); err != nil {
		return err
	}
	notes := ruleNotes(state.Stored[i : i+1])
	if state.Owner == "" {
		notes = append(notes, noRunner)
	}
	return printNotes(cmd.ErrOrStderr(), notes)
}

// noRunner says that stored rules and silences have no effect.
const noRunner = "no process runs alert rules for this pool; start ltsworker alert run"

// ruleNotes returns the problems of stored rules.
func ruleNotes(stored []alert.StoredRule) (notes []string) {
	for i := range stored {
		if problem := stored[i].Problem(); problem != "" {
			notes = append(notes, ruleNote(stored[i].Name, problem))
		}
	}
	return notes
}

func ruleNote(name, problem string) string {
	return "stored rule " + terminal.Printable(name) + ": " + terminal.Printable(problem)
}

func newAlertRemove(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove stored rules",
		Long: `Remove stored rules from the pool. Their alerts end with the next evaluation, and the
receivers of those that were announced get a message. Rules of a file are removed there.`,
		Args: between(1, -1, "a rule's NAME"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				for _, name := range names {
					if err := alert.RemoveRule(ctx, c.Store, name, shellUser()); err != nil {
						return suggestRule(ctx, c, name, err)
					}
					if _, err := fmt.Fprintln(cmd.OutOrStdout(), name, "removed"); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

// suggestRule adds to the error about a stored rule that does not exist the name that was probably
// meant, or where the rule is. It returns any other error as it is.
func suggestRule(ctx context.Context, c *client.Client, name string, err error) error {
	if !errors.Is(err, alert.ErrNoRule) {
		return err
	}
	state, failed := alert.ReadState(ctx, c.Store)
	if failed != nil {
		return err
	}
	var names []string
	for i := range state.Stored {
		names = append(names, state.Stored[i].Name)
	}
	switch meant := spelling.Nearest(name, names); {
	case slices.ContainsFunc(state.Rules, func(r alert.Rule) bool { return r.Name == name }):
		return fmt.Errorf("%w; the config of the process that runs the rules has it: remove it there", err)
	case meant != "":
		return fmt.Errorf("%w; did you mean %s?", err, terminal.Printable(meant))
	case len(names) == 0:
		return fmt.Errorf("%w; the pool has none", err)
	}
	return fmt.Errorf("%w; ltsworker alert rules shows all", err)
}
