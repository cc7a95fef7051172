package integration

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// The users of the documentation: an operator stores alert rules, and a worker can only read them.
func TestOnlyTheOperatorStoresAlertRules(t *testing.T) {
	server := redisserver.Start(t)
	operator := newCommand(t, "LTS_REDIS="+server.User(t, "operator", aclRecipe(t, "operator")...).URL(), "LTS_POOL=p")
	w := server.User(t, "worker", aclRecipe(t, "worker")...)
	worker := newCommand(t, "LTS_REDIS="+w.URL(), "LTS_POOL=p")
	if out, code := operator.run("alert", "set", "wait", "--when", "oldest_wait"); code != 0 {
		t.Errorf("the operator cannot store an alert rule: %d\n%s", code, out)
	}
	for _, args := range [][]string{{"alert", "set", "wait", "--when", "waiting"}, {"alert", "rm", "wait"}} {
		if out, code := worker.run(args...); code != 1 || !strings.Contains(out, "may not write the alert rules of pool p") {
			t.Errorf("a worker's %v: exit code %d\n%s", args, code, out)
		}
	}
	if out, code := worker.run("alert", "rules"); code != 0 || !strings.Contains(out, "oldest_wait") {
		t.Errorf("a worker does not see the rule: %d\n%s", code, out)
	}
	p, err := pool.New(redisstore.New(w.Client(t), "p"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if found := inspect(t, p, true); len(found) > 0 {
		t.Errorf("an inspection as a worker finds %+v", found)
	}
	if out, code := operator.run("alert", "rm", "wait"); code != 0 {
		t.Errorf("the operator cannot remove the rule: %d\n%s", code, out)
	}
}
