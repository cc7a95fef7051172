package config

import (
	"strings"
	"testing"
)

// A replica whose tasks all need one engine takes none while the engine is away.
func TestReplicaOfContainersNeedsItsEngine(t *testing.T) {
	const away = "docker: {image: a, host: 'unix:///nonexistent/sock'}"
	for name, c := range map[string]struct {
		handlers string
		want     string // of the refusal; "" if it never refuses
	}{
		"containers":             {"{a: {" + away + "}, b: {" + away + "}}", "the Docker engine does not answer: "},
		"disabled command":       {"{a: {" + away + "}, b: {command: [cat], disabled: true}}", "the Docker engine does not answer: "},
		"commands":               {"{a: {command: [cat]}}", ""},
		"containers and command": {"{a: {" + away + "}, b: {command: [cat]}}", ""},
		"two engines":            {"{a: {" + away + "}, b: {docker: {image: a, host: 'unix:///nonexistent/other'}}}", ""},
	} {
		file := parse("f.yaml", []byte("queues: {default: }\nhandlers: "+c.handlers+"\n"))
		if _, err := file.Commands("media", nil); err != nil || file.Err() != nil {
			t.Fatal(err, file.Err())
		}
		admit := file.Admit()
		if (admit != nil) != (c.want != "") {
			t.Errorf("%s: refuses %t", name, admit != nil)
		} else if admit != nil {
			if err := admit(t.Context()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	both := parse("f.yaml", []byte("queues: {default: }\nadmission: {min_free_memory: 1000TiB}\nhandlers: {a: {"+away+"}}\n"))
	if err := both.Admit()(t.Context()); err == nil || strings.Contains(err.Error(), "Docker") {
		t.Errorf("the admission of the file comes first: %v", err)
	}
}
