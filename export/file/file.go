// Package file keeps the results of tasks in files.
//
//	results, err := file.New(file.Config{Dir: "/var/lib/media/results"})
//	…
//	pool.Config{Exports: map[string]pool.Export{"resize": {Exporter: results}}}
//
// Each result has a directory of its own, DIR/NAME-HASH, and is in the file FENCE in it. NAME
// is filled from a template, HASH belongs to kind, id, time of creation and generation of the
// task, and FENCE is the number of the save. So a save never writes to the file of another one. The newest save
// removes the files of older ones. A late one finds the newer file, and fails.
//
// A file is complete when it has its name: Save writes another file, synchronizes it with the
// disk, renames it, and synchronizes the directory. All replicas need the same directory, on
// one machine or on a shared file system.
package file

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// Config configures an Exporter.
type Config struct {
	// Dir is the directory of the results. New makes it if it does not exist. Required.
	Dir string
	// Name is a template of the names of results below Dir, with "/" between directories. It
	// may contain {kind}, {id}, {queue}, {group}, {generation} and {date}, the day on which the
	// task was enqueued (2006-01-02, UTC). A value stays within its place: characters other
	// than letters of ASCII, digits and -_=@+. are escaped, and a long value is cut. Default:
	// "{kind}/{id}".
	Name string
}

// Exporter keeps each result in a file. It is a task.Exporter. It is safe for concurrent use.
type Exporter struct {
	root *os.Root
	name string
}

var _ task.Exporter = (*Exporter)(nil)

// ErrDamaged is returned by Load if the file is not the one that Save has written.
var ErrDamaged = errors.New("the file is not the one that was saved")

// errSuperseded is returned by a save if a newer one has saved the result.
var errSuperseded = errors.New("a newer save of the result exists")

