package alert

import (
	"os/exec"
	"strings"
	"testing"
)

// A service that embeds a pool links no alerts, and one that runs rules links only the channels that
// it imports.
func TestProgramsLinkOnlyTheChannelsThatTheyImport(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	for of, not := range map[string][]string{
		"pool redisstore worker": {module + "alert", "github.com/wneessen/"},
		"alert":                  {module + "alert/", module + "pool", module + "redisstore", "net/http", "net/smtp", "github.com/"},
		"alert/webhook":          {module + "alert/mail", "github.com/wneessen/"},
		"alert/mail":             {module + "alert/webhook", "github.com/standard-webhooks/"},
	} {
		args := []string{"list", "-deps"}
		for name := range strings.FieldsSeq(of) {
			args = append(args, module+name)
		}
		out, err := exec.Command("go", args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for path := range strings.FieldsSeq(string(out)) {
			for _, prefix := range not {
				own := prefix == "github.com/" && strings.HasPrefix(path, module)
				if strings.HasPrefix(path, prefix) && !own {
					t.Errorf("%s is built with %s", of, path)
				}
			}
		}
	}
}
