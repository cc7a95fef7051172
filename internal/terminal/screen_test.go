package terminal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyAListThatGoesIntoAFileIsCounted(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "list"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	from, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer pipe.Close()
	if !IsFile(file) || IsFile(pipe) || IsFile(new(bytes.Buffer)) {
		t.Errorf("file %v, pipe %v, buffer %v", IsFile(file), IsFile(pipe), IsFile(new(bytes.Buffer)))
	}
}