// reference is what Save returns.
type reference struct {
	File   string `json:"file"` // below Dir, with "/" between directories
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// fields are what a template may contain.
var fields = map[string]func(*task.Staged) string{
	"kind":       func(r *task.Staged) string { return r.Kind },
	"id":         func(r *task.Staged) string { return r.ID },
	"queue":      func(r *task.Staged) string { return r.Queue },
	"group":      func(r *task.Staged) string { return r.Group },
	"generation": func(r *task.Staged) string { return strconv.Itoa(r.Generation) },
	"date":       func(r *task.Staged) string { return r.CreatedAt.UTC().Format("2006-01-02") },
}

// New makes an exporter. It returns a *task.FieldError if a field of cfg cannot be used, and
// the error of the system if it cannot make or open the directory.
func New(cfg Config) (*Exporter, error) {
	if cfg.Dir == "" {
		return nil, &task.FieldError{Field: "dir", Msg: "must not be empty"}
	}
	cfg.Name = cmp.Or(cfg.Name, "{kind}/{id}")
	if err := checkName(cfg.Name); err != nil {
		return nil, &task.FieldError{Field: "name", Msg: err.Error()}
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("export to files: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("export to files: %w", err)
	}
	return &Exporter{root, cfg.Name}, nil
}

// Close closes the directory. Calls that follow fail.
func (e *Exporter) Close() error { return e.root.Close() }

// checkName returns what is wrong with a template.
func checkName(name string) error {
	sample := name
	for field := range fields {
		sample = strings.ReplaceAll(sample, "{"+field+"}", "x")
	}
	if strings.ContainsAny(sample, "{}\\\x00") {
		return errors.New("may contain {kind}, {id}, {queue}, {group}, {generation} and {date}, and no other braces and no backslash")
	}
	if !fs.ValidPath(sample) || sample == "." {
		return errors.New(`must be a path below the directory, without "." and ".." and without "/" at its ends`)
	}
	return nil
}

// dir returns the directory of a result.
func (e *Exporter) dir(r *task.Staged) string {
	name := e.name
	for field, value := range fields {
		name = strings.ReplaceAll(name, "{"+field+"}", escape(value(r)))
	}
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = part[:min(len(part), maxPart)]
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", r.Kind, r.ID, r.CreatedAt.UnixMilli(), r.Generation))
	return strings.Join(parts, "/") + "-" + hex.EncodeToString(h[:8])
}

// maxPart is the length, in bytes, at which the name of a directory is cut. File systems allow
// 255. The hash distinguishes results whose names are cut.
const maxPart = 200

// escape returns a value as a part of a file name.
func escape(value string) string {
	const most = 80
	var b strings.Builder
	for i := 0; i < len(value) && b.Len() < most; i++ {
		switch c := value[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_=@+", c) >= 0, c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}

// Save implements task.Exporter. It fails if a save with a higher fence has saved the result.
func (e *Exporter) Save(ctx context.Context, r *task.Staged) (task.Reference, error) {
	dir := e.dir(r)
	if err := e.mkdir(dir); err != nil {
		return nil, fmt.Errorf("export to a file: %w", err)
	}
	if err := e.check(dir, r.Fence, false); err != nil {
		return nil, fmt.Errorf("export to a file: %w", err)
	}
	name := path.Join(dir, strconv.FormatInt(r.Fence, 10))
	err := e.write(ctx, name, r.Result)
	if err == nil {
		err = e.sync(dir)
	}
	if err == nil {
		// Each save has its file before it checks for others. So of two saves at least one finds
		// the other.
		if err = e.check(dir, r.Fence, true); errors.Is(err, errSuperseded) {
			e.root.Remove(name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("export to a file: %w", err)
	}
	sum := sha256.Sum256(r.Result)
	return json.Marshal(reference{name, len(r.Result), hex.EncodeToString(sum[:])})
}

// mkdir makes a directory and those above it. It synchronizes each one above a new one.
func (e *Exporter) mkdir(dir string) error {
	err := e.root.Mkdir(dir, 0o750)
	if errors.Is(err, fs.ErrNotExist) && path.Dir(dir) != "." {
		if err = e.mkdir(path.Dir(dir)); err == nil {
			err = e.root.Mkdir(dir, 0o750)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.sync(path.Dir(dir))
}

// check returns errSuperseded if the directory has the file of a save with a higher fence. With
// remove, it removes what saves with lower fences have left.
func (e *Exporter) check(dir string, fence int64, remove bool) error {
	entries, err := fs.ReadDir(e.root.FS(), dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		of, isTemp := strings.CutSuffix(entry.Name(), temp)
		n, err := strconv.ParseInt(of, 10, 64)
		switch {
		case err != nil: // the file of another program
		case n > fence && !isTemp:
			return errSuperseded
		case n < fence && remove:
			if err := e.root.Remove(path.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// temp ends the name of a file that is not complete.
const temp = ".tmp"

// write writes a file that has its name only when it is complete.
func (e *Exporter) write(ctx context.Context, name string, data []byte) error {
	f, err := e.root.OpenFile(name+temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close(), ctx.Err())
	if err == nil {
		err = e.root.Rename(name+temp, name)
	}
	if err != nil {
		e.root.Remove(name + temp)
	}
	return err
}

// sync synchronizes a directory with the disk.
func (e *Exporter) sync(dir string) error {
	d, err := e.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load implements task.Exporter. It reads no file outside of the directory. It returns
// ErrDamaged for a file with other bytes, and an error that wraps fs.ErrNotExist if there is
// no file.
func (e *Exporter) Load(_ context.Context, ref task.Reference) ([]byte, error) {
	at, err := parse(ref)
	if err != nil {
		return nil, err
	}
	f, err := e.root.Open(at.File)
	if err != nil {
		return nil, fmt.Errorf("read a result: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(at.Bytes)+1))
	if err != nil {
		return nil, fmt.Errorf("read a result: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != at.SHA256 {
		return nil, fmt.Errorf("read a result: %s: %w", at.File, ErrDamaged)
	}
	return data, nil
}

// Delete implements task.Exporter.
func (e *Exporter) Delete(_ context.Context, ref task.Reference) error {
	at, err := parse(ref)
	if err != nil {
		return err
	}
	if err := e.root.Remove(at.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete a result: %w", err)
	}
	e.root.Remove(path.Dir(at.File)) // fails if it has other files
	return nil
}

func parse(ref task.Reference) (at reference, err error) {
	if err := json.Unmarshal(ref, &at); err != nil || at.File == "" || at.Bytes < 0 {
		return at, errors.New("the reference is not one of this exporter")
	}
	if !fs.ValidPath(at.File) {
		return at, errors.New("the reference names a file outside of the directory")
	}
	return at, nil
}
