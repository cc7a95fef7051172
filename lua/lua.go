// Package lua holds the atomic transitions of a pool: one script per file, each
// with a header that says what it does, its KEYS and ARGV, what it returns and
// the invariant it keeps. Parts that scripts share are in lib/. Scripts and parts
// name the parts they need in a "uses" line; a script is loaded with all of them,
// each once, in front of it.
//
// Nothing else writes a pool's state. All scripts take the prefix of the pool's
// keys as KEYS[1] and its hash of settings as KEYS[2], build every other key from
// those (a pool is in one slot of a cluster), and read the time from Redis.
//
// A part other than base is a table of functions: lib/queue.lua is Queue, of which
// Queue.place is a function. Every closure that a script makes costs Redis time at
// every call. A script that runs often therefore names the parts that each call needs
// in a "hot" line; the others are loaded together when the first of them is used.
package lua

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed *.lua lib
var files embed.FS

var (
	// field matches a field of a part's table, defines a line that defines one or more.
	field   = regexp.MustCompile(`(^|[^\w.'])([A-Z][A-Za-z]+)\.([A-Za-z_]\w*)`)
	defines = regexp.MustCompile(`^(function )?([A-Z]\w*\.\w+)(, [A-Z]\w*\.\w+)*( =|\()`)
)

// Source returns the complete text of the script in NAME.lua: the parts that it
// uses, and that these use, then the script, without comments. It panics on a name
// that does not exist: the set is fixed when the program is built.
func Source(name string) string {
	body := read(name + ".lua")
	hot, cold := parts(name), []string(nil)
	if often := listed(body, "hot"); often != nil {
		isCold := func(part string) bool { return !slices.Contains(often, part) }
		for _, part := range hot {
			if isCold(part) {
				cold = append(cold, part)
			}
		}
		hot = slices.DeleteFunc(hot, isCold)
	}
	text := read("lib/base.lua") + tables(hot)
	if len(cold) > 0 {
		text += "local cold_parts\nlocal function cold()\nif not cold_parts then\n" + tables(cold) + texts(cold) +
			"cold_parts = {}\n"
		for _, part := range cold {
			text += fmt.Sprintf("cold_parts.%[1]s = %[1]s\n", table(part))
		}
		text += "end\nreturn cold_parts\nend\n"
	}
	used := bare(texts(hot) + body)
	if len(cold) == 0 {
		return bare(text) + used
	}
	return bare(text) + field.ReplaceAllStringFunc(used, func(found string) string {
		m := field.FindStringSubmatch(found)
		if slices.ContainsFunc(cold, func(part string) bool { return table(part) == m[2] }) {
			return m[1] + "cold()." + m[2] + "." + m[3]
		}
		return found
	})
}

// bare is a text without the lines that are a comment or empty.
func bare(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for line := range strings.Lines(text) {
		if code := strings.TrimLeft(line, " "); code != "\n" && !strings.HasPrefix(code, "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// tables is the definition of the parts' tables, each with room for its fields: a table
// that grows costs more.
func tables(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&b, "local %s = {", table(part))
		for _, name := range fields(part) {
			fmt.Fprintf(&b, " %s = false,", name)
		}
		b.WriteString(" }\n")
	}
	return b.String()
}

// texts is the text of the parts, each a block with local names of its own.
func texts(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("do\n" + read("lib/"+part+".lua") + "end\n")
	}
	return b.String()
}

// fields returns the names of the fields that a part's table gets.
func fields(part string) []string {
	if names, known := fieldsOf.Load(part); known {
		return names.([]string)
	}
	var names []string
	for line := range strings.Lines(bare(read("lib/" + part + ".lua"))) {
		if !strings.HasPrefix(line, "function ") && (line[0] < 'A' || line[0] > 'Z') {
			continue // most lines, and the pattern is slow
		}
		for _, m := range field.FindAllStringSubmatch(defines.FindString(line), -1) {
			names = append(names, m[3])
		}
	}
	fieldsOf.Store(part, names)
	return names
}

// fieldsOf keeps what fields has returned: many scripts share a part.
var fieldsOf sync.Map

// table is the name of a part's table: DoctorKeys of doctor/keys.
func table(part string) string {
	var b strings.Builder
	for _, word := range strings.Split(part, "/") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// parts returns the names of all parts that a script needs but base, each behind those
// that it uses itself.
func parts(name string) []string {
	var order, path []string
	var add func(file string)
	add = func(file string) {
		for _, part := range uses(file) {
			if slices.Contains(path, part) {
				panic(fmt.Sprintf("lua: %v use each other", append(path, part)))
			}
			if part == "base" || slices.Contains(order, part) {
				continue
			}
			path = append(path, part)
			add("lib/" + part + ".lua")
			path = path[:len(path)-1]
			order = append(order, part)
		}
	}
	add(name + ".lua")
	return order
}

// uses returns the parts that a file names itself.
func uses(file string) []string { return listed(read(file), "uses") }

// listed returns the words of a line of the header, nil where there is no such line.
func listed(text, what string) []string {
	for line := range strings.Lines(text) {
		if words, found := strings.CutPrefix(line, "-- "+what+": "); found {
			return append([]string{}, strings.Fields(words)...)
		}
	}
	return nil
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic("lua: " + err.Error())
	}
	return string(text)
}
