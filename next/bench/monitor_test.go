package main

import "testing"

func TestMonitorTellsClientsCommandsFromThoseOfScriptsAndTransactions(t *testing.T) {
	c := calls{map[string]int{}, map[string]int{}}
	multi := map[string]bool{}
	for _, l := range []string{
		`+1700000000.000001 [0 127.0.0.1:1] "EVALSHA" "abc" "0"`,
		`+1700000000.000002 [0 lua] "hset" "k" "f" "[0 lua] \"x"`,
		`+1700000000.000003 [0 127.0.0.1:1] "hset" "k" "f" "v"`,
		`+1700000000.000004 [0 127.0.0.1:2] "multi"`,
		`+1700000000.000005 [0 127.0.0.1:2] "hset" "k" "f" "v"`,
		`+1700000000.000006 [0 127.0.0.1:1] "hset" "k" "f" "v"`,
		`+1700000000.000007 [0 127.0.0.1:2] "exec"`,
	} {
		c.count(l+"\r\n", multi)
	}
	if c.sent["evalsha"] != 1 || c.sent["hset"] != 2 || c.inner["hset"] != 2 || c.sent["exec"] != 1 {
		t.Errorf("%+v", c)
	}
	if got := c.sentShare("hset"); got != 0.5 {
		t.Errorf("share %v, want 0.5", got)
	}
}
