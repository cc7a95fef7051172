package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// maxSkipNotes is the number of files that are named in notes.
const maxSkipNotes = 5

// File is a file to checksum.
type File struct {
	path string // absolute
	info fs.FileInfo
}

// DirError is returned when the directory cannot be used: it cannot be read, or there is
// no file to read.
type DirError struct{ err error }

func (e *DirError) Error() string { return e.err.Error() }
func (e *DirError) Unwrap() error { return e.err }

// FindFiles returns the regular files under dir, in order. It does not follow symbolic
// links. The notes name files that were left out since they cannot be read.
func FindFiles(dir string) (files []File, notes []string, err error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("find %s: %w", dir, err)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, nil, &DirError{fmt.Errorf("cannot use the directory: %w", err)}
	} else if !info.IsDir() {
		return nil, nil, &DirError{fmt.Errorf("%s is not a directory", dir)}
	}
	// dir itself may be a symbolic link.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, nil, &DirError{fmt.Errorf("cannot use the directory: %w", err)}
	}
	skipped := 0
	skip := func(path string, why error) {
		if skipped++; skipped <= maxSkipNotes {
			notes = append(notes, fmt.Sprintf("left out %s: %v", terminal.Visible(path), why))
		}
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			skip(path, reason(err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		case !utf8.ValidString(path):
			skip(path, errors.New("its name is not UTF-8, which the JSON of a payload needs"))
			return nil
		}
		info, err := d.Info()
		if err == nil {
			var f *os.File
			if f, err = os.Open(path); err == nil {
				f.Close()
			}
		}
		if err != nil {
			skip(path, reason(err))
			return nil
		}
		files = append(files, File{path: path, info: info})
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("walk %s: %w", dir, err)
	}
	if skipped > maxSkipNotes {
		notes = append(notes, fmt.Sprintf("left out %d more", skipped-maxSkipNotes))
	}
	if len(files) == 0 {
		return nil, nil, &DirError{fmt.Errorf("there is no file to read under %s: name a directory that has some", dir)}
	}
	return files, notes, nil
}

// reason returns err without the path, which the note names.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// priority is higher for small files, so that some tasks end soon.
func (f File) priority() int8 {
	switch size := f.info.Size(); {
	case size < 16<<10:
		return 10
	case size < 1<<20:
		return 0
	}
	return -10
}

// unchanged reports whether size and time of the file are the same as when it was
// found.
func (f File) unchanged() bool {
	info, err := os.Stat(f.path)
	return err == nil && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime())
}

// checksum is the result of a task.
type checksum struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func sumFile(path string) (checksum, error) {
	f, err := os.Open(path)
	if err != nil {
		return checksum{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return checksum{}, err
	}
	return checksum{Path: path, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
