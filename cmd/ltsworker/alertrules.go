package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// ruleRecord is a rule in JSON output.
type ruleRecord struct {
	Name      string        `json:"name"`
	From      string        `json:"from"` // file or stored
	When      string        `json:"when"`
	Threshold float64       `json:"threshold"`
	WindowMS  int64         `json:"window_ms"`
	ForMS     int64         `json:"for_ms"`
	KeepMS    int64         `json:"keep_ms"`
	RepeatMS  int64         `json:"repeat_ms"` // 0 for never
	Severity  string        `json:"severity"`
	To        []string      `json:"to"` // empty for all
	Fires     bool          `json:"would_fire"`
	Over      int           `json:"over"` // how many values are beyond the threshold
	Values    []alert.Value `json:"values"`
	Problem   string        `json:"problem,omitempty"` // what keeps a stored rule from being used as it is
}

func newAlertRules(g *globals) *cobra.Command {
	var (
		f      alertFlag
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "rules [-c FILE]",
		Short: "Check the rules of a file and the stored ones, and show what would fire",
		Long: `Check the rules and receivers of a file, and the stored rules of the pool. Show for each
rule its greatest value in the pool now, and whether the rule would alert. FROM is file
or stored. Without -c the rules of a file are those of the process that runs the rules,
or ran them last. The command changes nothing and sends nothing. It counts the events of
the window in the event stream, for up to 30 seconds. A note names the problem of a
stored rule that is not used as it is.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.file == "" {
				return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
					all, err := alert.Preview(ctx, c.Store)
					if err != nil {
						return err
					}
					if len(all) == 0 {
						return reportNone(cmd, "pool "+c.Name+" has no stored alert rule, and no process has run rules; -c FILE shows those of a file")
					}
					return printRules(cmd, all, asJSON)
				})
			}
			a, err := f.open(g, newPlainLog(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			defer a.close()
			ctx := cmd.Context()
			if err := a.Reach(ctx); err != nil {
				return err
			}
			all, err := a.runner.Preview(ctx)
			if err != nil {
				return redisurl.Unreachable(a.Address, err)
			}
			return printRules(cmd, all, asJSON)
		},
	}
	f.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func printRules(cmd *cobra.Command, all []alert.Outlook, asJSON bool) error {
	out := cmd.OutOrStdout()
	tab := terminal.NewTable(out, "RULE", "FROM", "WHEN", "LIMIT", "NOW", "OF", "WOULD FIRE", "FOR", "SEVERITY", "TO")
	tab.Paint("WOULD FIRE", terminal.NotEmpty(terminal.Red))
	var notes []string
	for _, o := range all {
		r, from := o.Rule, "file"
		if o.Stored {
			from = "stored"
		}
		switch {
		case o.Problem == "":
		case o.Stored:
			notes = append(notes, ruleNote(r.Name, o.Problem))
		default:
			notes = append(notes, "rule "+terminal.Printable(r.Name)+": "+terminal.Printable(o.Problem))
		}
		if asJSON {
			err := terminal.WriteJSON(out, ruleRecord{r.Name, from, string(r.When), r.Limit(), r.Window.Milliseconds(), r.For.Milliseconds(), r.Keep.Milliseconds(),
				max(r.Repeat, 0).Milliseconds(), string(r.Severity), append([]string{}, r.To...), o.Over > 0, o.Over, append([]alert.Value{}, o.Values...), o.Problem})
			if err != nil {
				return err
			}
			continue
		}
		now, of, fires, to := "", "", "", strings.Join(r.To, " ")
		if len(o.Values) > 0 {
			v := o.Values[0]
			now = ruleValue(r.When, v.Value, terminal.ShortDuration)
			of = terminal.Printable((&alert.Alert{Labels: v.Labels}).LabelText(alert.English))
		}
		if o.Over > 0 {
			fires = fmt.Sprintf("yes: %d", o.Over)
		}
		if to == "" {
			to = "all"
		}
		tab.Row(terminal.Printable(r.Name), from, string(r.When), ruleValue(r.When, r.Threshold, terminal.Duration), now, of, fires, terminal.Duration(r.For), string(r.Severity), terminal.Printable(to))
	}
	if asJSON {
		return nil
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	return printNotes(cmd.ErrOrStderr(), notes)
}

// ruleValue returns a value of a condition. Durations are as in the other tables of the command.
func ruleValue(c alert.Condition, v float64, duration func(time.Duration) string) string {
	if c.Unit() == "duration" {
		return duration(time.Duration(v * float64(time.Second)))
	}
	return alert.FormatValue(c, v)
}

// alertTestTime bounds the test of a receiver.
const alertTestTime = 15 * time.Second

func newAlertTest(g *globals) *cobra.Command {
	var (
		f      alertFlag
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "test RECEIVER -c FILE",
		Short: "Send one test message to a receiver",
		Long: `Send one test message to a receiver of the file, and show what its service has answered.
Redis is not used: neither the pace of the receiver nor the history knows of the message.`,
		Args: between(1, 1, "a receiver"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := f.open(g, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer a.close()
			receiver, ok := a.options.Receivers[args[0]]
			if !ok {
				return &inputError{fmt.Errorf("%s has no receiver %s", f.file, terminal.Quoted(args[0]))}
			}
			m := alert.TestMessage(a.store.Pool(), receiver, a.options.Console, "ltsworker alert test")
			ctx, cancel := context.WithTimeout(cmd.Context(), alertTestTime)
			defer cancel()
			answer, err := receiver.Channel.Send(ctx, m)
			return printTest(cmd, args[0], receiver.Channel.Kind(), m.ID, answer, err, asJSON)
		},
	}
	f.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func printTest(cmd *cobra.Command, name, kind, id, answer string, failed error, asJSON bool) error {
	if asJSON {
		text := ""
		if failed != nil {
			text = failed.Error()
		}
		err := terminal.WriteJSON(cmd.OutOrStdout(), struct {
			Receiver string `json:"receiver"`
			Kind     string `json:"kind"`
			Message  string `json:"message"`
			Sent     bool   `json:"sent"`
			Answer   string `json:"answer,omitempty"`
			Error    string `json:"error,omitempty"`
			At       string `json:"at"`
		}{name, kind, id, failed == nil, answer, text, record.Instant(time.Now())})
		if err == nil && failed != nil {
			err = errReported
		}
		return err
	}
	if failed != nil {
		// Not wrapped, so that it is not taken for an error of the connection to Redis.
		return errors.New(name + " (" + kind + ") has not taken the message: " + terminal.Printable(failed.Error()))
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) has taken the message: %s\n", terminal.Printable(name), kind, terminal.Printable(answer))
	return err
}
