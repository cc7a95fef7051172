package docs_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/integration/program"
)

// TestBlocksInOtherLanguagesAreSound checks the blocks in other languages. It parses the blocks
// marked as js and ruby with their interpreters, if these are installed. ltsworker itself reads the
// blocks marked as yaml as config files.
func TestBlocksInOtherLanguagesAreSound(t *testing.T) {
	bin := program.Path(t)
	checks := map[string]func(t *testing.T, text string) ([]byte, error){
		"js": func(t *testing.T, text string) ([]byte, error) {
			return parsed(t, "node", "--check", "block.mjs", text) // as a module, which may use await
		},
		"ruby": func(t *testing.T, text string) ([]byte, error) {
			return parsed(t, "ruby", "-c", "block.rb", text)
		},
		"yaml": func(t *testing.T, text string) ([]byte, error) { return configured(t, bin, text) },
	}
	n := 0
	for _, page := range pagesIn(t, top) {
		for _, b := range blocksIn(t, page) {
			check := checks[b.language]
			if check == nil {
				continue
			}
			n++
			if out, err := check(t, b.text); err != nil {
				t.Errorf("%s:%d: %v\n%s", page, b.line, err, out)
			}
		}
	}
	if n == 0 {
		t.Fatal("there is no such block on any page")
	}
	t.Logf("%d blocks", n)

	for language, wrong := range map[string]string{
		"js": "await redis.rPush(", "ruby": "redis.rpush('a'", "yaml": "queues:\n  default: {worker: 5}\n",
	} {
		if out, err := checks[language](t, wrong); err == nil && !absent(language) {
			t.Errorf("%s: %q passes: %s", language, wrong, out)
		}
	}
}

// absent reports whether the interpreter of a language is not installed.
func absent(language string) bool {
	program := map[string]string{"js": "node", "ruby": "ruby"}[language]
	if program == "" {
		return false
	}
	_, err := exec.LookPath(program)
	return err != nil
}

// parsed makes an interpreter parse a text without running it.
func parsed(t *testing.T, program, flag, name, text string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Logf("%s is not installed: not checked", program)
		return nil, nil
	}
	file := filepath.Join(t.TempDir(), name)
	write(t, file, text)
	return exec.Command(program, flag, file).CombinedOutput()
}

// configured makes ltsworker read a text as its config file. The commands of its handlers do not
// have to be installed.
func configured(t *testing.T, bin, text string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	var c struct {
		Handlers map[string]struct{ Command []string }
	}
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		return nil, err
	}
	for _, h := range c.Handlers {
		if len(h.Command) > 0 {
			write(t, filepath.Join(dir, h.Command[0]), "#!/bin/sh\n")
		}
	}
	file := filepath.Join(dir, "block.yaml")
	write(t, file, text)
	// Nothing listens on port 1. If the connection is refused, the file was accepted.
	cmd := exec.Command(bin, "--redis", "redis://127.0.0.1:1/0", "run", "-c", file)
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 3 {
		return out, nil
	}
	return out, err
}

// fenced is a code block of a page. line is the number of its first line.
type fenced struct {
	language string
	line     int
	text     string
}

func blocksIn(t *testing.T, page string) (blocks []fenced) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		language, fence := strings.CutPrefix(lines.Text(), "```")
		switch {
		case fence && !inside:
			blocks = append(blocks, fenced{language: language, line: n + 1})
			inside = true
		case fence:
			inside = false
		case inside:
			blocks[len(blocks)-1].text += lines.Text() + "\n"
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return blocks
}
