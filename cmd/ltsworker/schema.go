package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/redisstore"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of an inbox entry",
		Long: `Print the JSON Schema (draft 2020-12) of an entry of the inbox, for programs in
other languages that enqueue by RPUSH, and for editors. Needs no Redis. Rules that a
schema cannot express are in its descriptions.

  ltsworker schema > entry.schema.json`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), redisstore.EntrySchema())
			return err
		},
	}
}
