package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
)

func newAlert(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert COMMAND",
		Short: "Send messages when something is wrong, and silence them",
		Long: `Evaluate rules on a pool, and send messages to webhooks, mail, DingTalk, WeCom, Feishu
and Alertmanager when something is wrong. The section alerts of a config file has the
rules and the receivers:

  alerts:
    receivers:
      ops: {dingtalk: {url: {env: DING_URL}, secret: {env: DING_SECRET}}, lang: zh}
    rules:
      failures: {when: failed_share, over: 10%, window: 10m, for: 1m, by: [kind]}
      wait: {when: oldest_wait, over: 15m, queues: [mail.*], severity: critical}

The page docs/alerts.md explains all keys and conditions. alert run, the console, and
replicas with such a section run the rules. One process of a pool evaluates them at a
time. alert set stores further rules in the pool, which that process evaluates, too.`,
		Example: `  ltsworker alert rules -c alerts.yaml
  ltsworker alert test ops -c alerts.yaml
  ltsworker alert run -c alerts.yaml
  ltsworker alert set wait-mail --when oldest_wait --over 15m --queues 'mail.*' --to ops
  ltsworker alert silence add --rule wait --queue mail.out --for 2h --reason "new server"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAlertRun(g), newAlertList(g), newAlertRules(g), newAlertSet(g), newAlertRemove(g), newAlertTest(g), newAlertHistory(g), newAlertSilence(g))
	return cmd
}

// alertFlag is the file of the rules on the command line.
type alertFlag struct{ file textFlag }

func (f *alertFlag) add(cmd *cobra.Command) {
	cmd.Flags().VarP(&f.file, "config", "c", "config `FILE` with a section alerts")
}

// openAlerts are the rules of a file, with the connection to their pool. Close it.
type openAlerts struct {
	*connection
	runner  *alert.Runner
	options *alert.Options
	store   *redisstore.Store
}

func (a *openAlerts) close() {
	a.store.Close()
	a.Close()
}

// open reads the file. It makes no call to Redis.
func (f *alertFlag) open(g *globals, log *slog.Logger) (*openAlerts, error) {
	if f.file == "" {
		return nil, usagef("-c FILE is missing")
	}
	c, err := config.ReadAlerts(string(f.file))
	if err != nil {
		return nil, &inputError{err}
	}
	o := c.OpenAlerts(log)
	if err := c.Err(); err != nil {
		return nil, &inputError{err}
	}
	name, err := g.poolName(c.PoolName)
	if err != nil {
		return nil, err
	}
	at, err := g.target(c.RedisURL)
	if err != nil {
		return nil, err
	}
	a := &openAlerts{connection: &connection{at.Client(), at, nil}, options: o}
	a.store = redisstore.New(a.UniversalClient, name)
	if a.runner, err = alert.New(a.store, *o); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func newAlertRun(g *globals) *cobra.Command {
	var (
		f         alertFlag
		logFormat string
	)
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Evaluate the rules of a file and the stored ones, and send messages",
		Long: `Evaluate the rules of a file and the stored rules of the pool, and send messages, until
interrupted. Several processes can run the rules of one pool: one of them evaluates the
rules, and another one takes over within 20 seconds when it ends. The alerts that fire,
the messages that are due and the pace of each receiver are in Redis. If the Redis user
may not run rules, the command names the missing right and ends.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(logging.Formats, logFormat) {
				return usagef("--log-format must be one of %s, not %s", strings.Join(logging.Formats, " "), terminal.Quoted(logFormat))
			}
			log := logging.NewFormat(cmd.ErrOrStderr(), slog.LevelInfo, logFormat)
			a, err := f.open(g, log)
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.Reach(cmd.Context()); err != nil {
				return err
			}
			log.Info("alerts starting", "pool", a.store.Pool(), "redis", a.Address, "redis_from", a.Source)
			if err := a.runner.Run(cmd.Context()); err != nil {
				return redisurl.Unreachable(a.Address, err)
			}
			log.Info("stopped")
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&logFormat, "log-format", "auto", "format of the log: text, json, or auto: text on a terminal, else json")
	return cmd
}

// runAlerts runs the alert rules of the config file of a replica, which OpenAlerts has checked.
func runAlerts(ctx context.Context, at *connection, c *config.Config, log *slog.Logger) {
	store := redisstore.New(at.UniversalClient, c.PoolName)
	defer store.Close()
	o := c.OpenAlerts(log)
	err := c.Err() // the file of a secret may be gone since the check
	var r *alert.Runner
	if err == nil {
		r, err = alert.New(store, *o)
	}
	if err == nil {
		err = r.Run(ctx)
	}
	if err != nil {
		log.Error("the alert rules do not run", "err", err)
	}
}

