// Package batch reads the tasks of an NDJSON file. It lists the tasks that were not made
// by the lines of the file.
package batch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// byteOrderMark is what some editors write at the beginning of a file.
const byteOrderMark = "\xef\xbb\xbf"

// maxProblems is how many invalid lines an error lists.
const maxProblems = 50

// Open opens the file of a batch. A directory is an error.
func Open(name string) (*os.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, fmt.Errorf("%s is a directory", name)
	}
	return file, nil
}

// Read reads a task from each line, and returns the numbers of these lines. Empty
// lines are skipped. The error lists what is wrong with every invalid line. read is
// called every 100 lines with the number of lines so far.
func Read(in io.Reader, name string, read func(n int)) (specs []task.Spec, at []int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), redisstore.MaxEntry)
	var problems []string
	n, bad := 0, 0
	report := func(line int, msg string) {
		if bad++; bad <= maxProblems {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", name, line, msg))
		}
	}
	for lines.Scan() {
		if n++; n%100 == 0 {
			read(n)
		}
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		spec, err := redisstore.ParseEntry(bytes.Clone(line))
		if err != nil {
			report(n, strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		specs, at = append(specs, spec), append(at, n)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		n++
		report(n, fmt.Sprintf("is longer than %d bytes; the lines after it were not read", redisstore.MaxEntry))
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	if bad > maxProblems {
		problems = append(problems, fmt.Sprintf("and %d more", bad-maxProblems))
	}
	if bad > 0 {
		return nil, nil, &InvalidError{fmt.Errorf("no task was made: %s of %d cannot be used\n%s", terminal.Count(bad, "line"), n, strings.Join(problems, "\n"))}
	}
	if len(specs) == 0 {
		return nil, nil, &InvalidError{fmt.Errorf("%s holds no task", name)}
	}
	return specs, at, nil
}

// InvalidError is returned when a batch has no task or a line that is none.
type InvalidError struct{ err error }

func (e *InvalidError) Error() string { return e.err.Error() }

func (e *InvalidError) Unwrap() error { return e.err }
