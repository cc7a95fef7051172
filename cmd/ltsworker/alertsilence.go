package main

import (
	"context"
	"errors"
	"fmt"
	osuser "os/user"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newAlertSilence(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "silence COMMAND",
		Short: "Suppress messages about alerts for a time",
		Long: `Suppress messages about alerts for a time. A silence is in Redis and survives restarts. When
it ends, its receivers get a message with the alerts that still fire.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSilenceAdd(g), newSilenceList(g), newSilenceRemove(g))
	return cmd
}

// shellUser names the user of the shell, "" if it is unknown.
func shellUser() string {
	if u, err := osuser.Current(); err == nil {
		return u.Username
	}
	return ""
}

func newSilenceAdd(g *globals) *cobra.Command {
	var (
		s      alert.Silence
		length durationFlag
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Begin a silence",
		Long: `Begin a silence of the alerts that match all of --rule, --queue, --kind and --group. A name
that ends with * stands for all names with that beginning; --rule "*" is for all alerts.`,
		Example: `  ltsworker alert silence add --rule wait --queue mail.out --for 2h --reason "new server"`,
		Args:    between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !length.set {
				return usagef("--for DURATION is missing")
			}
			s.By = shellUser()
			if err := s.Check(length.value); err != nil {
				fields := task.FieldErrors(err)
				return usagef("--%s %s", fields[0].Field, fields[0].Msg)
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				made, err := alert.AddSilence(ctx, c.Store, s, length.value)
				if err != nil {
					return err
				}
				if asJSON {
					return terminal.WriteJSON(cmd.OutOrStdout(), record.OfSilence(&made, made.From))
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s is silent until %s\n", made.ID, terminal.Printable(made.String()), made.Until.Local().Format("2006-01-02 15:04:05"))
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.Var((*textFlag)(&s.Rule), "rule", "`NAME` of the rule")
	flags.Var((*textFlag)(&s.Queue), "queue", "`NAME` of the queue")
	flags.Var((*textFlag)(&s.Kind), "kind", "`NAME` of the kind")
	flags.Var((*textFlag)(&s.Group), "group", "`NAME` of the group")
	flags.Var(&length, "for", "`DURATION` such as 30m, 2h or 3d, from 1m to 90d")
	flags.Var((*textFlag)(&s.Reason), "reason", "`TEXT` for other people")
	addJSON(cmd, &asJSON)
	return cmd
}

func newSilenceList(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the silences, the one that ends first at the top",
		Args:  between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				state, err := alert.ReadState(ctx, c.Store)
				if err != nil {
					return err
				}
				if len(state.Silences) == 0 {
					return reportNone(cmd, "there is no silence in pool "+c.Name)
				}
				tab := terminal.NewTable(cmd.OutOrStdout(), "ID", "OF", "LEFT", "BY", "REASON")
				for _, s := range state.Silences {
					if asJSON {
						err := terminal.WriteJSON(cmd.OutOrStdout(), record.OfSilence(&s, state.Now))
						if err != nil {
							return err
						}
						continue
					}
					tab.Row(terminal.Printable(s.ID), terminal.Printable(s.String()), terminal.ShortDuration(s.Until.Sub(state.Now)), terminal.Printable(s.By), terminal.Printable(s.Reason))
				}
				if asJSON {
					return nil
				}
				return tab.Flush()
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func newSilenceRemove(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rm ID",
		Short: "End a silence now",
		Long:  `End a silence now. The process that runs the rules announces its end.`,
		Args:  between(1, 1, "the id of a silence"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := alert.EndSilence(ctx, c.Store, args[0], shellUser())
				if errors.Is(err, alert.ErrNoSilence) {
					return fmt.Errorf("no silence has the id %s; ltsworker alert silence ls lists them", terminal.Quoted(args[0]))
				}
				if err != nil {
					return err
				}
				if asJSON {
					return terminal.WriteJSON(cmd.OutOrStdout(), map[string]string{"id": s.ID, "until": record.Instant(s.Until)})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "ended the silence of %s\n", terminal.Printable(s.String()))
				return err
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
