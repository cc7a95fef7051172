package main

import (
	"github.com/spf13/cobra"
)

func newConsole(g *globals) *cobra.Command {
	var f consoleFlags
	users := ""
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serve the web console, and manage its users",
		Long: `Serve the web console and its JSON API until interrupted. Users log in with a password,
OIDC, or a header of a trusted proxy, and programs with a token. At the first start without
a password file, the command creates one with the user admin, and prints a password that
must be changed at the first login.

  listen: 0.0.0.0:8380
  pools: [media, mail]
  users: console.users           # see ltsworker console user
  tls: {cert: cert.pem, key: key.pem}
  redact: [password, "*token*"]  # names whose values are not shown
  metrics: 127.0.0.1:9380        # serves /metrics for Prometheus, without a login
  trace_url: https://traces.example/trace/{trace_id}   # linked by the page of a task
  archive: tasks.db              # as for ltsworker archive --db
  alerts: alerts.yaml            # run the alert rules of this file; docs/alerts.md
  proxy:
    from: [10.1.2.3]
    user_header: X-User
    grants: {everyone: {"*": viewer}, users: {alice: {media: admin}}}

The page docs/console.md explains all keys, docs/api.md the API. LTS_OIDC_SECRET has the
secret of the client of OIDC, unless oidc.client_secret_file names a file.`,
		Example: `  ltsworker console --open
  ltsworker console -c console.yaml
  ltsworker console user add alice --roles "*=admin"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return f.serve(cmd, g, users) },
	}
	f.add(cmd)
	cmd.Flags().Var((*textFlag)(&users), "users", "password `FILE` (default "+defaultUsersFile+", unless users log in another way)")
	cmd.AddCommand(newConsoleUser())
	return cmd
}
