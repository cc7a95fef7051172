package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/internal/batch"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// enqueueFlags are the flags of enqueue.
type enqueueFlags struct {
	queue, group, unique, id, backoff     string
	onLimit                               string
	priority                              int8
	maxAttempts                           int
	delay, timeout, ttl, deadline, retain durationFlag
	waitTimeout                           durationFlag
	at                                    timeFlag
	headers, labels                       []string
	batch                                 string
	reply, hold, wait, json, traces       bool
	shards                                int
	shardParams                           []string
	broadcast, failFast                   bool
	then                                  string
}

func newEnqueue(g *globals) *cobra.Command {
	f := enqueueFlags{timeout: durationFlag{word: "none"}, retain: durationFlag{word: "forever"}}
	cmd := &cobra.Command{
		Use:   "enqueue KIND [JSON|-]",
		Short: "Add a task, or many tasks with --batch",
		Long: `Add a task of a kind. Its payload is the JSON argument. For - it is the standard
input. Without the argument it is empty. The handler gets it byte for byte.

With --batch FILE every line of FILE (- is standard input) is one task: a JSON
object with the fields of an inbox entry,

  {"kind":"email.send","payload":{"to":"a@b.c"},"priority":5}

If a line is invalid, no task is made, and all invalid lines are reported. If a valid
task cannot be made, the output says why. With --json its "outcome" is refused (not
made: its queue is full, Redis takes no writes, or this user may not write), not_tried
(not made: Redis failed earlier in the batch) or unknown (Redis failed during the call:
the task may exist).

The output is the id and the state. If the id or unique key is taken, no second task
is made, and the output names the task that has it. With --wait the output is the
final state and the result, and the command fails unless the task succeeded and its
result can be read. After --wait-timeout the command fails and names the task, which
is not affected.

The task gets the trace of the variable TRACEPARENT in its header traceparent, unless a
--header sets that.`,
		Example: `  ltsworker enqueue email.send '{"to":"a@b.c"}' --priority 10 --delay 5m
  generate | ltsworker enqueue report - --id report-2026-01 --wait
  ltsworker enqueue --batch tasks.ndjson`,
		Args: func(_ *cobra.Command, args []string) error {
			if f.batch != "" {
				return between(0, 0, "")(nil, args)
			}
			return between(1, 2, "KIND")(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.batch != "" {
				return enqueueBatch(cmd, g, &f)
			}
			return enqueueOne(cmd, g, &f, args)
		},
	}
	flags := cmd.Flags()
	f.addTemplate(flags)
	flags.Var(&f.at, "at", "start at this time at the earliest, such as 2026-01-31T18:00:00Z")
	flags.BoolVar(&f.hold, "hold", false, "put the task on hold: it does not start before ltsworker start")
	flags.Var((*textFlag)(&f.id), "id", "the task's `ID` (default a new one)")
	flags.BoolVar(&f.reply, "reply", false, "also push the outcome to the reply list of the task; needs --id")
	flags.Var((*textFlag)(&f.batch), "batch", "`FILE` with one task per line, - for standard input")
	flags.BoolVar(&f.wait, "wait", false, "wait until the task has ended and print its result")
	flags.Var(&f.waitTimeout, "wait-timeout", "with --wait: give up the wait after this time (default never)")
	flags.BoolVar(&f.traces, "traces", false, "export a span by OTLP (default if OTEL_ variables say so)")
	addJSON(cmd, &f.json)
	return cmd
}

// addTemplate adds the flags that the task of a trigger has, too.
func (f *enqueueFlags) addTemplate(flags *pflag.FlagSet) {
	flags.Var((*textFlag)(&f.queue), "queue", "`NAME` of the queue (default "+task.DefaultQueue+")")
	flags.Int8Var(&f.priority, "priority", 0, "from -128 to 127; higher starts first")
	flags.Var(&f.delay, "delay", "start after this time at the earliest, such as 90s, 2h or 7d")
	flags.Var((*textFlag)(&f.unique), "unique", "`KEY` that only one live task may have: any text of up to 4096 bytes.\nA key that is no name is stored and shown as # and a hash")
	flags.Var((*textFlag)(&f.group), "group", "`KEY` whose running tasks are limited together")
	flags.StringArrayVar(&f.labels, "label", nil, "`LABEL` that a replica must have to run the task, such as gpu or zone=eu;\nmay be repeated")
	flags.Var((*textFlag)(&f.onLimit), "on-limit", "wait, or fail: make no task if the limits of pool, queue and group leave\nno place for it to run now (default wait)")
	flags.Var(&f.timeout, "timeout", `bound of one attempt, or "none" (default the handler's, else 30m)`)
	flags.Var(&f.ttl, "ttl", "expire if the first attempt has not started within this time")
	flags.Var(&f.deadline, "deadline", "end within this time, all attempts together")
	flags.IntVar(&f.maxAttempts, "max-attempts", 0, "the task fails after this many failed attempts (default the handler's, else 5)")
	flags.Var((*textFlag)(&f.backoff), "backoff", "wait between attempts: exponential:BASE_MS:MAX_MS or fixed:MS")
	flags.Var(&f.retain, "retain", `keep the ended task for this time, or "forever"; 0s removes it at once`)
	flags.IntVar(&f.shards, "shards", 0, "make a parent: so many children do its work, each a part")
	flags.StringArrayVar(&f.shardParams, "shard-param", nil, "make a parent with one child for each `PARAM`; repeat the flag")
	flags.BoolVar(&f.broadcast, "broadcast", false, "make a parent with one child for each replica that would take the task")
	flags.BoolVar(&f.failFast, "fail-fast", false, "end the parent with the first child that does not succeed")
	flags.Var((*textFlag)(&f.then), "then", "make another task when this one succeeds: `JSON` with the fields of an inbox\nentry; without a payload it gets the result of this task")
	flags.StringArrayVar(&f.headers, "header", nil, "`KEY=VALUE` that the handler gets; may be repeated")
}

// spec builds a task from the flags and reports all errors in them.
func (f *enqueueFlags) spec(cmd *cobra.Command, kind string) (task.Spec, error) {
	s := task.Spec{
		Kind: kind, ID: f.id, Queue: f.queue, Group: f.group, Labels: f.labels, Unique: f.unique, Priority: f.priority,
		Delay: f.delay.value, RunAt: f.at.value, Timeout: f.timeout.value, TTL: f.ttl.value, Deadline: f.deadline.value,
		MaxAttempts: f.maxAttempts, Reply: f.reply, Hold: f.hold, FailOnLimit: f.onLimit == "fail",
		Shards: f.shards, ShardParams: f.shardParams, Broadcast: f.broadcast, FailFast: f.failFast,
	}
	var problems []string
	if f.onLimit != "" && f.onLimit != "wait" && f.onLimit != "fail" {
		problems = append(problems, "--on-limit must be wait or fail, not "+terminal.Quoted(f.onLimit))
	}
	if f.retain.set {
		s.Retain = &f.retain.value
	}
	for _, h := range f.headers {
		k, v, ok := strings.Cut(h, "=")
		if !ok || k == "" {
			problems = append(problems, "--header must be KEY=VALUE, not "+terminal.Quoted(h))
			continue
		}
		if s.Headers == nil {
			s.Headers = map[string]string{}
		}
		s.Headers[k] = v
	}
	if f.then != "" {
		// The text may be no JSON, so the errors of the parser are about all of it.
		entry, err := redisstore.ParseEntry([]byte(`{"kind":"k","then":` + f.then + `}`))
		if s.Then = entry.Then; err != nil {
			problems = append(problems, "--then "+strings.ReplaceAll(err.Error(), "\n", "\n--then "))
			s.Then = nil
		}
	}
	if cmd.Flags().Changed("shards") && f.shards == 0 {
		problems = append(problems, "--shards must be at least 1")
	}
	var err error
	if s.Backoff, err = task.ParseBackoff(f.backoff); err != nil {
		problems = append(problems, "--backoff "+err.Error())
	}
	for _, d := range []struct {
		flag string
		durationFlag
	}{{"timeout", f.timeout}, {"ttl", f.ttl}, {"deadline", f.deadline}} {
		if d.set && d.value == 0 {
			problems = append(problems, "--"+d.flag+" must be more than 0")
		}
	}
	if cmd.Flags().Changed("max-attempts") && f.maxAttempts == 0 {
		problems = append(problems, "--max-attempts must be at least 1")
	}
	problems = append(problems, flagProblems(s.Check())...)
	if len(problems) > 0 {
		return s, usagef("%s", strings.Join(problems, "\n"))
	}
	return s, nil
}

// flagProblems returns what is wrong with flags, by the fields in the error of a spec.
func flagProblems(err error) (problems []string) {
	for _, e := range task.FieldErrors(err) {
		problems = append(problems, flagName(e.Field)+" "+otherFlags.Replace(e.Msg))
	}
	return problems
}

// otherFlags replaces the fields that messages about other fields name.
var otherFlags = strings.NewReplacer("run_at", "--at", "and hold ", "and --hold ", "and on_limit ", "and --on-limit fail ",
	"and shards cannot", "and --shards cannot", "and broadcast ", "and --broadcast ")

// flagName returns the flag for a field of a spec.
func flagName(field string) string {
	switch field {
	case "kind":
		return "KIND"
	case "payload":
		return "the payload"
	case "run_at":
		return "--at"
	case "headers", "labels", "shard_params":
		field = strings.TrimSuffix(field, "s")
	}
	return "--" + strings.ReplaceAll(field, "_", "-")
}

// payload reads the payload argument.
func payload(args []string, in io.Reader) ([]byte, error) {
	if len(args) < 2 {
		return nil, nil
	}
	data := []byte(args[1])
	if args[1] == "-" {
		var err error
		if data, err = io.ReadAll(io.LimitReader(in, task.MaxPayload+1)); err != nil {
			return nil, fmt.Errorf("read the payload from standard input: %w", err)
		}
		if len(data) > task.MaxPayload {
			return nil, &inputError{fmt.Errorf("the payload is over %d bytes: store it elsewhere and pass a reference", task.MaxPayload)}
		}
	}
	if !utf8.Valid(data) {
		return nil, &inputError{errors.New("the payload is not valid UTF-8: encode bytes that are not text, in base64 for instance")}
	}
	var valid json.RawMessage
	if err := json.Unmarshal(data, &valid); err != nil {
		return nil, &inputError{fmt.Errorf(`the payload is not JSON: %w; text needs double quotes inside the shell's: '"text"'`, err)}
	}
	return data, nil
}

func enqueueOne(cmd *cobra.Command, g *globals, f *enqueueFlags, args []string) error {
	if f.waitTimeout.set && !f.wait {
		return usagef("--wait-timeout goes with --wait")
	}
	spec, err := f.spec(cmd, args[0])
	if err != nil {
		return err
	}
	err = terminal.Interruptibly(cmd.Context(), func() (err error) {
		spec.Payload, err = payload(args, cmd.InOrStdin())
		return err
	})
	if err != nil {
		return err
	}
	return g.traced(cmd, f.traces, func(ctx context.Context, c *client.Client) error {
		r, err := c.EnqueueSpec(ctx, spec)
		if problems := flagProblems(err); len(problems) > 0 {
			return usagef("%s", strings.Join(problems, "\n"))
		}
		if err != nil {
			return err
		}
		if f.wait {
			ctx, cancel := f.waitTimeout.bound(ctx)
			defer cancel()
			return waitFor(ctx, cmd, c, []string{r.ID}, f.json)
		}
		return printReceipts(cmd.OutOrStdout(), []task.Receipt{r}, nil, f.json)
	})
}

// printReceipts prints a line for each task. place returns the position of a receipt's task in a
// batch; it may be nil.
func printReceipts(w io.Writer, receipts []task.Receipt, place func(i int) (name string, line int), asJSON bool) error {
	common := batch.Common(receipts) != "" // the error of the command has the reason
	for i, r := range receipts {
		name, at := "", 0
		if place != nil {
			name, at = place(i)
		}
		if asJSON {
			if err := terminal.WriteJSON(w, record.OfReceipt(r, at)); err != nil {
				return err
			}
			continue
		}
		line := terminal.Printable(r.ID) + "\t" + terminal.Printable(string(r.State))
		switch {
		case r.Err != nil:
			line = fmt.Sprintf("%s\t%s: %s:%d", cmp.Or(terminal.Printable(r.ID), "-"), strings.ReplaceAll(batch.Outcome(r.Err), "_", " "), terminal.Visible(name), at)
			if !common && batch.Outcome(r.Err) != batch.NotTried {
				line += ": " + terminal.Visible(terminal.TidyError(r.Err.Error()))
			}
		case r.Duplicate:
			line += "\tduplicate"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
