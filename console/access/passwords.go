package access

import (
	"hash/maphash"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// passwords is the current content of a password file. Each call checks the file and reads it again
// after a change.
type passwords struct {
	path string
	log  *slog.Logger
	seed maphash.Seed // makes the choice in decoy different in each process

	mu      sync.Mutex
	content *record  // nil while the file cannot be used
	err     error    // why
	orphans []string // of the last content
}

func openPasswords(path string, log *slog.Logger) (*passwords, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	p := &passwords{path: path, log: log, seed: maphash.MakeSeed(), content: content}
	p.warn(content)
	return p, nil
}

// settled is the age from which on the modification time of a file identifies its content: a second
// change shortly after the first one may have the same time.
const settled = 2 * time.Second

// current returns the content of the file. While the file cannot be used it returns the
// error: a mistake in it must not keep the rights of a user who was removed.
func (p *passwords) current() (*record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stat, err := os.Stat(p.path)
	if err == nil && p.content != nil && same(stat, p.content.info) && time.Since(stat.ModTime()) > settled {
		return p.content, nil
	}
	if p.content = nil; err == nil {
		if p.content, err = readFile(p.path); err == nil {
			p.warn(p.content)
		}
	}
	switch {
	case err == nil && p.err != nil:
		p.log.Info("the password file can be used again", "file", p.path)
	case err != nil && (p.err == nil || p.err.Error() != err.Error()):
		p.log.Error("the password file cannot be used: its users cannot log in", "err", err)
	}
	p.err = err
	return p.content, err
}

// warn logs tokens whose users are missing, once after each change of these tokens.
func (p *passwords) warn(r *record) {
	if !slices.Equal(r.orphans, p.orphans) && len(r.orphans) > 0 {
		p.log.Warn("tokens of users who are missing are ignored: remove their lines", "file", p.path, "tokens", r.orphans)
	}
	p.orphans = r.orphans
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// decoy returns a digest that no password has. A login with an unknown name is compared with it, so
// that it takes as long as the login of a user. Its parameters are those of one of the users, always
// the same one for a name.
func (p *passwords) decoy(r *record, name string) digest {
	d := r.accounts[maphash.String(p.seed, name)%uint64(len(r.accounts))].digest
	// A key of zeros of the same length. No password with this hash can be found.
	return digest{params: d.params, salt: d.salt, key: make([]byte, len(d.key))}
}
