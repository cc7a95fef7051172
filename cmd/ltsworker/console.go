package main

import (
	"github.com/spf13/cobra"
)

func newConsole() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "console COMMAND",
		Short: "Manage the users of the web console",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConsoleUser())
	return cmd
}
