package redisserver

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// oldest is the first major version of Redis that ltsworker supports.
const oldest = 7

const install = "install Redis 7.0 or newer (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis; " +
	"else https://redis.io/docs/latest/operate/oss_and_stack/install/), or name the program in REDIS_SERVER"

var versionPattern = regexp.MustCompile(`\bv=(\d+)\.`)

// find returns the path of a redis-server that is new enough.
func find() (string, error) {
	name := cmp.Or(os.Getenv("REDIS_SERVER"), "redis-server")
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("this test needs a real redis-server: %w; %s", err, install)
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w; %s", path, err, install)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s is no redis-server, it calls itself %q; %s", path, out, install)
	}
	if major, err := strconv.Atoi(string(m[1])); err != nil || major < oldest {
		return "", fmt.Errorf("%s is too old: %s; %s", path, out, install)
	}
	return path, nil
}