func newAlertList(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Show what fires and what is pending",
		Long: `Show the alerts that fire, and those that are pending because their rule has not applied
for long enough. SILENCE is the id of the silence that suppresses messages. A note says
if no process runs the rules, since when a receiver has taken no messages, or what is
wrong with a stored rule.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := alert.ReadState(ctx, c.Store)
				if err != nil {
					return err
				}
				return printAlerts(cmd, &s, c.Name, asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func printAlerts(cmd *cobra.Command, s *alert.State, pool string, asJSON bool) error {
	out := cmd.OutOrStdout()
	tab := terminal.NewTable(out, "RULE", "STATE", "SEVERITY", "OF", "SINCE", "SILENCE", "WHAT")
	tab.Paint("STATE", func(cell string) terminal.Style {
		return map[string]terminal.Style{"firing": terminal.Red, "pending": terminal.Yellow}[cell]
	})
	records, alerts := record.Alerts(s), slices.Concat(s.Firing, s.Pending)
	for i, r := range records {
		if asJSON {
			if err := terminal.WriteJSON(out, r); err != nil {
				return err
			}
			continue
		}
		a := &alerts[i]
		what := a.DescribeWith(alert.English, terminal.ShortDuration)
		if r.Detail != "" {
			what += "; last: " + r.Detail
		}
		tab.Row(terminal.Printable(r.Rule), r.State, r.Severity, terminal.Printable(a.LabelText(alert.English)), terminal.AgeAt(a.Since, s.Now), r.Silence, terminal.Printable(what))
	}
	if len(s.Firing)+len(s.Pending) == 0 {
		if err := reportNone(cmd, "nothing fires in pool "+pool); err != nil {
			return err
		}
	} else if !asJSON {
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	return alertNotes(cmd.ErrOrStderr(), s)
}

// alertNotes prints why messages about alerts are not sent.
func alertNotes(w io.Writer, s *alert.State) error {
	var notes []string
	if s.Owner == "" {
		note := noRunner
		if !s.At.IsZero() {
			note += "; the last evaluation was " + terminal.AgeAt(s.At, s.Now) + " ago"
		}
		notes = append(notes, note)
	}
	for _, r := range s.Receivers {
		if !r.Since.IsZero() {
			notes = append(notes, fmt.Sprintf("receiver %s has taken no messages since %s: %s", r.Name, record.Instant(r.Since), terminal.Printable(r.Error)))
		}
	}
	return printNotes(w, append(notes, ruleNotes(s.Stored)...))
}

func printNotes(w io.Writer, notes []string) error {
	for _, note := range notes {
		if _, err := fmt.Fprintln(w, "note: "+note); err != nil {
			return err
		}
	}
	return nil
}

func newAlertHistory(g *globals) *cobra.Command {
	var (
		limit  int
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List messages, silences and changes of stored rules, newest first",
		Long: `List the messages that were sent, failed or dropped, silences with their ends, and changes
of stored rules, newest first. A message that failed is tried again with the same id; it
is dropped after three refusals of the service, or after a day. About the newest 1,000
entries are kept.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit must be at least 1, not %d", limit)
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				log, err := c.Store.AlertLog(ctx, "", limit)
				if err != nil {
					return err
				}
				if len(log) == 0 {
					return reportNone(cmd, "no message about alerts was sent in pool "+c.Name)
				}
				tab := terminal.NewTable(cmd.OutOrStdout(), "AT", "WHAT", "RECEIVER", "MESSAGE", "ALERTS", "TRIES", "TEXT", "ANSWER")
				for _, e := range log {
					if asJSON {
						err = terminal.WriteJSON(cmd.OutOrStdout(), record.OfAlertMessage(&e))
						if err != nil {
							return err
						}
						continue
					}
					tab.Row(e.At.Local().Format(time.DateTime), e.What, terminal.Printable(e.Receiver), terminal.Printable(e.Message), strconv.Itoa(e.Alerts), strconv.Itoa(e.Tries),
						terminal.Printable(e.Text), terminal.Printable(e.Error))
				}
				if asJSON {
					return nil
				}
				return tab.Flush()
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "list at most this many")
	addJSON(cmd, &asJSON)
	return cmd
}
