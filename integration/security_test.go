package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// TestSecretsStaySecret runs every command with a right and with a wrong
// password, given in every supported way. It searches for the password in the
// output, in ps, and in the keys that the commands leave in Redis. make soak
// runs every command also with the address in a file, and takes every invalid
// address.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	rnd := seeded(t)
	server := redisserver.Start(t)
	rdb := server.Client(t)
	ctx := context.Background()
	const right, wrong = "s3cr3t/right%+?", "s3cr3t/wrong%+?"
	if err := rdb.Do(ctx, "ACL", "SETUSER", "ops", "on", ">"+right, "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	leaks := func(what, text string) {
		t.Helper()
		for _, p := range []string{right, wrong} {
			for _, form := range []string{p, url.QueryEscape(p), url.PathEscape(p), url.UserPassword("", p).String(), "s3cr3t"} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows the password:\n%s", what, text)
					return
				}
			}
		}
	}
	address := func(password string) string {
		return (&url.URL{Scheme: "redis", User: url.UserPassword("ops", password), Host: server.Addr(), Path: "/0"}).String()
	}
	commands := [][]string{{"enqueue", "k", "--id", "a"}, {"get", "a"}, {"ls"}, {"ls", "--json"}, {"stats"}, {"stats", "--json"}, {"doctor"}, {"doctor", "--json"},
		{"doctor", "--fix"}, {"pause"}, {"resume"}, {"limit"}, {"queues"}, {"replicas"}, {"replicas", "--json"}, {"stop", "a"}, {"retry", "a"}, {"stop", "a"}, {"delete", "a"}, {"wait", "none"}}

	for _, password := range []string{right, wrong} {
		c := newCommand(t, "LTS_POOL=p", "LTS_REDIS="+address(password))
		file := newCommand(t, "LTS_POOL=p")
		file.write("redis.url", address(password)+"\n")
		for _, args := range commands {
			out, code := c.run(args...)
			leaks(fmt.Sprint(args), out)
			if password == wrong && (code != 1 || !strings.Contains(out, "refuses")) {
				t.Errorf("%v: exit code %d: %s", args, code, out)
			}
		}
		for _, args := range sample(rnd, commands, 6) {
			out, _ := file.run(append(args, "--redis", "@redis.url")...)
			leaks(fmt.Sprint(args, " with a file"), out)
		}
		c.run("resume") // the chosen commands may have paused the pool
		out, _ := c.run("doctor", "--redis", address(password))
		leaks("doctor with the password in a flag", out)
	}

	// An invalid address may still contain a password.
	for _, bad := range sample(rnd, []string{
		"redis://ops:" + "s3cr3t%zz@" + server.Addr(), "redis://ops:s3cr3t@127.0.0.1:notaport/0", "s3cr3t", "http://ops:s3cr3t@" + server.Addr(),
		"redis://ops:s3cr3t@" + server.Addr() + "/notanumber", "redis://" + server.Addr() + "/0?password=s3cr3t&nonsense=1", "redis://ops:s3cr3t@127.0.0.1:1/0",
		"redis://ops:s3cr3t@" + server.Addr() + "/0?read_timeout=s3cr3t", " redis://ops:s3cr3t@x y",
	}, 4) {
		c := newCommand(t, "LTS_POOL=p", "LTS_REDIS="+bad)
		c.write("worker.yaml", "redis: "+strconv.Quote(bad)+"\nqueues: {default: {workers: 1}}\nhandlers: {k: {command: [/bin/true]}}\n")
		c.write("redis.url", bad)
		for _, args := range [][]string{{"stats"}, {"run", "-c", "worker.yaml"}, {"stats", "--redis", "@redis.url"}, {"stats", "--redis", bad}} {
			out, code := c.run(args...)
			leaks(fmt.Sprint(args, " with ", bad), out)
			if code == 0 {
				t.Errorf("%v worked with %s", args, bad)
			}
		}
	}

	// A replica, from its config file and from the environment.
	for i, env := range [][]string{{"LTS_POOL=p"}, {"LTS_POOL=p", "LTS_REDIS=" + address(right)}} {
		c := newCommand(t, env...)
		text := "lease: 3s\nqueues: {default: {workers: 1}}\nhandlers: {k: {command: [/bin/sh, -c, 'echo oops >&2; exit 65']}}\n"
		if len(env) == 1 {
			text = "redis: " + strconv.Quote(address(right)) + "\n" + text
		}
		c.write("worker.yaml", text)
		var log diary
		p := c.start(&log, "run", "-c", "worker.yaml")
		client := (&site{t: t, name: "p", rdb: rdb}).poolOn(server)
		eventually(t, patience, "a live replica", func() bool {
			live, err := client.Replicas(ctx)
			return err == nil && len(live) == i+1
		})
		if got := await(t, client, enqueue(t, client, task.Spec{Kind: "k"})); got.Error == "" {
			t.Errorf("%+v", got)
		}
		if runtime.GOOS == "linux" {
			line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Process.Pid), "cmdline"))
			if err != nil {
				t.Fatal(err)
			}
			leaks("ps", string(line))
		}
		// The connection breaks and is made again. Both are logged.
		rdb.Do(ctx, "CLIENT", "KILL", "USER", "ops")
		rdb.Do(ctx, "ACL", "SETUSER", "ops", "resetpass", ">changed")
		rdb.Do(ctx, "CLIENT", "KILL", "USER", "ops")
		eventually(t, patience, "a line about it", func() bool { return strings.Contains(log.String(), "calls to the store fail") })
		rdb.Do(ctx, "ACL", "SETUSER", "ops", "resetpass", ">"+right)
		eventually(t, patience, "the end of it", func() bool { return strings.Contains(log.String(), "the store works again") })
		leaks("the log", log.String())
	}
	for key, v := range contents(t, rdb) {
		leaks("key "+key, v)
	}
}

