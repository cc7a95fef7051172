// Package integration holds the end-to-end tests: replicas in one process and in
// processes of their own, over a real redis-server, through the public API. Each
// test is named after the rule it proves.
package integration
