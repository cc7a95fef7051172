package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/config"
)

func TestHelpOfRunShowsEveryKeyOfTheFirstConfig(t *testing.T) {
	help := newRun(&globals{}).Long
	for _, line := range strings.Split(string(config.First), "\n") {
		key := regexp.MustCompile(`^ *(?:# {0,2})?([a-z_]+):(?: |$)`).FindStringSubmatch(line)
		if key != nil && key[1] != "echo" && !strings.Contains(help, key[1]+":") {
			t.Errorf("the help does not show %s", key[1])
		}
	}
}
