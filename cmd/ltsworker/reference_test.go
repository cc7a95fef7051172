package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var writeReference = flag.Bool("write-reference", false, "write docs/cli.md instead of comparing it")

const referenceFile = "../../docs/cli.md"

// reference returns the text of docs/cli.md: the help of every command.
func reference(t *testing.T) string {
	t.Helper()
	root := newRoot()
	root.InitDefaultCompletionCmd()
	var out bytes.Buffer
	fmt.Fprint(&out, `# The command line

What `+"`ltsworker COMMAND --help`"+` says, in one place. This file is written by `+"`make reference`"+`.

| command | what it does |
| --- | --- |
`)
	var commands []*cobra.Command
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "help" {
			commands = append(commands, cmd)
			fmt.Fprintf(&out, "| [`%s`](#ltsworker-%s) | %s |\n", cmd.Name(), cmd.Name(), strings.ReplaceAll(cmd.Short, "|", `\|`))
		}
	}
	fmt.Fprintf(&out, "\n## Every command\n\n```text\n%s\n\n%s\n```\n", root.Long, strings.TrimRight(root.PersistentFlags().FlagUsages(), "\n"))
	for _, cmd := range commands {
		fmt.Fprintf(&out, "\n## ltsworker %s\n\n```text\n%s\n```\n", cmd.Name(), help(cmd))
		if cmd.Name() == "completion" {
			continue // its subcommands are scripts for shells
		}
		for _, sub := range allCommands(cmd) {
			fmt.Fprintf(&out, "\n### %s\n\n```text\n%s\n```\n", sub.CommandPath(), help(sub))
		}
	}
	return out.String()
}

// help returns the help of a command without the flags that all commands have.
func help(cmd *cobra.Command) string {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	parts := []string{strings.TrimSpace(text), "Usage:\n  " + cmd.UseLine()}
	if cmd.HasAvailableSubCommands() {
		sub := "Commands:"
		for _, c := range cmd.Commands() {
			sub += fmt.Sprintf("\n  %-12s %s", c.Name(), c.Short)
		}
		parts = append(parts, sub)
	}
	if cmd.Example != "" {
		parts = append(parts, "Examples:\n"+cmd.Example)
	}
	cmd.InitDefaultHelpFlag()
	cmd.Flags().Lookup("help").Hidden = true
	if flags := strings.TrimRight(cmd.LocalFlags().FlagUsages(), "\n"); flags != "" {
		parts = append(parts, "Flags:\n"+flags)
	}
	return strings.Join(parts, "\n\n")
}

func TestReferenceIsWhatTheCommandsSay(t *testing.T) {
	want := reference(t)
	if *writeReference {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("docs/cli.md is not current, run make reference (-want +got):\n%s", diff)
	}
}

func TestEveryCommandHasItsPlaceInTheMenu(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		if cmd.Hidden {
			continue
		}
		if cmd.GroupID == "" {
			t.Errorf("%s is in no section of the help", cmd.Name())
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s says of itself %q", cmd.Name(), cmd.Short)
		}
	}
}

// A default is part of the text of a flag, or cobra adds it.
func TestHelpOfAFlagHasItsDefaultOnce(t *testing.T) {
	twice := regexp.MustCompile(`\(default[^)]*\)\s+\(default|\(default \[\]\)`)
	for _, cmd := range append([]*cobra.Command{newRoot()}, allCommands(newRoot())...) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			only := pflag.NewFlagSet("", pflag.ContinueOnError)
			only.AddFlag(f)
			if text := only.FlagUsages(); twice.MatchString(text) {
				t.Errorf("%s: %s", cmd.CommandPath(), text)
			}
		})
	}
}