// hostile is text of an attacker: it has control sequences, shell syntax and
// invalid characters.
const hostile = "\x1b]0;owned\a\x1b[2J\x1b[31mred\nroot# \r\t$(touch pwned)`touch pwned`;touch pwned\x00\u202eevil\u009b5m\x7f'\"\\"

// inTerminal checks that the output can neither move a cursor, sound the bell
// nor change the direction of the text.
func inTerminal(t testing.TB, what, out string) {
	t.Helper()
	for i, r := range out {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(out[i:]); n == 1 {
				t.Errorf("%s prints bytes that are not UTF-8:\n%q", what, out)
				return
			}
		}
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			t.Errorf("%s prints %q:\n%q", what, r, out)
			return
		}
	}
}

// TestHostileTextIsShownEscaped puts hostile text into every field that the
// binary shows: the fields that a producer sets, and those that only a direct
// write to the pool's keys can set.
func TestHostileTextIsShownEscaped(t *testing.T) {
	server := redisserver.Start(t)
	rdb := server.Client(t)
	ctx := context.Background()
	key := func(name string) string { return "lts:{p}:" + name }
	s := (&site{t: t, name: "p", rdb: rdb}).poolOn(server)
	bytesToo := hostile + "\xff\xfe"
	enqueue(t, s, task.Spec{Kind: "k", ID: "a", Payload: []byte(hostile), Headers: map[string]string{hostile: hostile}})
	rdb.Append(ctx, key("task:a"), "\xff\xfe") // an enqueue refuses bytes that are not text
	enqueue(t, s, task.Spec{Kind: "k", ID: "b"})
	fields := []any{}
	for _, f := range []string{"v", "attempt", "replica", "progress", "result", "code", "error", "stop", "slow", "slow_at", "ended_at", "fence"} {
		fields = append(fields, f, bytesToo)
	}
	hostileHost := `{"host":` + quoteJSON(hostile) + `,"ip":` + quoteJSON(hostile) + `,"version":` + quoteJSON(hostile) + `,"pid":1}`
	rdb.HSet(ctx, key("former"), "gone", hostileHost)
	word := strings.Join(strings.Fields(bytesToo), "") // the characters that the header of a record can hold
	for _, state := range []string{"waiting", "running", "failed", "stopped", "succeeded", "expired", bytesToo} {
		id := "h" + strconv.Itoa(len(state))
		rdb.Set(ctx, key("task:"+id), rawRecord(rawLetters[state], word, word, " group="+word+" unique="+word+" headers="+word+" backoff="+word, bytesToo), 0)
		rdb.HSet(ctx, key("more:"+id), fields...)
		rdb.ZAdd(ctx, key("ended:failed"), redis.Z{Score: 9e15, Member: id})
		rdb.RPush(ctx, key("history:"+id), `{"attempt":1,"code":"error","replica":"gone"}`, `{"attempt":1,"code":`+quoteJSON(hostile)+`,"replica":`+quoteJSON(hostile)+`,"error":`+quoteJSON(hostile)+`,"log":`+quoteJSON(hostile)+`}`)
	}
	rdb.ZAdd(ctx, key("ended:failed"), redis.Z{Score: 9e15, Member: bytesToo})
	rdb.Set(ctx, key("task:"+bytesToo), rawRecord("F", "k", "-", "", ""), 0)
	rdb.Set(ctx, key("task:garbage"), bytesToo, 0)
	rdb.HSet(ctx, key("run:default"), "b", bytesToo, "garbage", bytesToo, bytesToo, bytesToo)
	rdb.HSet(ctx, key("claims"), "1", bytesToo, bytesToo, bytesToo)
	rdb.ZAdd(ctx, key("leases"), redis.Z{Score: 9e15, Member: bytesToo})
	rdb.SAdd(ctx, key("queues"), bytesToo)
	rdb.HSet(ctx, key("meta"), "limit:group:"+bytesToo, 3, "limit:queue:"+bytesToo, 3)
	rdb.Set(ctx, key("task:"+hostile), rawRecord("w", "k", "-", "", "1"), 0)
	rdb.Set(ctx, key("unique:u"), hostile, 0)
	rdb.Set(ctx, key("foreign"+bytesToo), "x", 0)
	rdb.Set(ctx, key("broken:"+bytesToo), "x", 0)
	rdb.ZAdd(ctx, key("replicas"), redis.Z{Score: 9e15, Member: bytesToo}, redis.Z{Score: 1, Member: hostile})
	rdb.HSet(ctx, key("replica:"+bytesToo), "about", "{}", "runs_on", hostileHost, "kinds", bytesToo, "stuck", 3)
	rdb.HSet(ctx, key("group:head:default"), bytesToo, 5)
	rdb.ZAdd(ctx, key("wait:default"), redis.Z{Score: 1e17, Member: bytesToo + "2"})
	event := []any{"ids", bytesToo, "kind", bytesToo, "queue", bytesToo, "state", bytesToo, "code", bytesToo, "error", bytesToo, "replica", bytesToo,
		"meta", `{` + quoteJSON(hostile) + `:` + quoteJSON(hostile) + `}`, "result", bytesToo, "v", 1, "at", 1, "attempt", 1}
	if err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: key("events"), Values: event}).Err(); err != nil {
		t.Fatal(err)
	}

	c := newCommand(t, "LTS_POOL=p", "LTS_REDIS=redis://"+server.Addr()+"/0")
	c.write("batch", `{"kind":`+quoteJSON(hostile)+`,"`+"nonsense"+`":`+quoteJSON(hostile)+`}`)
	c.write("bad.yaml", "pool: \"a\\x1b[31m\"\n\"\\x1b]0;x\\a\": 1\nhandlers: {\"\\u202e\": {command: [\"\\x1b\"]}}\n")
	var ids []string
	for _, n := range []int{6, 7, 9} { // lengths of the state names; ls shows all tasks
		ids = append(ids, "h"+strconv.Itoa(n))
	}
	arguments := strings.ReplaceAll(hostile, "\x00", "") // the characters that a shell can pass
	calls := [][]string{
		{"ls"}, {"ls", "--limit", "2"}, append([]string{"get", "a"}, ids...), {"stats"}, {"limit"}, {"wait", "h6"}, {"wait", "h7", "h9"}, {"enqueue", "k", "--unique", "u"},
		{"enqueue", "k", "--id", "b"}, {"enqueue", arguments}, {"enqueue", "k", arguments}, {"enqueue", "k", "--id", arguments}, {"enqueue", "k", "--header", arguments},
		{"enqueue", "k", "--delay", arguments}, {"enqueue", "k", "--priority", arguments}, {"enqueue", "--batch", "batch"}, {"enqueue", "--batch", arguments}, {"get", arguments},
		{"ls", "--state", arguments}, {"ls", "--queue", arguments}, {"stop", arguments}, {arguments}, {"--" + arguments}, {"ls", "--pool", arguments}, {"ls", "--redis", arguments},
		{"ls", "--redis", "@" + arguments}, {"run", "-c", "bad.yaml"}, {"run", "-c", arguments}, {"tail", "--from", arguments}, {"pause", arguments}, {"limit", arguments, "3"},
		{"demo", arguments}, {"doctor", arguments}, {"doctor"}, {"queues"}, {"replicas"}, {"logs", "h6"}, {"logs", arguments}, {"stop", "--state", "waiting", "--yes"},
	}
	for _, args := range calls {
		out, errOut, _ := c.split(args...)
		inTerminal(t, fmt.Sprintf("%q", args), out)
		inTerminal(t, fmt.Sprintf("%q on standard error", args), errOut)
	}
	for _, args := range [][]string{{"ls", "--json"}, append([]string{"get", "a", "--json"}, ids...), {"stats", "--json"}, {"limit", "--json"}, {"doctor", "--json"},
		{"queues", "--json"}, {"replicas", "--json"}} {
		out, _, _ := c.split(args...)
		inTerminal(t, fmt.Sprint(args), out)
		dec := json.NewDecoder(strings.NewReader(out))
		for dec.More() {
			var v any
			if err := dec.Decode(&v); err != nil {
				t.Errorf("%v prints no JSON: %v", args, err)
				break
			}
		}
	}
	// JSON output is exact.
	var a struct {
		Payload string            `json:"payload_base64"`
		Headers map[string]string `json:"headers"`
	}
	out, _, _ := c.split("get", "a", "--json")
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	if payload, err := base64.StdEncoding.DecodeString(a.Payload); err != nil || !bytes.Equal(payload, []byte(bytesToo)) || a.Headers[hostile] != hostile {
		t.Errorf("got payload %q, headers %q", payload, a.Headers)
	}

	var tailed diary
	c.start(&tailed, "tail", "--from", "0")
	eventually(t, patience, "the events", func() bool { return strings.Count(tailed.String(), "\n") >= 3 })
	inTerminal(t, "tail", tailed.String())
	if fixed, _ := c.run("doctor", "--fix"); true {
		inTerminal(t, "doctor --fix", fixed)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "pwned")); err == nil {
		t.Error("a shell ran hostile text")
	}
}

