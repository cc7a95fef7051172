package bulk

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// chunk returns a part of the list of counted tasks: lines with id, version and the time at which
// the task was made, compressed. Ids that the pool makes begin alike, so a task takes about 15
// bytes.
func chunk(tasks []*task.Task) (string, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return "", err
	}
	for _, t := range tasks {
		if _, err := fmt.Fprintf(w, "%s %d %d\n", t.ID, t.Version, t.CreatedAt.UnixMilli()); err != nil {
			return "", err
		}
	}
	err = w.Close()
	return out.String(), err
}

// unpack is the reverse of chunk.
func unpack(text string) (tasks []redisstore.CountedTask, err error) {
	lines, err := io.ReadAll(flate.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("the list of counted tasks cannot be read: %w", err)
	}
	for line := range strings.Lines(string(lines)) {
		var t redisstore.CountedTask
		if _, err := fmt.Sscanf(line, "%s %d %d\n", &t.ID, &t.Version, &t.Created); err != nil {
			return nil, fmt.Errorf("the list of counted tasks has the line %q: %w", line, err)
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}
