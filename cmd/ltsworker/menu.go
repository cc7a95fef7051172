package main

import "github.com/spf13/cobra"

// menu is how the help sorts the commands. One that is not named here is among
// the others.
var menu = []struct {
	title    string
	commands []string
}{
	{"Start", []string{"demo", "init", "run"}},
	{"Tasks", []string{"enqueue", "get", "logs", "ls", "wait", "tail", "stop", "retry", "delete", "schema"}},
	{"The pool", []string{"stats", "queues", "replicas", "top", "pause", "resume", "limit", "drain", "reap", "doctor", "bench"}},
}

func addMenu(root *cobra.Command) {
	cobra.EnableCommandSorting = false
	for _, m := range menu {
		root.AddGroup(&cobra.Group{ID: m.title, Title: m.title + ":"})
		for _, name := range m.commands {
			for _, cmd := range root.Commands() {
				if cmd.Name() == name {
					cmd.GroupID = m.title
					// Added again, it comes after those before it.
					root.RemoveCommand(cmd)
					root.AddCommand(cmd)
				}
			}
		}
	}
}
