// Package lua holds the atomic transitions of a pool: one script per file, each
// with a header that says what it does, its KEYS and ARGV, what it returns and
// the invariant it keeps. What scripts share stands once in lib/ and is put in
// front of those that name it in their "uses" line.
//
// Nothing else writes a pool's state. All scripts take the prefix of the pool's
// keys as KEYS[1] and its hash of settings as KEYS[2], build every other key from
// those (a pool is in one slot of a cluster), and read the time from Redis. Most are
// named after the step they take: enqueue, claim, succeed, fail, release, renew,
// reap, promote, purge, stop, retry, delete.
package lua

import (
	"embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed *.lua lib/*.lua
var files embed.FS

var uses = regexp.MustCompile(`(?m)^-- uses: (.*)$`)

// Source returns the complete text of the script in NAME.lua. It panics on a
// name that does not exist: the set is fixed when the program is built.
func Source(name string) string {
	body := read(name + ".lua")
	m := uses.FindStringSubmatch(body)
	if m == nil {
		panic(fmt.Sprintf("lua: %s.lua has no uses line", name))
	}
	var b strings.Builder
	for _, lib := range strings.Fields(m[1]) {
		b.WriteString(read("lib/" + lib + ".lua"))
	}
	b.WriteString(body)
	return b.String()
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic("lua: " + err.Error())
	}
	return string(text)
}