// rawLetters are the letters of the states in a record.
var rawLetters = map[string]string{"waiting": "w", "running": "w", "failed": "F", "stopped": "X", "succeeded": "S", "expired": "E"}

// rawRecord returns a record with extra words, as another program could write
// it.
func rawRecord(letter, kind, queue, words, payload string) string {
	return letter + "1 1700000000000 4468415255281664 " + kind + " " + queue + words + "\n" + payload
}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestPayloadsReachNoShell runs commands on hostile tasks. The commands must
// get every byte, on standard input and in the environment, and no shell may
// interpret any of it.
func TestPayloadsReachNoShell(t *testing.T) {
	server := redisserver.Start(t)
	rdb := server.Client(t)
	ctx := context.Background()
	c := newCommand(t, "LTS_POOL=p", "LTS_REDIS=redis://"+server.Addr()+"/0")
	c.write("tell.sh", "#!/bin/sh\nprintf '%s\\n' \"$LTS_TASK_ID\" >>ids\ncat >>payloads\nprintf '%b' 'oops \\033[31m\\n' >&2\nprintf '\\033[2J'\n")
	c.write("worker.yaml", "queues: {default: {workers: 1}}\nhandlers: {k: {command: [./tell.sh]}}\n")
	var log diary
	c.start(&log, "run", "-c", "worker.yaml")
	s := (&site{t: t, name: "p", rdb: rdb}).poolOn(server)
	eventually(t, patience, "a live replica", func() bool {
		live, err := s.Replicas(ctx)
		return err == nil && len(live) == 1
	})
	payload := hostile + "\xff\xfe"
	put := func(id, kind, payload string) { // the clients of ltsworker do not write this
		t.Helper()
		for _, err := range []error{
			rdb.Set(ctx, "lts:{p}:task:"+id, rawRecord("w", kind, "-", " max_attempts=1", payload), 0).Err(),
			rdb.HSet(ctx, "lts:{p}:more:"+id, "v", 1).Err(),
			rdb.ZAdd(ctx, "lts:{p}:wait:default", redis.Z{Score: 1, Member: id}).Err(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		enqueue(t, s, task.Spec{Kind: "k", Payload: []byte("1"), Priority: -9}) // wakes the replica
	}
	// Ids are sent in space-separated lists, so an id cannot contain a space.
	id := strings.Join(strings.Fields(strings.ReplaceAll(hostile, "\x00", "")), "") + "\xff"
	put(id, "k", payload)
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(c.dir, name))
		return string(b)
	}
	eventually(t, patience, "the command's run", func() bool {
		return strings.HasPrefix(read("ids"), id+"\n") && strings.HasPrefix(read("payloads"), payload)
	})

	// An environment variable cannot contain a NUL: the attempt fails, and the
	// replica continues.
	nul := "x\x00y"
	put(nul, "k", "1")
	eventually(t, patience, "its failure", func() bool { return strings.HasPrefix(rdb.Get(ctx, "lts:{p}:task:"+nul).Val(), "F1 ") })
	if got := await(t, s, enqueue(t, s, task.Spec{Kind: "k", Payload: []byte("1")})); got.State != task.Succeeded {
		t.Errorf("the next task %s: %s", got.State, got.Error)
	}
	inTerminal(t, "the log", log.String())
	left, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 5 {
		t.Errorf("the folder has %v", left)
	}
}
